"""`riverseq reanalysis`: whether later releases of knowledge may re-interpret a sample."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from streams.cli.decisions import ask
from streams.cli.operate import command_of
from streams.cli.session import Session, session_of


class Answer(StrEnum):
    """What a person decides."""

    ALLOW = "allow"
    REFUSE = "refuse"


_SAID = {Answer.ALLOW: "allowed", Answer.REFUSE: "refused"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reanalysis)


def reanalysis(
    context: typer.Context,
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Name or pseudonym.")],
    answer: Annotated[Answer, typer.Argument(metavar="allow|refuse", help="May releases re-interpret it?", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the decision.")] = "",
) -> int:
    """Decide whether releases of knowledge re-interpret a sample. One that is refused stays under its plan, and `status` says so.

    [bold]riverseq reanalysis NA12878 refuse --reason "consent form of 2026-03-01"[/bold]
    [bold]riverseq reanalysis NA12878 allow --reason "consent renewed"[/bold]

    What it missed meanwhile follows by itself once it is allowed.
    """
    session = session_of(context)
    command = replace(command_of(session, "reanalysis", sample, reason), arguments={"answer": _SAID[answer]})
    return ask(session, sample, command)


def refusing(session: Session) -> dict[str, str]:
    """sample_id → who decided that it takes no part, and why; empty where ClickHouse is away."""
    from processors.land.client import StoreError
    from processors.land.releases import refusing as rows
    from streams.settings import SettingsError

    try:
        with session.clickhouse() as client:
            return rows(client)
    except (StoreError, SettingsError):
        return {}
