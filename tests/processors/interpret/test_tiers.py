"""The severity matrix: what acts, what is looked at, what is a note; and a matrix that cannot be used."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from processors.interpret.tiers import (
    Acmg,
    Basis,
    Known,
    SeverityInvalid,
    acmg_classes,
    clinvar_classes,
    clinvar_tiers,
    read_severity,
    severity,
    tier_of,
)
from processors.knowledge.sources.clinvar_terms import STARS_UNKNOWN, Significance

TEXT = resources.files("processors.interpret").joinpath("severity.toml").read_text()


def one(value: int) -> np.ndarray:
    return np.array([value], dtype=np.uint8)


def clinvar(old: Known, new: Known, old_stars: int = STARS_UNKNOWN, new_stars: int = STARS_UNKNOWN) -> int:
    return int(clinvar_tiers(one(old), one(new), one(old_stars), one(new_stars))[0])


@pytest.mark.parametrize(
    ("old", "new", "tier"),
    [
        (Known.UNCERTAIN, Known.PATHOGENIC, 1),
        (Known.LIKELY_PATHOGENIC, Known.BENIGN, 1),
        (Known.ABSENT, Known.LIKELY_PATHOGENIC, 1),
        (Known.PATHOGENIC, Known.CONFLICTING, 2),
        (Known.PATHOGENIC, Known.LOW_PENETRANCE, 2),
        (Known.PATHOGENIC, Known.NOT_PROVIDED, 2),
        (Known.LIKELY_PATHOGENIC, Known.PATHOGENIC, 3),
        (Known.UNCERTAIN, Known.LIKELY_BENIGN, 3),
        (Known.LIKELY_BENIGN, Known.BENIGN, 0),
        (Known.ABSENT, Known.UNCERTAIN, 0),
    ],
)
def test_crossing_likely_pathogenic_acts_and_below_it_is_a_note(old: Known, new: Known, tier: int) -> None:
    assert clinvar(old, new) == tier


def test_a_source_that_is_loaded_tells_for_the_first_time_and_is_never_read_as_uncertain() -> None:
    assert clinvar(Known.NOT_LOADED, Known.PATHOGENIC) == 2
    assert clinvar(Known.UNCERTAIN, Known.PATHOGENIC) == 1
    assert [clinvar(Known.NOT_LOADED, new) for new in (Known.ABSENT, Known.UNCERTAIN, Known.BENIGN)] == [0, 0, 0]
    assert severity().acmg[Acmg.NOT_ASSESSED, Acmg.PATHOGENIC] != severity().acmg[Acmg.UNCERTAIN, Acmg.PATHOGENIC]


def test_absent_is_told_from_not_loaded() -> None:
    nothing = np.zeros(2, dtype=np.uint8)
    assert clinvar_classes(nothing, np.array([True, False])).tolist() == [Known.ABSENT, Known.NOT_LOADED]


def test_every_classification_has_a_class_of_its_own_meaning() -> None:
    found = dict(zip(Significance, clinvar_classes(np.array(list(Significance), dtype=np.uint8)).tolist(), strict=True))
    assert found[Significance.CONFLICTING] == Known.CONFLICTING
    assert found[Significance.LIKELY_PATHOGENIC_LOW_PENETRANCE] == Known.LOW_PENETRANCE
    assert found[Significance.UNCERTAIN_RISK] == Known.RISK
    assert found[Significance.NO_CLASSIFICATION] == Known.NOT_PROVIDED
    assert found[Significance.DRUG_RESPONSE] == Known.OTHER
    assert Known.NOT_LOADED not in found.values()


def test_a_change_that_rests_on_no_star_is_one_lower_and_unknown_stars_are_not_assessed() -> None:
    assert clinvar(Known.UNCERTAIN, Known.PATHOGENIC, 1, 0) == 2
    assert clinvar(Known.UNCERTAIN, Known.PATHOGENIC, 0, 1) == 1
    assert clinvar(Known.UNCERTAIN, Known.PATHOGENIC, 1, STARS_UNKNOWN) == 1
    assert clinvar(Known.PATHOGENIC, Known.ABSENT, 0, STARS_UNKNOWN) == 3  # what went rested on none
    assert clinvar(Known.UNCERTAIN, Known.BENIGN, 1, 0) == 3  # lower than a note is still a note
    assert clinvar(Known.ABSENT, Known.BENIGN, STARS_UNKNOWN, 0) == 0


def test_stars_that_cross_a_border_are_a_note_where_a_criterion_reads_them() -> None:
    assert clinvar(Known.PATHOGENIC, Known.PATHOGENIC, 0, 1) == 3
    assert clinvar(Known.PATHOGENIC, Known.PATHOGENIC, 3, 1) == 3
    assert clinvar(Known.PATHOGENIC, Known.PATHOGENIC, 2, 3) == 0
    assert clinvar(Known.BENIGN, Known.BENIGN, 0, 2) == 0
    assert clinvar(Known.PATHOGENIC, Known.PATHOGENIC, STARS_UNKNOWN, 2) == 0


def test_our_own_class_speaks_where_both_sides_are_assessed() -> None:
    names = ["uncertain", "not_assessed", "not_assessed", "uncertain"]
    old, new = acmg_classes(names), acmg_classes(["likely_pathogenic", "likely_pathogenic", "not_assessed", "uncertain"])
    before, after = (np.full(4, one, dtype=np.uint8) for one in (Known.LIKELY_BENIGN, Known.UNCERTAIN))
    found = tier_of(old, new, before, after)
    assert found.basis.tolist() == [Basis.CLASS, Basis.CLINVAR, Basis.CLINVAR, Basis.CLASS]
    assert found.tier.tolist() == [1, 3, 3, 0]
    nothing = np.full(4, Known.NOT_LOADED, dtype=np.uint8)
    assert tier_of(old, new, nothing, nothing).tier.tolist() == [1, 2, 0, 0]  # no ClinVar: a first assessment has its own rule


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("likely_benign = 1, benign = 1, not_assessed = 2 }", "benign = 1, not_assessed = 2 }", r"\[acmg\] has no tier for \w+ to likely"),
        ("[acmg]\n", "[acmg]\nmaybe = { benign = 1 }\n", r"\[acmg\]: 'maybe' is no class"),
        ("uncertain = 1", "uncertain = 4", r"pathogenic to uncertain: a tier is 0, 1, 2 or 3, not 4"),
        ("uncertain = 1", "uncertain = true", "not True"),
        ("pathogenic = 0, likely_pathogenic = 3", "pathogenic = 1, likely_pathogenic = 3", "a class that stays has tier 0"),
        ("borders = [1, 2]", "borders = [0]", "borders are stars from 1 to 4"),
        ('classes = ["pathogenic"', 'classes = ["patho"', "'patho' is no class"),
        ("zero_star_lowers_by = 1\n", "", r"\[stars\] has to have"),
        ("[stars]", "[starz]", r"\[starz\] is none of"),
        ("[stars]", "[stars", "is no TOML"),
    ],
)
def test_a_matrix_that_cannot_be_used_names_what_is_wrong(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(SeverityInvalid, match=message):
        read_severity(TEXT.replace(old, new, 1), "own.toml")
