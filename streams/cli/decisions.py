"""What became of a request: the control plane writes one decision for every command, and for every event that led to no submission."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.events import Command
from streams.cli.failures import CommandFailed, ExitCode
from streams.cli.session import Session, notes, out

if TYPE_CHECKING:
    from processors.land.client import Client

PATIENCE = 30.0
"""Seconds to wait for the control plane to do what was asked."""
_PAUSE = 0.3  # seconds between two looks
_REFUSED = "refused: "


@dataclass(frozen=True)
class Decided:
    """A row of the table `decision`. `kind` is the command's, or `duplicate`, `case`, `rejected` of an announcement."""

    event_id: str
    kind: str
    outcome: str
    reason: str


def decided(client: Client, event_ids: Sequence[str], since: int) -> list[Decided]:
    """Decisions about these events taken at or after `since` (ms since 1970 UTC)."""
    rows = client.rows(
        "SELECT event_id, kind, outcome, reason FROM decision"
        " WHERE event_id IN {ids:Array(String)} AND time >= {since:Int64} ORDER BY time",
        {"ids": list(event_ids), "since": since},
    )
    return [Decided(*map(str, row)) for row in rows]


def ask(session: Session, sample: str, command: Command) -> int:
    """Send a command and say what came of it. Raises CommandFailed where control refused it."""
    session.send(command)
    deadline = time.monotonic() + PATIENCE
    with session.clickhouse() as client:
        while time.monotonic() < deadline:
            for found in decided(client, [command.id], 0):
                if found.outcome.startswith(_REFUSED):
                    raise CommandFailed(f"{command.kind} {sample}: {found.outcome.removeprefix(_REFUSED)}")
                out().print(f"{sample}: {found.outcome}", markup=False)
                return ExitCode.DONE
            time.sleep(_PAUSE)
    notes().print(
        f"asked, but nothing came back within {PATIENCE:.0f} s; `riverseq status {sample}` shows what becomes of it", markup=False
    )
    return ExitCode.NEEDS_HUMAN


def changes_nothing(session: Session, event_ids: Sequence[str], since: int) -> bool:
    """True where control took one of these for what it has done already. Raises CommandFailed where it refused one."""
    with session.clickhouse() as client:
        found = decided(client, event_ids, since)
    for row in found:
        if row.outcome.startswith(_REFUSED) or row.kind == "rejected":
            raise CommandFailed(f"refused: {row.reason if row.kind == 'rejected' else row.outcome.removeprefix(_REFUSED)}")
    return any(row.kind in {"duplicate", "case"} for row in found)
