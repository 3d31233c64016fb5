"""From codes to names: the one place where what an allele does to a transcript becomes text.

Rows hold codes (`schemas.chunks.TRANSCRIPT`); every name, range and HGVS description is written here from the allele, the transcript, the
pack and the genome, whenever somebody reads: `riverseq annotate`, findings, queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate import terms
from processors.annotate.change import Matter, change_texts
from processors.annotate.columns import Column, Table, Vocabulary, numbers
from processors.annotate.hgvs.names import Alleles, Kind, Moved, moved, texts
from processors.annotate.hgvs.style import Style
from processors.annotate.regions import events
from processors.annotate.splice import ARTEFACT_REACH
from processors.knowledge.genome import Genome
from processors.knowledge.strings import StringTable
from processors.knowledge.transcripts import Status, Tag, Transcripts
from schemas.chunks import NONE, TRANSCRIPT, Effect, Flag

NAMES = (
    "gene", "symbol", "transcript", "biotype", "consequence", "impact", "exon", "intron", "hgvsg", "hgvsc", "hgvsp", "cdna_position",
    "cds_position", "protein_position", "amino_acids", "codons", "distance", "flags", "effect", "protein_lost", "mane",
)  # fmt: skip
"""What can be rendered of a row."""

_BESIDE = np.uint64(terms.UPSTREAM | terms.DOWNSTREAM)
_DOUBTS = (Flag.REF_UNKNOWN, Flag.SHIFT_STOPPED)
_STATUS_SHIFT = 32
_NEAR = 2
"""Bases beside a transcript within which an allele may yet have a protein's name."""
_MANE = {Tag.MANE_UNVERIFIED: "grch38_not_verified", Tag.MANE_PLUS_CLINICAL: "plus_clinical", Tag.MANE_SELECT: "select"}
_INCOMPLETE = {
    1 << 16: (Tag.CDS_START_NF, Status.START_INCOMPLETE, "cds_start_NF"),
    1 << 17: (Tag.CDS_END_NF, Status.END_INCOMPLETE, "cds_end_NF"),
}
"""What VEP's FLAGS say of a transcript, beside our own `Status`, which is not said again where the file itself says it."""


@dataclass(frozen=True)
class TranscriptRows:
    """n rows of allele × transcript: `allele` counts the alleles at hand, the rest are the fields of `schemas.chunks.TRANSCRIPT`.

    A row with the transcript NONE is an allele's only one, beside every transcript.
    """

    allele: npt.NDArray[np.int32]
    transcript: npt.NDArray[np.uint32]
    terms: npt.NDArray[np.uint64]
    exon: npt.NDArray[np.uint16]
    intron: npt.NDArray[np.uint16]
    distance: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int32]
    residue: npt.NDArray[np.int32]
    ref_aa: npt.NDArray[np.uint8]
    alt_aa: npt.NDArray[np.uint8]
    effect: npt.NDArray[np.uint32]
    lost: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.allele)

    @classmethod
    def of_chunk(cls, rows: pa.RecordBatch) -> TranscriptRows:
        """Every transcript of every allele of a chunk, one row with NONE for an allele without any."""
        lists = rows.column("transcripts")
        inner = lists.flatten()
        counts = np.diff(lists.offsets.to_numpy())
        shown = np.maximum(counts, 1)
        allele = np.repeat(np.arange(len(counts), dtype=np.int32), shown)
        fields = {field.name: inner.field(number).to_numpy(zero_copy_only=False) for number, field in enumerate(TRANSCRIPT)}
        if len(inner) == len(allele):
            return cls(allele, **fields)
        present = np.repeat(counts > 0, shown)
        nothing = {"transcript": NONE, "terms": terms.INTERGENIC}
        values = {}
        for name, found in fields.items():
            values[name] = np.full(len(allele), nothing.get(name, 0), dtype=found.dtype)
            values[name][present] = found
        return cls(allele, **values)

    @classmethod
    def of_picks(cls, rows: pa.RecordBatch) -> TranscriptRows:
        """The picked transcript of every allele of a chunk."""
        every = cls.of_chunk(rows)
        pick = rows.column("pick").to_numpy()
        return every.take(np.flatnonzero(every.transcript == pick[every.allele]))

    def take(self, chosen: npt.NDArray[Any]) -> TranscriptRows:
        return TranscriptRows(**{name: values[chosen] for name, values in self.__dict__.items()})


def alleles_of(rows: pa.RecordBatch, contig: int) -> Alleles:
    """The alleles of a chunk on a contig of the table."""
    return Alleles.of(contig, rows.column("start").to_numpy(), rows.column("ref"), rows.column("alt"))


