"""The vocabulary is a contract: bits are stored, so they never move."""

from __future__ import annotations

import numpy as np

from processors.annotate import terms
from processors.annotate.render import render_impact, render_terms


def test_bits_are_frozen() -> None:
    frozen = {
        "transcript_ablation": 0,
        "splice_donor_variant": 2,
        "missense_variant": 12,
        "coding_sequence_variant": 22,
        "intergenic_variant": 33,
    }
    assert {name: terms.TERMS[name][0] for name in frozen} == frozen
    assert sorted(bit for bit, _ in terms.TERMS.values()) == list(range(34))


def test_terms_render_most_severe_first() -> None:
    assert render_terms(terms.mask("intron_variant", "splice_region_variant")) == "splice_region_variant,intron_variant"
    assert render_terms(terms.INTERGENIC) == "intergenic_variant"
    assert render_impact(terms.mask("intron_variant", "splice_region_variant")) == "LOW"


def test_impact_is_that_of_the_worst_term() -> None:
    bits = np.array([terms.mask("intron_variant", "splice_donor_variant"), terms.mask("missense_variant"), 0], dtype=np.uint64)
    assert terms.impacts(bits).tolist() == [terms.Impact.HIGH, terms.Impact.MODERATE, terms.Impact.MODIFIER]
