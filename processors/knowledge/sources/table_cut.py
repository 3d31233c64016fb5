"""Cutting a table into cells, block by block, and reading the values of a column: kernels, no loop over rows in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.ingest.contigs import ContigResolver
from processors.ingest.faults import Fault
from processors.ingest.source import Source
from processors.knowledge.sites_text import changes, gather
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.table_head import Head
from processors.knowledge.sources.table_text import first_words, read_lists, read_numbers, split_columns
from schemas.assembly import ContigTable

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]

_BLOCK = 8 * 1024 * 1024
_SHOWN = 60


@dataclass(frozen=True)
class Cells:
    """Rows of a table, n of them: `lines` their line numbers from 1, `spans[role]` int32[n, 2] spans into `text`, `names` role → column."""

    path: Path
    text: U8
    lines: I64
    spans: Mapping[str, I32]
    names: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, rows: I64) -> Cells:
        """Some of the rows."""
        return Cells(self.path, self.text, self.lines[rows], {role: span[rows] for role, span in self.spans.items()}, self.names)

    def numbers(self, role: str, low: float, high: float) -> F32:
        """float32[n] of a column, NaN where missing. Raises SourceRefused for what is no number or lies outside the bounds."""
        out = np.empty(len(self), dtype=np.float32)
        self._check(role, int(read_numbers(self.text, self.spans[role], out)), out, low, high)
        return out

    def lists(self, role: str, low: float, high: float, *, least: bool = False) -> tuple[F32, U8]:
        """(greatest, or least, value of each `;`-list, NaN where it has none; how many values it has, at most 254)."""
        out, counts = np.empty(len(self), dtype=np.float32), np.empty(len(self), dtype=np.uint8)
        self._check(role, int(read_lists(self.text, self.spans[role], ord(";"), least, out, counts)), out, low, high)
        return out, counts

    def words(self, role: str, *, listed: bool = False) -> pa.Array:
        """Text of a column, empty where missing; `listed`: a `;`-list whose words are all the same is that word."""
        cut = np.empty((len(self), 2), dtype=np.int32)
        first_words(self.text, self.spans[role], ord(";") if listed else 0, cut)
        offsets, data = gather(self.text, cut)
        array = pa.StringArray.from_buffers(len(self), pa.py_buffer(offsets), pa.py_buffer(data))
        try:
            array.validate(full=True)
        except pa.ArrowInvalid as error:
            raise SourceRefused(f"{self.path}: column {self.names[role]} is no UTF-8 text ({error})") from error
        return array

    def known(self, role: str, words: Mapping[str, str], where: str) -> pa.Array:
        """Text of a column with a closed vocabulary, as `words` says it. Raises SourceRefused for a word that it does not have."""
        coded = self.words(role).dictionary_encode()
        spelled: list[str] = coded.dictionary.to_pylist()
        for place, word in enumerate(spelled):
            if word and word not in words:
                row = int(np.flatnonzero(coded.indices.to_numpy() == place)[0])
                raise self.refuse(role, row, f"is not in the vocabulary as known here; give it a meaning in {where}")
        return pa.array([words.get(word, "") for word in spelled], type=pa.string()).take(coded.indices)

    def refuse(self, role: str, row: int, why: str) -> SourceRefused:
        a, b = self.spans[role][row]
        said = self.text[a:b].tobytes().decode(errors="replace")[:_SHOWN]
        return SourceRefused(f"{self.path}:{self.lines[row]}: {self.names[role]} `{said}` {why}")

    def _check(self, role: str, wrong: int, values: F32, low: float, high: float) -> None:
        if wrong >= 0:
            raise self.refuse(role, wrong, "is no number")
        outside = ~np.isnan(values) & ~((values >= low) & (values <= high))
        if bool(outside.any()):
            raise self.refuse(role, int(np.flatnonzero(outside)[0]), f"lies outside {low:g} to {high:g}")


def cut(source: Source, head: Head) -> Iterator[Cells]:
    """All rows behind the head. Raises SourceRefused for one of another number of columns, ingest.errors.SourceError for a damaged file."""
    place = np.full(len(head.names), -1, dtype=np.int64)
    slots: dict[str, int] = {}
    for role, column in head.places.items():
        if place[column] < 0:
            place[column] = int(place.max()) + 1
        slots[role] = int(place[column])
    count = int(place.max()) + 1
    number = head.lines + 1
    for text in _texts(source, head.begun):
        ends = np.flatnonzero(text == 10)
        starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
        data = np.flatnonzero((text[starts] != 35) & (ends > starts))
        lines = np.stack([starts[data], ends[data]], axis=1)
        spans = np.empty((len(lines), count, 2), dtype=np.int32)
        bad = int(split_columns(text, lines, ord(head.delimiter), place, len(place), spans))
        if bad >= 0:
            raise SourceRefused(
                f"{source.path}:{number + data[bad]}: has not the {len(place)} columns of the table; the file is cut or edited"
            )
        chosen = {role: np.ascontiguousarray(spans[:, slot]) for role, slot in slots.items()}
        yield Cells(source.path, text, number + data, chosen, head.spelled)
        number += len(ends)


def contigs_of(table: ContigTable, text: U8, names: I32) -> I32:
    """Index of each row's contig, or minus its Fault code. Names come in runs."""
    if len(names) == 0:
        return np.zeros(0, dtype=np.int32)
    resolver = ContigResolver(table, ())
    change = np.flatnonzero(changes(text, names))
    indexes = np.empty(len(change), dtype=np.int32)
    known: dict[bytes, int] = {}
    for i, row in enumerate(change):
        name = text[names[row, 0] : names[row, 1]].tobytes()
        if name not in known:
            found = resolver.resolve(name.decode(errors="replace"))
            known[name] = -int(found) if isinstance(found, Fault) else found
        indexes[i] = known[name]
    return np.repeat(indexes, np.diff(np.append(change, len(names))))


def _texts(source: Source, begun: bytes) -> Iterator[U8]:
    """Blocks of whole lines."""
    rest = begun
    buffer = bytearray(_BLOCK)
    while count := source.fill(memoryview(buffer)):
        block = rest + bytes(memoryview(buffer)[:count])
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        if end:
            yield np.frombuffer(block[:end], dtype=np.uint8)
    if rest:
        yield np.frombuffer(rest if rest.endswith(b"\n") else rest + b"\n", dtype=np.uint8)
