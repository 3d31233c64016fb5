"""Findings on their way to the table `finding`: what the interpret stage hands to landing, one row a sample and allele."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

_NAME = pa.dictionary(pa.int32(), pa.string())

FINDING_FIELDS: list[pa.Field[Any]] = [
    pa.field("sample", pa.uint32(), nullable=False),  # index into the chunk header's `samples`
    pa.field("record", pa.uint32(), nullable=False),
    pa.field("alt_index", pa.uint16(), nullable=False),
    pa.field("allele_id", pa.uint64(), nullable=False),
    pa.field("start", pa.int32(), nullable=False),  # 0-based, of REF
    pa.field("ref", pa.string(), nullable=False),
    pa.field("alt", pa.string(), nullable=False),
    pa.field("gene", pa.string(), nullable=False),  # symbol, or the gene's id; empty: intergenic
    pa.field("transcript", pa.string(), nullable=False),  # of the pick
    pa.field("consequence", pa.string(), nullable=False),  # comma-separated SO terms of the pick
    pa.field("impact", _NAME, nullable=False),  # of the pick: HIGH, MODERATE, LOW, MODIFIER
    pa.field("hgvsc", pa.string(), nullable=False),  # of the pick, with its accession; empty: none
    pa.field("hgvsp", pa.string(), nullable=False),
    pa.field("zygosity", _NAME, nullable=False),  # heterozygous, homozygous, hemizygous
    pa.field("clinvar", pa.string(), nullable=False),  # significance, empty: none
    pa.field("frequency", pa.float32()),  # null where not found
    pa.field("frequency_answer", _NAME, nullable=False),  # name of chunks.Answer, lower case
    pa.field("score", pa.float32()),  # null where not scored
    pa.field("score_answer", _NAME, nullable=False),  # name of chunks.Scored, lower case
    pa.field("model", pa.string(), nullable=False),  # name@version, empty: none
    pa.field("class", _NAME, nullable=False),  # not_assessed until ACMG evidence exists
    pa.field("reasons", pa.list_(pa.string()), nullable=False),
]
FINDING_SCHEMA = pa.schema(FINDING_FIELDS)
"""Strings may also come dictionary-encoded; landing takes columns by name."""

_OF_A_SAMPLE = ("sample", "zygosity", "record", "alt_index", "start")

EVIDENCE_FIELDS: list[pa.Field[Any]] = [
    *[field for field in FINDING_FIELDS if field.name not in _OF_A_SAMPLE],
    pa.field("kept", pa.bool_(), nullable=False),  # whether it is a finding of whoever carries it
]
EVIDENCE_SCHEMA = pa.schema(EVIDENCE_FIELDS)
"""What a plan says of an allele, whoever carries it: one row an allele of a chunk, in the chunk's order."""
