"""A block of a file as columns: the file's own letters, what the stages found, and why an allele could not be interpreted."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate.columns import Column, Table, stack
from processors.annotate.pick import pick_rows
from processors.annotate.render import NAMES, Renderer, TranscriptRows, alleles_of
from processors.ingest.faults import Fault
from processors.knowledge.sites_text import gather
from processors.knowledge.sources.clinvar_terms import LABELS, Significance
from processors.knowledge.sources.sites import Written
from processors.knowledge.strings import read_only
from processors.output.sources import SourceColumns
from processors.output.structural import StructuralRows, StructuralTabler
from processors.records import Records
from processors.resources import Resources
from schemas.chunks import Answer, Chunk, Scored

COLUMNS = (
    "id", "chrom", "pos", "ref", "alt", "gene", "symbol", "transcript", "biotype", "consequence", "impact", "exon", "intron", "hgvsg",
    "hgvsc", "hgvsp", "cdna_position", "cds_position", "protein_position", "amino_acids", "codons", "distance", "flags", "pick",
)  # fmt: skip
"""A contract: scripts read these by name and order."""
EXTRA_COLUMNS = (
    "clinvar", "clinvar_answer", "frequency", "frequency_answer", "score", "score_answer", "effect", "protein_lost", "mane",
)  # fmt: skip
_OWN = ("id", "chrom", "pos", "ref", "alt")
_VALUES = EXTRA_COLUMNS[:6]
_OF_FILE = (*_OWN, "allele", "allele_number")
"""Columns that are of the file's own letters and places, the same whatever was found."""


class Group(enum.StrEnum):
    """Within what one row is picked."""

    RECORD = "record"  # all ALTs of a record together
    ALLELE = "allele"
    GENE = "gene"  # of an allele


@dataclass(frozen=True)
class Picking:
    """Which rows are marked, and whether the others are left out."""

    group: Group = Group.ALLELE
    reduce: bool = False


@dataclass(frozen=True)
class Part:
    """Some consecutive alleles of a file, `[first, behind)` of a block's; row r of the columns is of allele `site[r]`, ascending."""

    first: int
    behind: int
    site: npt.NDArray[np.int64]
    columns: Mapping[str, Column]


