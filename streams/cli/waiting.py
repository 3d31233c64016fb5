"""Live bars of samples on their way, until each is published, has failed or needs a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.events import SampleState, StageProgress
from streams.cli import states
from streams.cli.decisions import changes_nothing
from streams.cli.failures import ExitCode
from streams.cli.session import Session, notes, out, print_json
from streams.clock import now_ms

STYLE = {"published": "green", "failed": "red", "rejected": "red", "incomplete": "yellow", "cancelled": "yellow", "deleted": "yellow"}
MANY = 12
"""Samples above which one bar shows all of them."""


def wait_for(session: Session, names: Sequence[str], begin: Callable[[], None], *, announced: Sequence[str] = (), as_json: bool) -> int:
    """Call `begin`, then show how the samples get on; the exit code says how they ended. Ctrl-C leaves them running."""
    try:
        seen = follow(session, names, begin, announced=announced)
    except KeyboardInterrupt:
        shown = " ".join(names[:3])
        notes().print(f"no longer waiting; the samples go on. See them with `riverseq status {shown}`", markup=False)
        return ExitCode.INTERRUPTED
    if as_json:
        described = [states.describe(state, name) for name, state in seen.items()]
        print_json(described[0] if len(described) == 1 else described)
    else:
        console = out()
        for name, state in seen.items():
            console.print(outcome(name, state))
    return exit_code(seen.values())


def follow(
    session: Session, names: Sequence[str], begin: Callable[[], None], *, announced: Sequence[str] = (), quiet: bool = False
) -> dict[str, SampleState]:
    """Call `begin` and follow the samples until all are at an end; the last state of each, by name.

    `announced` are the ids of the events that `begin` sends. Where control took one for a repetition of what it has done already, nothing
    new will come, and the samples count as they stand.
    """
    ids = {session.sample_id(name): name for name in names}
    seen: dict[str, SampleState] = {}
    with session.reader() as reader:
        before = states.current_states(reader)
        since = states.ends(reader)
        sent_at = now_ms()
        begin()
        look = time.monotonic() + _PATIENCE
        with Live(console=notes(), refresh_per_second=8, transient=True, auto_refresh=not quiet) as live:
            for state in states.changes(reader, since):
                name = ids.get(state.sample_id) if state is not None else None
                # a refusal is followed by the state that still stands: it is this announcement's end all the same
                if state is not None and name is not None and (name not in seen or seen[name].state != "rejected"):
                    seen[name] = state
                if len(seen) < len(ids) and time.monotonic() > look:
                    look = time.monotonic() + _PATIENCE
                    if announced and changes_nothing(session, announced, sent_at - _CLOCKS):
                        seen = {**{name: before[key] for key, name in ids.items() if key in before}, **seen}
                if not quiet:
                    live.update(bars(seen, len(ids)))
                if len(seen) == len(ids) and all(s.state in states.FINAL or s.state == states.HELD for s in seen.values()):
                    return {name: seen[name] for name in names}
    raise AssertionError("unreachable: changes() never ends")


_PATIENCE = 3.0
"""Seconds without a sign after which control's decisions are asked."""
_CLOCKS = 5_000
"""Milliseconds that the clocks of this machine and of control's may differ."""


def exit_code(seen: Iterable[SampleState]) -> int:
    """0 all published, 3 something waits for a person, 1 something failed or was refused."""
    found = {state.state for state in seen}
    if found & {"failed", "rejected", "cancelled", "deleted"}:
        return ExitCode.FAILED
    return ExitCode.NEEDS_HUMAN if states.HELD in found else ExitCode.DONE


def outcome(name: str, state: SampleState) -> Text:
    """One line on how a sample ended."""
    text = Text.assemble((f"{name}: ", "bold"), (state.state, STYLE.get(state.state, "cyan")))
    if state.variants_in:
        text.append(f", {state.variants_in:,} in = {state.landed:,} landed + {state.quarantined:,} quarantined")
    if state.reason:
        text.append(f" ({state.reason})")
    return text


def bars(seen: Mapping[str, SampleState], expected: int) -> Group | Text:
    """What the live display shows."""
    if not seen:
        return Text("waiting for the control plane ...", style="dim")
    table = Table.grid(padding=(0, 2))
    for _ in range(6):
        table.add_column(no_wrap=True)
    rows = list(seen.items())
    remarks: list[Text] = []
    for name, state in rows[:MANY]:
        for number, stage in enumerate(state.stages):
            label = Text(name if number == 0 else "", style="bold")
            said = Text(state.state if number == 0 else "", style=STYLE.get(state.state, "cyan"))
            pace = f"{stage.rate:,.0f}/s" if stage.rate > 0 else _eta(state) if number == 0 else ""
            table.add_row(label, said, Text(stage.name, style="dim"), _bar(stage), _count(stage), pace)
        if not state.stages:
            table.add_row(Text(name, style="bold"), Text(state.state, style=STYLE.get(state.state, "cyan")))
        if state.reason:
            remarks.append(Text(f"{name}: {state.reason}", style="yellow"))
    ended = sum(state.state in states.FINAL for state in seen.values())
    foot = [Text(f"{ended} of {expected} samples done", style="dim")] if expected > 1 else []
    return Group(table, *remarks, *foot)


def _bar(stage: StageProgress) -> ProgressBar:
    known = stage.total > 0
    return ProgressBar(total=stage.total if known else None, completed=stage.done, width=22, pulse=not known and stage.done > 0)


def _count(stage: StageProgress) -> str:
    whole = f"{stage.total:,}" if stage.total >= 0 else "?"
    return f"{stage.done:,} / {whole}"


def _eta(state: SampleState) -> str:
    if state.eta < 0 or state.state in states.FINAL:
        return ""
    seconds = max(0, (state.eta - now_ms()) // 1000)
    return f"{seconds // 60}:{seconds % 60:02d} left"
