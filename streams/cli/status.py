"""`riverseq status`: what is in flight, how far, when done, what is stuck and why."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.failures import CommandFailed, ExitCode
from streams.cli.session import out, print_json, session_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(
    context: typer.Context,
    sample: Annotated[str | None, typer.Argument(metavar="SAMPLE", help="Name or pseudonym of one sample.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show changes until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One object for a sample, a list for all.")] = False,
) -> int:
    """Show every sample, or one in full.

    [bold]riverseq status[/bold]
    [bold]riverseq status NA12878 --json[/bold]   keys: sample state variants_in landed quarantined revision plan stages reanalysis
    [bold]riverseq status --watch[/bold]

    Exit code 3 where a sample waits for a person (`riverseq quarantine list`).
    """
    from streams.cli import states, status_view
    from streams.cli.reanalysis import refusing

    session = session_of(context)
    if watch:
        status_view.watch(session, sample)
        return ExitCode.DONE
    with session.reader() as reader:
        current = states.current_states(reader)
    names = status_view.sample_names(session)
    if sample is not None:
        state = current.get(session.sample_id(sample))
        if state is None:
            raise CommandFailed(f"no sample {sample!r} here; `riverseq status` lists all")
        refused = refusing(session).get(state.sample_id)
        if json:
            print_json({**states.describe(state, sample), "reanalysis": "allowed" if refused is None else "refused"})
        else:
            status_view.show(sample, state, refused)
        return ExitCode.NEEDS_HUMAN if state.state == states.HELD else ExitCode.DONE
    ordered = sorted(current.values(), key=lambda state: -state.submitted_at)
    if json:
        print_json([states.describe(state, names.get(state.sample_id, state.sample_id)) for state in ordered])
    else:
        out().print(status_view.table_of(ordered, names, refusing(session)))
    return ExitCode.NEEDS_HUMAN if any(state.state == states.HELD for state in ordered) else ExitCode.DONE
