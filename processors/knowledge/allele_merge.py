"""Merging sorted runs into the arrays of a pack, a range of keys at a time: memory is that of one range, whatever the number of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.allele_columns import MISSING, MOST_CODES
from processors.knowledge.allele_runs import Run, take_strings
from processors.knowledge.pack import PackError
from processors.knowledge.strings import StringTable
from schemas.identity import is_long

if TYPE_CHECKING:
    from processors.knowledge.allele_parts import Recipe

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
ROWS_A_RANGE = 1 << 20
_BLOCK = 1 << 16
_KEYS_END = 1 << 64


@dataclass
class Merged:
    """What came of a merge: rows of the pack, words of its `code` columns, greatest values of the columns for which they are asked."""

    rows: int = 0
    words: dict[str, list[str]] = field(default_factory=dict)
    maxima: dict[str, float | int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Range:
    """The rows [start, stop) of each run that has some of one range of keys; `chosen`: which of them joined are kept, in key order."""

    runs: list[tuple[Run, int, int]]
    keys: U64
    chosen: I64
    first_row: int  # of the pack


def merge_runs(folders: list[Path], recipe: Recipe, target: Path, tally: Counter[str], tell: Callable[[float], None]) -> Merged:
    """Write the arrays of a pack into `target`. Runs come in the order in which the source was read."""
    runs = [Run(folder) for folder in folders]
    merged = Merged()
    codes = _shared_codes(runs, recipe, merged)
    files: dict[str, _ArrayFile] = {}

    def put(name: str, values: npt.NDArray[Any]) -> None:
        if name not in files:
            files[name] = _ArrayFile(target / f"{name}.npy", values.dtype)
        files[name].append(values)

    try:
        for span in _ranges(runs, recipe, tally, tell):
            keys = span.keys[span.chosen]
            put("keys", keys)
            _put_long(span, keys, put)
            if recipe.filtered:
                put("failed", _column(span, "failed")[span.chosen])
            for column in recipe.columns:
                if column.dtype == "text":
                    _put_strings(column.name, [_slice(run.strings(column.name), a, b) for run, a, b in span.runs], span.chosen, put)
                elif column.dtype == "code":
                    parts = [codes[run.folder, column.name][run.array(column.name)[a:b]] for run, a, b in span.runs]
                    put(column.name, np.concatenate(parts)[span.chosen])
                else:
                    values = _column(span, column.name)[span.chosen]
                    put(column.name, values)
                    if column.name in recipe.maxima:
                        known = values[~np.isnan(values)] if column.dtype == "f4" else values[values != MISSING[column.dtype]]
                        greatest = known.max().item() if len(known) else 0
                        merged.maxima[column.name] = max(merged.maxima.get(column.name, 0), greatest)
            merged.rows += len(keys)
    finally:
        for file in files.values():
            file.close()
    return merged


def _shared_codes(runs: list[Run], recipe: Recipe, merged: Merged) -> dict[tuple[Path, str], npt.NDArray[Any]]:
    """Of each run's own codes the pack's, by run and `code` column; the words go to `merged`."""
    codes = {}
    for column in recipe.columns:
        if column.dtype != "code":
            continue
        words = sorted({"", *(word for run in runs for word in run.words(column.name))})
        if len(words) > MOST_CODES:
            raise PackError(f"column {column.name} has {len(words):,} different words; make it a text column")
        merged.words[column.name] = words
        place = {word: code for code, word in enumerate(words)}
        kind = np.uint8 if len(words) <= 1 << 8 else np.uint16
        for run in runs:
            codes[run.folder, column.name] = np.array([place[word] for word in run.words(column.name)], dtype=kind)
    return codes


def _ranges(runs: list[Run], recipe: Recipe, tally: Counter[str], tell: Callable[[float], None]) -> Iterator[_Range]:
    total = sum(len(run.keys) for run in runs)
    at = [0] * len(runs)
    done = written = 0
    while done < total:
        ends = _ends(runs, at)
        span = [(run, a, b) for run, a, b in zip(runs, at, ends, strict=True) if b > a]
        keys = np.concatenate([run.keys[a:b] for run, a, b in span])
        preference = [
            np.concatenate([run.array(f"preference{place}")[a:b] for run, a, b in span]) for place in range(len(recipe.preference))
        ]
        order = np.lexsort((*reversed(preference), keys))
        ordered = keys[order]
        first = np.ones(len(keys), dtype=np.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        if not first.all():
            _count_doubles(span, ordered, order, first, tally)
        yield _Range(span, keys, order[first], written)
        written += int(first.sum())
        done += len(keys)
        at = ends
        tell(done / total)


def _ends(runs: list[Run], at: list[int]) -> list[int]:
    """Where the next range ends in each run: the most keys that together have at most ROWS_A_RANGE rows, at least one key."""
    left = sum(len(run.keys) - start for run, start in zip(runs, at, strict=True))
    if left <= ROWS_A_RANGE:
        return [len(run.keys) for run in runs]
    live = [place for place, run in enumerate(runs) if at[place] < len(run.keys)]
    low = min(int(runs[place].keys[at[place]]) for place in live)  # rows with keys below `low` + 1 are always taken
    # a run adds at most ROWS_A_RANGE rows, so the next border lies below the key that it has there
    high = min((int(runs[place].keys[at[place] + ROWS_A_RANGE]) for place in live if at[place] + ROWS_A_RANGE < len(runs[place].keys)),
               default=_KEYS_END - 1)  # fmt: skip
    near = [place for place in live if int(runs[place].keys[at[place]]) <= high]

    def rows(border: int) -> tuple[int, list[int]]:
        ends = [int(np.searchsorted(runs[place].keys, np.uint64(border), side="right")) for place in near]
        return sum(end - at[place] for place, end in zip(near, ends, strict=True)), ends

    while low < high:  # the greatest border with at most ROWS_A_RANGE rows at or below it
        middle = (low + high + 1) // 2
        if rows(middle)[0] <= ROWS_A_RANGE:
            low = middle
        else:
            high = middle - 1
    out = list(at)
    for place, end in zip(near, rows(low)[1], strict=True):
        out[place] = end
    return out


def _count_doubles(span: list[tuple[Run, int, int]], ordered: U64, order: I64, first: npt.NDArray[np.bool_], tally: Counter[str]) -> None:
    doubles = np.flatnonzero(~first)
    long = is_long(ordered[doubles])
    tally["duplicate"] += int((~long).sum())
    if not long.any():
        return
    starts = np.cumsum([0, *(b - a for _, a, b in span)])
    leaders = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))

    def text(place: int) -> bytes:
        part = int(np.searchsorted(starts, order[place], side="right")) - 1
        run, a, _ = span[part]
        row = a + int(order[place]) - int(starts[part])
        table = run.strings("long")
        which = int(np.searchsorted(run.array("long_rows"), row))
        return table.data[table.offsets[which] : table.offsets[which + 1]].tobytes()

    for place in doubles[long].tolist():
        tally["duplicate" if text(place) == text(int(leaders[place])) else "hash_collision"] += 1


def _column(span: _Range, name: str) -> npt.NDArray[Any]:
    return np.concatenate([run.array(name)[a:b] for run, a, b in span.runs])


def _slice(table: StringTable, start: int, stop: int) -> StringTable:
    offsets = table.offsets[start : stop + 1]
    return StringTable(offsets - offsets[0], table.data[offsets[0] : offsets[-1]])


def _put_long(span: _Range, keys: U64, put: Callable[[str, npt.NDArray[Any]], None]) -> None:
    """Rows of the pack that hold long alleles, and their spelling."""
    rows, parts, behind = [], [], 0
    for run, a, b in span.runs:
        held = run.array("long_rows")
        low, high = int(np.searchsorted(held, a)), int(np.searchsorted(held, b))
        rows.append(held[low:high] - a + behind)
        parts.append(_slice(run.strings("long"), low, high))
        behind += b - a
    joined = np.concatenate(rows)
    kept = np.flatnonzero(is_long(keys))
    put("long_rows", (kept + span.first_row).astype(np.int64))
    _put_strings("long", parts, np.searchsorted(joined, span.chosen[kept]), put)


def _put_strings(name: str, parts: list[StringTable], rows: npt.NDArray[Any], put: Callable[[str, npt.NDArray[Any]], None]) -> None:
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    places, data = take_strings(offsets, np.concatenate([part.data for part in parts]), rows.astype(np.int64))
    put(f"{name}_offsets", places)
    put(f"{name}_data", data)


class _ArrayFile:
    """A one-dimensional `.npy` file that grows. Of offsets (a file `…_offsets`) each piece goes on where the last one ended."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._file: IO[bytes] = path.open("w+b")
        self._dtype = dtype
        self._count = 0
        self._offsets = path.stem.endswith("_offsets")
        self._end = 0
        self._head()
        if self._offsets:
            self._write(np.zeros(1, dtype=dtype))

    def append(self, values: npt.NDArray[Any]) -> None:
        if self._offsets:
            moved = values[1:] + self._end
            self._end = int(moved[-1]) if len(moved) else self._end
            values = moved
        self._write(values)

    def close(self) -> None:
        self._file.seek(0)
        self._head()
        self._file.close()

    def _write(self, values: npt.NDArray[Any]) -> None:
        self._count += len(values)
        for start in range(0, len(values), _BLOCK):
            self._file.write(np.ascontiguousarray(values[start : start + _BLOCK]).data)

    def _head(self) -> None:
        # numpy pads the header so that the first axis can grow: it has one length, whatever the count
        said = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._count,)}
        np.lib.format.write_array_header_1_0(self._file, said)
