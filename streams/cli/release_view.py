"""How releases are shown: a table, JSON, and a display that follows one until it is at its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.cli.session import Session, notes

if TYPE_CHECKING:
    from processors.land.releases import ReleaseRow, ReleaseStatus

ENDED = frozenset({"done", "refused", "replaced", "held", "paused"})
"""States in which waiting ends: nothing more comes, or nothing before a person acts."""
STYLE = {"done": "green", "running": "cyan", "requested": "cyan", "paused": "yellow", "held": "yellow", "refused": "red", "replaced": "dim"}
_PAUSE = 0.2  # seconds between two looks
_SETTLE = 1.5
"""Seconds for which a state that needs a person must stand before waiting ends on it."""


def status_json(row: ReleaseRow, status: ReleaseStatus) -> dict[str, Any]:
    """A release as `--json` gives it; the keys are a contract."""
    return {
        "release": row.release_id,
        "build": row.build,
        "kind": row.kind,
        "name": row.name,
        "version": row.version,
        "date": row.date,
        "digest": row.to_digest,
        "replaces": row.from_digest,
        "direction": row.direction,
        "keys": {"added": row.added, "removed": row.removed, "changed": row.changed},
        "state": str(status.state),
        "detail": status.detail,
        "samples": status.samples,
        "samples_done": status.samples_done,
        "samples_touched": status.samples_touched,
        "alleles": status.alleles,
        "reclassified": {str(tier): count for tier, count in sorted(status.reclassified.items())},
        "actor": row.actor,
        "reason": row.reason,
        "requested_at": row.requested_at,
        "changed_at": status.changed_at,
    }


def table_of(found: Sequence[tuple[ReleaseRow, ReleaseStatus]]) -> Group:
    """Releases, one a line; what is to be said of one stands below."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("build", "source", "version", "date", "state"):
        table.add_column(heading, overflow="fold")
    for heading in ("samples", "touched", "alleles"):
        table.add_column(heading, justify="right")
    table.add_column("reclassified", overflow="fold")
    for row, status in found:
        table.add_row(
            row.build,
            row.kind,
            row.version,
            row.date,
            Text(str(status.state), style=STYLE.get(str(status.state), "")),
            f"{status.samples_done} / {status.samples}",
            f"{status.samples_touched}",
            f"{status.alleles:,}",
            tiers(status),
        )
    remarks = [
        Text(
            f"{row.kind} {row.version}: {'; '.join(filter(None, ('a rollback' * (row.direction == 'rollback'), status.detail)))}",
            style="yellow",
        )
        for row, status in found
        if status.detail or row.direction == "rollback"
    ]
    return Group(table, *remarks)


def tiers(status: ReleaseStatus) -> str:
    """`tier 1: 3, tier 2: 10`: alleles of samples that were reclassified, by tier."""
    return ", ".join(f"tier {tier}: {count:,}" for tier, count in sorted(status.reclassified.items())) or "none"


def follow(session: Session, release_id: str) -> tuple[ReleaseRow, ReleaseStatus] | None:
    """Show a release until it is at its end, and return that; None after Ctrl-C."""
    from processors.land import releases

    stood: tuple[str, float] = ("", 0.0)
    with session.clickhouse() as client, Live(console=notes(), refresh_per_second=8, transient=True) as live:
        try:
            while True:
                found = releases.release(client, release_id)
                if found is not None:
                    live.update(shown(*found))
                    state, now = str(found[1].state), time.monotonic()
                    stood = stood if stood[0] == state else (state, now)
                    if state in ENDED and (state in ("done", "refused", "replaced") or now - stood[1] >= _SETTLE):
                        return found
                time.sleep(_PAUSE)
        except KeyboardInterrupt:
            return None


def shown(row: ReleaseRow, status: ReleaseStatus) -> Group:
    """What the live display shows."""
    line = Table.grid(padding=(0, 2))
    total = status.samples
    line.add_row(
        Text(f"{row.kind} {row.version}", style="bold"),
        Text(str(status.state), style=STYLE.get(str(status.state), "")),
        ProgressBar(total=total or 1, completed=status.samples_done if total else 1, width=28),
        f"{status.samples_done} / {total} samples",
        f"{status.alleles:,} alleles",
        f"reclassified {tiers(status)}",
    )
    return Group(line, *([Text(status.detail, style="yellow")] if status.detail else []))
