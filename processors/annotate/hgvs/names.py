"""The names of whole columns of alleles."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate.hgvs.nucleotide import write_genomic, write_transcript
from processors.annotate.hgvs.protein import ONE_LETTER, PARENTHESES, STAR, VEP, write_protein
from processors.annotate.hgvs.shift import shifted
from processors.annotate.hgvs.style import Style
from processors.annotate.text import literal
from processors.knowledge.genome import Genome
from processors.knowledge.strings import string_buffers
from processors.knowledge.transcripts import Transcripts
from schemas.assembly import accession

_FIXED = 80
"""Bytes of a name beside its accession and its inserted bases, at most: two positions of 24, kind and joints."""


Texts = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]
"""n + 1 offsets and the bytes that they point into, which may be longer than the last one says; an empty text stands for no name."""


class Kind(enum.StrEnum):
    """What a name is written on."""

    GENOMIC = "g"  # m. on the mitochondrion
    TRANSCRIPT = "c"  # n. on a transcript without coding sequence
    PROTEIN = "p"


class Alleles(NamedTuple):
    """n alleles of one contig, as a chunk holds them."""

    contig: int  # index in the contig table
    start: npt.NDArray[np.int32]  # of REF, 0-based
    ref_offsets: npt.NDArray[np.int32]  # n + 1, into the bytes
    ref_bytes: npt.NDArray[np.uint8]
    alt_offsets: npt.NDArray[np.int32]
    alt_bytes: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, contig: int, start: pa.Array[Any], ref: pa.Array[Any], alt: pa.Array[Any]) -> Alleles:
        """Of a chunk's columns, sharing their memory."""
        return cls(contig, np.asarray(start, dtype=np.int32), *string_buffers(ref), *string_buffers(alt))


def names(
    kind: Kind,
    alleles: Alleles,
    genome: Genome,
    transcripts: Transcripts,
    index: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint32],
    terms: npt.NDArray[np.uint64],
    style: Style = Style(),  # noqa: B008
) -> pa.Array[Any]:
    """Large-string column of m names with their accession; null where an allele has none.

    Row j speaks of allele `index[j]` on transcript `rows[j]` (row of the pack; `schemas.chunks.NONE`: no name). `terms[j]` are the terms of
    the row, which the names of proteins depend on (lost and retained starts and stops). For `Kind.GENOMIC` there is one name an allele, and
    the last three arrays are not looked at.
    """
    return _column(*texts(kind, alleles, genome, transcripts, index, rows, terms, moved(alleles, genome), style))


def texts(
    kind: Kind,
    alleles: Alleles,
    genome: Genome,
    transcripts: Transcripts,
    index: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint32],
    terms: npt.NDArray[np.uint64],
    moved: Moved,
    style: Style = Style(),  # noqa: B008
) -> Texts:
    """The names as a kernel writes them; arguments as in `names`, and `moved` of the alleles."""
    alleles = Alleles(alleles.contig, *(_read(column, column.dtype) for column in alleles[1:]))
    if kind == Kind.GENOMIC:
        return _genomic(alleles, genome, moved, style)
    index, rows = _read(index, np.int64), _read(rows, np.uint32)
    if kind == Kind.TRANSCRIPT:
        return _transcript(alleles, genome, transcripts, index, rows, moved, style)
    return _protein(alleles, genome, transcripts, index, rows, _read(terms, np.uint64), moved, style)


