"""AlphaMissense, pathogenicity of missense variants: import, query, meta.

Read are `AlphaMissense_hg38.tsv`, `AlphaMissense_hg19.tsv` and their isoform tables; the column `genome` must name the build. Source: Cheng
2023, Science 381:eadg7492. Licence: CC BY 4.0 since 2024, so open; a file whose own head still says CC BY-NC-SA (2023) is taken at its
word, non-commercial. Of several transcripts of an allele the greatest score is kept, with the protein variant it is of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from processors.knowledge.allele_pack import AllelePack, Column, open_allele_pack
from processors.knowledge.kinds import Licence
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.table import TableBlock
from processors.knowledge.sources.table_build import Wanted, open_tables
from schemas.assembly import canonical_build

CLASSES = {
    "likely_benign": "likely_benign", "ambiguous": "ambiguous", "likely_pathogenic": "likely_pathogenic", "benign": "likely_benign",
    "pathogenic": "likely_pathogenic",
}  # fmt: skip
"""Class as written → class; the words without `likely` are those of the tables by protein."""
_HERE = "processors/knowledge/sources/alphamissense.py"
_NON_COMMERCIAL = ("BY-NC", "NON-COMMERCIAL", "NONCOMMERCIAL")
_WANTED = Wanted(
    {
        "chrom": ("CHROM",), "pos": ("POS",), "ref": ("REF",), "alt": ("ALT",), "genome": ("genome",), "uniprot": ("uniprot_id",),
        "transcript": ("transcript_id",), "variant": ("protein_variant",), "score": ("am_pathogenicity",), "class": ("am_class",),
    },
    "AlphaMissense_hg38.tsv or AlphaMissense_hg19.tsv",
    optional=("genome", "uniprot"),
)  # fmt: skip
COLUMNS = (
    Column("score", "f4", "AlphaMissense", decimals=4),
    Column("class", "code", "class"),
    Column("variant", "text", "protein variant"),
    Column("transcript", "code", "transcript"),
    Column("uniprot", "code", "protein", "UniProt id"),
)


def build(request: Request) -> Pack:
    """Compile AlphaMissense's table. Raises SourceRefused, also for an unknown class (named)."""
    tables = open_tables(request, _WANTED)
    columns = tuple(column for column in COLUMNS if column.name in tables.head.places)
    head = " ".join(line.upper() for file in tables.files for line in file.head.comments)
    if not request.licence and any(word in head for word in _NON_COMMERCIAL):
        tables.request = dataclasses.replace(request, licence=Licence.NON_COMMERCIAL)

    def values(block: TableBlock) -> Mapping[str, Any]:
        if "genome" in tables.head.places:
            _check_genome(block, request.build)
        found = {column.name: block.words(column.name) for column in columns if column.dtype != "f4"}
        found["class"] = block.known("class", CLASSES, _HERE)
        return {"score": block.numbers("score", 0, 1), **found}

    return tables.write(columns, values, main="score", preference=("-score",), duplicates="the greatest score")


def open_pack(pack: Pack) -> AllelePack:
    """The source of a pack; an allele that it does not hold is UNKNOWN: no score is not a low score."""
    return open_allele_pack(pack)


def _check_genome(block: TableBlock, build: str) -> None:
    coded = block.words("genome").dictionary_encode()
    for place, word in enumerate(coded.dictionary.to_pylist()):
        if canonical_build(word) != build:
            row = coded.indices.to_pylist().index(place)
            raise block.refuse("genome", row, f"is not {build}; give the table of that build")
