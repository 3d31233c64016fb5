"""The tier of a reclassification: how much it matters to somebody whose case holds the allele. The matrix is `severity.toml`.

Our own class speaks where it is assessed on both sides, else ClinVar's classification where ClinVar is loaded on a side, else our own
class again, whose rows of `not_assessed` then apply. Neither `not_assessed` nor a source that is not loaded is ever read as uncertain.
"""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from processors.knowledge.sources.clinvar_terms import LABELS, LOW_PENETRANCE, RISK, STARS_UNKNOWN, Significance

U8 = npt.NDArray[np.uint8]


class Acmg(enum.IntEnum):
    """Our own classes, with the names that findings have."""

    NOT_ASSESSED = 0
    BENIGN = 1
    LIKELY_BENIGN = 2
    UNCERTAIN = 3
    LIKELY_PATHOGENIC = 4
    PATHOGENIC = 5


class Known(enum.IntEnum):
    """ClinVar's classifications, grouped by what they mean to a case; and why there is none."""

    NOT_LOADED = 0
    ABSENT = 1
    NOT_PROVIDED = 2
    OTHER = 3
    BENIGN = 4
    LIKELY_BENIGN = 5
    UNCERTAIN = 6
    CONFLICTING = 7
    RISK = 8
    LOW_PENETRANCE = 9
    LIKELY_PATHOGENIC = 10
    PATHOGENIC = 11


class Basis(enum.IntEnum):
    """What a tier rests on; the names are what the column `basis` holds."""

    CLASS = 0
    CLINVAR = 1


class SeverityInvalid(ValueError):
    """The matrix cannot be used; the message names file, table, row and class."""


class Tiers(NamedTuple):
    """Per allele: tier (1 act now, 2 look, 3 note, 0 no event) and Basis, both uint8."""

    tier: U8
    basis: U8


_GROUPS: Mapping[Significance, Known] = {
    Significance.NONE: Known.ABSENT,
    Significance.BENIGN: Known.BENIGN,
    Significance.BENIGN_OR_LIKELY: Known.BENIGN,
    Significance.LIKELY_BENIGN: Known.LIKELY_BENIGN,
    Significance.UNCERTAIN: Known.UNCERTAIN,
    Significance.CONFLICTING: Known.CONFLICTING,
    Significance.LIKELY_PATHOGENIC: Known.LIKELY_PATHOGENIC,
    Significance.PATHOGENIC: Known.PATHOGENIC,
    Significance.PATHOGENIC_OR_LIKELY: Known.PATHOGENIC,
    Significance.NOT_PROVIDED: Known.NOT_PROVIDED,
    Significance.NO_CLASSIFICATION: Known.NOT_PROVIDED,
    **dict.fromkeys(LOW_PENETRANCE, Known.LOW_PENETRANCE),
    **dict.fromkeys(RISK, Known.RISK),
}
_GROUP_OF = np.array([_GROUPS.get(code, Known.OTHER) for code in Significance], dtype=np.uint8)
_LABELS = {label: code for code, label in LABELS.items()}


@dataclass(frozen=True)
class Severity:
    """The matrices as arrays: uint8[old, new] by Acmg and by Known."""

    acmg: U8
    clinvar: U8
    zero_star_lowers_by: int
    star_borders: tuple[int, ...]
    star_classes: U8
    star_tier: int


@lru_cache(maxsize=1)
def severity() -> Severity:
    """The matrix that comes with riverseq. Raises SeverityInvalid."""
    return read_severity(resources.files("processors.interpret").joinpath("severity.toml").read_text(), "severity.toml")


