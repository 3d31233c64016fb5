"""The whole way of a sample, on a real broker and a real engine: submit to published."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import measure
from bench.data import BUILD, BenchFiles
from deploy.local import commands
from deploy.local.state import Run, open_state
from schemas.events import CompletionEvent, SampleState, SourceFile
from streams.cli.session import Session
from streams.cli.submit import announce, hash_files
from streams.cli.waiting import follow
from streams.clock import now_ms


@dataclass(frozen=True)
class SpineRun:
    """One sample's way. CPU in microseconds an allele, memory in MiB, by process (and by step)."""

    sample: str
    variants: int
    seconds: float
    cpu: dict[str, float]
    step_cpu: dict[str, float]
    peak: dict[str, float]

    @property
    def rate(self) -> float:
        """Variants a second, submit to published."""
        return self.variants / self.seconds


class BenchFailed(Exception):
    """A sample of the benchmark was not published; the message says why."""


@contextmanager
def stack(folder: Path, files: BenchFiles) -> Iterator[tuple[Session, Run]]:
    """Everything running on a state folder, the reference and the knowledge registered."""
    from streams.cli.knowledge_build import compile_source
    from streams.cli.reference import compile_reference

    state = open_state(folder, create=True)
    compile_reference(state.packs, BUILD, files.fasta, files.transcripts, "1")
    compile_source("clinvar", files.clinvar, state.packs, BUILD, "1")
    compile_source("frequency", files.frequency, state.packs, BUILD, "1")
    if state.run() is not None:
        commands.down(folder)
    run = commands.up(folder, detach=True)
    if run is None:
        raise BenchFailed("nothing was started")
    try:
        yield Session(folder), run
    finally:
        commands.down(folder)


def run_sample(session: Session, run: Run, name: str, path: Path) -> SpineRun:
    """Submit one file and wait for its publication. Raises BenchFailed."""
    digest = hash_files([path])[0]
    # a run id of its own: the same file again must not count as the same announcement
    event = announce(
        CompletionEvent(
            id="",
            source="riverseq/bench",
            type="riverseq.sample.ready",
            time=now_ms(),
            run_id=f"bench-{time.time_ns()}",
            build=BUILD,
            file=SourceFile(str(path.resolve()), digest, path.stat().st_size),
            samples=(name,),
            options={},
        )
    )
    measure.reset_peaks(run)
    before = measure.take(run)
    begin = time.perf_counter()
    state = _follow(session, name, event)
    seconds = time.perf_counter() - begin
    after = measure.take(run)
    variants = max(state.variants_in, 1)

    def each(low: dict[str, float], high: dict[str, float]) -> dict[str, float]:
        return {key: round(1e6 * (high[key] - low.get(key, 0.0)) / variants, 3) for key in high}

    return SpineRun(
        name,
        state.variants_in,
        seconds,
        each(dict(before.cpu), dict(after.cpu)),
        each(dict(before.step_cpu), dict(after.step_cpu)),
        {key: round(value, 1) for key, value in measure.peaks(run).items()},
    )


def _follow(session: Session, name: str, event: CompletionEvent) -> SampleState:
    state = follow(session, [name], lambda: session.send(event), announced=[event.id], quiet=True)[name]
    if state.state != "published":
        raise BenchFailed(f"{name}: {state.state}: {state.reason}")
    if state.variants_in != state.landed + state.quarantined:
        raise BenchFailed(f"{name}: {state.variants_in} in, {state.landed} landed + {state.quarantined} quarantined")
    return state
