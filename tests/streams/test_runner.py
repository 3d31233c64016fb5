"""The runner on the in-memory broker: whatever rebalances, crashes and delays a seed brings, nothing is lost and no commit is early.

The claim checked after every turn: an offset below a committed one has its whole effect on the broker already.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.events import Lane
from streams import topics, wire
from streams.broker import Message, Output, Partition
from streams.failpoints import Crash, FailPoint, FailPoints, Harmless, SimulatedCrash
from streams.health import Health
from streams.limits import Limits
from streams.memory import Clock, MemoryBroker, MemoryConsumer, MemoryProducer
from streams.metrics import Metrics
from streams.outcomes import Backpressure, Done, Outcome, Quarantine, Retry, Wait
from streams.quarantine import QuarantineFull, QuarantineLimit
from streams.runner import Runner

INPUTS = topics.lane_topics(topics.CHUNKS_RAW)
GROUP = "chain"
SINK = topics.RESULTS.name
METRICS = Metrics("test")

Behaviour = Callable[[Message, int], Outcome]


def echo(message: Message, attempt: int) -> Outcome:
    """The effect of a message: one output that names it."""
    del attempt
    return Done([Output(SINK, message.key or b"", message.value)])


class RandomStage:
    """Holds up to `capacity` messages and ends them in random order, some at each poll."""

    def __init__(self, seed: int, behaviour: Behaviour = echo, capacity: int = 8, patience: float = 0.4) -> None:
        self._random = random.Random(seed)
        self._behaviour = behaviour
        self._capacity = capacity
        self._patience = patience
        self.inside: list[Message] = []
        self.most_inside = 0
        self.seen: Counter[bytes] = Counter()
        self.order: list[Message] = []

    def submit(self, message: Message) -> None:
        if len(self.inside) >= self._capacity:
            raise Backpressure
        self.inside.append(message)
        self.order.append(message)
        self.most_inside = max(self.most_inside, len(self.inside))

    def poll(self) -> list[tuple[Message, Outcome]]:
        ended = [message for message in self.inside if self._random.random() < self._patience]
        self._random.shuffle(ended)
        for message in ended:
            self.inside.remove(message)
            self.seen[message.value] += 1
        return [(message, self._behaviour(message, self.seen[message.value])) for message in ended]

    def hasten(self, messages: Sequence[Message]) -> None:
        pass

    def abandon(self, messages: Sequence[Message]) -> None:
        self.inside = [message for message in self.inside if message not in messages]

    def close(self) -> None:
        self._capacity = 0

    def terminate(self) -> None:
        self.inside.clear()

    def join(self, timeout: float) -> list[tuple[Message, Outcome]]:
        return self.poll()


class World:
    """A broker, and workers that come, crash and go."""

    def __init__(self, seed: int, messages: int = 40, behaviour: Behaviour = echo, limits: Limits | None = None, **broker: float) -> None:
        self.random = random.Random(seed)
        self.clock = Clock()
        self.broker = MemoryBroker(topics.catalogue(partitions=3), seed=seed, clock=self.clock, **broker)
        self.behaviour = behaviour
        self.limits = limits or Limits(commit_seconds=0.01, revoke_seconds=0.05, retry_seconds=(0.01, 0.1), wait_seconds=0.05)
        self.workers: list[tuple[Runner, RandomStage, MemoryConsumer, MemoryProducer]] = []
        self.health = Health(self.clock)
        self.sent: list[bytes] = []
        for number in range(messages):
            self.send(f"m{number}".encode(), self.random.choice(list(INPUTS)))

    def send(self, name: bytes, topic: str = "chunks.raw", rows: int = 1, **headers: str) -> None:
        extra = [(key, value.encode()) for key, value in headers.items()]
        self.broker.append(Output(topic, name, name, [("rows", str(rows).encode()), *extra]))
        self.sent.append(name)

    def start(self, points: FailPoints | None = None, quarantine: QuarantineLimit | None = None, capacity: int = 8) -> Runner:
        consumer, producer = self.broker.consumer(GROUP), self.broker.producer()
        stage = RandomStage(self.random.randrange(1 << 30), self.behaviour, capacity)
        runner = Runner(
            "chain", consumer, producer, stage, INPUTS, metrics=METRICS, health=self.health, limits=self.limits, worker="w", code=3,
            failpoints=points or Harmless(), clock=self.clock, random=random.Random(1), quarantine_limit=quarantine,
        )  # fmt: skip
        self.workers.append((runner, stage, consumer, producer))
        runner.start()
        return runner

    def crash(self, runner: Runner) -> None:
        for worker in self.workers:
            if worker[0] is runner:
                self.broker.crash(worker[2], worker[3])
                self.workers.remove(worker)
                return

    def stage(self, runner: Runner) -> RandomStage:
        return next(worker[1] for worker in self.workers if worker[0] is runner)

    def turn(self) -> None:
        runner = self.random.choice(self.workers)[0]
        try:
            runner.turn()
        except SimulatedCrash:
            self.crash(runner)
            self.start()
        self.check()

    def check(self) -> None:
        """No committed offset is above one whose effect is not on the broker."""
        landed = {message.value for topic in (SINK, "quarantine") for message in self.broker.log(topic)}
        for partition, offset in self.broker.committed(GROUP).items():
            for message in self.broker.kept(partition)[:offset]:
                assert message.value in landed, f"{message.place()} is committed and not done"

    def drain(self, turns: int = 4000) -> None:
        for _ in range(turns):
            self.turn()
            if self.broker.behind(GROUP, INPUTS) == 0:
                return
        raise AssertionError(f"{self.broker.behind(GROUP, INPUTS)} messages left after {turns} turns")

    def results(self) -> Counter[bytes]:
        return Counter(message.value for message in self.broker.log(SINK))


def test_without_trouble_every_message_lands_once() -> None:
    world = World(1)
    world.start()
    world.drain()
    assert world.results() == Counter(world.sent)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
@example(62_815)  # the last commit fails, and no further message comes that would carry it
def test_rebalances_and_crashes_lose_nothing_and_commit_nothing_early(seed: int) -> None:
    world = World(seed, duplicates=0.1)
    world.start()
    for _ in range(120):
        chance = world.random.random()
        runner = world.random.choice(world.workers)[0]
        if chance < 0.05 and len(world.workers) < 4:
            world.start()
        elif chance < 0.08:
            world.crash(runner)
            world.start()
        elif chance < 0.11:
            consumer = next(worker[2] for worker in world.workers if worker[0] is runner)
            world.broker.expel(consumer)
        elif chance < 0.13 and len(world.workers) > 1:
            runner.stop()
            world.workers = [worker for worker in world.workers if worker[0] is not runner]
        elif chance < 0.16:
            world.broker.away = not world.broker.away
        world.turn()
    world.broker.away = False
    world.drain()
    assert set(world.results()) == set(world.sent)


RUNNER_POINTS = [point for point in FailPoint if point.value.startswith("runner.")]


@pytest.mark.parametrize("nth", [1, 2, 7])
@pytest.mark.parametrize("point", RUNNER_POINTS)
def test_a_crash_at_any_point_repeats_work_and_loses_none(point: FailPoint, nth: int) -> None:
    def mostly(message: Message, attempt: int) -> Outcome:
        return Quarantine("Odd", "of this test") if message.value.endswith(b"3") else echo(message, attempt)

    world = World(nth, messages=40, behaviour=mostly)
    crash = Crash(point, nth)
    world.start(crash)
    for turn in range(600):
        if crash.reached[point] >= nth:
            break
        if turn % 12 == 0:  # others come and go, so that partitions are revoked
            world.start() if len(world.workers) < 2 else world.crash(world.workers[-1][0])
            world.send(f"late{turn}".encode())
            world.send(f"late{turn}-3".encode())
        world.turn()
    world.drain()
    assert crash.reached[point] >= nth, "the point was never reached"
    quarantined = {message.value for message in world.broker.log("quarantine")}
    assert set(world.results()) | quarantined == set(world.sent)
    assert all(name.endswith(b"3") for name in quarantined)


def test_a_message_in_flight_when_its_partition_moves_is_committed_if_it_ends_in_time() -> None:
    world = World(3, messages=30)
    world.limits = Limits(commit_seconds=1e9, revoke_seconds=5.0)
    first = world.start()
    for _ in range(3):
        first.turn()
    taken = sum(world.stage(first).seen.values()) + len(world.stage(first).inside)
    assert taken > 0
    assert world.broker.committed(GROUP) == {}
    world.start()
    first.turn()
    committed = world.broker.committed(GROUP)
    assert sum(committed.values()) > 0
    world.check()


def test_a_message_that_outlasts_the_revoke_deadline_is_done_by_the_next_owner() -> None:
    world = World(4, messages=0)
    for number in range(12):
        world.send(f"slow{number}".encode())
    world.limits = Limits(commit_seconds=0.0, revoke_seconds=0.02)
    first = world.start()
    stage = world.stage(first)
    stage._patience = 0.0  # nothing ends
    for _ in range(10):
        first.turn()
    assert stage.inside
    world.start()
    before = world.clock.now
    first.turn()
    assert world.clock.now - before < 0.5
    stage._patience = 0.4
    world.drain()
    assert set(world.results()) == set(world.sent)


def test_what_was_fetched_of_a_moved_partition_is_not_worked_on() -> None:
    world = World(19, messages=90)
    first = world.start(capacity=1)
    stage = world.stage(first)
    stage._patience = 0.0
    for _ in range(20):
        first.turn()
    world.start()
    first.turn()  # half of the partitions go
    mine = set(world.workers[0][2]._positions)
    assert len(mine) < 9
    before = len(stage.order)
    stage._patience = 1.0
    for _ in range(200):
        first.turn()
    assert len(stage.order) > before + 5
    assert {message.partition for message in stage.order[before:]} <= mine
    assert first._inside.rows == 0


# --- backpressure ----------------------------------------------------------------------------------------------------


def test_rows_and_bytes_in_flight_stay_bounded() -> None:
    world = World(5, messages=0)
    world.limits = Limits(rows=100, size=10_000, queue_messages=4, commit_seconds=0.0)
    for number in range(60):
        world.send(f"big{number}".encode(), rows=40)
    runner = world.start(capacity=1000)
    for _ in range(300):
        world.turn()
        assert sum(40 for _ in world.stage(runner).inside) <= 100
    world.drain()
    assert world.stage(runner).most_inside == 2


def test_one_message_above_every_bound_still_goes_through() -> None:
    world = World(6, messages=0)
    world.limits = Limits(rows=10, size=1, commit_seconds=0.0)
    world.send(b"huge", rows=10_000)
    world.start()
    world.drain()
    assert world.results() == Counter([b"huge"])


def test_a_full_stage_pauses_and_keeps_polling() -> None:
    world = World(7, messages=0)
    world.limits = Limits(queue_messages=4, commit_seconds=0.0)
    for number in range(200):
        world.send(f"x{number}".encode())
    runner = world.start(capacity=1)
    stage = world.stage(runner)
    stage._patience = 0.0
    for _ in range(200):
        runner.turn()
    consumer = world.workers[0][2]
    assert len(consumer._paused) == 3, "the routine partitions are paused"
    taken = sum(position for partition, position in consumer._positions.items() if partition.topic == "chunks.raw")
    assert taken < 200, "a paused worker does not read on into memory"
    stage._patience = 0.5
    world.drain()


# --- lanes -----------------------------------------------------------------------------------------------------------


def test_an_urgent_message_overtakes_a_backlog() -> None:
    world = World(8, messages=0)
    for number in range(300):
        world.send(f"routine{number}".encode(), rows=1000)
    runner = world.start(capacity=2)
    for _ in range(40):
        runner.turn()
    world.send(b"now", "chunks.raw.urgent", rows=1000)
    stage = world.stage(runner)
    before = len(stage.order)
    while not any(message.value == b"now" for message in stage.order):
        runner.turn()
    waited = next(place for place, message in enumerate(stage.order[before:]) if message.value == b"now")
    assert waited <= 8, f"{waited} routine messages went first"


def test_lanes_share_90_9_1_while_all_have_work_and_none_starves() -> None:
    world = World(9, messages=0)
    world.limits = Limits(queue_messages=600, commit_seconds=1e9)
    for number in range(500):
        for topic in INPUTS:
            world.send(f"{topic}-{number}".encode(), topic, rows=100)
    runner = world.start(capacity=1)
    while len(world.stage(runner).order) < 30:  # until every lane has a queue
        runner.turn()
    start = len(world.stage(runner).order)
    while len(world.stage(runner).order) < start + 400:
        runner.turn()
    shares = Counter(INPUTS[message.topic] for message in world.stage(runner).order[start : start + 400])
    assert 340 <= shares[Lane.URGENT] <= 375
    assert 25 <= shares[Lane.ROUTINE] <= 50
    assert shares[Lane.BACKGROUND] >= 2


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_a_dependency_that_is_away_pauses_everything_and_loses_nothing() -> None:
    down = [True]

    def needs(message: Message, attempt: int) -> Outcome:
        return Retry("clickhouse: connection refused") if down[0] else echo(message, attempt)

    world = World(10, behaviour=needs)
    runner = world.start()
    for _ in range(300):
        world.turn()
    assert runner.away == "clickhouse: connection refused"
    assert world.health.obstacles()["chain.away"] == "clickhouse: connection refused"
    attempts = sum(world.stage(runner).seen.values())
    assert attempts < 40, "one message at a time asks, with pauses"
    assert world.broker.committed(GROUP) == {}
    down[0] = False
    world.drain()
    assert runner.away is None
    assert "chain.away" not in world.health.obstacles()
    assert world.results() == Counter(world.sent)


def test_a_message_ahead_of_its_plan_waits_while_others_go_on() -> None:
    known = [False]

    def plan(message: Message, attempt: int) -> Outcome:
        return Wait("plan p1 is not here yet") if message.value == b"early" and not known[0] else echo(message, attempt)

    world = World(11, messages=0, behaviour=plan)
    world.send(b"early", "chunks.raw.background")
    for number in range(30):
        world.send(f"m{number}".encode())
    runner = world.start()
    for _ in range(400):
        world.turn()
    assert len(world.results()) == 30
    assert world.broker.log("quarantine") == []
    assert "plan p1" in world.health.obstacles()["chain.wait"]
    known[0] = True
    world.drain()
    assert runner.idle
    assert set(world.results()) == set(world.sent)
    assert "chain.wait" not in world.health.obstacles()


def test_a_quarantined_message_keeps_its_bytes_and_tells_the_control_plane() -> None:
    def bad(message: Message, attempt: int) -> Outcome:
        return Quarantine("DivisionByZero", "in row 7")

    world = World(12, messages=0, behaviour=bad)
    world.send(b"\x00raw", submission_id="s1", revision_id="r1", chunk_id="c1", ordinal="7")
    world.start()
    world.drain()
    (kept,) = world.broker.log("quarantine")
    assert (kept.value, kept.key) == (b"\x00raw", b"c1")
    assert kept.header("submission_id") == "s1"
    (origin,) = [message for message in world.broker.log("chunks.raw") if message.value == b"\x00raw"]
    assert kept.header("quarantine.topic") == "chunks.raw"
    assert (kept.header("quarantine.partition"), kept.header("quarantine.offset")) == (str(origin.number), "0")
    assert (kept.header("quarantine.error"), kept.header("quarantine.detail")) == ("DivisionByZero", "in row 7")
    assert (kept.header("quarantine.attempt"), kept.header("quarantine.code")) == ("1", "3")
    (told,) = world.broker.log("receipts")
    receipt = wire.decode(told.value)
    assert (receipt.outcome, receipt.ordinal, receipt.chunk_id) == ("quarantined", 7, "c1")  # type: ignore[union-attr]


def test_a_bad_deploy_stops_the_worker_before_it_drains_the_topic() -> None:
    world = World(13, messages=200, behaviour=lambda message, attempt: Quarantine("KeyError", "'gene'"))
    world.start(quarantine=QuarantineLimit(max_consecutive=5))
    with pytest.raises(QuarantineFull, match=r"6 messages in a row .*KeyError: 'gene'"):
        world.drain()
    assert len(world.broker.log("quarantine")) <= 5
    assert world.broker.behind(GROUP, INPUTS) >= 195


def test_a_ratio_over_a_window_stops_the_worker_too() -> None:
    every_third: Behaviour = lambda message, attempt: Quarantine("Odd", "") if int(message.value[1:]) % 3 == 0 else echo(message, 1)  # noqa: E731
    world = World(14, messages=300, behaviour=every_third)
    world.start(quarantine=QuarantineLimit(max_ratio=0.2, window=50, minimum=10, max_consecutive=50))
    with pytest.raises(QuarantineFull, match="of the last"):
        world.drain()


def test_a_few_bad_messages_do_not_stop_a_worker() -> None:
    every_tenth: Behaviour = lambda message, attempt: Quarantine("Odd", "") if message.value.endswith(b"7") else echo(message, 1)  # noqa: E731
    world = World(15, messages=300, behaviour=every_tenth)
    world.start()
    world.drain()
    assert len(world.broker.log("quarantine")) == 30


def test_an_output_above_the_limit_sends_its_cause_to_quarantine() -> None:
    def grows(message: Message, attempt: int) -> Outcome:
        return Done([Output(SINK, b"k", b"x" * (topics.MAX_MESSAGE + 1))]) if message.value == b"grows" else echo(message, 1)

    world = World(16, messages=5, behaviour=grows)
    world.send(b"grows")
    world.start()
    world.drain()
    (kept,) = world.broker.log("quarantine")
    assert kept.value == b"grows"
    assert "above the 4194304 bytes" in kept.header("quarantine.detail")


def test_stopping_finishes_what_is_in_flight_and_leaves_the_rest() -> None:
    world = World(17, messages=100)
    runner = world.start()
    for _ in range(5):
        runner.turn()
    in_flight = {message.value for message in world.stage(runner).inside}
    assert in_flight
    runner.stop()
    world.check()
    assert in_flight <= set(world.results())
    committed = sum(world.broker.committed(GROUP).values())
    assert 0 < committed <= len(world.results()) < 100
    world.workers.clear()
    world.start()
    world.drain()
    assert set(world.results()) == set(world.sent)


def test_a_message_of_a_lost_partition_is_not_committed_by_its_old_owner() -> None:
    world = World(18, messages=30)
    first = world.start()
    for _ in range(4):
        first.turn()
    consumer = world.workers[0][2]
    world.broker.expel(consumer)
    before = world.broker.committed(GROUP)
    world.workers[0][2].commit({Partition("chunks.raw", 0): 99}, wait=False)
    assert world.broker.committed(GROUP) == before
    world.drain()
    assert set(world.results()) == set(world.sent)
