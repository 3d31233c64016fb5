"""1000 Genomes, phase 3 and the 30x release: import, query, meta.

The main value is AF; `details` gives the frequencies of the five super-populations too, which are `EAS_AF` in phase 3 and `AF_EAS` in the
30x release. The panel lists what its people carry; which sites could be called it does not say, so an allele that is not listed
is UNKNOWN unless a BED of covered regions is given. Two records of one allele: the greater frequency.

Options: `covered` (BED), `floor`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processors.ingest.source import read_header
from processors.knowledge.allele_pack import AllelePack, Column, Recipe, Rows, open_allele_pack
from processors.knowledge.pack import Pack
from processors.knowledge.parallel import build_from_sites
from processors.knowledge.source import Request
from processors.knowledge.sources.gnomad_format import info_keys
from processors.knowledge.sources.info import filter_failed, find_values
from processors.knowledge.sources.options import file_of, options_of, share_of
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.site_values import frequencies, kept_rows
from processors.knowledge.sources.sites import Sites
from schemas.chunks import Answer

OPTIONS = {"covered": "", "floor": "0"}
SUPER_POPULATIONS = {"AFR": "African", "AMR": "American", "EAS": "East Asian", "EUR": "European", "SAS": "South Asian"}


@dataclass(frozen=True)
class _Parse:
    keys: tuple[tuple[str, str], ...]  # (column, INFO key), AF first

    def __call__(self, block: Sites, tally: Counter[str], path: Path) -> Rows:
        written = block.written
        spans = find_values(written.text, written.info, [key for _, key in self.keys])
        columns = {name: frequencies(written, spans[place], key, path) for place, (name, key) in enumerate(self.keys)}
        keep = np.flatnonzero(~np.isnan(columns["AF"]))
        tally["no_frequency"] += len(block.ids) - len(keep)
        return kept_rows(block, keep, {**columns, "failed": filter_failed(written.text, written.filter)})


def build(request: Request) -> Pack:
    """Compile sites files (one, or one a contig) into a pack. Raises SourceRefused."""
    chosen = options_of(request, OPTIONS)
    found = {_keys(path) for path in request.files}
    if len(found) != 1:
        raise SourceRefused(f"{', '.join(map(str, request.files))}: have different INFO keys; give the files of one release")
    keys = found.pop()
    titles = {"AF": "allele frequency", **{f"AF_{name}": f"allele frequency, {title}" for name, title in SUPER_POPULATIONS.items()}}
    recipe = Recipe(
        tuple(Column(name, "f4", titles[name]) for name, _ in keys),
        main="AF",
        default=Answer.UNKNOWN,
        preference=("failed", "-AF"),
        duplicates="the record that passed, then the greater frequency",
        filtered="failed",
        covered=file_of(request, "covered", chosen["covered"]),
        floor=share_of(request, "floor", chosen["floor"]),
        empty="no allele has a frequency",
    )
    return build_from_sites(request, _Parse(keys), recipe)


def open_pack(pack: Pack) -> AllelePack:
    """The pack as an AlleleSource."""
    return open_allele_pack(pack)


def _keys(path: Path) -> tuple[tuple[str, str], ...]:
    held = info_keys(read_header(path).text)
    if "AF" not in held:
        raise SourceRefused(f"{path}: its header has no INFO/AF; is this a 1000 Genomes sites VCF?")
    own = ((f"AF_{name}", key) for name in SUPER_POPULATIONS for key in (f"{name}_AF", f"AF_{name}") if key in held)
    return (("AF", "AF"), *own)
