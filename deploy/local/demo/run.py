"""The demo as one story: make a world, start everything, submit a family of three, watch, sum up, stop."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from deploy.local import commands
from deploy.local.demo.make import CONTIGS, SITES, DemoFiles, make_demo
from deploy.local.demo.summary import Summary, collect, show
from deploy.local.state import State, open_state
from deploy.local.telling import Told
from processors import warm
from schemas.events import CompletionEvent, SourceFile
from streams.cli.failures import CommandFailed, ExitCode, WrongUse
from streams.cli.session import Session, notes, print_json
from streams.cli.submit import announce, hash_files
from streams.clock import now_ms

MARK = "demo/made-by-demo"
"""A file in the state folders that the demo itself made: only those it may empty."""


@dataclass(frozen=True)
class Watch:
    """Seconds of each phase, for the summary."""

    making: float
    compiling: float
    starting: float
    interpreting: float


def run_demo(folder: Path, *, seed: int, keep: bool, as_json: bool, contigs: tuple[int, ...] = CONTIGS, sites: int = SITES) -> int:
    """Run it all on the state folder `folder`; the exit code is 0 where every variant is accounted for.

    `contigs` (bases each) and `sites` (of the population) size the made-up world.

    Raises WrongUse for a state folder that is somebody's own, LocalError where things do not start.
    """
    console = notes()
    session = Session(folder)
    state = fresh_state(folder)
    warm.ensure(lambda text: console.print(text, markup=False))
    marks = [time.perf_counter()]
    files = make_demo(
        state.root / "demo" / "input",
        seed=seed,
        contigs=contigs,
        sites=sites,
        tell=lambda text: console.print(f"making  {text}", markup=False),
    )
    marks.append(time.perf_counter())
    compile_packs(session, files, console)
    marks.append(time.perf_counter())
    try:
        commands.up(folder, detach=True, on_event=Told(console, as_json=False, addresses_too=keep), roots=[state.root])
        marks.append(time.perf_counter())
        _submit(session, files, console)
        marks.append(time.perf_counter())
        phases = Watch(*(round(late - early, 2) for early, late in pairwise(marks)))
        summary = collect(session, files, phases.interpreting)
    finally:
        if not keep:
            with console.status("stopping"):
                commands.down(folder)
    target = state.root / "demo" / "summary.json"
    target.write_text(json.dumps({**summary.as_json(), "seconds": phases.__dict__}, indent=1) + "\n")
    if as_json:
        print_json(json.loads(target.read_text()))
    else:
        show(summary, folder, target, kept=keep)
    return ExitCode.DONE if summary.conserved else ExitCode.FAILED


def fresh_state(folder: Path) -> State:
    """The demo's state folder, stopped and without earlier samples. Raises WrongUse for a folder that the demo did not make."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise WrongUse(f"{folder}: is not a folder of the demo, and the demo empties its folder; give another one with --state")
    if (folder / "version").exists():
        commands.down(folder)
    for part in ("kafka", "clickhouse"):
        shutil.rmtree(folder / part, ignore_errors=True)
    state = open_state(folder, create=True)
    (state.root / MARK).touch()
    return state


def compile_packs(session: Session, files: DemoFiles, console: Console) -> None:
    """Register the demo's genome, genes and knowledge, as `riverseq reference add` and `knowledge build` do."""
    from streams.cli.knowledge_build import compile_source
    from streams.cli.reference import compile_reference

    root = session.packs()
    genome, models = compile_reference(root, files.build, files.fasta, files.transcripts, "1")
    console.print(f"packs   genome {genome.rows:,} bases, {models.rows:,} transcripts", markup=False)
    for source, path in (("clinvar", files.clinvar), ("frequency", files.frequency)):
        pack = compile_source(source, path, root, files.build, "1")
        console.print(f"packs   {source} {pack.rows:,} alleles", markup=False)


def _submit(session: Session, files: DemoFiles, console: Console) -> None:
    """Send three completion events and follow the samples with live bars until all are published. Raises CommandFailed."""
    from streams.cli.waiting import follow, outcome

    paths = list(files.people.values())
    events = [
        announce(
            CompletionEvent(
                id="",
                source="riverseq/demo",
                type="riverseq.sample.ready",
                time=now_ms(),
                run_id=f"demo-{name}",
                build=files.build,
                file=SourceFile(str(path.resolve()), digest, path.stat().st_size),
                samples=(name,),
                family=files.pedigree.read_text(),
            )
        )
        for (name, path), digest in zip(files.people.items(), hash_files(paths), strict=True)
    ]
    console.print(f"submit  {len(events)} completion events to run.events", markup=False)
    states = follow(session, list(files.people), lambda: session.send(*events), announced=[event.id for event in events])
    for name, state in states.items():
        console.print(outcome(name, state))
    failed = [name for name, state in states.items() if state.state != "published"]
    if failed:
        raise CommandFailed(f"{failed[0]} was not published: {states[failed[0]].state} {states[failed[0]].reason}".rstrip())


__all__ = ["Summary", "run_demo"]