class Tabler:
    """Makes the columns of parts. `missing` is written where there is nothing to say."""

    def __init__(self, resources: Resources, renderer: Renderer, columns: tuple[str, ...], picking: Picking, missing: str) -> None:
        self._resources = resources
        self._renderer = renderer
        self._columns = columns
        self._picking = picking
        self._missing = missing
        self._said = Table.of(["0", "1"] if missing else ["", "1"], lasting=True)
        self._labels = Table.of([LABELS[code] or missing for code in Significance])
        self._answers = {kind: Table.of(["", *(member.name.lower() for member in kind)]) for kind in (Answer, Scored)}
        self._blank = Table.of([missing], lasting=True)
        self._feature = Table.of([missing, "Transcript"], lasting=True)
        self._sources = SourceColumns(resources)
        self._of_sources = frozenset(self._sources.names)
        self._overlaps = StructuralTabler(resources, renderer, columns, renderer.style, missing)

    def parts(self, records: Records, chunks: list[Chunk]) -> Iterator[Part]:
        """Parts of a block in the order of the file, every allele of the block in one of them."""
        written = records.written
        structural = StructuralRows.of(written, self._resources)
        for first, behind, chunk, rows in self._runs(records, chunks):
            # few structural alleles may have more rows than all others together
            for low, high in structural.pieces(written.record, first, behind):
                a, b = (int(place) for place in np.searchsorted(rows, (low, high)))
                some = None if chunk is None or a == b else replace(chunk, rows=chunk.rows.slice(a, b - a))
                yield self._part(written, low, high, some, rows[a:b], structural.within(low, high))

    def _runs(self, records: Records, chunks: list[Chunk]) -> Iterator[tuple[int, int, Chunk | None, npt.NDArray[np.int64]]]:
        """(first, behind, chunk, its rows) of the stretches of a block that one chunk covers."""
        written, first = records.written, 0
        total = len(written.fault)
        if not chunks and total:
            yield 0, total, None, np.empty(0, dtype=np.int64)
        for number, (chunk, rows) in enumerate(zip(chunks, records.rows, strict=True)):
            last = number == len(chunks) - 1
            # the alleles that cannot be used and stand behind this chunk's last record go with the next chunk
            behind = total if last else self._end_of_record(written, int(rows[-1]))
            yield first, behind, chunk, rows
            first = behind

    @staticmethod
    def _end_of_record(written: Written, allele: int) -> int:
        return int(np.searchsorted(written.record, written.record[allele], side="right"))

    def _part(
        self,
        written: Written,
        first: int,
        behind: int,
        chunk: Chunk | None,
        rows: npt.NDArray[np.int64],
        structural: StructuralRows,
    ) -> Part:
        faulty = np.setdiff1d(first + np.flatnonzero(written.fault[first:behind] != 0), structural.site, assume_unique=True)
        found: list[tuple[npt.NDArray[np.int64], dict[str, Column]]] = []
        if chunk is not None:
            found.append(self._chunk(written, chunk, rows))
        if len(faulty):
            found.append((faulty, self._faults(*_reasons(written.fault[faulty]))))
        if len(structural.site):
            found += self._structural(written, structural)
        site, columns = found[0]
        if len(found) > 1:
            site = np.concatenate([place for place, _ in found])
            order = np.argsort(site, kind="stable")
            site = site[order]
            common = set.intersection(*({*part} for _, part in found))
            columns = {name: stack([part[name] for _, part in found]).take(order) for name in columns if name in common}
        at = (site - first).astype(np.int32)
        spans = {"id": written.name, "chrom": written.chrom, "pos": written.position, "ref": written.ref, "alt": written.alt_text}
        for name in _OWN:
            if name in self._columns:
                columns[name] = Column(at, _spans(written.text, spans[name][first:behind]))
        if "allele" in self._columns:
            columns["allele"] = Column(at, _vep_alleles(written, first, behind))
        if "allele_number" in self._columns:
            numbers = written.alt[first:behind]
            columns["allele_number"] = Column(numbers[at], Table.of([str(number + 1) for number in range(int(numbers.max(initial=0)) + 1)]))
        return Part(first, behind, site, columns)

    def _chunk(self, written: Written, chunk: Chunk, sites: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], dict[str, Column]]:
        batch, resources = chunk.rows, self._resources
        contig = resources.genome.table.resolve(chunk.header.contig)
        rows = TranscriptRows.of_chunk(batch)
        marked = self._marked(rows, written.record[sites])
        if self._picking.reduce:
            rows = rows.take(np.flatnonzero(marked))
            marked = np.ones(len(rows), dtype=np.bool_)
        wanted = [name for name in NAMES if name in self._columns]
        flags = batch.column("flags").to_numpy()
        columns = self._renderer.columns(alleles_of(batch, -1 if contig is None else contig), flags, rows, wanted)
        columns["pick"] = Column(marked.astype(np.int32), self._said)
        for name in self._columns:
            if name in _VALUES:
                columns[name] = Column(rows.allele, self._value(name, batch))
            elif name in self._of_sources:
                columns[name] = Column(rows.allele, Table.of_arrow(self._sources.texts(name, batch), self._missing))
        if "feature" in self._columns:
            columns["feature"] = Column((rows.transcript < len(resources.transcripts)).astype(np.int32), self._feature)
        return sites[rows.allele], columns

    def _marked(self, rows: TranscriptRows, record: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        group = record[rows.allele] if self._picking.group is Group.RECORD else rows.allele
        borders = np.flatnonzero(np.diff(group)) + 1
        offsets = np.concatenate([[0], borders, [len(rows)]]).astype(np.int64) if len(rows) else np.zeros(1, dtype=np.int64)
        marked = np.zeros(len(rows), dtype=np.bool_)
        order, gene = self._resources.pick_order, self._resources.transcripts.layout.gene
        transcript, bits, by_gene = read_only(rows.transcript), read_only(rows.terms), self._picking.group is Group.GENE
        pick_rows(order.keys, order.shift, gene, by_gene, offsets, transcript, bits, marked)
        return marked

    def _structural(self, written: Written, here: StructuralRows) -> Iterator[tuple[npt.NDArray[np.int64], dict[str, Column]]]:
        for site, rows, columns in self._overlaps.tables(written, here):
            marked = self._marked(rows, written.record[here.site])
            kept = np.flatnonzero(marked) if self._picking.reduce else np.arange(len(rows))
            columns["pick"] = Column(marked.astype(np.int32), self._said)
            if "feature" in self._columns:
                columns["feature"] = Column((rows.transcript < len(self._resources.transcripts)).astype(np.int32), self._feature)
            mine = _OF_FILE
            yield site[kept], {name: column.take(kept) for name, column in columns.items() if name not in mine}
        site, flags = self._overlaps.problems(written, here)
        if len(site):
            yield site, self._faults(np.arange(len(site)), flags)

    def _faults(self, index: npt.NDArray[Any], reasons: list[str]) -> dict[str, Column]:
        """Rows that say nothing but why: row r has `reasons[index[r]]`."""
        nothing = Column(np.zeros(len(index), dtype=np.int32), self._blank)
        columns = {name: nothing for name in self._columns if name not in _OF_FILE}
        columns["flags"] = Column(index.astype(np.int32), Table.of(reasons))
        columns["pick"] = Column(np.zeros(len(index), dtype=np.int32), self._said)
        return columns

    def _value(self, name: str, batch: pa.RecordBatch) -> Table:
        """EXTRA_COLUMNS that are of an allele, one text an allele."""
        make: dict[str, Callable[[], Table]] = {
            "clinvar": lambda: _coded(self._labels, batch.column("clinvar_significance").to_numpy()),
            "clinvar_answer": lambda: _coded(self._answers[Answer], batch.column("clinvar_answer").to_numpy()),
            "frequency": lambda: self._number(batch.column("frequency").to_numpy()),
            "frequency_answer": lambda: _coded(self._answers[Answer], batch.column("frequency_answer").to_numpy()),
            "score": lambda: self._number(batch.column("score").to_numpy()),
            "score_answer": lambda: _coded(self._answers[Scored], batch.column("scored").to_numpy()),
        }
        return make[name]()

    def _number(self, values: npt.NDArray[np.float32]) -> Table:
        given = np.flatnonzero(~np.isnan(values))
        texts = Table.of_arrow(pa.array(np.append(values[given], np.float32(0))).cast(pa.string()))
        blank = np.frombuffer(self._missing.encode(), dtype=np.uint8)
        size = len(texts.data)
        starts, ends = np.full(len(values), size, dtype=np.int64), np.full(len(values), size + len(blank), dtype=np.int64)
        starts[given], ends[given] = texts.starts[:-1], texts.ends[:-1]
        return Table(starts, ends, np.concatenate([texts.data, blank]))


def _reasons(codes: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], list[str]]:
    kinds, index = np.unique(codes, return_inverse=True)
    return index.reshape(-1), [Fault(code).reason for code in kinds.tolist()]


