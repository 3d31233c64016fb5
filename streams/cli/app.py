"""Puts the commands together, finds the state folder, and turns every expected error into one line and an exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from streams.cli import (
    annotate,
    explain,
    follow_results,
    knowledge,
    models,
    operate,
    quarantine,
    query,
    reanalysis,
    reference,
    status,
    submit,
    version,
)
from streams.cli.failures import ExitCode, is_expected
from streams.cli.session import Session, notes

GROUP = "riverseq.commands"
"""Entry-point group: each entry is a function that takes the typer app and adds commands."""

Register = Callable[[typer.Typer], None]

_CLICKHOUSE = re.compile(
    r"^Received ClickHouse exception.*?DB::Exception: (.*?)(?: FORMAT Arrow\b.*?)?(?:\. Expected one of.*|\s*\(version .*)?$", re.DOTALL
)
"""What driver and parser put around the server's own sentence."""

_HELP = """An event-driven, streaming interpreter of human genomes.

A first time, on this machine:

[bold]riverseq demo[/bold]   shows everything with a made-up family, in three minutes

[bold]riverseq up --detach[/bold]
[bold]riverseq reference add GRCh38 --fasta genome.fa --transcripts genes.gff3[/bold]
[bold]riverseq knowledge build clinvar clinvar.vcf.gz --build GRCh38 --version 2026-01[/bold]
[bold]riverseq submit sample.vcf.gz --build GRCh38 --wait[/bold]
[bold]riverseq query --gene APP[/bold]

Exit codes: 0 done, 1 failed, 2 wrong use, 3 done but something needs a human.
"""


def build_app() -> typer.Typer:
    """The whole command, with what other packages contribute."""
    app = typer.Typer(
        name="riverseq",
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def start(
        context: typer.Context,
        state: Annotated[
            Path | None,
            typer.Option("--state", metavar="DIR", help="State folder; else RIVERSEQ_STATE, else ./.riverseq. May stand anywhere."),
        ] = None,
    ) -> None:
        context.obj = Session(state)

    registers: list[Register] = [
        submit.register,
        status.register,
        query.register,
        explain.register,
        follow_results.register,
        quarantine.register,
        operate.register,
        reanalysis.register,
        reference.register,
        knowledge.register,
        models.register,
        annotate.register,
        version.register,
    ]
    registers += [entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]
    for register in registers:
        register(app)
    return app


def hoist_state(arguments: Sequence[str]) -> list[str]:
    """`--state DIR` moved to the front, wherever it stands before `--`: it is one option of the whole command."""
    front: list[str] = []
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        if item == "--":
            rest += [item, *items]
        elif item == "--state":
            front += [item, *[value for value in [next(items, None)] if value is not None]]
        elif item.startswith("--state="):
            front.append(item)
        else:
            rest.append(item)
    return front + rest


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    try:
        code = build_app()(args=hoist_state(arguments), prog_name="riverseq", standalone_mode=False)
        return int(code) if isinstance(code, int) else ExitCode.DONE
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has enough; what is left in the buffer must not complain at exit
        sys.stdout = None
        return ExitCode.DONE
    except typer.TyperException as error:
        return _wrong_use(error)
    except Exception as error:
        if not is_expected(error):
            raise
        code = int(getattr(error, "code", ExitCode.FAILED)) if hasattr(type(error), "code") else ExitCode.FAILED
        _say(_CLICKHOUSE.sub(r"ClickHouse refused: \1", str(error)) or type(error).__name__)
        return code


def _wrong_use(error: typer.TyperException) -> int:
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "riverseq"
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(message + "\n")
        return ExitCode.WRONG_USE
    _say(f"{' '.join(message.split()).rstrip('.')} (see `{command} --help`)")
    return int(getattr(error, "exit_code", ExitCode.WRONG_USE))


def _say(message: str) -> None:
    notes().print(f"riverseq: {message}", markup=False, soft_wrap=True)
