"""`riverseq subscribe`: results as they are published, one JSON object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.failures import WrongUse
from streams.cli.session import Session, print_json_line, session_of

if TYPE_CHECKING:
    from streams.results import Filter


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(subscribe)


def subscribe(
    context: typer.Context,
    place: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="beginning, end, OFFSET, PARTITION:OFFSET, or a time: 2026-05-01T12:00.")
    ] = "end",
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="FIELD=VALUE", help="type=Reclassified, tier=1, sample=NA12878, gene=APP, clinvar=Path*; repeat to narrow."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=0, help="End after so many; 0 for ever.")] = 0,
    to_end: Annotated[bool, typer.Option("--to-end", help="End where the topic ends now, instead of waiting for more.")] = False,
) -> int:
    """Print results as JSON lines, live, from anywhere in the last year.

    [bold]riverseq subscribe[/bold]   everything from now on
    [bold]riverseq subscribe --from beginning --to-end --filter type=SampleInterpreted[/bold]
    [bold]riverseq subscribe --from 2026-05-01 --filter gene=APP --filter sample=NA12878[/bold]
    """
    from streams.results import ResultsError, follow

    session = session_of(context)
    try:
        wanted = _filter(session, select or [])
        with session.reader() as reader:
            for number, received in enumerate(follow(reader, place=place, wanted=wanted, to_end=to_end), 1):
                print_json_line(received.to_json())
                if number == count:
                    break
    except ResultsError as error:
        raise WrongUse(str(error)) from error
    return 0


def _filter(session: Session, texts: list[str]) -> Filter:
    """The results client's filter; `sample=NAME` becomes the sample's pseudonym."""
    from streams.results import Filter

    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    named = [f"sample_id={session.sample_id(part.partition('=')[2])}" if part.startswith("sample=") else part for part in parts]
    return Filter.parse(",".join(named))
