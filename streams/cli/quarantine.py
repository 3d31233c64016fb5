"""`riverseq quarantine`: what stages could not process, with the original bytes; replay it, or acknowledge that it is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from streams.cli.decisions import ask
from streams.cli.failures import CommandFailed, ExitCode, WrongUse
from streams.cli.operate import command_of
from streams.cli.session import out, print_json, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.land.client import Client
    from streams.quarantine import Quarantined

SHOWN_BYTES = 256


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Look at what could not be processed, replay it, or acknowledge that it is missing.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(show)
    group.command()(replay)
    group.command()(acknowledge)
    app.add_typer(group, name="quarantine")


def list_(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False,
) -> int:
    """List everything in quarantine, oldest first.

    [bold]riverseq quarantine list[/bold]
    """
    from streams.quarantine import listed

    with session_of(context).reader() as reader:
        rows = [entry.describe() for entry in listed(reader)]
    if json:
        print_json(rows)
        return ExitCode.DONE
    if not rows:
        out().print("quarantine is empty")
        return ExitCode.DONE
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("offset", "time", "stage", "from", "place", "error"):
        table.add_column(heading, justify="right" if heading == "offset" else "left", no_wrap=heading != "error")
    for row in rows:
        moment = datetime.fromtimestamp(int(row["time"]) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        place = f"{row['contig']}:{row['span']}" if row["contig"] else ""
        table.add_row(str(row["offset"]), moment, str(row["stage"]), str(row["origin"]), place, f"{row['error']}: {row['detail']}"[:120])
    console = out()
    console.print(table)
    console.print("`riverseq quarantine replay OFFSET` sends one again, `acknowledge SAMPLE` publishes without it", markup=False)
    return ExitCode.DONE


def show(
    context: typer.Context,
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0, help="As `list` shows it.")],
    json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> int:
    """Show one entry in full: where it came from, why, its headers and first bytes.

    [bold]riverseq quarantine show 3[/bold]
    """
    from streams.quarantine import find

    with session_of(context).reader() as reader:
        entry = find(reader, offset)
    value = entry.place.value
    headers = {name: raw.decode(errors="replace") for name, raw in entry.headers}
    described = {**entry.describe(), "headers": headers, "value": value[:SHOWN_BYTES].hex()}
    if json:
        print_json(described)
        return ExitCode.DONE
    table = Table.grid(padding=(0, 2))
    for key, text in {**entry.describe(), **{f"header {name}": text for name, text in headers.items()}}.items():
        table.add_row(str(key), str(text))
    console = out()
    console.print(table)
    console.print(f"first bytes {value[:64].hex(' ')}", markup=False)
    return ExitCode.DONE


def replay(
    context: typer.Context,
    offsets: Annotated[
        list[int] | None, typer.Argument(metavar="OFFSET...", help="Entries, as `list` shows them.", show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every entry whose sample is not published yet.")] = False,
) -> int:
    """Send the original bytes to their topic again, once the cause is mended. What lands twice counts once.

    What is published stays as it was: of a sample that was published without a chunk, `riverseq replay SAMPLE` makes a new revision.

    [bold]riverseq quarantine replay 3 4[/bold]
    [bold]riverseq quarantine replay --all[/bold]
    """
    from streams.quarantine import find, listed

    if bool(offsets) == all_:
        raise WrongUse("give offsets, or --all (see `riverseq quarantine list`)")
    session = session_of(context)
    with session.reader() as reader:
        entries = list(listed(reader)) if all_ else [find(reader, offset) for offset in offsets or []]
    with session.clickhouse() as client:
        late = published(client, entries)
    if late and not all_:
        raise CommandFailed(next(iter(late.values())))
    entries = [entry for entry in entries if entry.place.offset not in late]
    try:
        outputs = [entry.replay() for entry in entries]
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    with session.producer() as producer:
        for output in outputs:
            producer.produce(output)
    if late:
        out().print(f"left out {len(late)} of samples that are published", markup=False)
    out().print(f"sent {len(outputs)} again; `riverseq status` shows what becomes of them", markup=False)
    return ExitCode.DONE


def acknowledge(
    context: typer.Context,
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Name or pseudonym.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it may be published without what is held.", show_default=False)
    ],
) -> int:
    """Publish a sample without its quarantined chunks. It is marked as incomplete for ever, with your name and reason.

    [bold]riverseq quarantine acknowledge NA12878 --reason "chunk 7 lies outside the panel"[/bold]
    """
    session = session_of(context)
    return ask(session, sample, command_of(session, "acknowledge", sample, reason))


def published(client: Client, entries: Sequence[Quarantined]) -> dict[int, str]:
    """The entries whose revision is published, by offset, each with what to do instead. Raises StoreError."""
    from processors.land.publication import publications

    found: dict[int, str] = {}
    known = {revision: publications(client, revision) for revision in {entry.revision_id for entry in entries if entry.revision_id}}
    for entry in entries:
        if rows := known.get(entry.revision_id):
            how = "" if rows[0].complete else f" incomplete, as acknowledged by {rows[0].actor}"
            found[entry.place.offset] = (
                f"quarantined message {entry.place.offset}: revision {entry.revision_id} is published{how}, and what is published stays as "
                f"it was; `riverseq replay {rows[0].sample_id}` makes a new revision from the file"
            )
    return found
