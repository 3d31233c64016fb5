"""What `riverseq status` shows: a table of all samples, one sample in full, and both live."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.live import Live
from rich.table import Table
from rich.text import Text

from schemas.events import SampleState
from streams.cli import states
from streams.cli.session import Session, out
from streams.cli.waiting import STYLE, bars, outcome
from streams.clock import now_ms
from streams.settings import SettingsError

_STAYS = "releases do not touch it, it stays under its plan"
SHOWN = 50
"""Samples of the table, newest first."""


def sample_names(session: Session) -> dict[str, str]:
    """sample_id → name, empty where ClickHouse is away. A reader may not see names: who has the state folder's other passwords may."""
    from processors.land.client import StoreError

    try:
        with session.clickhouse("writer") as client:
            pairs = client.rows(
                "SELECT sample_id, any(name) FROM submission ARRAY JOIN sample_ids AS sample_id, names AS name GROUP BY sample_id"
            )
    except (StoreError, SettingsError):
        return {}
    return {str(key): str(name) for key, name in pairs}


def watch(session: Session, sample: str | None) -> None:
    names = sample_names(session)
    wanted = session.sample_id(sample) if sample else None
    with session.reader() as reader:
        since = states.ends(reader)
        current = states.current_states(reader)
        with Live(console=out(), refresh_per_second=4) as live:
            for state in states.changes(reader, since):
                if state is not None:
                    current[state.sample_id] = state
                    if state.sample_id not in names:
                        names = sample_names(session)
                ordered = sorted(current.values(), key=lambda s: -s.submitted_at)
                if wanted is None:
                    live.update(table_of(ordered, names))
                elif wanted in current:
                    live.update(bars({sample or wanted: current[wanted]}, 1))
                time.sleep(0.05)


def table_of(ordered: list[SampleState], names: Mapping[str, str], refusing: Mapping[str, str] | None = None) -> Table | Text:
    if not ordered:
        return Text("no samples yet; `riverseq submit FILE --build B` announces one")
    table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    for heading in ("sample", "state", "done"):
        table.add_column(heading)
    for heading in ("in", "landed", "quarantined", "revision"):
        table.add_column(heading, justify="right")
    for heading in ("age", "remark"):
        table.add_column(heading)
    now = now_ms()
    for state in ordered[:SHOWN]:
        style = STYLE.get(state.state, "cyan")
        table.add_row(
            names.get(state.sample_id, state.sample_id[:12]),
            Text(state.state, style=style),
            _done(state),
            f"{state.variants_in:,}" if state.variants_in else "",
            f"{state.landed:,}",
            f"{state.quarantined:,}",
            str(state.revision or ""),
            _age(now - state.submitted_at),
            Text("; ".join(filter(None, (state.reason, _STAYS if state.sample_id in (refusing or {}) else ""))), style="yellow"),
        )
    if len(ordered) > SHOWN:
        table.caption = f"{len(ordered) - SHOWN} older samples are not shown; --json lists all"
    return table


def _done(state: SampleState) -> str:
    if state.state in states.FINAL:
        return ""
    last = state.stages[-1] if state.stages else None
    return f"{100 * last.done / last.total:.0f} %" if last is not None and last.total > 0 else "?"


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds // 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def show(name: str, state: SampleState, refused: str | None = None) -> None:
    """One sample in full; `refused`: who decided that releases do not re-interpret it, and why."""
    console = out()
    console.print(outcome(name, state))
    console.print(bars({name: state}, 1))
    rows = {
        "build": state.build,
        "lane": state.lane.value,
        "submission": state.submission_id,
        "revision": f"{state.revision} ({state.revision_id})",
        "plan": state.plan_id,
        "provider": state.provider,
        "submitted": _moment(state.submitted_at),
        "changed": _moment(state.updated_at),
        **({} if refused is None else {"re-interpretation": f"refused ({refused}): {_STAYS}"}),
    }
    table = Table.grid(padding=(0, 2))
    for key, value in rows.items():
        table.add_row(Text(key, style="dim"), value)
    console.print(table)
    if state.state == states.HELD:
        console.print("`riverseq quarantine list` shows what is held; replay it, or acknowledge that it is missing", markup=False)


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if milliseconds > 0 else ""
