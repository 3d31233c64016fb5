"""Columns brought into the form that row-writing kernels read: one matrix of numbers into two arenas of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate.columns import I64, SLACK, U8, Column, Table, concatenate, copy_exact, sixteen

_NOTHING = concatenate([])


@dataclass(frozen=True)
class Cells:
    """`index[c, r]` is the text of column c in row r: of `lasting` below its length, else of `fresh`."""

    index: npt.NDArray[np.int32]
    lasting: Table
    fresh: Table


@dataclass
class Arena:
    """Tables that last for a run, laid behind one another once; joined tables are made once too."""

    _places: dict[int, int] = field(default_factory=dict)
    _kept: list[Table] = field(default_factory=list)
    _joined: dict[tuple[int, ...], Table] = field(default_factory=dict)
    _whole: Table = _NOTHING
    _scratch: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def cells(self, columns: Sequence[Column], joint: bytes | None = None) -> Cells:
        """The cells of some columns, good until the next ones are asked for: their memory is used again.

        With `joint`, neighbours that are numbered alike become one column, their texts joined by it.
        """
        merged = list(columns) if joint is None else self._merge(columns, joint)
        for column in merged:
            if column.table.lasting and id(column.table) not in self._places:
                self._keep(column.table)
        index: npt.NDArray[np.int32] = self._room("index", len(merged) * len(merged[0]), np.int32).reshape(len(merged), -1)
        fresh: list[Table] = []
        base = len(self._whole)
        for number, column in enumerate(merged):
            if column.table.lasting:
                place = self._places[id(column.table)]
            else:
                place, base = base, base + len(column.table)
                fresh.append(column.table)
            np.add(column.index, np.int32(place), out=index[number])
        return Cells(index, self._whole, self._behind_one_another(fresh))

    def _behind_one_another(self, tables: list[Table]) -> Table:
        """`concatenate`, in memory that is used again."""
        total = sum(map(len, tables))
        starts, ends = self._room("starts", total, np.int64), self._room("ends", total, np.int64)
        data = self._room("data", sum(len(table.data) for table in tables) + SLACK, np.uint8)
        row = place = 0
        for table in tables:
            np.add(table.starts, place, out=starts[row : row + len(table)])
            np.add(table.ends, place, out=ends[row : row + len(table)])
            data[place : place + len(table.data)] = table.data
            row, place = row + len(table), place + len(table.data)
        data[place:] = 0
        return Table(starts, ends, data)

    def _room(self, name: str, size: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """`size` numbers of whatever is there."""
        held = self._scratch.get(name)
        if held is None or len(held) < size:
            held = self._scratch[name] = np.empty(size + size // 4, dtype=kind)
        return held[:size]

    def _keep(self, table: Table) -> None:
        self._places[id(table)] = len(self._whole)
        self._kept.append(table)
        self._whole = concatenate([self._whole, table])

    def _merge(self, columns: Sequence[Column], joint: bytes) -> list[Column]:
        runs: list[list[Column]] = []
        for column in columns:
            if runs and runs[-1][0].index is column.index and runs[-1][0].table.lasting == column.table.lasting:
                runs[-1].append(column)
            else:
                runs.append([column])
        return [run[0] if len(run) == 1 else Column(run[0].index, self._join([column.table for column in run], joint)) for run in runs]

    def _join(self, tables: list[Table], joint: bytes) -> Table:
        key = tuple(id(table) for table in tables)
        if key in self._joined:
            return self._joined[key]
        whole = tables[0]
        for table in tables[1:]:
            size = int((whole.ends - whole.starts).sum() + (table.ends - table.starts).sum()) + len(table) * len(joint)
            starts, ends = np.empty(len(table), dtype=np.int64), np.empty(len(table), dtype=np.int64)
            data, between = np.empty(size, dtype=np.uint8), np.frombuffer(joint, dtype=np.uint8)
            _join(whole.starts, whole.ends, whole.data, table.starts, table.ends, table.data, between, starts, ends, data)
            whole = Table(starts, ends, data, table.lasting)
        if whole.lasting:
            self._joined[key] = whole
            self._kept += tables  # an id is of an object only as long as the object lives
        return whole


@njit(cache=True, nogil=True)
def _join(starts, ends, data, other_starts, other_ends, other, joint, out_starts, out_ends, out):  # type: ignore[no-untyped-def]
    at = 0
    for i in range(starts.shape[0]):
        out_starts[i] = at
        at = copy_exact(out, at, data, starts[i], ends[i])
        for j in range(joint.shape[0]):
            out[at] = joint[j]
            at += 1
        at = copy_exact(out, at, other, other_starts[i], other_ends[i])
        out_ends[i] = at


def lines(cells: Cells, separator: bytes, widest: int, out: U8, first: int) -> tuple[int, int]:
    """Write rows from `first` on as lines into `out`; (row behind the last written, bytes written).

    `widest` is the greatest of `widths`; it stops where a row of that width would not fit.
    """
    row, at = _lines(
        cells.index, np.uint64(len(cells.lasting)), cells.lasting.starts, cells.lasting.ends, cells.lasting.data, cells.fresh.starts,
        cells.fresh.ends, cells.fresh.data, np.uint8(separator[0]), np.uint64(widest + SLACK), out, first,
    )  # fmt: skip
    return int(row), int(at)


def widths(cells: Cells) -> I64:
    """Bytes of each row as a line."""
    out = np.empty(cells.index.shape[1], dtype=np.int64)
    lasting, fresh = cells.lasting, cells.fresh
    _widths(cells.index, len(lasting), lasting.starts, lasting.ends, fresh.starts, fresh.ends, out)
    return out


@njit(cache=True, nogil=True)
def _widths(index, fixed, starts, ends, own_starts, own_ends, out):  # type: ignore[no-untyped-def]
    for r in range(index.shape[1]):
        size = index.shape[0]
        for c in range(index.shape[0]):
            k = index[c, r]
            size += ends[k] - starts[k] if k < fixed else own_ends[k - fixed] - own_starts[k - fixed]
        out[r] = size


@njit(cache=True, nogil=True)
def _lines(index, fixed, starts, ends, data, own_starts, own_ends, own, separator, widest, out, first):  # type: ignore[no-untyped-def]
    at, one, step, columns = np.uint64(0), np.uint64(1), np.uint64(16), index.shape[0]
    room = np.uint64(out.shape[0])
    for r in range(first, index.shape[1]):
        if at + widest > room:
            return r, at
        for c in range(columns):
            k = np.uint64(index[c, r])
            done = np.uint64(0)
            if k < fixed:
                a = np.uint64(starts[k])
                size = np.uint64(ends[k]) - a
                while done < size:
                    sixteen(out, at + done, data, a + done)
                    done += step
            else:
                k -= fixed
                a = np.uint64(own_starts[k])
                size = np.uint64(own_ends[k]) - a
                while done < size:
                    sixteen(out, at + done, own, a + done)
                    done += step
            at += size
            out[at] = separator
            at += one
        out[at - one] = 10
    return index.shape[1], at
