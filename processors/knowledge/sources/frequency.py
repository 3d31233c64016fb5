"""Allele frequencies from any sites VCF (a laboratory's own, a national project's): import, query, meta.

A source declares its floor: the frequency below which it does not list alleles (0: it lists all it saw). "Absent" is claimed only where
the source says that it covers the site (a BED of covered regions) and has no floor; everywhere else the answer is "unknown". A record
that failed the source's filter answers "unknown" too. Two records of one allele: the greater frequency, which can only make an allele
look less rare.

A file that lists alleles above its floor without their values (an empty `field`) answers "unknown" for all: `details` tells that the
allele is listed, and what it is `at_least`.

Options: `field` (INFO key, one value an ALT; default AF), `floor`, `covered` (BED).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processors.knowledge.allele_pack import AllelePack, Column, Recipe, Rows, open_allele_pack
from processors.knowledge.pack import Pack
from processors.knowledge.parallel import build_from_sites
from processors.knowledge.source import Request
from processors.knowledge.sources.info import filter_failed, find_values
from processors.knowledge.sources.options import file_of, options_of, share_of
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.site_values import frequencies, kept_rows
from processors.knowledge.sources.sites import Sites
from schemas.chunks import Answer

OPTIONS = {"field": "AF", "floor": "0", "covered": ""}


@dataclass(frozen=True)
class _Parse:
    field: str
    floor: float

    def __call__(self, block: Sites, tally: Counter[str], path: Path) -> Rows:
        written = block.written
        failed = filter_failed(written.text, written.filter)
        if not self.field:
            everything = np.arange(len(block.ids))
            unknown, floor = (np.full(len(everything), number, dtype=np.float32) for number in (np.nan, self.floor))
            return kept_rows(block, everything, {"frequency": unknown, "at_least": floor, "failed": failed})
        (spans,) = find_values(written.text, written.info, (self.field,))
        value = frequencies(written, spans, self.field, path)
        keep = np.flatnonzero(~np.isnan(value))
        tally["no_frequency"] += len(value) - len(keep)
        return kept_rows(block, keep, {"frequency": value, "failed": failed})


def build(request: Request) -> Pack:
    """Compile a sites VCF into a pack. Raises SourceRefused."""
    chosen = options_of(request, OPTIONS)
    floor = share_of(request, "floor", chosen["floor"])
    if not chosen["field"] and floor == 0:
        raise SourceRefused(f"{request.kind}: without a field the floor must be given: the frequency from which the file lists alleles")
    at_least = () if chosen["field"] else (Column("at_least", "f4", "allele frequency is at least"),)
    recipe = Recipe(
        (Column("frequency", "f4", "allele frequency"), *at_least),
        main="frequency",
        default=Answer.UNKNOWN,
        preference=("-frequency",),
        duplicates="the greater frequency",
        filtered="failed",
        covered=file_of(request, "covered", chosen["covered"]),
        floor=floor,
        empty=f"no allele has INFO/{chosen['field']}; name the right field, or use a file with frequencies",
        extra={"field": chosen["field"]},
    )
    return build_from_sites(request, _Parse(chosen["field"], floor), recipe)


def open_pack(pack: Pack) -> AllelePack:
    """The pack as an AlleleSource."""
    return open_allele_pack(pack)
