"""`riverseq knowledge`: what is known of alleles, genes and regions: packs of it, and their releases."""

from __future__ import annotations

import typer

from streams.cli.install import install_knowledge
from streams.cli.knowledge_build import build_
from streams.cli.knowledge_diff import diff
from streams.cli.knowledge_kinds import kinds_help
from streams.cli.knowledge_lift import lift
from streams.cli.knowledge_packs import list_, verify
from streams.cli.knowledge_release import pause, release, resume, rollback, status


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Knowledge sources: packs of them, and their releases.", no_args_is_help=True)
    group.command("build", epilog=kinds_help())(build_)
    group.command("install")(install_knowledge)
    group.command("release", epilog=kinds_help())(release)
    group.command("rollback")(rollback)
    group.command("pause")(pause)
    group.command("resume")(resume)
    group.command("status")(status)
    group.command("list")(list_)
    group.command("diff")(diff)
    group.command("verify")(verify)
    group.command("lift")(lift)
    app.add_typer(group, name="knowledge")
