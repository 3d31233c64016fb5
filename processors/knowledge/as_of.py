"""The plan of a date: for each kind that moves, the newest pack on this machine that is not of a later date."""

from __future__ import annotations

import calendar
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

from processors.knowledge.kinds import kind_of
from processors.knowledge.pack import Pack, PackError, read_pack
from schemas.plan import Component, Plan

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


class NoPackOfThen(PackError):
    """Of a kind that moves, no pack on this machine is old enough."""


def last_day(text: str) -> date | None:
    """The day of an ISO date, the last one of a year or a month; None for anything else. The same in SQL: view `plan_dates`."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month = int(found[1]), int(found[2] or 12)
    try:
        return date(year, month, int(found[3] or calendar.monthrange(year, month)[1]))
    except (ValueError, calendar.IllegalMonthError):
        return None


def plan_as_of(plan: Plan, packs: Path, day: date) -> Plan:
    """A plan with the packs of a date in the place of those that move; all else stays as it is, and is hindsight where it is later.

    Of packs of one date the plan's own goes first, then the greater version. Raises NoPackOfThen, which names what is too new.
    """
    components, lacking = [], []
    for component in plan.components:
        kind = kind_of(component.kind)
        if kind is None or not kind.moving:
            components.append(component)
            continue
        dated = [
            (found, pack) for pack in _packs(packs, component.kind, plan.build) if (found := last_day(str(pack.extra.get("date", ""))))
        ]
        fitting = [(found, pack.digest == component.digest, pack.version, pack.digest, pack) for found, pack in dated if found <= day]
        if fitting:
            chosen = max(fitting, key=lambda one: one[:4])[-1]
            components.append(Component(component.kind, chosen.name, chosen.version, chosen.digest))
            continue
        oldest = min(dated, key=lambda one: one[0], default=None)
        lacking.append(f"{component.kind} ({f'the oldest here is of {oldest[0]}' if oldest else 'none here has a date'})")
    if lacking:
        raise NoPackOfThen(f"no pack of {day} or before: {', '.join(lacking)}; build one with `riverseq knowledge build`")
    return replace(plan, components=tuple(components))


def _packs(root: Path, kind: str, build: str) -> list[Pack]:
    """Readable packs of a kind for a build; a damaged one cannot be chosen."""
    found = []
    for path in sorted((root / kind).glob("*/pack.json")):
        if path.parent.name.startswith("."):
            continue
        try:
            pack = read_pack(path.parent)
        except PackError:
            continue
        if pack.build in (build, "any"):
            found.append(pack)
    return found
