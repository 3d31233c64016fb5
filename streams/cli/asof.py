"""`--as-of DATE` and `--known-at TIME`: what they mean, and what is said beside an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.failures import WrongUse
from streams.cli.session import notes as console
from streams.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.land.asof import AsOf, Notes, Shadows
    from processors.land.client import Client

NAMED = 10
"""Samples named in a remark; JSON has all."""

AsOfDate = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="As interpreted with the knowledge of a date or before, like 2017-01-15."),
]
KnownAt = Annotated[
    str | None,
    typer.Option("--known-at", metavar="TIME", help="As published at a date or ISO time (UTC) or before."),
]


def asked_of(as_of: str | None, known_at: str | None) -> AsOf:
    """What the two options ask. Raises WrongUse for what is no date or time, or lies ahead."""
    from processors.land.asof import AsOf, NotATime, parse_date, parse_time

    option = "--as-of"
    try:
        day = parse_date(as_of, datetime.now(UTC).date()) if as_of is not None else None
        option = "--known-at"
        return AsOf(day, parse_time(known_at, now_ms()) if known_at is not None else None)
    except NotATime as error:
        raise WrongUse(f"{option}: {error}") from None


def shadows_of(client: Client, asked: AsOf) -> Shadows | None:
    """The views as of what is asked; None where nothing is."""
    from processors.land.asof import Shadows

    return Shadows(client, asked) if asked else None


def moved(shadows: Shadows | None, statement: str) -> str:
    """A SELECT on the views as of what is asked. Raises WrongUse for one that cannot be moved."""
    from processors.land.shadow import NotShadowed

    if shadows is None:
        return statement
    try:
        return shadows.sql(statement)
    except NotShadowed as error:
        raise WrongUse(str(error)) from None


def remark(found: Notes) -> None:
    """Say on standard error what a person must know of an answer as of another time."""
    say = console()
    if found.none:
        count = len(found.none)
        who = f"{count} sample{'s have' if count > 1 else ' has'} no revision with {found.asked.words()}: {_named(found.none)}"
        replay = f"; `riverseq replay SAMPLE --as-of {found.asked.knowledge}` makes one" if found.asked.knowledge else ""
        say.print(f"{who}{replay}", markup=False, soft_wrap=True)
    if found.untold:
        kinds = sorted({kind for undated in found.untold.values() for kind in undated})
        say.print(
            f"of {len(found.untold)} of these nobody can tell: no date is known of their {', '.join(kinds)}", markup=False, soft_wrap=True
        )
    if found.studies:
        say.print(f"re-interpreted as of then (studies): {_named(found.studies)}", markup=False, soft_wrap=True)
    if found.hindsight:
        later = ", ".join(f"{one.name} {one.version} ({one.date})" for one in found.hindsight)
        say.print(f"hindsight, since these do not move with the date: {later}", markup=False, soft_wrap=True)


def with_notes(rows: Sequence[dict[str, Any]], found: Notes) -> dict[str, Any]:
    """Rows as JSON with what is to be said beside them."""
    return {"rows": list(rows), **found.record()}


def _named(samples: Sequence[str]) -> str:
    more = len(samples) - NAMED
    return ", ".join(samples[:NAMED]) + (f" and {more} more (--json names all)" if more > 0 else "")
