"""The kinds of knowledge: what each is keyed by, on which terms it comes, how it counts. One pack of a kind is active for a build.

A kind is the `kind` of a pack and of a plan's component. A laboratory's own tables have kinds of their own, `user.NAME`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Keyed(enum.StrEnum):
    """What a source's rows are of."""

    ALLELE = "allele"
    REGION = "region"
    GENE = "gene"


class Licence(enum.StrEnum):
    """Class of a source's terms. The profile `commercial` refuses NON_COMMERCIAL and UNKNOWN."""

    OPEN = "open"
    NON_COMMERCIAL = "non_commercial"
    COMMERCIAL = "commercial"  # bought
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Kind:
    """One kind. `moving`: its date counts for `--as-of` (the others are hindsight where they are later). `frequency`: its value is an
    allele frequency. `resident`: its rows stand whole in ClickHouse, one table, so that no row of it lands with an allele."""

    name: str
    title: str
    keyed: Keyed
    licence: Licence
    moving: bool = False
    frequency: bool = False
    resident: bool = False


_ALLELE, _GENE, _REGION = Keyed.ALLELE, Keyed.GENE, Keyed.REGION
_OPEN, _NON_COMMERCIAL, _UNKNOWN = Licence.OPEN, Licence.NON_COMMERCIAL, Licence.UNKNOWN

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("clinvar", "ClinVar", _ALLELE, _OPEN, moving=True, resident=True),
        Kind("frequency", "allele frequencies of any sites VCF", _ALLELE, _UNKNOWN, frequency=True),
        Kind("gnomad_exomes", "gnomAD exomes", _ALLELE, _OPEN, frequency=True),
        Kind("gnomad_genomes", "gnomAD genomes", _ALLELE, _OPEN, frequency=True),
        Kind("gnomad_joint", "gnomAD joint", _ALLELE, _OPEN, frequency=True),
        Kind("thousand_genomes", "1000 Genomes", _ALLELE, _OPEN, frequency=True),
        Kind("dbsnp", "dbSNP", _ALLELE, _OPEN),
        Kind("dbnsfp", "dbNSFP", _ALLELE, _NON_COMMERCIAL),
        Kind("revel", "REVEL", _ALLELE, _NON_COMMERCIAL),
        Kind("cadd", "CADD", _ALLELE, _NON_COMMERCIAL),
        Kind("alphamissense", "AlphaMissense", _ALLELE, _OPEN),
        Kind("spliceai", "SpliceAI", _ALLELE, _NON_COMMERCIAL),
        Kind("constraint", "gnomAD constraint", _GENE, _OPEN),
        Kind("dosage", "ClinGen dosage sensitivity", _GENE, _OPEN, moving=True),
        Kind("validity", "ClinGen gene-disease validity", _GENE, _OPEN, moving=True),
        Kind("hpo_genes", "HPO gene-phenotype annotations", _GENE, _OPEN, moving=True),
    )
}
"""Kind → what it is. The module that reads it: `knowledge.source`."""

_USER = re.compile(r"user\.[a-z][a-z0-9_]{0,30}")


def kind_of(name: str) -> Kind | None:
    """The kind of that name, None where there is none. A laboratory's own: `user.NAME`, keyed as its pack says."""
    if _USER.fullmatch(name):
        return Kind(name, name.removeprefix("user."), Keyed.ALLELE, Licence.UNKNOWN, moving=True)
    return KINDS.get(name)
