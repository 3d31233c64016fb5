"""Sorted runs: what a build holds on disk between reading and merging.

A run is a folder of `.npy` files, its rows sorted by key, preference and order of reading: `keys`, one file a column and a preference, the
spelling of its long alleles. Runs of one reader are numbered as they are read.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.knowledge.pack import PackError
from processors.knowledge.strings import StringTable
from schemas.identity import is_long

if TYPE_CHECKING:
    from processors.knowledge.allele_parts import Recipe, Rows

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
ROWS_A_RUN = 1 << 19
"""Rows held in memory before they are sorted and written; a row of gnomAD with all its groups is about 150 bytes."""


class Spill:
    """Takes blocks of rows, writes sorted runs below `folder`."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self._folder = folder
        self._recipe = recipe
        self._held: list[dict[str, Any]] = []
        self._count = 0
        self.rows = 0
        self.runs: list[Path] = []

    def add(self, block: Rows) -> None:
        """Raises PackError where columns are missing or of another length."""
        if len(block) == 0:
            return
        held: dict[str, Any] = {"keys": np.asarray(block.ids, dtype=np.uint64), "long": _long_texts(block)}
        for column in self._recipe.columns:
            held[column.name] = column.stored(_given(block, column.name))
        for name, _ in self._recipe.sort_keys:
            held.setdefault(name, np.asarray(_given(block, name)))
        if self._recipe.filtered:
            held["failed"] = np.asarray(_given(block, self._recipe.filtered)).astype(np.uint8)
        for name, values in held.items():
            if name != "long" and len(values) != len(block):
                raise PackError(f"a block of {len(block)} rows has {len(values)} values of {name}")
        self._held.append(held)
        self._count += len(block)
        self.rows += len(block)
        if self._count >= ROWS_A_RUN:
            self.flush()

    def flush(self) -> None:
        """Write what is held as one run."""
        if not self._held:
            return
        folder = self._folder / f"{len(self.runs):06d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        held, self._held, self._count = self._held, [], 0
        keys = np.concatenate([block["keys"] for block in held])
        given = {name: np.concatenate([block[name] for block in held]) for name, _ in self._recipe.sort_keys}
        preference = [_ascending(given[name], descending) for name, descending in self._recipe.sort_keys]
        order = np.lexsort((*reversed(preference), keys))
        _save(folder, "keys", keys[order])
        for place, values in enumerate(preference):
            _save(folder, f"preference{place}", values[order])
        long_rows = np.flatnonzero(is_long(keys[order]))
        texts = _joined([block["long"] for block in held])
        numbered = np.cumsum(is_long(keys)) - 1  # of each long row its place among `texts`
        _save(folder, "long_rows", long_rows)
        _save_strings(folder, "long", _taken(texts, numbered[order[long_rows]]))
        if self._recipe.filtered:
            _save(folder, "failed", np.concatenate([block["failed"] for block in held])[order])
        for column in self._recipe.columns:
            parts = [block[column.name] for block in held]
            if column.dtype == "text":
                _save_strings(folder, column.name, _taken(_joined(parts), order))
            elif column.dtype == "code":
                words, codes = _coded(_joined(parts))
                (folder / f"{column.name}.json").write_text(json.dumps(words))
                _save(folder, column.name, codes[order])
            else:
                _save(folder, column.name, np.concatenate(parts)[order])
        self.runs.append(folder)


@dataclass(frozen=True)
class Run:
    """One run, mapped."""

    folder: Path

    @cached_property
    def keys(self) -> U64:
        return np.asarray(self.array("keys"))

    def array(self, name: str) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return values

    def strings(self, name: str) -> StringTable:
        return StringTable(np.asarray(self.array(f"{name}_offsets")), np.asarray(self.array(f"{name}_data")))

    def words(self, name: str) -> list[str]:
        words: list[str] = json.loads((self.folder / f"{name}.json").read_text())
        return words


def _given(block: Rows, name: str) -> Any:
    if name not in block.columns:
        raise PackError(f"a block of rows lacks the column {name}")
    return block.columns[name]


def _ascending(values: npt.NDArray[Any], descending: bool) -> npt.NDArray[Any]:
    """Values as numbers whose ascending order is the wanted one."""
    if values.dtype.kind == "f":
        return -values.astype(np.float64) if descending else values.astype(np.float64)
    whole = values.astype(np.int64)
    return -whole if descending else whole


def _save(folder: Path, name: str, values: npt.NDArray[Any]) -> None:
    np.save(folder / f"{name}.npy", values, allow_pickle=False)


def _save_strings(folder: Path, name: str, table: StringTable) -> None:
    _save(folder, f"{name}_offsets", table.offsets)
    _save(folder, f"{name}_data", table.data)


def _joined(tables: list[StringTable]) -> StringTable:
    offsets = np.zeros(sum(len(table) for table in tables) + 1, dtype=np.int64)
    np.cumsum(np.concatenate([np.diff(table.offsets) for table in tables]), out=offsets[1:])
    return StringTable(offsets, np.concatenate([table.data for table in tables]))


def _taken(table: StringTable, rows: npt.NDArray[Any]) -> StringTable:
    return StringTable(*take_strings(table.offsets, table.data, rows.astype(np.int64)))


def _coded(table: StringTable) -> tuple[list[str], npt.NDArray[np.uint32]]:
    """(words in order, code of each row)."""
    encoded = table.arrow().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    rank = np.empty(len(words), dtype=np.uint32)
    rank[order] = np.arange(len(words), dtype=np.uint32)
    return [words[place] for place in order], rank[encoded.indices.to_numpy()]


def _long_texts(block: Rows) -> StringTable:
    """`REF>ALT` of the block's long alleles, in their order."""
    rows = np.flatnonzero(is_long(block.ids))
    spelled = block.spelled
    return StringTable(*_texts(rows, spelled.ref_offsets, spelled.ref_bytes, spelled.alt_offsets, spelled.alt_bytes))


@njit(cache=True, nogil=True)
def _texts(rows, ref_offsets, ref_bytes, alt_offsets, alt_bytes):  # type: ignore[no-untyped-def]
    offsets = np.zeros(rows.shape[0] + 1, dtype=np.int64)
    for i in range(rows.shape[0]):
        row = rows[i]
        offsets[i + 1] = offsets[i] + ref_offsets[row + 1] - ref_offsets[row] + 1 + alt_offsets[row + 1] - alt_offsets[row]
    data = np.empty(offsets[-1], dtype=np.uint8)
    for i in range(rows.shape[0]):
        at = offsets[i]
        for j in range(ref_offsets[rows[i]], ref_offsets[rows[i] + 1]):
            data[at] = ref_bytes[j]
            at += 1
        data[at] = 62
        at += 1
        for j in range(alt_offsets[rows[i]], alt_offsets[rows[i] + 1]):
            data[at] = alt_bytes[j]
            at += 1
    return offsets, data


@njit(cache=True, nogil=True)
def take_strings(offsets, data, rows):  # type: ignore[no-untyped-def]
    """(offsets, bytes) of some rows of a table."""
    out = np.zeros(rows.shape[0] + 1, dtype=np.int64)
    for i in range(rows.shape[0]):
        out[i + 1] = out[i] + offsets[rows[i] + 1] - offsets[rows[i]]
    values = np.empty(out[-1], dtype=np.uint8)
    for i in range(rows.shape[0]):
        values[out[i] : out[i + 1]] = data[offsets[rows[i]] : offsets[rows[i] + 1]]
    return out, values
