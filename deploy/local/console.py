"""`riverseq up`, `down`, `doctor`, `demo`: what the command does on this machine, contributed to it through `riverseq.commands`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from deploy.local.errors import LocalError
from deploy.local.telling import Told
from streams.cli.failures import CommandFailed, ExitCode, WrongUse
from streams.cli.session import notes, out, print_json, session_of

_PORTS = re.compile(r"(\d{1,5})-(\d{1,5})")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(down)
    app.command()(doctor)
    app.command()(demo)


def up(
    context: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", help="Return once everything answers, and leave it running.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the addresses as one JSON object once each answers.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Chain workers (annotate, score, land).")] = 1,
    root: Annotated[list[Path] | None, typer.Option("--root", metavar="DIR", help="Submitted files must lie below; repeatable.")] = None,
    ports: Annotated[str, typer.Option("--ports", metavar="FIRST-LAST", help="Range to choose ports from.")] = "",
) -> int:
    """Start everything on this machine: Kafka, ClickHouse, the control plane, the workers.

    [bold]riverseq up[/bold]             in the foreground, until Ctrl-C
    [bold]riverseq up --detach --json[/bold]   in the background; keys: kafka clickhouse board metrics

    RIVERSEQ_KAFKA and RIVERSEQ_CLICKHOUSE name ones that run elsewhere; none is started then.
    """
    from deploy.local import commands

    folder = session_of(context).folder
    for path in root or []:
        if not path.is_dir():
            raise WrongUse(f"--root {path}: is no folder")
    told = Told(notes(), json)
    with failures_said():
        run = commands.up(folder, detach=detach, on_event=told, workers=workers, roots=root or [], ports=_range(ports))
    if detach and run is not None:
        notes().print(f"running; stop it with `riverseq down --state {folder}`", markup=False)
    return ExitCode.DONE


def down(context: typer.Context) -> int:
    """Stop what runs on the state folder, in order.

    [bold]riverseq down[/bold]
    """
    from deploy.local import commands

    folder = session_of(context).folder
    with failures_said(), notes().status("stopping"):
        stopped = commands.down(folder)
    out().print("stopped" if stopped else f"nothing runs on {folder}", markup=False)
    return ExitCode.DONE


def doctor(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False) -> int:
    """Say what this machine lacks, and how to get it. Changes nothing. Exit code 1 where something is missing.

    [bold]riverseq doctor[/bold]
    """
    from deploy.local.doctor import checks

    with notes().status("examining"):
        found = checks(session_of(context).folder)
    if json:
        print_json([{"name": c.name, "ok": c.ok, "detail": c.detail, "remedy": c.remedy} for c in found])
    else:
        table = Table.grid(padding=(0, 2))
        for check in found:
            mark = Text("ok", style="green") if check.ok else Text("missing", style="red")
            table.add_row(mark, check.name, check.detail if check.ok else Text(f"{check.detail}\n{check.remedy}"))
        out().print(table)
    return ExitCode.DONE if all(check.ok for check in found) else ExitCode.FAILED


def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another family.")] = 20_260,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON (it is in the state folder in any case).")] = False,
) -> int:
    """Show everything, with a made-up genome and family: from three completion events to findings, in a folder of its own.

    [bold]riverseq demo[/bold]          uses .riverseq/demo (or --state DIR) and stops everything at the end
    [bold]riverseq demo --keep[/bold]   leaves it running, to look around

    Exit code 1 where a variant is neither landed nor quarantined.
    """
    from deploy.local.demo.run import run_demo

    session = session_of(context)
    folder = session.folder if session.state is not None else session.folder / "demo"
    with failures_said():
        return run_demo(folder, seed=seed, keep=keep, as_json=json)


@contextmanager
def failures_said() -> Iterator[None]:
    """A `LocalError` becomes the command's one line."""
    try:
        yield
    except LocalError as error:
        raise CommandFailed(str(error)) from error


def _range(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = _PORTS.fullmatch(text)
    if match is None or not 1024 <= int(match[1]) <= int(match[2]) <= 65_535:
        raise WrongUse(f"--ports {text}: give FIRST-LAST within 1024-65535")
    return int(match[1]), int(match[2])
