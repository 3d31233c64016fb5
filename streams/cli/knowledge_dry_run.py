"""`riverseq knowledge release --dry-run`: what a pack would change of the samples on file, before it is made the active one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from streams.cli.failures import ExitCode
from streams.cli.knowledge_build import bar, described, summary
from streams.cli.knowledge_diff import difference_of
from streams.cli.knowledge_kinds import known_kind
from streams.cli.session import Session, out, print_json

if TYPE_CHECKING:
    from processors.delta.forecast import Forecast
    from processors.knowledge.pack import Pack

SHOWN = 20
"""Transitions of the table, the most frequent first."""


def show_dry_run(session: Session, pack: Pack, build: str, *, older_is_fine: bool = False, as_json: bool = False) -> int:
    """Print what would change; exit code 3 where control would refuse the release. Raises NotRunning, PackError, StoreError."""
    from processors.delta.forecast import forecast, plan_with
    from processors.knowledge.pack import active_packs
    from streams.control.release_request import FORWARD, Wish, objection

    settings, packs = session.settings(), session.packs()
    before = active_packs(packs, build).get(pack.kind)
    wish = Wish(known_kind(pack.kind), pack, FORWARD, "background", older_is_fine, "", (-1, -1, -1))
    problem = objection(wish, before, commercial=settings.profile == "commercial")
    difference = difference_of(before, pack) if before is not None else None
    with session.clickhouse("writer") as client, bar("looking at the samples on file") as progress:
        found = forecast(client, packs, plan_with(packs, build, pack), provider=settings.provider, progress=progress)
    if as_json:
        changes: dict[str, Any] = {} if difference is None else difference.as_json()
        print_json({"pack": described(pack), "refused": problem, "diff": changes, **asdict(found)})
    else:
        _show(pack, before, found, problem)
    return ExitCode.NEEDS_HUMAN if problem else ExitCode.DONE


def _show(pack: Pack, before: Pack | None, found: Forecast, problem: str) -> None:
    console = out()
    console.print(summary(pack), markup=False)
    console.print(
        f"in the place of {before.name} {before.version} ({before.digest[:12]})" if before else "the first of its kind", markup=False
    )
    rows = {
        "changed keys": ", ".join(f"{kind} {count:,}" for kind, count in found.keys.items()) or "none on file",
        "alleles on file": f"{found.alleles:,} flow again",
        "samples": f"{found.samples:,} follow: {found.touched:,} with an affected allele, {found.carried:,} keep their results",
        "findings": f"{found.findings_added:,} come, {found.findings_removed:,} go",
        "reclassified": ", ".join(f"tier {tier}: {count:,}" for tier, count in found.reclassified.items()) or "none",
        "opted out": f"{found.opted_out:,} samples stay under their plan",
        "out of reach": f"{found.unreachable:,} samples need `riverseq replay`" if found.unreachable else "none",
        "time": f"about {found.seconds:.1f} s",
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(name, value)
    console.print(grid)
    if found.transitions:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("change, of alleles of samples")
        table.add_column("times", justify="right")
        for change, count in list(found.transitions.items())[:SHOWN]:
            table.add_row(change, f"{count:,}")
        console.print(table)
        if len(found.transitions) > SHOWN:
            console.print(f"and {len(found.transitions) - SHOWN} more; --json has all", markup=False)
    console.print(f"it would be refused: {problem}" if problem else "nothing was changed; the same without --dry-run does it", markup=False)