def read_severity(text: str, name: str) -> Severity:
    """A matrix from TOML; `name` is the file's, for messages. Raises SeverityInvalid."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SeverityInvalid(f"{name}: is no TOML ({error})") from error
    unknown = sorted(said.keys() - {"acmg", "clinvar", "stars"})
    if unknown:
        raise SeverityInvalid(f"{name}: [{unknown[0]}] is none of [acmg], [clinvar], [stars]")
    stars = said.get("stars", {})
    wanted = {"zero_star_lowers_by", "borders", "classes", "tier"}
    if not isinstance(stars, dict) or stars.keys() != wanted:
        raise SeverityInvalid(f"{name}: [stars] has to have {', '.join(sorted(wanted))}, and nothing else")
    lowers, borders, classes, tier = (stars[key] for key in ("zero_star_lowers_by", "borders", "classes", "tier"))
    if lowers not in (0, 1) or not _is_tier(tier):
        raise SeverityInvalid(f"{name}: [stars] zero_star_lowers_by is 0 or 1 and tier is 0 to 3, not {lowers!r} and {tier!r}")
    if not isinstance(borders, list) or any(isinstance(one, bool) or one not in (1, 2, 3, 4) for one in borders):
        raise SeverityInvalid(f"{name}: [stars] borders are stars from 1 to 4, not {borders!r}")
    if not isinstance(classes, list):
        raise SeverityInvalid(f"{name}: [stars] classes is a list of ClinVar's classes")
    named = [_class(Known, one, f"{name}: [stars] classes") for one in classes]
    return Severity(
        _matrix(said, "acmg", Acmg, name),
        _matrix(said, "clinvar", Known, name),
        lowers,
        tuple(borders),
        np.array(named, dtype=np.uint8),
        tier,
    )


def _matrix(said: Mapping[str, Any], table: str, kind: type[Acmg] | type[Known], name: str) -> U8:
    rows = said.get(table, {})
    out = np.zeros((len(kind), len(kind)), dtype=np.uint8)
    for old, row in rows.items():
        place = _class(kind, old, f"{name}: [{table}]")
        if not isinstance(row, dict):
            raise SeverityInvalid(f"{name}: [{table}] {old}: is no table of new class = tier")
        for new, tier in row.items():
            if not _is_tier(tier):
                raise SeverityInvalid(f"{name}: [{table}] {old} to {new}: a tier is 0, 1, 2 or 3, not {tier!r}")
            out[place, _class(kind, new, f"{name}: [{table}] {old}")] = tier
    for one in kind:
        for other in kind:
            if other.name.lower() not in rows.get(one.name.lower(), {}):
                raise SeverityInvalid(f"{name}: [{table}] has no tier for {one.name.lower()} to {other.name.lower()}")
    if bool(np.diag(out).any()):
        raise SeverityInvalid(f"{name}: [{table}]: a class that stays has tier 0")
    return out


def _is_tier(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3


def _class(kind: type[Acmg] | type[Known], word: Any, where: str) -> int:
    if not isinstance(word, str) or word.upper() not in kind.__members__ or word != word.lower():
        raise SeverityInvalid(f"{where}: {word!r} is no class; they are {', '.join(one.name.lower() for one in kind)}")
    return int(kind[word.upper()])


def acmg_classes(names: Sequence[str]) -> U8:
    """Acmg of the names that findings have; `not_assessed` and an empty name alike. Raises SeverityInvalid for another word."""
    codes = {name: _class(Acmg, name or "not_assessed", "class") for name in set(names)}
    return np.array([codes[name] for name in names], dtype=np.uint8)


def clinvar_classes(significance: U8, loaded: bool | npt.NDArray[np.bool_] = True) -> U8:
    """Known of `Significance` codes; 0 is absent where ClinVar was `loaded`, else not loaded."""
    return np.where(loaded, _GROUP_OF[significance], np.uint8(Known.NOT_LOADED)).astype(np.uint8)


def tier_of(
    old: U8, new: U8, old_clinvar: U8, new_clinvar: U8, old_stars: U8 | None = None, new_stars: U8 | None = None, by: Severity | None = None
) -> Tiers:
    """Tier and basis of n alleles: `old` and `new` are Acmg, `old_clinvar` and `new_clinvar` Known, stars 0 to 4 or 255 (unknown)."""
    by = by or severity()
    unknown = np.full(len(old), STARS_UNKNOWN, dtype=np.uint8)
    known = clinvar_tiers(
        old_clinvar, new_clinvar, unknown if old_stars is None else old_stars, unknown if new_stars is None else new_stars, by
    )
    assessed = (old != Acmg.NOT_ASSESSED) & (new != Acmg.NOT_ASSESSED)
    silent = (old_clinvar == Known.NOT_LOADED) & (new_clinvar == Known.NOT_LOADED)
    own = assessed | silent
    basis = np.where(own, np.uint8(Basis.CLASS), np.uint8(Basis.CLINVAR)).astype(np.uint8)
    return Tiers(np.where(own, by.acmg[old, new], known).astype(np.uint8), basis)


def clinvar_tiers(old: U8, new: U8, old_stars: U8, new_stars: U8, by: Severity | None = None) -> U8:
    """Tier of n changes of ClinVar's classification alone, with the rules of stars."""
    by = by or severity()
    tier = by.clinvar[old, new].astype(np.int64)
    rests = np.where((new == Known.ABSENT) | (new == Known.NOT_LOADED), old_stars, new_stars)
    lowered = np.minimum(tier + by.zero_star_lowers_by, 3)
    tier = np.where((tier > 0) & (rests == 0), lowered, tier)
    both = (old_stars != STARS_UNKNOWN) & (new_stars != STARS_UNKNOWN)
    crossed = np.zeros(len(old), dtype=np.bool_)
    for border in by.star_borders:
        crossed |= (old_stars < border) != (new_stars < border)
    stayed = (old == new) & np.isin(new, by.star_classes)
    return np.where(stayed & both & crossed, by.star_tier, tier).astype(np.uint8)
