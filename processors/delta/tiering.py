"""The tier of a reclassification, from our own class where both are assessed, else from ClinVar's."""

from __future__ import annotations

from processors.interpret.stage import NOT_ASSESSED
from processors.knowledge.sources.clinvar_terms import BENIGN, PATHOGENIC, Significance

FINDING, CLASS, CLINVAR = "finding", "class", "clinvar"


def told_tier(old_class: str, new_class: str, old: Significance, new: Significance) -> tuple[int, str]:
    """(tier, basis). Tier 0: no classification changed."""
    if old_class != new_class and NOT_ASSESSED not in (old_class, new_class):
        return 2, CLASS
    if old == new:
        return 0, FINDING
    if (old in PATHOGENIC) != (new in PATHOGENIC):
        return 1, CLINVAR
    return (2 if (old in BENIGN) != (new in BENIGN) else 3), CLINVAR
