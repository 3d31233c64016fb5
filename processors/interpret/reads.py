"""Which keys of which sources each rule reads: what a release changes reaches exactly the alleles on file that hold a changed key."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from processors.knowledge.kinds import KINDS


class Key(enum.StrEnum):
    """What a changed row of knowledge is looked for by."""

    ALLELE = "allele"  # the allele itself
    RESIDUE = "residue"  # another allele of the gene whose first changed residue, on any of its transcripts, has the same number
    REGION = "region"  # an allele that overlaps a stretch
    GENE = "gene"  # an allele of the gene
    PARTNER = "partner"  # another allele of the same gene in the same sample


@dataclass(frozen=True)
class Reads:
    """A rule reads rows of these kinds of knowledge by this key. USER stands for every table of a laboratory's own."""

    rule: str
    key: Key
    kinds: frozenset[str]


USER = "user.*"
FREQUENCIES = frozenset(kind.name for kind in KINDS.values() if kind.frequency)

RULES = (Reads("screen", Key.ALLELE, frozenset({"clinvar"}) | FREQUENCIES),)
"""What today's rules read. A rule that is added here is reached by releases from then on."""


def keys_read(kind: str) -> frozenset[Key]:
    """By which keys some rule reads a kind of knowledge."""
    named = {kind, USER} if kind.startswith("user.") else {kind}
    return frozenset(rule.key for rule in RULES if not named.isdisjoint(rule.kinds))
