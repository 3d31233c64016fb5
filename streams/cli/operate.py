"""`riverseq replay`, `cancel`, `delete`, `rebuild`: what a person asks of the control plane."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.events import Command
from streams.cli.asof import asked_of
from streams.cli.decisions import ask
from streams.cli.failures import CommandFailed, ExitCode, WrongUse
from streams.cli.session import Session, actor, notes, out, session_of
from streams.cli.study import study
from streams.clock import now_ms

Sample = Annotated[str, typer.Argument(metavar="SAMPLE", help="Name or pseudonym.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the decision.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(replay)
    app.command()(cancel)
    app.command()(delete)
    app.command()(rebuild)


def replay(
    context: typer.Context,
    sample: Sample,
    reason: Reason = "",
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="A study with the knowledge of a date, for `query --as-of`.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress and end when it is published.")] = False,
    json: Annotated[bool, typer.Option("--json", help="With --wait: the final state as JSON.")] = False,
) -> int:
    """Interpret a sample's newest submission again, from its file, under the plan of today, or as a study of a date.

    A study takes of each source that moves (ClinVar, ClinGen, HPO, your own) the newest pack on this machine that is not of a later date.
    It is never current and nobody is told of it: `query` and `explain` with --as-of show it.

    [bold]riverseq replay NA12878 --wait[/bold]
    [bold]riverseq replay NA12878 --as-of 2017-01-15 --wait[/bold]
    """
    session = session_of(context)
    asked = asked_of(as_of, None)
    _known(session, sample)
    if as_of is not None:
        command = command_of(session, "replay", sample, reason, {"as_of": str(asked.knowledge)})
        return study(session, sample, command, wait=wait, as_json=json)
    command = command_of(session, "replay", sample, reason)
    if wait:
        from streams.cli.waiting import wait_for

        return wait_for(session, [sample], lambda: session.send(command), announced=[command.id], as_json=json)
    return ask(session, sample, command)


def cancel(context: typer.Context, sample: Sample, reason: Reason = "") -> int:
    """Stop a sample that is on its way. What is published stays.

    [bold]riverseq cancel NA12878 --reason "wrong file"[/bold]
    """
    session = session_of(context)
    _known(session, sample)
    return ask(session, sample, command_of(session, "cancel", sample, reason))


def delete(
    context: typer.Context,
    sample: Sample,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Remove a sample's calls and findings. Decisions about it and the events in Kafka stay until their retention ends.

    [bold]riverseq delete NA12878 --yes[/bold]
    """
    session = session_of(context)
    _known(session, sample)
    if not yes:
        if not notes().is_terminal:
            raise WrongUse(f"delete {sample}: give --yes where nobody can be asked")
        typer.confirm(f"Remove everything of {sample}?", abort=True, err=True)
    return ask(session, sample, command_of(session, "delete", sample, reason))


def rebuild(context: typer.Context) -> int:
    """Rebuild the control plane's state from ClickHouse: after Kafka's data was lost, or restored from a backup.

    [bold]riverseq rebuild[/bold]
    """
    from streams.control.assemble import rebuild as send_again

    session = session_of(context)
    with session.producer() as producer:
        done = send_again(session.settings(), producer)
    out().print(f"sent {done.plans} plans and the states of {done.samples} samples again", markup=False)
    return ExitCode.DONE


def command_of(session: Session, kind: str, sample: str, reason: str, arguments: dict[str, str] | None = None) -> Command:
    """A command with its id: the same request later is another one, so its time counts."""
    from schemas import identity

    sample_id, now = session.sample_id(sample), now_ms()
    content = {"kind": kind, "sample": sample_id, "actor": actor(), "reason": reason, "time": now, **(arguments or {})}
    return Command(identity.event_id(content), now, kind, sample_id, actor(), reason, arguments or {})


def _known(session: Session, sample: str) -> None:
    from streams.cli import states

    with session.reader() as reader:
        if session.sample_id(sample) not in states.current_states(reader):
            raise CommandFailed(f"no sample {sample!r} here; `riverseq status` lists all")