class Renderer:
    """Columns of text of one transcript pack and genome. `missing` is written where there is nothing to say."""

    def __init__(self, transcripts: Transcripts, genome: Genome, *, style: Style = Style(), missing: str = "") -> None:  # noqa: B008
        self._transcripts = transcripts
        self._genome = genome
        self._style = style
        self._missing = missing
        self._terms_of = Vocabulary(render_terms)
        self._impact_of = Vocabulary(render_impact)
        self._flags_of = Vocabulary(self._flag_names)
        self._effect_of = Vocabulary(lambda bits: ",".join(names_of_effect(bits)) or missing)
        self._lost_of = Vocabulary(lambda parts: f"{parts / 10_000:.4g}" if parts else missing)

    @property
    def style(self) -> Style:
        return self._style

    def columns(
        self, alleles: Alleles, flags: npt.NDArray[np.uint32], rows: TranscriptRows, wanted: Iterable[str] = NAMES
    ) -> dict[str, Column]:
        """Columns of NAMES that are wanted, of `len(rows)` rows each. `flags` are the alleles' `schemas.chunks.Flag` bits."""
        at = _Here(alleles, flags, rows, np.minimum(rows.transcript, len(self._transcripts)).astype(np.int32), self._genome)
        return {name: getattr(self, f"_{name}")(at) for name in wanted}

    def _gene(self, here: _Here) -> Column:
        return Column(here.transcript, self._gene_table)

    def _symbol(self, here: _Here) -> Column:
        return Column(here.transcript, self._symbol_table)

    def _transcript(self, here: _Here) -> Column:
        return Column(here.transcript, self._transcript_table)

    def _biotype(self, here: _Here) -> Column:
        return Column(here.transcript, self._biotype_table)

    def _mane(self, here: _Here) -> Column:
        return Column(here.transcript, self._mane_table)

    def _consequence(self, here: _Here) -> Column:
        return self._terms_of.column(here.rows.terms)

    def _impact(self, here: _Here) -> Column:
        return self._impact_of.column(here.rows.terms)

    def _exon(self, here: _Here) -> Column:
        return self._change(Matter.EXON, here)

    def _intron(self, here: _Here) -> Column:
        return self._change(Matter.INTRON, here)

    def _hgvsg(self, here: _Here) -> Column:
        return Column(here.rows.allele, self._names(Kind.GENOMIC, here, here.rows))

    def _hgvsc(self, here: _Here) -> Column:
        return Column(np.arange(len(here.rows), dtype=np.int32), self._names(Kind.TRANSCRIPT, here, here.rows))

    def _hgvsp(self, here: _Here) -> Column:
        rows, (start, end, _, alt_from, alt_to) = here.rows, here.events
        # one base for one has a name in an exon only, and nothing has one that lies well beside its transcript
        substitution = (end - start == 1) & (alt_to - alt_from == 1)
        may = self._coding[here.transcript] & ((rows.exon != 0) | ~substitution[rows.allele]) & (rows.distance <= _NEAR)
        chosen = np.flatnonzero(may)
        found = self._names(Kind.PROTEIN, here, rows.take(chosen))
        return _of_some(chosen, len(rows), found)

    def _cdna_position(self, here: _Here) -> Column:
        return self._change(Matter.CDNA_POSITION, here)

    def _cds_position(self, here: _Here) -> Column:
        return self._change(Matter.CDS_POSITION, here)

    def _protein_position(self, here: _Here) -> Column:
        return self._change(Matter.PROTEIN_POSITION, here)

    def _amino_acids(self, here: _Here) -> Column:
        return self._change(Matter.AMINO_ACIDS, here)

    def _codons(self, here: _Here) -> Column:
        return self._change(Matter.CODONS, here)

    def _distance(self, here: _Here) -> Column:
        # an insertion on a transcript's border is 0 bases from it
        beside = (here.rows.terms & _BESIDE) != 0
        return numbers(here.rows.distance.astype(np.int64), np.asarray(beside, dtype=np.bool_), self._missing)

    def _flags(self, here: _Here) -> Column:
        bits = here.flags[here.rows.allele].astype(np.uint64) | self._doubts[here.transcript]
        return self._flags_of.column(bits)

    def _effect(self, here: _Here) -> Column:
        return self._effect_of.column(here.rows.effect.astype(np.uint64))

    def _protein_lost(self, here: _Here) -> Column:
        return self._lost_of.column(here.rows.lost.astype(np.uint64))

    def _names(self, kind: Kind, here: _Here, rows: TranscriptRows) -> Table:
        index = rows.allele.astype(np.int64)
        found = texts(kind, here.alleles, self._genome, self._transcripts, index, rows.transcript, rows.terms, here.moved, self._style)
        return Table.of_written(*found, self._missing)

    def _change(self, matter: Matter, here: _Here) -> Column:
        rows, (start, end, alt, alt_from, alt_to) = here.rows, here.events
        chosen = np.flatnonzero(self._says(matter, here))
        found = change_texts(
            matter, self._transcripts.layout, start, end, alt, alt_from, alt_to, rows.allele[chosen], rows.transcript[chosen]
        )
        return _of_some(chosen, len(rows), Table.of_written(*found, self._missing))

    def _says(self, matter: Matter, here: _Here) -> npt.NDArray[np.bool_]:
        """Rows that may have something to say of a matter: most are introns or lie beside their transcript, and need not be asked."""
        rows = here.rows
        if matter is Matter.EXON:
            return np.asarray(rows.exon != 0, dtype=np.bool_)
        if matter is Matter.INTRON:
            return np.asarray(rows.intron != 0, dtype=np.bool_)
        # VEP gives a position also to what lies beside an exon, and farther off where a transcript has an artefact of an intron
        near = (rows.exon != 0) | (np.abs(rows.offset) <= (here.events[1] - here.events[0])[rows.allele] + ARTEFACT_REACH + 1)
        near &= (rows.terms & _BESIDE) == 0
        near = near if matter is Matter.CDNA_POSITION else near & self._coding[here.transcript]
        return np.asarray(near, dtype=np.bool_)

    def _flag_names(self, bits: int) -> str:
        doubts = [flag.name.lower() for flag in _DOUBTS if flag.name and bits & flag]
        return ",".join([*doubts, *_status_names(bits >> _STATUS_SHIFT)]) or self._missing

    @cached_property
    def _transcript_table(self) -> Table:
        return Table.of_strings(self._transcripts.name, last=self._missing, lasting=True)

    @cached_property
    def _gene_table(self) -> Table:
        return self._by_gene(self._transcripts.gene_id)

    @cached_property
    def _symbol_table(self) -> Table:
        return self._by_gene(self._transcripts.gene_symbol)

    def _by_gene(self, texts: StringTable) -> Table:
        table = Table.of_strings(texts, last=self._missing, empty=self._missing)
        genes = np.append(self._transcripts.layout.gene, len(texts)).astype(np.int64)
        return Table(table.starts[genes], table.ends[genes], table.data, lasting=True)

    @cached_property
    def _biotype_table(self) -> Table:
        table = Table.of([*self._transcripts.biotypes, self._missing])
        codes = np.append(self._transcripts.biotype, len(self._transcripts.biotypes)).astype(np.int64)
        return Table(table.starts[codes], table.ends[codes], table.data, lasting=True)

    @cached_property
    def _mane_table(self) -> Table:
        tags = np.append(self._transcripts.tags, 0)
        table = Table.of([self._missing, *_MANE.values()])
        codes = np.zeros(len(tags), dtype=np.int64)
        for number, tag in enumerate(_MANE, start=1):
            codes[(tags & int(tag)) != 0] = number
        return Table(table.starts[codes], table.ends[codes], table.data, lasting=True)

    @cached_property
    def _coding(self) -> npt.NDArray[np.bool_]:
        return np.append(self._transcripts.layout.coding_start >= 0, False)

    @cached_property
    def _doubts(self) -> npt.NDArray[np.uint64]:
        """What is unusual about each transcript, in the upper half of a number whose lower half are an allele's flags."""
        tags = np.append(self._transcripts.tags, 0).astype(np.uint64)
        status = np.append(self._transcripts.layout.status, 0).astype(np.uint64)
        for bit, (tag, own_word, _) in _INCOMPLETE.items():
            said = (tags & np.uint64(int(tag))) != 0
            status[said] = (status[said] & ~np.uint64(int(own_word))) | np.uint64(bit)
        return status << np.uint64(_STATUS_SHIFT)


