"""Asking for a study and waiting for it: it shows no states, so the tables say when it is there."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from schemas.events import Command
from streams.cli.decisions import PATIENCE, decided
from streams.cli.failures import CommandFailed, ExitCode
from streams.cli.session import Session, notes, out, print_json

if TYPE_CHECKING:
    from processors.land.client import Client

_PAUSE = 0.5  # seconds between two looks
_STUDY = re.compile(r"study (\d+) \(([0-9a-f]+)\)")
_REFUSED = "refused: "


def study(session: Session, sample: str, command: Command, *, wait: bool, as_json: bool) -> int:
    """Send the command and say what came of it; with `wait`, end when the study is published. Raises CommandFailed."""
    session.send(command)
    with session.clickhouse() as client:
        outcome = _outcome(client, command)
        if outcome is None:
            notes().print(f"asked, but nothing came back within {PATIENCE:.0f} s", markup=False)
            return ExitCode.NEEDS_HUMAN
        found = _STUDY.match(outcome)
        if outcome.startswith(_REFUSED) or found is None:
            raise CommandFailed(f"replay {sample}: {outcome.removeprefix(_REFUSED)}")
        number, revision_id = int(found[1]), found[2]
        if wait:
            _published(client, sample, revision_id)
        ready = bool(client.rows("SELECT 1 FROM publication WHERE revision_id = {id:String} LIMIT 1", {"id": revision_id}))
    as_of = command.arguments["as_of"]
    if as_json:
        print_json({"sample": sample, "as_of": as_of, "revision": number, "revision_id": revision_id, "published": ready})
    else:
        then = f"; `riverseq query --sample {sample} --as-of {as_of}` shows it" if ready else " is under way"
        out().print(f"{sample}: study {number}{then}", markup=False)
    return ExitCode.DONE


def _outcome(client: Client, command: Command) -> str | None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for row in decided(client, [command.id], 0):
            return row.outcome
        time.sleep(_PAUSE)
    return None


def _published(client: Client, sample: str, revision_id: str) -> None:
    """Wait until a study is published. Raises CommandFailed where it ended otherwise, or a chunk of it is in quarantine."""
    sql = """SELECT
        (SELECT count() FROM publication WHERE revision_id = {id:String}),
        (SELECT argMax((status, reason), version) FROM revision_status WHERE revision_id = {id:String}),
        (SELECT countDistinct(ordinal) FROM quarantine WHERE revision_id = {id:String}
            AND ordinal NOT IN (SELECT chunk FROM ledger WHERE revision_id = {id:String}))"""
    while True:
        published, (status, reason), held = client.rows(sql, {"id": revision_id})[0]
        if published:
            return
        if status != "open":
            raise CommandFailed(f"replay {sample}: the study ended {status}: {reason}")
        if held:
            raise CommandFailed(f"replay {sample}: {held} chunks of the study are in quarantine; `riverseq quarantine list` names them")
        time.sleep(_PAUSE)
