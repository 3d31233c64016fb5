"""`riverseq version`: versions of code, schemas, stages and packs."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Annotated, Any

import typer
from rich.table import Table

from streams.cli.session import Session, out, print_json, session_of

LIBRARIES = ("confluent-kafka", "faust-streaming", "chdb", "clickhouse-connect", "onnxruntime-gpu", "pyarrow", "numpy", "cyvcf2")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(version)


def version(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False) -> int:
    """Print versions of code, schemas, stages, libraries, knowledge and models.

    [bold]riverseq version --json[/bold]
    """
    found = versions(session_of(context))
    if json:
        print_json(found)
        return 0
    table = Table.grid(padding=(0, 2))
    for key, value in found.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(key, text)
    out().print(table)
    return 0


def versions(session: Session) -> dict[str, Any]:
    """Everything that can make two installations differ."""
    from processors.knowledge.pack import list_packs
    from schemas import chunks, identity
    from schemas.clickhouse import read_migrations
    from schemas.events import registry
    from schemas.plan import STAGE_CODE

    root = session.packs()
    packs = list_packs(root) if root.exists() else []
    return {
        "riverseq": installed("riverseq"),
        "identities": identity.IDENTITY_VERSION,
        "chunk schema": chunks.CHUNK_SCHEMA_VERSION,
        "event schemas": {record: newest.id for record, newest in registry.newest(registry.load()).items()},
        "migrations": len(read_migrations()),
        "stages": dict(STAGE_CODE),
        "libraries": {name: installed(name) for name in LIBRARIES},
        "packs": {f"{p.kind} {p.name}": f"{p.version} ({p.digest[:12]})" for p in packs},
    }
