"""Text columns as kernels write them: numbers of rows into tables of texts, never a Python string a row.

A table holds m texts as spans of one array of bytes, in any order and also overlapping. A column is n numbers into a table: few texts for
many rows (names, terms), or one a row (HGVS). Writers copy bytes; Arrow takes the same arrays as dictionary-encoded columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from processors.annotate.text import put_number
from processors.knowledge.strings import StringTable, read_only, table_of

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Table:
    """m texts, each `data[starts[k]:ends[k]]`. `lasting`: the same for every chunk of a run, so writers may prepare it once."""

    starts: I64
    ends: I64
    data: U8
    lasting: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def of(cls, texts: Sequence[str], *, lasting: bool = False) -> Table:
        return cls.of_strings(table_of(texts), lasting=lasting)

    @classmethod
    def of_strings(cls, table: StringTable, *, last: str | None = None, empty: str = "", lasting: bool = False) -> Table:
        """Texts of a string table; with `last`, one more behind them. `empty` stands in for texts without a letter."""
        tail = np.frombuffer(((last or "") + empty).encode(), dtype=np.uint8)
        base, begin = len(table.data), len((last or "").encode())
        starts, ends = table.offsets[:-1].astype(np.int64), table.offsets[1:].astype(np.int64)
        if empty:
            void = starts == ends
            starts[void], ends[void] = base + begin, base + len(tail)
        if last is not None:
            starts, ends = np.append(starts, base), np.append(ends, base + begin)
        return cls(starts, ends, np.concatenate([np.asarray(table.data), tail]), lasting)

    @classmethod
    def of_arrow(cls, array: pa.Array[Any], empty: str = "") -> Table:
        """Texts of a string or large_string array; `empty` stands in for nulls and texts without a letter."""
        kind = np.int64 if pa.types.is_large_string(array.type) else np.int32
        _, offsets, data = array.buffers()
        places = np.frombuffer(offsets, dtype=kind)[array.offset : array.offset + len(array) + 1].astype(np.int64)
        letters = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else _NOTHING
        if not empty:
            return cls(places[:-1], places[1:], letters)
        starts, ends = places[:-1].copy(), places[1:].copy()
        void = starts == ends
        starts[void], ends[void] = len(letters), len(letters) + len(empty)
        return cls(starts, ends, np.concatenate([letters, np.frombuffer(empty.encode(), dtype=np.uint8)]))

    @classmethod
    def of_written(cls, offsets: I64, data: U8, empty: str) -> Table:
        """Texts as a kernel writes them: text k is `data[offsets[k]:offsets[k + 1]]`, n + 1 offsets. The last of the table's n + 1 texts is
        `empty`, which also stands in for texts without a letter; it is written behind them where `data` has room."""
        n, used = len(offsets) - 1, int(offsets[-1])
        letters = np.frombuffer(empty.encode(), dtype=np.uint8)
        behind = used + len(letters)
        if behind <= len(data):
            data[used:behind] = letters
        else:
            data = np.concatenate([data[:used], letters])
        starts, ends = np.full(n + 1, used, dtype=np.int64), np.full(n + 1, behind, dtype=np.int64)
        said = offsets[1:] > offsets[:-1]
        np.copyto(starts[:n], offsets[:-1], where=said)
        np.copyto(ends[:n], offsets[1:], where=said)
        return cls(starts, ends, data[:behind])

    def arrow(self) -> pa.Array[Any]:
        """All texts as a string array."""
        offsets, data = _dense(self.starts, self.ends, self.data)
        return pa.LargeStringArray.from_buffers(len(self), pa.py_buffer(offsets), pa.py_buffer(data)).cast(pa.string())

    def __getitem__(self, number: int) -> str:
        return self.data[self.starts[number] : self.ends[number]].tobytes().decode()


@dataclass(frozen=True, eq=False)
class Column:
    """Row r reads text `index[r]` of the table."""

    index: I32
    table: Table

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: npt.NDArray[Any]) -> Column:
        return Column(self.index[rows], self.table)

    def arrow(self) -> pa.DictionaryArray:
        """A dictionary-encoded string column that holds only texts that occur."""
        index, used = _compact(self.index, len(self.table))
        texts = Table(self.table.starts[used], self.table.ends[used], self.table.data).arrow()
        return pa.DictionaryArray.from_arrays(pa.array(index), texts)

    def texts(self) -> list[str]:
        """The rows as Python strings; for few of them."""
        return [self.table[int(number)] for number in self.index]


def concatenate(tables: Sequence[Table]) -> Table:
    """The texts of some tables behind one another, with SLACK behind the last."""
    if not tables:
        return Table(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), _SLACK)
    before = np.cumsum([0, *(len(table.data) for table in tables)])
    starts = np.concatenate([table.starts + place for table, place in zip(tables, before, strict=False)])
    ends = np.concatenate([table.ends + place for table, place in zip(tables, before, strict=False)])
    return Table(starts, ends, np.concatenate([*(table.data for table in tables), _SLACK]))


def stack(columns: Sequence[Column]) -> Column:
    """The rows of some columns behind one another."""
    before = np.cumsum([0, *(len(column.table) for column in columns)])
    index = np.concatenate([column.index + np.int32(place) for column, place in zip(columns, before, strict=False)])
    return Column(index, concatenate([column.table for column in columns]))


def own(table: Table) -> Column:
    """A column whose rows are the table's texts, in order."""
    return Column(np.arange(len(table), dtype=np.int32), table)


def constant(text: str, rows: int) -> Column:
    return Column(np.zeros(rows, dtype=np.int32), Table.of([text]))


