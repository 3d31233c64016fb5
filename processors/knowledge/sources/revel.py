"""REVEL, an ensemble score of missense variants: import, query, meta.

Read is `revel_with_transcript_ids` (comma-separated, positions on hg19 and GRCh38; a `.` where an allele has no place on a build) and the
older file of hg19 alone. Source: Ioannidis 2016, Am J Hum Genet 99:877; free for non-commercial use. A score is 0 to 1. An allele in
several transcripts can have several: the greatest is kept, with the amino acids and transcripts it is of; the others are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processors.knowledge.allele_pack import AllelePack, Column, open_allele_pack
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.table import TableBlock
from processors.knowledge.sources.table_build import Wanted, open_tables

_POSITIONS = {"GRCh37": ("hg19_pos",), "GRCh38": ("grch38_pos",)}
COLUMNS = (
    Column("score", "f4", "REVEL", decimals=3),
    Column("aa_ref", "code", "amino acid"),
    Column("aa_alt", "code", "new amino acid"),
    Column("transcripts", "text", "transcripts of the score"),
)


def build(request: Request) -> Pack:
    """Compile REVEL's table. Raises SourceRefused."""
    if request.build not in _POSITIONS:
        raise SourceRefused(f"REVEL has positions of GRCh37 and GRCh38, none of {request.build}")
    roles = {
        "chrom": ("chr",), "pos": _POSITIONS[request.build], "ref": ("ref",), "alt": ("alt",), "aa_ref": ("aaref",), "aa_alt": ("aaalt",),
        "score": ("REVEL",), "transcripts": ("Ensembl_transcriptid",),
    }  # fmt: skip
    tables = open_tables(request, Wanted(roles, "REVEL's revel_with_transcript_ids", optional=("transcripts",)))
    columns = tuple(column for column in COLUMNS if column.name in tables.head.places)

    def values(block: TableBlock) -> Mapping[str, Any]:
        words = {column.name: block.words(column.name) for column in columns if column.dtype != "f4"}
        return {"score": block.numbers("score", 0, 1), **words}

    return tables.write(columns, values, main="score", preference=("-score",), duplicates="the greatest score")


def open_pack(pack: Pack) -> AllelePack:
    """The source of a pack; an allele that it does not hold is UNKNOWN: no score is not a low score."""
    return open_allele_pack(pack)
