"""Reading a table of alleles (tabs or commas, a row an allele): the same normalised alleles that `sites` makes of a VCF, block by block.

Cells are cut by kernels; nothing loops over rows in Python. A row without a place on this build is left out and counted; REF is checked
against the genome, and a file that contradicts it, or none of whose alleles lies on it, is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.ingest.contigs import ContigResolver
from processors.ingest.faults import Fault
from processors.ingest.normalise import Normalised, normalise
from processors.ingest.source import Source
from processors.knowledge.allele_pack import Rows
from processors.knowledge.genome import Genome
from processors.knowledge.lookup import Spelling
from processors.knowledge.sites_text import allele_faults, changes, gather
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.sites import judge_build, select_alleles
from processors.knowledge.sources.table_head import ALLELE, Head, read_head
from processors.knowledge.sources.table_text import NO_POSITION, first_words, read_lists, read_numbers, read_positions, split_columns
from schemas.chunks import Flag
from schemas.identity import allele_ids

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]

_BLOCK = 8 * 1024 * 1024
_SHOWN = 60


@dataclass(frozen=True)
class TableBlock:
    """The usable alleles of a block, n of them: `lines` their line numbers from 1, `spans[role]` int32[n, 2] spans into `text`."""

    path: Path
    text: U8
    lines: I64
    spans: Mapping[str, I32]
    names: Mapping[str, str]
    ids: npt.NDArray[np.uint64]
    alleles: Normalised

    def __len__(self) -> int:
        return len(self.ids)

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

    def words(self, role: str) -> pa.Array:
        """Text of a column, empty where missing; a `;`-list whose words are all the same is that word."""
        cut = np.empty((len(self), 2), dtype=np.int32)
        first_words(self.text, self.spans[role], ord(";"), cut)
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

    def rows(self, keep: npt.NDArray[np.bool_], columns: Mapping[str, object]) -> Rows:
        """Some of the alleles with the values of their columns (of all n)."""
        if bool(keep.all()):
            return Rows(self.ids, _spelling(self.alleles), columns)
        rows = np.flatnonzero(keep)
        chosen = {name: values.take(pa.array(rows)) if isinstance(values, pa.Array) else np.asarray(values)[rows]
                  for name, values in columns.items()}  # fmt: skip
        return Rows(self.ids[rows], _spelling(select_alleles(self.alleles, rows)), chosen)

    def _check(self, role: str, wrong: int, values: F32, low: float, high: float) -> None:
        if wrong >= 0:
            raise self.refuse(role, wrong, "is no number")
        outside = ~np.isnan(values) & ~((values >= low) & (values <= high))
        if bool(outside.any()):
            raise self.refuse(role, int(np.flatnonzero(outside)[0]), f"lies outside {low:g} to {high:g}")


@dataclass
class TableFile:
    """A table being read. After the last block `tally` is complete, and so is `sha256`."""

    path: Path
    genome: Genome
    source: Source
    head: Head
    tally: Counter[str] = field(default_factory=Counter)
    sha256: str = ""

    def blocks(self) -> Iterator[TableBlock]:
        """Raises SourceRefused for a row of another number of columns or a contradicted build, ingest.errors.SourceError for damage."""
        place = np.full(len(self.head.names), -1, dtype=np.int64)
        slots: dict[str, int] = {}
        for role, column in self.head.places.items():
            if place[column] < 0:
                place[column] = int(place.max()) + 1
            slots[role] = int(place[column])
        count = int(place.max()) + 1
        number = self.head.lines + 1
        try:
            for text in self._texts():
                ends = np.flatnonzero(text == 10)
                starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
                data = np.flatnonzero((text[starts] != 35) & (ends > starts))
                lines = np.stack([starts[data], ends[data]], axis=1)
                spans = np.empty((len(lines), count, 2), dtype=np.int32)
                bad = int(split_columns(text, lines, ord(self.head.delimiter), place, len(place), spans))
                if bad >= 0:
                    raise SourceRefused(
                        f"{self.path}:{number + data[bad]}: has not the {len(place)} columns of the heading; the file is cut or edited"
                    )
                block = self._block(text, number + data, {role: np.ascontiguousarray(spans[:, slot]) for role, slot in slots.items()})
                number += len(ends)
                self.tally["records"] += len(lines)
                judge_build(str(self.path), self.genome, self.tally)
                if len(block):
                    yield block
            self.sha256 = self.source.digest()
        finally:
            self.source.close()

    def _texts(self) -> Iterator[U8]:
        """Blocks of whole lines."""
        rest = self.head.begun
        buffer = bytearray(_BLOCK)
        while count := self.source.fill(memoryview(buffer)):
            block = rest + bytes(memoryview(buffer)[:count])
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if end:
                yield np.frombuffer(block[:end], dtype=np.uint8)
        if rest:
            yield np.frombuffer(rest if rest.endswith(b"\n") else rest + b"\n", dtype=np.uint8)

    def _block(self, text: U8, lines: I64, spans: dict[str, I32]) -> TableBlock:
        chrom, position, ref, alt = (spans[role] for role in ALLELE)
        positions = np.empty(len(lines), dtype=np.int64)
        read_positions(text, position, positions)
        placed = np.flatnonzero(positions != NO_POSITION)
        self.tally["no_position"] += len(lines) - len(placed)
        fault = np.empty(len(lines), dtype=np.uint8)
        allele_faults(text, ref, alt, fault)
        contig = np.full(len(lines), -int(Fault.UNKNOWN_CONTIG), dtype=np.int32)
        contig[placed] = self._contigs(text, chrom[placed])
        fault = np.where(contig < 0, (-contig).astype(np.uint8), fault)
        fault[positions < 1] = Fault.BAD_POSITION
        usable = placed[fault[placed] == 0]
        found = normalise(self.genome, text, contig[usable], (positions[usable] - 1).astype(np.int32), ref[usable], alt[usable])
        fault[usable] = found.faults
        kept = np.flatnonzero(found.faults == 0)
        good, found = usable[kept], select_alleles(found, kept)
        self._count(fault[placed], found)
        offsets = np.array([one.offset for one in self.genome.table.contigs], dtype=np.int64)
        ids = allele_ids(offsets[contig[good]] + found.starts, found.ref_offsets, found.ref_bytes, found.alt_offsets, found.alt_bytes)
        chosen = {role: span[good] for role, span in spans.items()}
        return TableBlock(self.path, text, lines[good], chosen, self.head.spelled, ids, found)

    def _contigs(self, text: U8, names: I32) -> I32:
        """Index of each row's contig, or minus its Fault code. Names come in runs."""
        if len(names) == 0:
            return np.zeros(0, dtype=np.int32)
        resolver = ContigResolver(self.genome.table, ())
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

    def _count(self, fault: U8, found: Normalised) -> None:
        for code, count in enumerate(np.bincount(fault, minlength=1).tolist()):
            if code and count:
                self.tally[Fault(code).reason] += count
        self.tally["alleles"] += len(found.starts)
        self.tally["ref_unknown"] += int(((found.flags & np.uint32(int(Flag.REF_UNKNOWN))) != 0).sum())


def open_table(path: Path, genome: Genome, roles: Mapping[str, tuple[str, ...]], *, what: str, optional: tuple[str, ...] = ()) -> TableFile:
    """A table whose heading has a column for each role (by any of the names given) but the optional ones.

    `roles` has `chrom`, `pos` (1-based), `ref` and `alt`, and the source's own. Raises SourceRefused, ingest.errors.SourceError.
    """
    source = Source(path)
    try:
        head = read_head(source, roles, what=what, optional=optional)
    except BaseException:
        source.close()
        raise
    return TableFile(path, genome, source, head)


def _spelling(alleles: Normalised) -> Spelling:
    return Spelling(alleles.ref_offsets, alleles.ref_bytes, alleles.alt_offsets, alleles.alt_bytes)
