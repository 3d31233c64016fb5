"""CADD, how deleterious any substitution or short indel is: import, query, meta.

Read are CADD's tables (`#Chrom Pos Ref Alt RawScore PHRED`), v1.3 to v1.7. The line `## CADD v1.3` or `## CADD GRCh38-v1.7` gives the
version, where none is asked for, and the build, which must agree. Source: Kircher 2014, Nat Genet 46:310; Schubach 2024, Nucleic Acids Res
52:D1143; free for non-commercial use. PHRED is the rank among all substitutions, -10 log10: 20 is the first hundredth.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from processors.knowledge.allele_pack import AllelePack, Column, open_allele_pack
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.table import TableBlock
from processors.knowledge.sources.table_build import Wanted, open_tables
from schemas.assembly import canonical_build

_RELEASE = re.compile(r"##\s*CADD\s+(?:(GRCh3[78])-)?(v\d+\.\d+(?:\.\d+)?)", re.IGNORECASE)
_WANTED = Wanted(
    {
        "chrom": ("Chrom", "Chr", "CHROM"), "pos": ("Pos", "POS"), "ref": ("Ref", "REF"), "alt": ("Alt", "ALT"), "raw": ("RawScore",),
        "phred": ("PHRED",),
    },
    "a table of CADD's scores",
)  # fmt: skip
COLUMNS = (
    Column("phred", "f4", "CADD, scaled", "Phred"),
    Column("raw", "f4", "CADD, raw"),
)


def build(request: Request) -> Pack:
    """Compile CADD's tables of one release. Raises SourceRefused."""
    tables = open_tables(request, _WANTED)
    releases: set[str] = set()
    try:
        for file in tables.files:
            said = next((found for line in file.head.comments if (found := _RELEASE.match(line)) is not None), None)
            if said is not None and said[1] and canonical_build(said[1]) != request.build:
                raise SourceRefused(
                    f"{file.path}: its first line names {said[1]}, asked for is {request.build}; give the file of that build"
                )
            releases.add(said[2].lower() if said is not None else "")
        if len(releases) > 1:
            raise SourceRefused(f"{request.files[-1]}: is of another release of CADD than {request.files[0].name}")
        (release,) = releases
        version = request.version or release.removeprefix("v")
        if not version:
            raise SourceRefused(f"{request.files[0]}: has no line `## CADD vX.Y`; say which version it is")
    except SourceRefused:
        tables.close()
        raise
    tables.request = dataclasses.replace(request, version=version)
    return tables.write(
        COLUMNS, _values, main="phred", preference=("-phred",), duplicates="the greatest score", extra={"release": release}
    )  # fmt: skip


def open_pack(pack: Pack) -> AllelePack:
    """The source of a pack; an allele that it does not hold is UNKNOWN: no score is not a low score."""
    return open_allele_pack(pack)


def _values(block: TableBlock) -> Mapping[str, Any]:
    return {"phred": block.numbers("phred", 0, 100), "raw": block.numbers("raw", -100, 100)}
