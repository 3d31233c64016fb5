"""The chain process: annotate, score, interpret and land a chunk without leaving the machine. `python -m streams.chain_worker`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from processors.annotate.compound.render import named
from processors.annotate.compound.stage import call_compounds
from processors.annotate.hgvs.style import NOMENCLATURE
from processors.annotate.stage import annotate
from processors.annotate.structural.stage import Structural, annotate_faults
from processors.interpret.stage import evidence_of, screen
from processors.land.client import Client, Unavailable, connect
from processors.land.delta import land_delta
from processors.land.insert import SampleDeleted, land_chunk, land_faults
from processors.land.ledger import LedgerRow
from processors.resources import Resources
from processors.score.models import bundled_session
from processors.score.stage import score
from schemas.chunks import Chunk, ChunkKind
from schemas.compounds import CompoundFlag
from schemas.plan import STAGE_CODE
from streams import wire
from streams.broker import Message, Output
from streams.failpoints import FailPoint, FailPoints
from streams.logs import logger
from streams.metrics import Metrics
from streams.outcomes import DependencyAway, Done, Outcome, Stage, Unprocessable
from streams.pipeline import Each, Pipeline, Together
from streams.receipts import receipt
from streams.shelf import Shelf
from streams.topics import CHUNKS_RAW
from streams.worker import Worker, work

SCORE_ROWS = 65_536
"""Rows of one scoring batch at most."""
CAPACITY = 8
"""Chunks inside the chain; with chunks of 65,536 alleles this bounds its memory."""


@dataclass(frozen=True)
class Passing:
    """A chunk on its way through the chain. `findings` is None for a chunk of faults, and before interpretation; `structural` is there
    for a chunk of faults only, `evidence` for a delta chunk only."""

    message: Message
    chunk: Chunk
    resources: Resources
    findings: pa.RecordBatch | None = None
    compounds: pa.RecordBatch | None = None
    structural: Structural | None = None
    evidence: pa.RecordBatch | None = None

    @property
    def faulty(self) -> bool:
        return self.chunk.header.kind is ChunkKind.FAULTS


class Chain:
    """The steps, each a function of what the one before gave."""

    def __init__(self, shelf: Shelf, client: Client, worker: str, points: FailPoints, metrics: Metrics | None = None) -> None:
        self._shelf = shelf
        self._metrics = metrics
        self._client = client
        self._worker = worker
        self._points = points

    def annotate(self, message: Message) -> Passing:
        """Read the message and annotate its chunk."""
        try:
            chunk = wire.read_chunk(message.value, message.headers)
        except wire.WireError as error:
            raise Unprocessable("WireError", str(error)) from error
        passing = Passing(message, chunk, self._shelf.resources(chunk.header.plan_id))
        self._refuse_other_code(passing)
        if passing.faulty:
            return replace(passing, structural=annotate_faults(chunk, passing.resources))
        annotated = annotate(chunk, passing.resources)
        self._tell_cache()
        return Passing(message, annotated, passing.resources)

    def _tell_cache(self) -> None:
        if self._metrics is None or self._shelf.cache is None:
            return
        tally = self._shelf.cache.taken()
        self._metrics.cached_annotations.labels("hit").inc(tally.hits)
        self._metrics.cached_annotations.labels("miss").inc(tally.misses)
        self._metrics.cache_evictions.inc(tally.evictions)
        self._metrics.cache_bytes.set(tally.bytes)

    def score(self, batch: list[Passing]) -> Sequence[Passing]:
        """Score the chunks of a micro-batch, those of one plan together."""
        scored = {id(passing): passing for passing in batch}
        by_plan: dict[str, list[Passing]] = {}
        for passing in batch:
            if not passing.faulty:
                by_plan.setdefault(passing.chunk.header.plan_id, []).append(passing)
        for together in by_plan.values():
            chunks = score([passing.chunk for passing in together], together[0].resources)
            for passing, chunk in zip(together, chunks, strict=True):
                scored[id(passing)] = Passing(passing.message, chunk, passing.resources)
        return [scored[id(passing)] for passing in batch]

    def interpret(self, passing: Passing) -> Passing:
        """Find what a person should see, and call what stands together on one haplotype."""
        if passing.faulty:
            return passing
        chunk, resources = passing.chunk, passing.resources
        if chunk.header.kind is ChunkKind.DELTA:
            return replace(passing, evidence=evidence_of(chunk, resources))
        self._warn_of_gaps(chunk)
        compounds = call_compounds(chunk, resources)
        self._warn_of_links(chunk, compounds)
        compounds = named(compounds, resources, parentheses=NOMENCLATURE.parentheses)
        return replace(passing, findings=screen(chunk, resources), compounds=compounds)

    def land(self, passing: Passing) -> Outcome:
        """Insert the chunk's rows, then its ledger row, and say so."""
        plan = passing.resources.plan
        try:
            if passing.evidence is not None:
                provider = passing.resources.provider
                row = land_delta(self._client, passing.chunk, passing.evidence, plan, worker=self._worker, provider=provider)
            elif passing.findings is None:
                row = land_faults(self._client, passing.chunk, plan, worker=self._worker, structural=passing.structural)
            else:
                provider = passing.resources.provider
                row = land_chunk(
                    self._client,
                    passing.chunk,
                    passing.findings,
                    plan,
                    worker=self._worker,
                    provider=provider,
                    compounds=passing.compounds,
                    rows_landed=self._rows_landed,
                )
        except Unavailable as error:
            raise DependencyAway(f"clickhouse: {error}") from error
        except SampleDeleted:
            return Done(rows=passing.chunk.rows.num_rows)
        self._points.reach(FailPoint.LAND_LEDGER)
        return Done([self._receipt(passing, row)], rows=passing.chunk.rows.num_rows)

    def _warn_of_gaps(self, chunk: Chunk) -> None:
        """Say which chunk could not see all of its predecessors: compounds of its genes may lack parts."""
        header = chunk.header
        if header.late or header.complete_from:
            log = logger(trace=header.revision_id, submission=header.submission_id)
            log.warning("compounds may lack parts", chunk=header.chunk_id, late=header.late, complete_from=header.complete_from)

    def _warn_of_links(self, chunk: Chunk, compounds: pa.RecordBatch) -> None:
        """Say which chunk has genes with more phase sets than are looked at; the rows say so too."""
        left_out = int(np.count_nonzero(compounds.column("flags").to_numpy() & CompoundFlag.LEFT_OUT))
        if left_out:
            log = logger(trace=chunk.header.revision_id, submission=chunk.header.submission_id)
            log.warning("alleles in too many phase sets to call together", chunk=chunk.header.chunk_id, rows=left_out)

    def _rows_landed(self) -> None:
        self._points.reach(FailPoint.LAND_ROWS)

    def _refuse_other_code(self, passing: Passing) -> None:
        """A worker never runs a plan whose code versions differ from its own: its output would not be what the plan says."""
        differing = {stage: number for stage, number in passing.resources.plan.code.items() if STAGE_CODE.get(stage) != number}
        if differing:
            raise Unprocessable("StageVersionMismatch", f"the plan wants {differing}, this worker is {STAGE_CODE}; plan the sample anew")

    def _receipt(self, passing: Passing, row: LedgerRow) -> Output:
        header = passing.chunk.header
        return receipt(
            header.submission_id,
            header.revision_id,
            stage="land",
            outcome="done",
            worker=row.worker,
            chunk_id=header.chunk_id,
            ordinal=header.ordinal,
            rows=passing.chunk.rows.num_rows,
            size=passing.message.size,
            provider=row.provider,
        )


def build(worker: Worker) -> Stage:
    """The chain of a process. Raises ProviderRefused where it was told to use a device that it does not have: at the start, not at the
    first chunk, which might come in the night.
    """
    settings = worker.settings
    logger().info("scoring", provider=bundled_session(settings.provider).provider)
    client = connect(settings.clickhouse_dsn("writer"))
    shelf = Shelf(worker.plans, settings.packs_folder(), settings.provider, settings.annotation_cache_bytes)
    chain = Chain(shelf, client, worker.name, worker.points, worker.metrics)
    steps: list[Each | Together] = [
        Each("annotate", chain.annotate, threads=settings.annotate_threads),
        Together("score", chain.score, rows=lambda passing: passing.chunk.rows.num_rows, max_rows=SCORE_ROWS),
        Each("interpret", chain.interpret),
        Each("land", chain.land, threads=settings.land_threads),
    ]
    return Pipeline(steps, capacity=CAPACITY, metrics=worker.metrics)


if __name__ == "__main__":
    sys.exit(work("chain", CHUNKS_RAW, build, code=STAGE_CODE["annotate"]))
