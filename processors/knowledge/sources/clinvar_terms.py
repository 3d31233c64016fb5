"""ClinVar's vocabulary, old and new, and what its words mean here. A term that is not in these tables stops the build.

Codes are what packs, chunks and ClickHouse hold; they are never renumbered. Sources: ClinVar's VCF README (germline classification, review
status), "Representation of classifications in ClinVar" (2024 wording), and the CLNSIG codes of the VCF 1.x files (0 to 7, 255).
"""

from __future__ import annotations

import enum
import re


class Significance(enum.IntEnum):
    """Germline classification of an allele."""

    NONE = 0
    BENIGN = 1
    LIKELY_BENIGN = 2
    BENIGN_OR_LIKELY = 3
    UNCERTAIN = 4
    CONFLICTING = 5
    LIKELY_PATHOGENIC = 6
    PATHOGENIC_OR_LIKELY = 7
    PATHOGENIC = 8
    PATHOGENIC_LOW_PENETRANCE = 9
    LIKELY_PATHOGENIC_LOW_PENETRANCE = 10
    ESTABLISHED_RISK = 11
    LIKELY_RISK = 12
    UNCERTAIN_RISK = 13
    RISK_FACTOR = 14
    ASSOCIATION = 15
    ASSOCIATION_NOT_FOUND = 16
    PROTECTIVE = 17
    AFFECTS = 18
    DRUG_RESPONSE = 19
    CONFERS_SENSITIVITY = 20
    HISTOCOMPATIBILITY = 21
    OTHER = 22
    NOT_PROVIDED = 23
    NO_CLASSIFICATION = 24


LABELS: dict[Significance, str] = {
    Significance.NONE: "",
    Significance.BENIGN: "Benign",
    Significance.LIKELY_BENIGN: "Likely_benign",
    Significance.BENIGN_OR_LIKELY: "Benign/Likely_benign",
    Significance.UNCERTAIN: "Uncertain_significance",
    Significance.CONFLICTING: "Conflicting_classifications_of_pathogenicity",
    Significance.LIKELY_PATHOGENIC: "Likely_pathogenic",
    Significance.PATHOGENIC_OR_LIKELY: "Pathogenic/Likely_pathogenic",
    Significance.PATHOGENIC: "Pathogenic",
    Significance.PATHOGENIC_LOW_PENETRANCE: "Pathogenic,_low_penetrance",
    Significance.LIKELY_PATHOGENIC_LOW_PENETRANCE: "Likely_pathogenic,_low_penetrance",
    Significance.ESTABLISHED_RISK: "Established_risk_allele",
    Significance.LIKELY_RISK: "Likely_risk_allele",
    Significance.UNCERTAIN_RISK: "Uncertain_risk_allele",
    Significance.RISK_FACTOR: "risk_factor",
    Significance.ASSOCIATION: "association",
    Significance.ASSOCIATION_NOT_FOUND: "association_not_found",
    Significance.PROTECTIVE: "protective",
    Significance.AFFECTS: "Affects",
    Significance.DRUG_RESPONSE: "drug_response",
    Significance.CONFERS_SENSITIVITY: "confers_sensitivity",
    Significance.HISTOCOMPATIBILITY: "histocompatibility",
    Significance.OTHER: "other",
    Significance.NOT_PROVIDED: "not_provided",
    Significance.NO_CLASSIFICATION: "no_classification",
}

PATHOGENIC = frozenset({Significance.PATHOGENIC, Significance.LIKELY_PATHOGENIC, Significance.PATHOGENIC_OR_LIKELY})
"""P, LP or both; low penetrance and risk alleles are no plain P."""
BENIGN = frozenset({Significance.BENIGN, Significance.LIKELY_BENIGN, Significance.BENIGN_OR_LIKELY})

