"""dbSNP: rs numbers of alleles. Import, query, meta.

The number is read from ID (`rs12345`), else from INFO/RS. A record lists all ALTs of an rs number: each of them gets it. Where an allele
has several (records not merged yet) the smallest is kept and `others` counts the rest that its record gives. There is no
value that could be read as a number of interest: `query` says whether dbSNP has the allele, `details` which rs it is. An allele that dbSNP
does not list is ABSENT from it, which says nothing of how frequent it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit

from processors.knowledge.allele_pack import AllelePack, Column, Recipe, Rows, open_allele_pack
from processors.knowledge.pack import Pack
from processors.knowledge.parallel import build_from_sites
from processors.knowledge.source import Request
from processors.knowledge.sources.info import find_values
from processors.knowledge.sources.options import options_of
from processors.knowledge.sources.site_values import counts, kept_rows
from processors.knowledge.sources.sites import Sites
from schemas.chunks import Answer


@dataclass(frozen=True)
class _Parse:
    def __call__(self, block: Sites, tally: Counter[str], path: Path) -> Rows:
        written = block.written
        number = np.empty(len(block.ids), dtype=np.int64)
        others = np.empty(len(block.ids), dtype=np.int64)
        _rs_numbers(written.text, written.name, number, others)
        lacking = number < 0
        if lacking.any():
            (spans,) = find_values(written.text, written.info, ("RS",))
            number = np.where(lacking, counts(written, spans, "RS", path, "1"), number)
        keep = np.flatnonzero(number >= 0)
        tally["no_rs_number"] += len(number) - len(keep)
        tally["several_rs_numbers"] += int((others > 0).sum())
        return kept_rows(block, keep, {"rs": number, "others": others})


def build(request: Request) -> Pack:
    """Compile dbSNP's VCF into a pack. Raises SourceRefused."""
    options_of(request, {})
    recipe = Recipe(
        (Column("rs", "u4", "rs number"), Column("others", "u1", "further rs numbers in the same record")),
        main="",
        default=Answer.ABSENT,
        preference=("rs",),
        duplicates="the smallest rs number",
        empty="no record has an rs number in ID or INFO/RS; is this dbSNP's VCF?",
    )
    return build_from_sites(request, _Parse(), recipe)


def open_pack(pack: Pack) -> AllelePack:
    """The pack as an AlleleSource; `column("rs")` gives the numbers of rows as integers."""
    return open_allele_pack(pack)


@njit(cache=True, nogil=True)
def _rs_numbers(text, names, out, others):  # type: ignore[no-untyped-def]
    """Smallest rs number of an ID (`rs1;rs2`), -1 for none; how many more it has, at most 254."""
    for i in range(names.shape[0]):
        out[i], others[i] = -1, 0
        at, end = names[i, 0], names[i, 1]
        while at < end:
            stop = at
            while stop < end and text[stop] != 59:
                stop += 1
            value = np.int64(-1)
            if stop - at > 2 and (text[at] | 32) == 114 and (text[at + 1] | 32) == 115:
                value = np.int64(0)
                for j in range(at + 2, stop):
                    digit = np.int64(text[j]) - 48
                    if digit < 0 or digit > 9 or value > 400_000_000_000:
                        value = np.int64(-1)
                        break
                    value = value * 10 + digit
                if value >= (1 << 32) - 1:
                    value = np.int64(-1)
            if value >= 0:
                if out[i] >= 0:
                    others[i] = min(others[i] + 1, 254)
                    out[i] = min(out[i], value)
                else:
                    out[i] = value
            at = stop + 1