def _coded(labels: Table, codes: npt.NDArray[Any]) -> Table:
    return Table(labels.starts[codes], labels.ends[codes], labels.data)


def _spans(text: npt.NDArray[np.uint8], spans: npt.NDArray[np.int32]) -> Table:
    offsets, data = gather(read_only(text), np.ascontiguousarray(spans))
    return Table(offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64), data)


def _vep_alleles(written: Written, first: int, behind: int) -> Table:
    """ALT as VEP's CSQ writes it: without the first base where every ALT of the record shares it with REF and some length differs."""
    ref, alt = written.ref[first:behind].astype(np.int64), written.alt_text[first:behind].astype(np.int64)
    record, text = written.record[first:behind], written.text
    longer = (ref[:, 1] - ref[:, 0]) != (alt[:, 1] - alt[:, 0])
    same = text[ref[:, 0]] == text[alt[:, 0]]
    borders = np.concatenate([[0], np.flatnonzero(np.diff(record)) + 1]).astype(np.int64)
    count = np.diff(np.append(borders, len(record)))
    trimmed = np.repeat(np.logical_or.reduceat(longer, borders) & np.logical_and.reduceat(same, borders), count)
    table = _spans(text, np.stack([alt[:, 0] + trimmed, alt[:, 1]], axis=1).astype(np.int32))
    void = table.starts == table.ends
    starts, ends = np.where(void, len(table.data), table.starts), np.where(void, len(table.data) + 1, table.ends)
    return Table(starts, ends, np.append(table.data, np.uint8(ord("-"))))