TERMS: dict[str, Significance] = {
    **{label: code for code, label in LABELS.items() if label and code is not Significance.NO_CLASSIFICATION},
    "Conflicting_interpretations_of_pathogenicity": Significance.CONFLICTING,
    "conflicting_data_from_submitters": Significance.CONFLICTING,
    "no_classification_for_the_single_variant": Significance.NO_CLASSIFICATION,
    "no_classifications_from_unflagged_records": Significance.NO_CLASSIFICATION,
    "no_interpretation_for_the_single_variant": Significance.NO_CLASSIFICATION,
    "no_classification_provided": Significance.NO_CLASSIFICATION,
    "affects": Significance.AFFECTS,
}
"""CLNSIG words of 2017 to today."""

CODES: dict[str, Significance] = {
    "0": Significance.UNCERTAIN,
    "1": Significance.NOT_PROVIDED,
    "2": Significance.BENIGN,
    "3": Significance.LIKELY_BENIGN,
    "4": Significance.LIKELY_PATHOGENIC,
    "5": Significance.PATHOGENIC,
    "6": Significance.DRUG_RESPONSE,
    "7": Significance.HISTOCOMPATIBILITY,
    "255": Significance.OTHER,  # holds "Benign/Likely benign" and "conflicting" alike
}
"""CLNSIG numbers of VCF 1.x, one a condition."""

STARS: dict[str, int] = {
    "practice_guideline": 4,
    "reviewed_by_expert_panel": 3,
    "criteria_provided,_multiple_submitters,_no_conflicts": 2,
    "criteria_provided,_multiple_submitters": 2,
    "criteria_provided,_conflicting_classifications": 1,
    "criteria_provided,_conflicting_interpretations": 1,
    "criteria_provided,_single_submitter": 1,
    "no_assertion_criteria_provided": 0,
    "no_assertion_provided": 0,
    "no_classification_provided": 0,
    "no_classification_for_the_single_variant": 0,
    "no_classification_for_the_individual_variant": 0,
    "no_classifications_from_unflagged_records": 0,
    "no_interpretation_for_the_single_variant": 0,
    "no_interpretation_for_the_individual_variant": 0,
}
"""CLNREVSTAT → review stars."""
OLD_STARS: dict[str, int] = {
    "guideline": 4,
    "prof": 4,  # 2014: reviewed by a professional society
    "exp": 3,
    "mult": 2,
    "conf": 1,
    "single": 1,
    "no_criteria": 0,
    "no_assertion": 0,
    "not": 0,
}
"""CLNREVSTAT words of VCF 1.x (2014-12 to 2017), one a condition."""
STARS_UNKNOWN = 255

FLAGGED = "no_classifications_from_unflagged_records"
"""CLNSIG and CLNREVSTAT of a record all of whose submissions are flagged: they do not count."""
LOW_PENETRANCE = frozenset({Significance.PATHOGENIC_LOW_PENETRANCE, Significance.LIKELY_PATHOGENIC_LOW_PENETRANCE})
RISK = frozenset({Significance.ESTABLISHED_RISK, Significance.LIKELY_RISK, Significance.UNCERTAIN_RISK, Significance.RISK_FACTOR})


class Conflict(enum.IntEnum):
    """Whether the submissions of a record contradict each other."""

    NO = 0
    YES = 1
    CANNOT_TELL = 2  # numbers of VCF 1.x: 255 holds "conflicting" and "Benign/Likely benign" alike


_RENAMED = (("interpretations", "classifications"), ("interpretation", "classification"), ("individual_variant", "single_variant"))
_TALLY = re.compile(r"(?:^|\||,_?)([^()]+)\((\d+)\)")


class UnknownTermError(ValueError):
    """A word that this vocabulary does not have; the message is the word."""


def parse_text(text: str) -> tuple[Significance, int]:
    """(classification, bit set of all terms) of a CLNSIG text such as `Pathogenic/Likely_pathogenic|risk_factor`. Raises UnknownTermError.

    ClinVar has aggregated such a text itself: parts joined by `/` are one classification, parts behind `|` (before 2022 `,_`) stand beside.
    """
    found: list[Significance] = []
    for part in text.split("|"):
        found.extend(_terms(part))
    return _combine(found, aggregated=True)


