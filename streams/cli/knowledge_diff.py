"""`riverseq knowledge diff`: what tells two packs of a kind apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
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
    """What tells two packs apart; None where the kind cannot be compared. Raises PackError."""
    from processors.knowledge.diff import Change, diff

    found = diff(old, new)
    if len(found.genes):
        fields = Counter(name for _, columns in found.genes for name in columns)
        return Difference(0, 0, len(found.genes), dict(fields))
    counts = {change: int((found.change == change).sum()) for change in Change}
    both = np.flatnonzero(found.change == Change.CHANGED)
    changes: Counter[str] = Counter()
    for name in found.fields:
        rows = both[(found.bits[both] & found.mask(name)) != 0]
        if name == "significance" and old.kind == "clinvar":
            changes.update(_significances(old, new, found.old_row[rows], found.new_row[rows]))
        elif len(rows):
            changes[name] = len(rows)
    if len(found.regions):
        changes["regions"] = len(found.regions)
    if found.everything:
        changes["answers for alleles that it does not hold"] = 1
    return Difference(counts[Change.ADDED], counts[Change.REMOVED], counts[Change.CHANGED], dict(changes))


def _significances(old: Pack, new: Pack, before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]) -> Counter[str]:
    """`significance: A > B` → how often."""
    from processors.knowledge.sources.clinvar import ClinVar
    from processors.knowledge.sources.clinvar_terms import LABELS, Significance

    pairs = np.stack([ClinVar(old).significance[before], ClinVar(new).significance[after]], axis=1)
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    names = [(LABELS[Significance(int(a))], LABELS[Significance(int(b))]) for a, b in unique]
    return Counter({f"significance: {a} > {b}": int(n) for (a, b), n in zip(names, counts, strict=True)})