def _of_some(chosen: npt.NDArray[np.int64], rows: int, table: Table) -> Column:
    """Row `chosen[k]` reads text k of the table, all other rows its last one."""
    index = np.full(rows, len(table) - 1, dtype=np.int32)
    index[chosen] = np.arange(len(chosen), dtype=np.int32)
    return Column(index, table)


def render_terms(bits: int) -> str:
    """Comma-separated Sequence Ontology terms of a bit set, most severe first."""
    return ",".join(terms.names_of(bits))


def render_impact(bits: int) -> str:
    """VEP's impact of a bit set of terms."""
    return terms.Impact(int(terms.impacts(np.array([bits], dtype=np.uint64))[0])).name


def names_of_effect(bits: int) -> list[str]:
    """Lower-case names of a set of `schemas.chunks.Effect` bits, lowest first."""
    return [effect.name.lower() for effect in Effect if effect.name and bits & effect]


def _status_names(bits: int) -> list[str]:
    said = [name for bit, (_, _, name) in _INCOMPLETE.items() if bits & bit]
    return said + [status.name.lower() for status in Status if status.name and bits & status]


@dataclass(frozen=True)
class _Here:
    alleles: Alleles
    flags: npt.NDArray[np.uint32]
    rows: TranscriptRows
    transcript: npt.NDArray[np.int32]  # len(pack) for none
    genome: Genome

    @cached_property
    def moved(self) -> Moved:
        return moved(self.alleles, self.genome)

    @cached_property
    def events(self) -> tuple[npt.NDArray[Any], ...]:
        """(start, end, bases of ALT, from, to) of each allele's event, see `annotate.regions`."""
        _, start, ref_offsets, ref, alt_offsets, alt = self.alleles
        n = len(start)
        low, high = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
        alt_from, alt_to = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        events(start, ref_offsets, ref, alt_offsets, alt, low, high, alt_from, alt_to)
        return low, high, alt, alt_from, alt_to
