"""The ingest process: a job in, chunks and their receipts out, the manifest last. `python -m streams.ingest_worker`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from processors.ingest.chunker import Emitted, Ingestion, ingest
from processors.ingest.errors import SourceError, StageVersionMismatch, UnknownOption
from processors.score.session import Wanted
from schemas.chunks import Chunk
from schemas.events import Job
from schemas.plan import STAGE_CODE
from streams import wire
from streams.backlog import KafkaBacklog
from streams.broker import Message, Output
from streams.groups import CHAIN
from streams.jobs import Emission, JobContext, Jobs
from streams.logs import logger
from streams.outcomes import Stage, Unprocessable
from streams.outstanding import Outstanding
from streams.receipts import receipt
from streams.shelf import Shelf
from streams.topics import CHUNKS_RAW, RUN_EVENTS, WORK, lane_topic, lane_topics
from streams.worker import Worker, work


class Reading:
    """Opens jobs: each is the reading of one file under one plan."""

    def __init__(self, shelf: Shelf, outstanding: Outstanding, worker: str) -> None:
        self._shelf = shelf
        self._outstanding = outstanding
        self._worker = worker

    def open(self, message: Message, context: JobContext) -> Iterator[Emission]:
        """Emissions of the job in a message. A source at fault ends in a receipt that fails the sample, never in quarantine."""
        try:
            job = wire.decode(message.value, Job)
        except wire.WireError as error:
            raise Unprocessable("WireError", str(error)) from error
        log = logger(trace=job.revision_id, submission=job.submission_id)
        try:
            yield from self._read(job, message, context)
        except (SourceError, StageVersionMismatch, UnknownOption) as error:
            log.warning("sample failed", error=str(error))
            yield Emission([self._receipt(job, outcome="failed", reason=f"{type(error).__name__}: {error}")])

    def gate(self, message: Message) -> str:
        """Why a job may not emit now."""
        return self._outstanding.reason(lane_topics(WORK)[message.topic])

    def _read(self, job: Job, message: Message, context: JobContext) -> Iterator[Emission]:
        resources = self._shelf.resources(job.plan_id)
        ingestion = ingest(
            local_path(job.file.uri),
            genome=resources.genome,
            build=job.build,
            samples=[(sample.name, sample.sample_id) for sample in job.samples],
            submission_id=job.submission_id,
            revision_id=job.revision_id,
            plan=resources.plan,
            lane=job.lane,
            epoch=job.epoch,
            options=job.options,
            announced_digest=job.file.digest,
            boundaries=resources.boundaries,
            coding_exons=resources.coding_exons,
        )
        with ingestion:
            for emitted in ingestion:
                if context.cancelled:
                    return
                yield self._emission(job, message, emitted)
            yield self._last(job, ingestion)

    def _emission(self, job: Job, message: Message, emitted: Emitted) -> Emission:
        chunk = emitted.chunk
        key, value, headers = wire.chunk_message(chunk, message.timestamp)
        self._outstanding.emitted(job.lane, len(value))
        outputs = [
            Output(lane_topic(CHUNKS_RAW, job.lane), key, value, headers),
            self._receipt(job, chunk, outcome="done", size=len(value), fraction=emitted.fraction),
        ]
        return Emission(outputs, rows=chunk.rows.num_rows)

    def _last(self, job: Job, ingestion: Ingestion) -> Emission:
        manifest = Output(RUN_EVENTS.name, job.submission_id.encode(), wire.encode(ingestion.manifest()))
        return Emission([manifest, self._receipt(job, outcome="done", fraction=1.0)], after_delivery=True)

    def _receipt(
        self, job: Job, chunk: Chunk | None = None, *, outcome: str, reason: str = "", size: int = 0, fraction: float = -1.0
    ) -> Output:
        return receipt(
            job.submission_id,
            job.revision_id,
            stage="ingest",
            outcome=outcome,
            worker=self._worker,
            chunk_id=chunk.header.chunk_id if chunk else "",
            ordinal=chunk.header.ordinal if chunk else -1,
            rows=chunk.rows.num_rows if chunk else 0,
            size=size,
            fraction=fraction,
            reason=reason,
        )


def local_path(uri: str) -> Path:
    """The path of a `file:` URI or of a plain path."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(uri)


def build(worker: Worker) -> Stage:
    """The ingest stage of a process."""
    settings = worker.settings
    backlog = KafkaBacklog(settings.kafka_servers(), settings.kafka_options, {CHUNKS_RAW.name: CHAIN})
    outstanding = Outstanding(backlog, settings.outstanding_bytes)
    shelf = Shelf(worker.plans, settings.packs_folder(), Wanted.CPU)  # ingest scores nothing: it takes no device from those who do
    reading = Reading(shelf, outstanding, worker.name)
    return Jobs(reading.open, worker.producer, lane_topics(WORK), gate=reading.gate, failpoints=worker.points, metrics=worker.metrics)


if __name__ == "__main__":
    sys.exit(work("ingest", WORK, build, code=STAGE_CODE["ingest"]))
