"""Compounds on their way to the table `compound`: variants of one haplotype called together, one row a sample, change and transcript."""

from __future__ import annotations

import enum
from typing import Any

import pyarrow as pa


class CompoundKind(enum.IntEnum):
    """Why the parts are called together."""

    CODON = 1  # their codons meet
    RESCUE = 2  # a shift of the frame and what brings it back, with all between
    SHIFTED = 3  # a shift that nothing brings back before its stop codon, with what is read in the new frame


class Phase(enum.IntEnum):
    """How it is known that the parts stand on one haplotype."""

    HOMOZYGOUS = 1
    HEMIZYGOUS = 2
    PHASED = 3  # in one phase set, or phased without one; the others are homozygous
    CARRIED = 4  # one unphased heterozygous record, the others are homozygous: whichever haplotype carries it carries them


class CompoundFlag(enum.IntFlag):
    """What was noted about a compound; bits of `flags`."""

    OVERLAP = 1  # parts exclude each other on the sequence; not called
    BORDER = 2  # a part reaches beyond the coding bases of an exon; not called
    NEIGHBOUR_UNPHASED = 4  # another heterozygote of these codons may lie on the same haplotype
    MODEL = 8  # the gene model is unusual there (`knowledge.transcripts.Status`)
    WORSE = 16  # more severe than every part alone
    MILDER = 32  # less severe than the worst part alone
    INCOMPLETE = 64  # context rows of the transcript were left out at their bound: parts may be missing
    LEFT_OUT = 128  # more phase sets and unphased records meet here than are looked at; not called, `haplotypes` are not known


NOT_CALLED = CompoundFlag.OVERLAP | CompoundFlag.BORDER | CompoundFlag.LEFT_OUT

PART = pa.struct(
    [
        ("record", pa.uint32()),
        ("alt_index", pa.uint16()),
        ("allele_id", pa.uint64()),
        ("spelling", pa.uint32()),
        ("start", pa.int32()),  # 0-based, of REF
        ("ref", pa.string()),
        ("alt", pa.string()),
        ("terms", pa.uint64()),  # of the part alone, on the protein of this transcript
    ]
)

COMPOUND_FIELDS: list[pa.Field[Any]] = [
    pa.field("sample", pa.uint32(), nullable=False),  # index into the chunk header's `samples`
    pa.field("haplotypes", pa.uint8(), nullable=False),  # bit h: the h-th haplotype of the phase set; of an unphased record, of its GT
    pa.field("phase", pa.uint8(), nullable=False),  # Phase
    pa.field("phase_set", pa.int32(), nullable=False),  # -1: none
    pa.field("transcript", pa.uint32(), nullable=False),  # row in the transcript pack
    pa.field("gene", pa.uint32(), nullable=False),
    pa.field("kind", pa.uint8(), nullable=False),  # CompoundKind
    pa.field("flags", pa.uint16(), nullable=False),  # CompoundFlag
    pa.field("start", pa.int32(), nullable=False),  # of all parts on the contig, 0-based half-open
    pa.field("end", pa.int32(), nullable=False),
    pa.field("terms", pa.uint64(), nullable=False),  # of the whole; 0: not called
    pa.field("cds_start", pa.int32(), nullable=False),  # 1-based, closed, in the coding sequence: what the parts span
    pa.field("cds_end", pa.int32(), nullable=False),
    pa.field("residue", pa.int32(), nullable=False),  # 1-based number of the first residue of the next four
    pa.field("ref_codons", pa.string(), nullable=False),  # changed bases upper case; of SHIFTED up to the last part
    pa.field("alt_codons", pa.string(), nullable=False),
    pa.field("ref_aa", pa.string(), nullable=False),
    pa.field("alt_aa", pa.string(), nullable=False),  # of SHIFTED up to the new stop
    pa.field("hgvsc", pa.string(), nullable=False),  # CODON: the whole as one change; else the parts in cis
    pa.field("hgvsp", pa.string(), nullable=False),
    pa.field("parts", pa.list_(PART), nullable=False),  # by position on the contig
]
COMPOUND_SCHEMA = pa.schema(COMPOUND_FIELDS)

_AS_TEXT = {"transcript", "gene", "kind", "phase"}  # gene: symbol, or the gene's id; the enums in lower case
NAMED_FIELDS: list[pa.Field[Any]] = [
    *(pa.field(field.name, pa.string(), nullable=False) if field.name in _AS_TEXT else field for field in COMPOUND_FIELDS[:-1]),
    pa.field("consequence", pa.string(), nullable=False),  # comma-separated SO terms of the whole, most severe first; empty: not called
    pa.field("impact", pa.string(), nullable=False),
    COMPOUND_FIELDS[-1],
]
NAMED_FIELDS[[field.name for field in NAMED_FIELDS].index("flags")] = pa.field("flags", pa.list_(pa.string()), nullable=False)
NAMED_SCHEMA = pa.schema(NAMED_FIELDS)
"""Compounds as landing and files take them."""


def no_compounds(schema: pa.Schema = COMPOUND_SCHEMA) -> pa.RecordBatch:
    """A batch without rows."""
    return pa.RecordBatch.from_arrays([pa.array([], type=field.type) for field in schema], schema=schema)
