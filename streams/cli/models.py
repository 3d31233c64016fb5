"""`riverseq models`: models are data: packs with a card."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.reference import show_packs
from streams.cli.session import session_of


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Models that score alleles.", no_args_is_help=True)
    group.callback()(_group)
    group.command("list")(list_)
    app.add_typer(group, name="models")


def _group() -> None:
    """Models that score alleles."""


def list_(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False) -> int:
    """List models; those in use are marked.

    [bold]riverseq models list[/bold]
    """
    show_packs(
        session_of(context).packs(),
        ("model",),
        as_json=json,
        empty="no model here yet; `riverseq reference add` brings one",
    )
    return 0
