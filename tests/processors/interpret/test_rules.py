"""The screen's rule, and what it must never do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.interpret.rules import RARE, screen_alleles
from processors.interpret.stage import zygosity_of
from processors.knowledge.sources.clinvar_terms import Significance
from schemas.chunks import Answer, Region, Scored


def one(**changes: Any) -> tuple[bool, bool]:
    values: dict[str, Any] = {
        "clinvar_answer": Answer.ABSENT, "significance": 0, "scored": Scored.SCORED, "score": 0.99,
        "frequency_answer": Answer.UNKNOWN, "frequency": np.nan, "region": Region.CODING,
    } | changes  # fmt: skip
    kinds = {"score": np.float32, "frequency": np.float32}
    columns: dict[str, Any] = {key: np.array([value], dtype=kinds.get(key, np.uint8)) for key, value in values.items()}
    found = screen_alleles(**columns, threshold=0.9)
    return bool(found.clinvar[0]), bool(found.score[0])


@pytest.mark.parametrize("code", list(Significance))
def test_only_pathogenic_without_conflict_is_kept_for_clinvars_sake(code: Significance) -> None:
    wanted = code in (Significance.PATHOGENIC, Significance.LIKELY_PATHOGENIC, Significance.PATHOGENIC_OR_LIKELY)
    assert one(clinvar_answer=Answer.FOUND, significance=code, score=0.0)[0] is wanted


def test_a_common_clinvar_allele_is_kept_a_common_scored_one_is_not() -> None:
    common = {"frequency_answer": Answer.FOUND, "frequency": 0.4}
    assert one(**common) == (False, False)
    assert one(**common, clinvar_answer=Answer.FOUND, significance=Significance.PATHOGENIC) == (True, False)


@pytest.mark.parametrize("answer", [Answer.ABSENT, Answer.UNKNOWN, Answer.NOT_LOADED])
def test_a_source_that_cannot_tell_never_hides_a_scored_allele(answer: Answer) -> None:
    assert one(frequency_answer=answer)[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"score": 0.89},
        {"score": np.nan, "scored": Scored.FAILED},
        {"region": Region.INTRON},
        {"frequency_answer": Answer.FOUND, "frequency": RARE * 1.01},
    ],
)
def test_what_the_score_does_not_bring_up(changes: dict[str, Any]) -> None:
    assert not one(**changes)[1]


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_a_greater_frequency_never_brings_an_allele_up(low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    assert one(frequency_answer=Answer.FOUND, frequency=low)[1] or not one(frequency_answer=Answer.FOUND, frequency=high)[1]


def test_zygosity_by_what_gt_holds() -> None:
    haplotypes, ploidy = np.array([1, 2, 3, 1, 3, 7], dtype=np.uint8), np.array([2, 2, 2, 1, 3, 3], dtype=np.uint8)
    assert zygosity_of(haplotypes, ploidy).to_pylist() == [
        "heterozygous",
        "heterozygous",
        "homozygous",
        "hemizygous",
        "heterozygous",
        "homozygous",
    ]
