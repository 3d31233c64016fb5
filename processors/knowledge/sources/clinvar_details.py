"""What a ClinVar record says, for people and JSON: by condition where the file tells that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from processors.knowledge.sources.clinvar_terms import (
    CODES,
    LABELS,
    LOW_PENETRANCE,
    RISK,
    STARS_UNKNOWN,
    Conflict,
    Significance,
    parse_review,
    parse_tally,
    terms_in,
)

COLUMNS: dict[str, dict[str, str]] = {
    "record": {"title": "Record (variation ID; in old files an rs number)", "unit": ""},
    "allele": {"title": "Allele ID", "unit": ""},
    "significance": {"title": "Germline classification", "unit": ""},
    "terms": {"title": "All its terms", "unit": ""},
    "stars": {"title": "Review stars", "unit": "0 to 4"},
    "review": {"title": "Review status", "unit": ""},
    "conflict": {"title": "Submissions contradict each other", "unit": "yes, no, cannot_tell"},
    "submissions": {"title": "Submissions by classification, where they contradict", "unit": "count"},
    "conditions": {"title": "Conditions, with their own classification where the file gives it", "unit": ""},
    "genes": {"title": "Genes", "unit": ""},
    "consequences": {"title": "Molecular consequences", "unit": "SO"},
    "low_penetrance": {"title": "A low-penetrance term", "unit": ""},
    "risk": {"title": "A risk term", "unit": ""},
    "flagged": {"title": "All submissions are flagged and do not count", "unit": ""},
    "origin": {"title": "Allele origin", "unit": "bit set of ClinVar"},
    "last_evaluated": {"title": "Last evaluated", "unit": "date"},
    "submitters": {"title": "Submitters", "unit": "count"},
    "scvs": {"title": "Submissions (SCV)", "unit": ""},
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_US_DATE = re.compile(r"([A-Z][a-z]{2})[a-z]* (\d{1,2}), (\d{4})")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


def details(numbers: Mapping[str, int], texts: Mapping[str, str]) -> dict[str, Any]:
    """A row's numbers and texts as COLUMNS names them; None or an empty list where the file does not say."""
    terms = terms_in(numbers["terms"])
    stars = numbers["stars"]
    return {
        "record": texts["record"],
        "allele": texts["allele"] or None,
        "significance": LABELS[Significance(numbers["significance"])],
        "terms": [LABELS[term] for term in terms],
        "stars": None if stars == STARS_UNKNOWN else stars,
        "review": readable(texts["review"]) or None,
        "conflict": Conflict(numbers["conflict"]).name.lower(),
        "submissions": {LABELS[term]: count for term, count in parse_tally(texts["submissions"]).items()},
        "conditions": conditions(texts),
        "genes": [part for part in texts["gene"].split("|") if part],
        "consequences": [part.partition("|")[2] or part for part in texts["consequence"].split(",") if part],
        "low_penetrance": bool(LOW_PENETRANCE & set(terms)),
        "risk": bool(RISK & set(terms)),
        "flagged": bool(numbers["flagged"]),
        "origin": texts["origin"] or None,
        "last_evaluated": iso_date(texts["last_evaluated"]) or None,
        "submitters": int(texts["submitters"]) if texts["submitters"].isdigit() else None,
        "scvs": [part for part in texts["scvs"].split("|") if part],
    }


def conditions(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each condition: `name`, `ids`, and where the file gives them `significance`, `stars` and `accession` of its own."""
    names = texts["conditions"].split("|")
    found: list[dict[str, Any]] = [{"name": readable(name), "ids": []} for name in names if name]
    for key, column in (("ids", "condition_ids"), ("significance", "codes"), ("stars", "review"), ("accession", "accessions")):
        parts = texts[column].split("|")
        # `review` stands once for the whole record in today's files, and by condition in those of VCF 1.x
        if not texts[column] or len(parts) != len(found) or (key == "stars" and not texts["codes"]):
            continue
        for one, part in zip(found, parts, strict=True):
            one[key] = _value(key, part)
    return found


def by_condition(texts: Mapping[str, str]) -> frozenset[tuple[Any, ...]]:
    """The conditions with what is said of each, whatever their order in the file: what a comparison of two releases reads."""
    said = conditions(texts)
    return frozenset((one["name"], one.get("significance"), one.get("stars")) for one in said)


def named(texts: Mapping[str, str]) -> frozenset[tuple[Any, ...]]:
    """The conditions with their ids, whatever their order in the file."""
    return frozenset((one["name"], tuple(sorted(one["ids"]))) for one in conditions(texts))


def readable(text: str) -> str:
    """Spaces for underscores, characters for escapes such as `\\x2c`."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).replace("_", " ")


def iso_date(text: str) -> str:
    """`2017-05-26` for `May 26, 2017`; a text of another form as it is."""
    found = _US_DATE.fullmatch(text)
    if found is None or found[1] not in _MONTHS:
        return text
    return f"{found[3]}-{_MONTHS.index(found[1]) + 1:02d}-{int(found[2]):02d}"


def _value(key: str, part: str) -> Any:
    if key == "ids":
        return [one for one in part.split(",") if one not in ("", ".")]
    if key == "significance":
        return LABELS[CODES[part]]
    return parse_review(part) if key == "stars" else part