def _read(column: npt.NDArray[Any], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """The column as a kernel reads it: of one type, contiguous and read-only, so that each kernel is compiled once."""
    view = np.ascontiguousarray(column, dtype=kind).view()
    view.flags.writeable = False
    return view


class Moved(NamedTuple):
    """Where the alleles' contig lies in the genome, and what `shift.shifted` says of them."""

    base: int
    length: int
    spans: npt.NDArray[np.int64]
    up: npt.NDArray[np.int32]
    down: npt.NDArray[np.int32]


def moved(alleles: Alleles, genome: Genome) -> Moved:
    """How far each allele moves by the 3' rule; the same for all its names."""
    base, length = int(genome.sequence_offsets[alleles.contig]), int(genome.lengths[alleles.contig])
    start, *letters = (_read(column, column.dtype) for column in alleles[1:])
    return Moved(base, length, *shifted(genome.sequence, base, length, start, *letters))


def _bytes_of_accession(genome: Genome, contig: int, wanted: bool) -> npt.NDArray[np.uint8]:
    name = genome.table.contigs[contig].name
    return literal((accession(genome.table.build, name) or name) if wanted else name)


def _genomic(alleles: Alleles, genome: Genome, moved: Moved, style: Style) -> Texts:
    label = _bytes_of_accession(genome, alleles.contig, style.genomic_accession)
    n = len(alleles.start)
    offsets = np.empty(n + 1, dtype=np.int64)
    out = np.empty(n * (len(label) + _FIXED) + int((moved.spans[:, 3] - moved.spans[:, 2]).sum()), dtype=np.uint8)
    mitochondrial = genome.table.contigs[alleles.contig].name == "MT"
    write_genomic(genome.sequence, moved.base, moved.length, moved.spans, moved.up, alleles.alt_bytes, label, mitochondrial, offsets, out)
    return offsets, out


def _transcript(
    alleles: Alleles,
    genome: Genome,
    transcripts: Transcripts,
    index: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint32],
    moved: Moved,
    style: Style,
) -> Texts:
    label = _bytes_of_accession(genome, alleles.contig, True) if style.intronic_accession else np.empty(0, dtype=np.uint8)
    table = transcripts.name
    sizes = np.diff(table.offsets)
    present = rows[rows < len(sizes)]
    room = int(sizes[present].sum()) + len(present) * (len(label) + _FIXED) + int((moved.spans[:, 3] - moved.spans[:, 2])[index].sum())
    offsets, out = np.empty(len(rows) + 1, dtype=np.int64), np.empty(room, dtype=np.uint8)
    write_transcript(
        transcripts.layout, table.offsets, table.data, genome.sequence, moved.base, moved.spans, moved.up, moved.down,
        alleles.alt_bytes, index, rows, label, style.vep, offsets, out,
    )  # fmt: skip
    return offsets, out


def _protein(
    alleles: Alleles,
    genome: Genome,
    transcripts: Transcripts,
    index: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint32],
    terms: npt.NDArray[np.uint64],
    moved: Moved,
    style: Style,
) -> Texts:
    table, own = transcripts.protein, transcripts.name
    replaced = (moved.spans[:, 1] - moved.spans[:, 0]) // 3 + 3
    added = (moved.spans[:, 3] - moved.spans[:, 2]) // 3 + 3
    sizes = np.maximum(np.diff(table.offsets), np.diff(own.offsets))
    present = rows < len(sizes)
    room = int(sizes[rows[present]].sum()) + len(rows) * _FIXED + 3 * int((replaced + added)[index].sum())
    longest = int((replaced + added).max(initial=0))
    offsets, out = np.empty(len(rows) + 1, dtype=np.int64), np.empty(room, dtype=np.uint8)
    write_protein(
        transcripts.layout, table.offsets, table.data, own.offsets, own.data,
        genome.sequence, moved.base, moved.spans, moved.up, moved.down,
        alleles.alt_bytes, index, rows, terms, _bits(style), np.empty((2, longest + 4), dtype=np.uint8), offsets, out,
    )  # fmt: skip
    return offsets, out


def _bits(style: Style) -> int:
    return style.parentheses * PARENTHESES | style.star * STAR | style.one_letter * ONE_LETTER | style.vep * VEP


def _column(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> pa.Array[Any]:
    """The column, with null for an empty text; only the bytes that are used are kept."""
    data = data[: offsets[-1]].copy()
    present = np.packbits(offsets[1:] > offsets[:-1], bitorder="little")
    buffers = [pa.py_buffer(present), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)