def parse_codes(text: str) -> tuple[Significance, int]:
    """The same of the numbers of VCF 1.x, one a condition (`5|1`): what disagrees between conditions reads CONFLICTING."""
    found: list[Significance] = []
    for part in text.split("|"):
        if part not in CODES:
            raise UnknownTermError(part)
        found.append(CODES[part])
    return _combine(found, aggregated=False)


def parse_review(text: str) -> int:
    """Stars of a CLNREVSTAT text, STARS_UNKNOWN for an empty one. Raises UnknownTermError.

    Words of VCF 1.x stand one a condition: the best counts.
    """
    if not text:
        return STARS_UNKNOWN
    if text in STARS:
        return STARS[text]
    parts = text.split("|")
    for part in parts:
        if part not in OLD_STARS:
            raise UnknownTermError(part)
    return max(OLD_STARS[part] for part in parts)


def parse_tally(text: str) -> dict[Significance, int]:
    """Submissions by term of a CLNSIGCONF text: `Pathogenic(1)|Benign(2)`, before 2022 joined by `,_`. Raises UnknownTermError."""
    found: dict[Significance, int] = {}
    at = 0
    for match in _TALLY.finditer(text):
        if match.start() != at or match[1] not in TERMS:
            raise UnknownTermError(match[1] if match.start() == at else text[at:])
        at = match.end()
        found[TERMS[match[1]]] = found.get(TERMS[match[1]], 0) + int(match[2])
    if at != len(text):
        raise UnknownTermError(text[at:])
    return found


def same_wording(review: str) -> str:
    """A review status in today's wording, so that a renamed one is not taken for a changed one."""
    for old, new in _RENAMED:
        review = review.replace(old, new)
    return review


def words_of(text: str) -> list[str]:
    """The single words of a CLNSIG text, as the file writes them, for counts of a vocabulary."""
    return [word for part in text.split("|") for word in part.split("/")]


def terms_in(bits: int) -> list[Significance]:
    """The terms of a bit set."""
    return [term for term in Significance if term and bits >> term & 1]


def _terms(part: str) -> list[Significance]:
    found: list[Significance] = []
    for word in part.split("/"):
        if word in TERMS:
            found.append(TERMS[word])
            continue
        for piece in word.split(",_"):
            if piece not in TERMS:
                # `Pathogenic,_low_penetrance,_other`: the qualifier belongs to the word before it
                if piece == "low_penetrance" and found and f"{LABELS[found[-1]]},_low_penetrance" in TERMS:
                    found[-1] = TERMS[f"{LABELS[found[-1]]},_low_penetrance"]
                    continue
                raise UnknownTermError(word)
            found.append(TERMS[piece])
    return found


def _combine(found: list[Significance], *, aggregated: bool) -> tuple[Significance, int]:
    bits = 0
    for term in found:
        bits |= 1 << term
    present = set(found)
    pathogenic, benign = present & PATHOGENIC, present & BENIGN
    uncertain = Significance.UNCERTAIN in present
    if Significance.CONFLICTING in present or (not aggregated and bool(pathogenic) + bool(benign) + uncertain > 1):
        return Significance.CONFLICTING, bits
    if len(pathogenic) > 1:
        return Significance.PATHOGENIC_OR_LIKELY, bits
    if len(benign) > 1:
        return Significance.BENIGN_OR_LIKELY, bits
    for group in (pathogenic, benign):
        if group:
            return next(iter(group)), bits
    if uncertain:
        return Significance.UNCERTAIN, bits
    informative = [term for term in found if term not in (Significance.NOT_PROVIDED, Significance.NO_CLASSIFICATION)]
    return (informative or found or [Significance.NONE])[0], bits