@dataclass
class Vocabulary:
    """Texts of numbers, each made once by `write` when it is first met; the same few numbers come again in every chunk."""

    write: Callable[[int], str]
    _known: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    _texts: dict[int, str] = field(default_factory=dict)
    _table: Table = field(default_factory=lambda: Table.of([]))

    def column(self, values: npt.NDArray[np.uint64]) -> Column:
        index = np.empty(len(values), dtype=np.int32)
        values = read_only(values)
        fresh = np.empty(len(values), dtype=np.uint64)
        if missed := int(_find(self._known, values, index, fresh)):
            self._texts |= {value: self.write(value) for value in set(fresh[:missed].tolist())}
            self._known = np.array(sorted(self._texts), dtype=np.uint64)
            self._table = Table.of([self._texts[value] for value in self._known.tolist()])
            _find(self._known, values, index, fresh)
        return Column(index, self._table)


def numbers(values: npt.NDArray[np.int64], shown: npt.NDArray[np.bool_], missing: str) -> Column:
    """Decimal numbers where `shown`, else `missing`."""
    return _written(_put_numbers, missing, 21, values, shown)


def _written(kernel: Any, missing: str, width: int, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Column:
    blank = np.frombuffer(missing.encode(), dtype=np.uint8)
    data = np.empty(len(blank) + width * len(first), dtype=np.uint8)
    data[: len(blank)] = blank
    starts, ends = np.empty(len(first), dtype=np.int64), np.empty(len(first), dtype=np.int64)
    used = kernel(first, second, len(blank), starts, ends, data)
    return own(Table(starts, ends, data[:used]))


@njit(cache=True, nogil=True)
def sixteen(out, at, data, a):  # type: ignore[no-untyped-def]
    """Copy sixteen bytes at once: all are read before any is written, which the compiler turns into one load and one store.

    A short text copied byte by byte takes ten times as long. So whoever copies with this reads and writes up to 15 bytes too many: both
    arrays end SLACK bytes later than they need to. All numbers are uint64, since a signed index costs a test.
    """
    u = np.uint64
    b0, b1, b2, b3 = data[a], data[a + u(1)], data[a + u(2)], data[a + u(3)]
    b4, b5, b6, b7 = data[a + u(4)], data[a + u(5)], data[a + u(6)], data[a + u(7)]
    b8, b9, b10, b11 = data[a + u(8)], data[a + u(9)], data[a + u(10)], data[a + u(11)]
    b12, b13, b14, b15 = data[a + u(12)], data[a + u(13)], data[a + u(14)], data[a + u(15)]
    out[at] = b0
    out[at + u(1)] = b1
    out[at + u(2)] = b2
    out[at + u(3)] = b3
    out[at + u(4)] = b4
    out[at + u(5)] = b5
    out[at + u(6)] = b6
    out[at + u(7)] = b7
    out[at + u(8)] = b8
    out[at + u(9)] = b9
    out[at + u(10)] = b10
    out[at + u(11)] = b11
    out[at + u(12)] = b12
    out[at + u(13)] = b13
    out[at + u(14)] = b14
    out[at + u(15)] = b15


@njit(cache=True, nogil=True)
def copy_exact(out, at, data, a, b):  # type: ignore[no-untyped-def]
    """Write data[a:b] at `at` and touch nothing else; the place behind it."""
    to, source = np.uint64(at), np.uint64(a)
    for i in range(np.uint64(b - a)):
        out[to + i] = data[source + i]
    return at + (b - a)


@njit(cache=True, nogil=True)
def _put_numbers(values, shown, blank, starts, ends, data):  # type: ignore[no-untyped-def]
    at = blank
    for i in range(values.shape[0]):
        starts[i], ends[i] = 0, blank
        if shown[i]:
            starts[i] = at
            at = put_number(data, at, values[i])
            ends[i] = at
    return at


@njit(cache=True, nogil=True)
def _find(known, values, index, fresh):  # type: ignore[no-untyped-def]
    """Place of each value in sorted `known`. How many are not in it; these are written to `fresh`, once for a run of equal ones."""
    last, place, missed = np.uint64(0), -1, 0
    for i in range(values.shape[0]):
        value = values[i]
        if i == 0 or value != last:  # rows of one allele often say the same
            low, high = 0, known.shape[0]
            while low < high:
                middle = (low + high) // 2
                if known[middle] < value:
                    low = middle + 1
                else:
                    high = middle
            if low == known.shape[0] or known[low] != value:
                fresh[missed] = value
                missed += 1
            last, place = value, low
        index[i] = place
    return missed


@njit(cache=True, nogil=True)
def _compact(index, texts):  # type: ignore[no-untyped-def]
    """Numbers into only those texts that occur, and which these are, in the order in which they first occur."""
    number = np.full(texts, -1, dtype=np.int32)
    used = np.empty(min(texts, index.shape[0]), dtype=np.int64)
    out = np.empty(index.shape[0], dtype=np.int32)
    count = 0
    for i in range(index.shape[0]):
        k = index[i]
        if number[k] < 0:
            number[k] = count
            used[count] = k
            count += 1
        out[i] = number[k]
    return out, used[:count]


@njit(cache=True, nogil=True)
def _dense(starts, ends, data):  # type: ignore[no-untyped-def]
    offsets = np.zeros(starts.shape[0] + 1, dtype=np.int64)
    for i in range(starts.shape[0]):
        offsets[i + 1] = offsets[i] + ends[i] - starts[i]
    out = np.empty(max(offsets[-1], 1), dtype=np.uint8)
    for i in range(starts.shape[0]):
        copy_exact(out, offsets[i], data, starts[i], ends[i])
    return offsets, out


_NOTHING: U8 = np.zeros(1, dtype=np.uint8)
SLACK = 16
"""Bytes behind the last text that `sixteen` may read, and behind the last place that it may write."""
_SLACK: U8 = np.zeros(SLACK, dtype=np.uint8)
