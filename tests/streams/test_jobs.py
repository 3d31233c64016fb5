"""Long jobs beside the poll loop: urgent ones go first at every border, the manifest comes last, a crash re-emits the same bytes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from schemas.events import Lane
from streams import topics
from streams.broker import Message, Output
from streams.failpoints import Crash, FailPoint, SimulatedCrash
from streams.health import Health
from streams.jobs import Emission, JobContext, Jobs, Open
from streams.limits import Limits
from streams.memory import Clock, MemoryBroker
from streams.metrics import Metrics
from streams.outcomes import DependencyAway, Unprocessable
from streams.runner import Runner

WORK = topics.lane_topics(topics.WORK)
METRICS = Metrics("test")
LIMITS = Limits(commit_seconds=0.0, retry_seconds=(0.01, 0.1), revoke_seconds=0.02, stop_seconds=0.05)


def ten_chunks(message: Message, context: JobContext) -> Iterator[Emission]:
    """A job of ten chunks and a manifest."""
    for number in range(10):
        name = message.value + b"/%d" % number
        yield Emission([Output("chunks.raw", name, name)], rows=100)
    yield Emission([Output("run.events", message.value, b"manifest of " + message.value)], after_delivery=True)


class World:
    def __init__(self, seed: int = 0) -> None:
        self.clock = Clock()
        self.broker = MemoryBroker(topics.catalogue(partitions=2), seed=seed, clock=self.clock)
        self.health = Health(self.clock)

    def send(self, name: bytes, lane: Lane = Lane.ROUTINE) -> None:
        self.broker.append(Output(topics.lane_topic(topics.WORK, lane), name, name))

    def worker(self, job: Open = ten_chunks, points: Crash | None = None, **options: object) -> tuple[Runner, list[object]]:
        consumer, producer = self.broker.consumer("ingest"), self.broker.producer()
        stage = Jobs(job, producer, WORK, thread=False, failpoints=points, metrics=METRICS, **options)  # type: ignore[arg-type]
        runner = Runner(
            "ingest", consumer, producer, stage, WORK, metrics=METRICS, health=self.health, limits=LIMITS, clock=self.clock,
            random=random.Random(1), failpoints=points, rows=lambda message: 1,
        )  # fmt: skip
        runner.start()
        return runner, [consumer, producer, stage]

    def drain(self, *runners: Runner, turns: int = 3000) -> None:
        for _ in range(turns):
            for runner in runners:
                runner.turn()
            if self.broker.behind("ingest", WORK) == 0:
                return
        raise AssertionError("jobs left")

    def chunks(self) -> list[bytes]:
        found = sorted(self.broker.log("chunks.raw"), key=lambda message: message.timestamp)
        return [message.value for message in found]


def test_a_job_ends_when_its_manifest_is_delivered_and_that_comes_last() -> None:
    world = World()
    world.send(b"a")
    runner, _ = world.worker()
    world.drain(runner)
    (manifest,) = world.broker.log("run.events")
    assert sorted(world.chunks()) == [b"a/%d" % number for number in range(10)]
    assert manifest.timestamp > max(message.timestamp for message in world.broker.log("chunks.raw"))


def test_an_urgent_job_overtakes_a_running_one_at_a_chunk_border() -> None:
    world = World()
    world.send(b"slow")
    runner, _ = world.worker()
    while len(world.chunks()) < 3:
        runner.turn()
    world.send(b"now", Lane.URGENT)
    world.drain(runner)
    order = [name.partition(b"/")[0] for name in world.chunks()]
    assert order.index(b"now") <= 6
    last_urgent = len(order) - 1 - order[::-1].index(b"now")
    assert order[-1] == b"slow"
    assert order[:last_urgent].count(b"slow") <= 7, "while it ran, the routine job had a tenth at most"


def test_a_second_job_of_a_lane_waits_for_the_first_and_blocks_no_other_lane() -> None:
    world = World()
    for name in (b"one", b"two", b"three"):
        world.send(name)
    world.send(b"low", Lane.BACKGROUND)
    runner, _ = world.worker()
    world.drain(runner)
    order = [name.partition(b"/")[0] for name in world.chunks()]
    routine = [name for name in order if name != b"low"]
    assert all(routine[start : start + 10] == [routine[start]] * 10 for start in (0, 10, 20))
    assert order.count(b"low") == 10


def test_a_closed_gate_stops_emission_and_says_why() -> None:
    world = World()
    world.send(b"a")
    closed = ["2 GiB are not landed yet"]
    runner, (_, _, stage) = world.worker(gate=lambda message: closed[0])
    for _ in range(100):
        runner.turn()
    assert world.chunks() == []
    assert stage.gated == "2 GiB are not landed yet"  # type: ignore[attr-defined]
    closed[0] = ""
    world.drain(runner)
    assert len(world.chunks()) == 10


def test_undelivered_bytes_of_a_job_are_bounded() -> None:
    world = World()
    world.send(b"a")
    produced = []

    def big(message: Message, context: JobContext) -> Iterator[Emission]:
        for number in range(50):
            produced.append(number)
            yield Emission([Output("chunks.raw", b"k", bytes(1000))])

    runner, _ = world.worker(big, window=4000)
    world.broker.away = False
    for _ in range(20):
        runner.turn()
        world.broker.away = True  # from now on nothing is delivered
    stalled = len(produced)
    for _ in range(50):
        runner.turn()
    assert len(produced) == stalled <= 12
    world.broker.away = False
    world.drain(runner)
    assert len(world.broker.log("chunks.raw")) == 50


@pytest.mark.parametrize("nth", [1, 4])
@pytest.mark.parametrize("point", [FailPoint.INGEST_CHUNK, FailPoint.INGEST_ALL_CHUNKS, FailPoint.INGEST_MANIFEST])
def test_a_crash_in_a_job_repeats_it_with_the_same_bytes(point: FailPoint, nth: int) -> None:
    world = World(nth)
    names = [b"a", b"b", b"c", b"d", b"e"]
    for name in names:
        world.send(name)
    crash = Crash(point, nth)
    runner, clients = world.worker(points=crash)
    with pytest.raises(SimulatedCrash):
        world.drain(runner)
    world.broker.crash(*clients[:2])  # type: ignore[arg-type]
    fresh, _ = world.worker()
    world.drain(fresh)
    assert set(world.chunks()) == {name + b"/%d" % number for name in names for number in range(10)}
    manifests = {message.value for message in world.broker.log("run.events")}
    assert manifests == {b"manifest of " + name for name in names}


def test_a_job_whose_partition_moves_is_given_up_at_once_and_done_elsewhere() -> None:
    given_up = []
    for name in (b"a", b"b"):  # one of them lies on the partition that moves
        world = World()
        closed: list[bool] = []

        def watched(message: Message, context: JobContext, closed: list[bool] = closed) -> Iterator[Emission]:
            try:
                yield from ten_chunks(message, context)
            finally:
                closed.append(context.cancelled)

        world.send(name)
        first, _ = world.worker(watched)
        while len(world.chunks()) < 3:
            first.turn()
        before = world.clock.now
        second, _ = world.worker(watched)
        first.turn()
        assert world.clock.now - before < 1.0, "an hour's job does not hold a rebalance up"
        world.drain(first, second)
        assert set(world.chunks()) == {name + b"/%d" % number for number in range(10)}
        assert len(world.broker.log("run.events")) == 1
        given_up.append(closed == [True, False])
    assert sorted(given_up) == [False, True]


def test_a_stopped_worker_does_not_wait_for_its_long_job() -> None:
    broker = MemoryBroker(topics.catalogue(partitions=1))
    broker.append(Output("work", b"a", b"a"))

    def endless(message: Message, context: JobContext) -> Iterator[Emission]:
        while True:
            time.sleep(0.005)
            yield Emission([Output("chunks.raw", b"k", b"v")], rows=1)

    producer, consumer = broker.producer(), broker.consumer("ingest")
    stage = Jobs(endless, producer, WORK)
    runner = Runner("ingest", consumer, producer, stage, WORK, metrics=METRICS, health=Health())
    runner.start()
    while not broker.log("chunks.raw"):
        runner.turn()
    began = time.monotonic()
    runner.stop()
    assert time.monotonic() - began < 2.0
    assert broker.behind("ingest", WORK) == 1, "the job is not committed"


def test_a_job_that_cannot_be_done_goes_to_quarantine_and_the_next_one_runs() -> None:
    def bad(message: Message, context: JobContext) -> Iterator[Emission]:
        if message.value == b"bad":
            yield Emission([Output("chunks.raw", b"k", b"bad/0")])
            raise Unprocessable("UnknownKind", "job kind rescore")
        yield from ten_chunks(message, context)

    world = World()
    world.send(b"bad")
    world.send(b"good")
    runner, _ = world.worker(bad)
    world.drain(runner)
    (kept,) = world.broker.log("quarantine")
    assert (kept.value, kept.header("quarantine.error")) == (b"bad", "UnknownKind")
    assert b"good/9" in world.chunks()


def test_a_job_begins_again_when_what_it_needs_is_back() -> None:
    away = [True]

    def needs(message: Message, context: JobContext) -> Iterator[Emission]:
        yield Emission([Output("chunks.raw", b"k", message.value + b"/0")])
        if away[0]:
            raise DependencyAway("disk: no space left")
        yield from ten_chunks(message, context)

    world = World()
    world.send(b"a")
    runner, _ = world.worker(needs)
    for _ in range(200):
        runner.turn()
    assert runner.away == "disk: no space left"
    away[0] = False
    world.drain(runner)
    assert len(world.broker.log("run.events")) == 1


def test_a_long_step_learns_that_it_should_yield() -> None:
    world = World()
    asked = []

    def hashing(message: Message, context: JobContext) -> Iterator[Emission]:
        for _ in range(30):
            asked.append((context.lane, context.should_yield()))
            yield Emission()
        yield from ten_chunks(message, context)

    world.send(b"slow")
    runner, _ = world.worker(hashing)
    while len(asked) < 5:
        runner.turn()
    assert not any(answer for _, answer in asked)
    world.send(b"now", Lane.URGENT)
    world.drain(runner)
    assert (Lane.ROUTINE, True) in asked
    assert (Lane.URGENT, True) not in asked


def test_on_its_thread_a_job_runs_while_the_loop_keeps_polling() -> None:
    broker = MemoryBroker(topics.catalogue(partitions=1))
    broker.append(Output("work", b"a", b"a"))
    producer, consumer = broker.producer(), broker.consumer("ingest")
    main = threading.get_ident()
    seen = []

    def slow(message: Message, context: JobContext) -> Iterator[Emission]:
        for _ in range(5):
            seen.append(threading.get_ident())
            time.sleep(0.02)
            yield Emission([Output("chunks.raw", b"k", b"v")], rows=1)

    stage = Jobs(slow, producer, WORK)
    runner = Runner("ingest", consumer, producer, stage, WORK, metrics=METRICS, health=Health(), limits=LIMITS)
    runner.start()
    turns = 0
    deadline = time.monotonic() + 5
    while broker.behind("ingest", WORK) and time.monotonic() < deadline:
        runner.turn()
        turns += 1
        time.sleep(0.001)
    runner.stop()
    assert len(broker.log("chunks.raw")) == 5
    assert turns > 20
    assert main not in seen
