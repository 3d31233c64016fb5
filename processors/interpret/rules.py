"""Which alleles are worth a person's look. A screen, not a classification: every finding's class is `not_assessed`.

An allele is kept when
  * ClinVar calls it pathogenic or likely pathogenic, without conflict; or
  * it lies in the coding sequence, at a splice site or in a splice region, the model scores it at or above its card's threshold, and it is
    not known to be common: its frequency is found and at most `RARE`, or no source can tell (unknown, absent, not loaded).
Reasons are `key:value` strings: `clinvar:Pathogenic`, `clinvar_stars:2`, `score_at_least:0.8625`, `frequency_at_most:0.01`,
`frequency:unknown`, `region:coding`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.knowledge.sources.clinvar_terms import PATHOGENIC
from schemas.chunks import Answer, Region, Scored

RARE = 0.01
"""Greatest frequency of an allele that the score alone may bring up; ACMG/AMP 2015 takes 1 % for a polymorphism of a rare disease."""

REGIONS = (Region.CODING, Region.SPLICE)
_PATHOGENIC = np.array(sorted(PATHOGENIC), dtype=np.uint8)


@dataclass(frozen=True)
class Screened:
    """Per allele of a chunk: kept because ClinVar says so, kept because of its score, kept at all."""

    clinvar: npt.NDArray[np.bool_]
    score: npt.NDArray[np.bool_]

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.clinvar | self.score, dtype=np.bool_)


def screen_alleles(
    *,
    clinvar_answer: npt.NDArray[np.uint8],
    significance: npt.NDArray[np.uint8],
    scored: npt.NDArray[np.uint8],
    score: npt.NDArray[np.float32],
    frequency_answer: npt.NDArray[np.uint8],
    frequency: npt.NDArray[np.float32],
    region: npt.NDArray[np.uint8],
    threshold: float,
) -> Screened:
    """Apply the rule above to n alleles. `threshold` NaN: no model."""
    known = (clinvar_answer == Answer.FOUND) & np.isin(significance, _PATHOGENIC)
    relevant = np.isin(region, np.array(REGIONS, dtype=np.uint8))
    with np.errstate(invalid="ignore"):
        high = (scored == Scored.SCORED) & (score >= threshold)
        rare = (frequency_answer != Answer.FOUND) | (frequency <= RARE)
    return Screened(np.asarray(known, dtype=np.bool_), np.asarray(high & rare & relevant, dtype=np.bool_))
