"""Reading jobs on the in-memory broker: chunks with receipts, the manifest last, and every fault of a source told as what it is."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.chunks import ChunkKind
from schemas.events import Job, Lane, Receipt, SampleManifest
from schemas.plan import STAGE_CODE
from streams import topics, wire
from streams.broker import Message, Output
from streams.failpoints import Crash, FailPoint, SimulatedCrash
from streams.health import Health
from streams.ingest_worker import Reading, local_path
from streams.jobs import JobContext, Jobs
from streams.limits import Limits
from streams.memory import Clock, MemoryBroker
from streams.metrics import Metrics
from streams.outstanding import Outstanding
from streams.plans import PlanStore
from streams.runner import Runner
from streams.shelf import Shelf

WORK = topics.lane_topics(topics.WORK)
METRICS = Metrics("test")
LIMITS = Limits(commit_seconds=0.0, retry_seconds=(0.01, 0.1), wait_seconds=0.05, revoke_seconds=0.02, stop_seconds=0.05)


class Landed:
    """A backlog in which everything has landed."""

    def unread(self, lane: Lane) -> int:
        return 0


class World:
    """A broker and one ingest worker on it, driven turn by turn."""

    def __init__(self, interpreted: Any, points: Crash | None = None, gate: Callable[[Message], str] | None = None) -> None:
        self.interpreted = interpreted
        self.clock = Clock()
        self.broker = MemoryBroker(topics.catalogue(partitions=2), seed=3, clock=self.clock)
        self.health = Health(self.clock)
        self.gate = gate
        self.runner, self.clients = self.worker(points)

    def reading(self) -> Reading:
        shelf = Shelf(PlanStore(self.broker.reader()), self.interpreted.packs, "cpu")
        return Reading(shelf, Outstanding(Landed(), 10**9), "w1")

    def worker(self, points: Crash | None = None) -> tuple[Runner, list[Any]]:
        reading, consumer, producer = self.reading(), self.broker.consumer("ingest"), self.broker.producer()
        gate = self.gate or reading.gate
        stage = Jobs(reading.open, producer, WORK, gate=gate, thread=False, failpoints=points, metrics=METRICS)
        runner = Runner(
            "ingest", consumer, producer, stage, WORK, metrics=METRICS, health=self.health, limits=LIMITS, clock=self.clock,
            random=random.Random(1), failpoints=points, rows=lambda message: 1,
        )  # fmt: skip
        runner.start()
        return runner, [consumer, producer]

    def send(self, job: Job | bytes) -> None:
        value = job if isinstance(job, bytes) else wire.encode(job)
        lane = Lane.ROUTINE if isinstance(job, bytes) else job.lane
        self.broker.append(Output(topics.lane_topic(topics.WORK, lane), b"key", value))

    def drain(self, turns: int = 5_000) -> None:
        for _ in range(turns):
            self.runner.turn()
            if self.broker.behind("ingest", WORK) == 0:
                return
        raise AssertionError("jobs left")

    def chunks(self) -> list[Message]:
        return sorted((m for name in topics.lane_topics(topics.CHUNKS_RAW) for m in self.broker.log(name)), key=lambda m: m.timestamp)

    def receipts(self) -> list[Receipt]:
        return [wire.decode(message.value, Receipt) for message in self.broker.log("receipts")]

    def manifests(self) -> list[SampleManifest]:
        return [wire.decode(message.value, SampleManifest) for message in self.broker.log("run.events")]


@pytest.fixture
def world(interpreted: Any) -> World:
    world = World(interpreted)
    interpreted.announce(world.broker)
    return world


def test_a_job_becomes_chunks_each_with_its_receipt_and_the_manifest_comes_last(interpreted: Any, world: World) -> None:
    job = interpreted.job()
    world.send(job)
    world.drain()
    chunks = [wire.read_chunk(message.value, message.headers) for message in world.chunks()]
    assert [chunk.header.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert sum(len(chunk.rows) for chunk in chunks if chunk.header.kind is ChunkKind.ALLELES) == 60
    assert sum(len(chunk.rows) for chunk in chunks if chunk.header.kind is ChunkKind.FAULTS) == 1
    assert len(chunks) == 4
    *each, last = world.receipts()
    assert Counter((r.chunk_id, r.ordinal, r.rows, r.size) for r in each) == Counter(
        (chunk.header.chunk_id, chunk.header.ordinal, len(chunk.rows), len(message.value))
        for chunk, message in zip(chunks, world.chunks(), strict=True)
    )
    assert {(r.stage, r.outcome, r.worker, r.revision_id) for r in each} == {("ingest", "done", "w1", job.revision_id)}
    assert (last.chunk_id, last.fraction, last.outcome) == ("", 1.0, "done")
    (manifest,) = world.manifests()
    assert [(promised.chunk_id, promised.ordinal) for promised in manifest.chunks] == [
        (c.header.chunk_id, c.header.ordinal) for c in chunks
    ]
    (count,) = manifest.samples
    assert (count.variants_in, count.landed, sum(count.quarantined.values())) == (61, 60, 1)
    (told,) = world.broker.log("run.events")
    assert told.timestamp > max(message.timestamp for message in world.chunks())


@pytest.mark.parametrize("lane", list(Lane))
def test_chunks_stay_in_the_lane_of_their_job(interpreted: Any, world: World, lane: Lane) -> None:
    world.send(interpreted.job(lane=lane))
    world.drain()
    assert {message.topic for message in world.chunks()} == {topics.lane_topic(topics.CHUNKS_RAW, lane)}
    assert {message.header("lane") or str(lane) for message in world.chunks()} == {str(lane)}


@pytest.mark.parametrize("point", [FailPoint.INGEST_CHUNK, FailPoint.INGEST_ALL_CHUNKS, FailPoint.INGEST_MANIFEST, FailPoint.DELIVERED])
def test_a_crash_in_the_middle_emits_the_same_bytes_again(interpreted: Any, point: FailPoint) -> None:
    world = World(interpreted, Crash(point, 2 if point is FailPoint.INGEST_CHUNK else 1))
    interpreted.announce(world.broker)
    world.send(interpreted.job())
    with pytest.raises(SimulatedCrash):
        world.drain()
    world.broker.crash(*world.clients)
    world.runner, world.clients = world.worker()
    world.drain()
    values: dict[str, set[bytes]] = {}
    for message in world.chunks():
        values.setdefault(message.header("chunk_id"), set()).add(message.value)
    assert len(values) == 4
    assert {len(versions) for versions in values.values()} == {1}
    assert len({wire.encode(manifest) for manifest in world.manifests()}) == 1


def broken(interpreted: Any, folder: Path) -> Iterator[tuple[str, Job]]:
    """What its receipt says, and a job whose source is at fault."""
    text = interpreted.calls.read_bytes()
    yield "SourceMissing", interpreted.job("missing", file=folder / "nowhere.vcf")
    cut = folder / "cut.vcf.gz"
    cut.write_bytes(gzip.compress(text)[:-200])
    yield "Source", interpreted.job("cut", file=cut)
    yield "DigestMismatch", interpreted.job("changed", announced="0" * 64)
    other = folder / "other.vcf"
    other.write_bytes(text.replace(b"length=3000", b"length=9999"))
    yield "BuildContradiction", interpreted.job("build", file=other)
    yield "UnknownOption", interpreted.job("option", colour="blue")


@pytest.mark.parametrize("number", range(5))
def test_a_source_at_fault_fails_its_sample_by_a_receipt_and_nothing_goes_to_quarantine(
    interpreted: Any, world: World, tmp_path: Path, number: int
) -> None:
    words, job = list(broken(interpreted, tmp_path))[number]
    world.send(job)
    world.drain()
    (failed,) = [receipt for receipt in world.receipts() if receipt.outcome != "done"]
    assert failed.outcome == "failed"
    assert failed.reason.startswith(words)
    assert (failed.submission_id, failed.revision_id) == (job.submission_id, job.revision_id)
    assert world.manifests() == []
    assert world.broker.log("quarantine") == []


def test_a_job_of_another_code_version_fails_and_says_so(interpreted: Any, world: World) -> None:
    plan = replace(interpreted.plan, code={**STAGE_CODE, "ingest": STAGE_CODE["ingest"] + 1})
    interpreted.announce(world.broker, plan)
    world.send(replace(interpreted.job(), plan_id=plan.plan_id))
    world.drain()
    (failed,) = world.receipts()
    assert failed.reason.startswith("StageVersionMismatch")
    assert world.chunks() == []


def test_a_message_that_is_no_job_goes_to_quarantine_and_the_next_job_is_done(interpreted: Any, world: World) -> None:
    world.send(b"no Avro")
    world.send(interpreted.job())
    world.drain()
    (kept,) = world.broker.log("quarantine")
    assert kept.value == b"no Avro"
    assert len(world.manifests()) == 1


def test_a_job_ahead_of_its_plan_waits_for_it(interpreted: Any) -> None:
    world = World(interpreted)
    world.send(interpreted.job())
    shown = set()
    for _ in range(100):
        world.runner.turn()
        shown |= set(world.health.obstacles().values())
    assert world.chunks() == []
    assert [reason for reason in shown if "is not on the topic" in reason], "and /readyz says what it waits for"
    interpreted.announce(world.broker)
    world.clock.now += 10.0
    for _ in range(3_000):
        world.runner.turn()
        world.clock.now += 0.05
        if world.manifests():
            break
    assert len(world.manifests()) == 1


def test_a_job_that_nobody_waits_for_stops_at_the_next_border_without_a_manifest(interpreted: Any, world: World) -> None:
    message = Message("work", 0, 0, b"key", wire.encode(interpreted.job()), timestamp=5)
    context = JobContext(Lane.ROUTINE, lambda: False)
    emissions = world.reading().open(message, context)
    first = next(emissions)
    assert first.outputs[0].topic == "chunks.raw"
    context.cancelled = True
    assert list(emissions) == []


def test_a_worker_that_is_stopped_in_the_middle_leaves_the_job_to_the_next(interpreted: Any) -> None:
    world = World(interpreted)
    interpreted.announce(world.broker)
    world.send(interpreted.job())
    while not world.chunks():
        world.runner.turn()
    world.runner.stop()
    assert world.manifests() == []
    assert world.broker.behind("ingest", WORK) == 1
    world.runner, world.clients = world.worker()
    world.drain()
    assert len(world.manifests()) == 1


def test_a_job_pauses_while_too_much_is_not_landed(interpreted: Any) -> None:
    closed = ["too much"]
    world = World(interpreted, gate=lambda message: closed[0])
    interpreted.announce(world.broker)
    world.send(interpreted.job())
    for _ in range(100):
        world.runner.turn()
    assert world.chunks() == []
    closed[0] = ""
    world.drain()
    assert len(world.manifests()) == 1


@pytest.mark.parametrize("name", ["a b.vcf", "ä#1.vcf", "100%.vcf"])
def test_a_file_is_found_by_its_uri_and_by_its_path(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert local_path(path.as_uri()) == path
    assert local_path(str(tmp_path / "plain.vcf")) == tmp_path / "plain.vcf"
