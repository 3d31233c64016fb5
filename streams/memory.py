"""A broker in memory, for tests: topics, groups with cooperative rebalances, commits, redelivery, crashes; every choice from one seed.

What is uncertain on a real broker is decided here at random, but repeatably: when a message is delivered and when its producer learns
of it, which partition a consumer hears of next, how many messages it gets at once. A crashed client stops where it stands: what it had
produced may have arrived or not, what it had not committed is delivered again.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.broker import (
    BrokerAway,
    BrokerError,
    Fenced,
    Message,
    OnDelivery,
    OnPartitions,
    Output,
    Partition,
    QueueFull,
    TooLarge,
)
from streams.topics import Topic, catalogue


class Clock:
    """Simulated seconds: every look at it takes a little."""

    def __init__(self, step: float = 0.001) -> None:
        self.now = 0.0
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


@dataclass
class _Group:
    members: list[MemoryConsumer] = field(default_factory=list)
    owners: dict[Partition, MemoryConsumer] = field(default_factory=dict)
    committed: dict[Partition, int] = field(default_factory=dict)


class MemoryBroker:
    """The broker. `duplicates` is the chance that a produced message is appended twice, as a producer that crashed and re-emitted would."""

    def __init__(
        self,
        topics: Iterable[Topic] | None = None,
        *,
        seed: int = 0,
        duplicates: float = 0.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311  repeatable on purpose
        self.away = False
        """True: nothing is answered, as when the broker is down."""
        self._duplicates = duplicates
        self._clock = clock or Clock()
        self._topics = {topic.name: topic for topic in (catalogue() if topics is None else topics)}
        self._logs: dict[Partition, list[Message]] = {
            Partition(topic.name, number): [] for topic in self._topics.values() for number in range(topic.partitions)
        }
        self._groups: dict[str, _Group] = {}
        self.lock = threading.RLock()

    # --- what a test looks at and does -------------------------------------------------------------------------------

    def log(self, topic: str) -> list[Message]:
        """Everything appended to a topic, partition after partition."""
        with self.lock:
            return [message for partition, log in sorted(self._logs.items()) if partition.topic == topic for message in log]

    def committed(self, group: str) -> dict[Partition, int]:
        return dict(self._groups[group].committed) if group in self._groups else {}

    def behind(self, group: str, topics: Iterable[str]) -> int:
        """Messages of some topics that a group has not committed."""
        committed = self.committed(group)
        return sum(len(log) - committed.get(partition, 0) for partition, log in self._logs.items() if partition.topic in set(topics))

    def append(self, output: Output) -> Message:
        """Append at once, without a producer. Raises TooLarge, BrokerError."""
        with self.lock:
            self.check(output)
            topic = self._topics[output.topic]
            number = sum(output.key) % topic.partitions if output.key else self.random.randrange(topic.partitions)
            log = self._logs[Partition(output.topic, number)]
            message = Message(
                output.topic, number, len(log), output.key, output.value, list(output.headers), timestamp=int(self._clock() * 1000)
            )
            log.append(message)
            return message

    def check(self, output: Output) -> None:
        """Refuse what a real client would refuse. Raises TooLarge, BrokerError."""
        topic = self._topics.get(output.topic)
        if topic is None:
            raise BrokerError(f"topic {output.topic} does not exist")
        if output.size > topic.max_message:
            raise TooLarge(f"a message of {output.size} bytes is above the {topic.max_message} bytes that topic {output.topic} takes")

    def crash(self, *clients: MemoryConsumer | MemoryProducer) -> None:
        """These clients stop where they stand; the group learns that its member is gone."""
        with self.lock:
            for client in clients:
                client.die()

    def expel(self, consumer: MemoryConsumer) -> None:
        """The group gives a member up that was silent for too long; it learns so when it polls next, and joins again."""
        with self.lock:
            group = self._groups[consumer.group]
            for partition in [p for p, owner in group.owners.items() if owner is consumer]:
                del group.owners[partition]
            consumer.lose()

    # --- clients -----------------------------------------------------------------------------------------------------

    def producer(self, *, queue: int = 1000) -> MemoryProducer:
        return MemoryProducer(self, self._duplicates, queue)

    def consumer(self, group: str) -> MemoryConsumer:
        return MemoryConsumer(self, group)

    def reader(self) -> MemoryReader:
        return MemoryReader(self)

    # --- for the clients ---------------------------------------------------------------------------------------------

    def partitions(self, topic: str) -> list[Partition]:
        found = sorted(partition for partition in self._logs if partition.topic == topic)
        if not found:
            raise BrokerError(f"topic {topic} does not exist")
        return found

    def kept(self, partition: Partition) -> list[Message]:
        return self._logs[partition]

    def group(self, name: str) -> _Group:
        return self._groups.setdefault(name, _Group())

    def wanted(self, consumer: MemoryConsumer) -> set[Partition]:
        """The partitions a member should have, given who else is there: round robin over the sorted list, rotated by the member list."""
        group = self.group(consumer.group)
        members = [member for member in group.members if member.topics]
        chosen = set()
        for place, partition in enumerate(sorted(self._logs)):
            takers = [member for member in members if partition.topic in member.topics]
            if takers and takers[place % len(takers)] is consumer:
                chosen.add(partition)
        return chosen


class MemoryProducer:
    """Queues; a later `poll` or `flush` appends and calls back, some at a time."""

    def __init__(self, broker: MemoryBroker, duplicates: float, queue: int) -> None:
        self._broker = broker
        self._duplicates = duplicates
        self._queue = queue
        self._pending: deque[tuple[Output, OnDelivery | None]] = deque()
        self._unacknowledged: deque[OnDelivery | None] = deque()
        self._dead = False

    def produce(self, output: Output, on_delivery: OnDelivery | None = None) -> None:
        with self._broker.lock:
            if self._dead:
                return
            if len(self._pending) >= self._queue:
                raise QueueFull(f"{self._queue} messages wait for the broker")
            self._broker.check(output)
            self._pending.append((output, on_delivery))

    def poll(self, timeout: float = 0.0) -> None:
        with self._broker.lock:
            if self._dead or self._broker.away:
                return
            for _ in range(self._broker.random.randint(0, len(self._pending))):
                self._append_one()
            due = [self._unacknowledged.popleft() for _ in range(self._broker.random.randint(0, len(self._unacknowledged)))]
        for callback in due:
            if callback is not None:
                callback(None)

    def flush(self, timeout: float) -> int:
        with self._broker.lock:
            if not self._dead and not self._broker.away:
                while self._pending:
                    self._append_one()
            due = [] if self._broker.away else list(self._unacknowledged)
            if due:
                self._unacknowledged.clear()
            left = len(self._pending)
        for callback in due:
            if callback is not None:
                callback(None)
        return left

    def die(self) -> None:
        """Some of what is queued still arrives, nobody hears of it."""
        for _ in range(self._broker.random.randint(0, len(self._pending))):
            self._append_one()
        self._pending.clear()
        self._unacknowledged.clear()
        self._dead = True

    def _append_one(self) -> None:
        output, callback = self._pending.popleft()
        self._broker.append(output)
        if self._broker.random.random() < self._duplicates:
            self._broker.append(output)
        self._unacknowledged.append(callback)


class MemoryConsumer:
    """A group member. Rebalances are cooperative: a partition is revoked from one member before another gets it, each in its own poll.

    As in librdkafka, a partition that was paused when it went is still paused when it comes back.
    """

    def __init__(self, broker: MemoryBroker, group: str) -> None:
        self.group = group
        self.topics: frozenset[str] = frozenset()
        self._broker = broker
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._lost = False
        self._dead = False
        self._callbacks: tuple[OnPartitions, OnPartitions, OnPartitions] | None = None

    def subscribe(self, topics: Sequence[str], on_assign: OnPartitions, on_revoke: OnPartitions, on_lost: OnPartitions) -> None:
        with self._broker.lock:
            for topic in topics:
                self._broker.partitions(topic)
            self.topics = frozenset(topics)
            self._callbacks = (on_assign, on_revoke, on_lost)
            self._broker.group(self.group).members.append(self)

    def consume(self, count: int, timeout: float) -> list[Message]:
        if self._dead:
            raise Fenced("this consumer is dead")
        if self._broker.away:
            return []
        self._rebalance()
        with self._broker.lock:
            ready = [
                partition
                for partition, position in self._positions.items()
                if partition not in self._paused and position < len(self._broker.kept(partition))
            ]
            if not ready:
                return []
            chosen = self._broker.random.choice(sorted(ready))
            position = self._positions[chosen]
            kept = self._broker.kept(chosen)[position : position + self._broker.random.randint(1, max(1, count))]
            self._positions[chosen] = position + len(kept)
            # a redelivery is another object, as it would be from a socket
            return [Message(m.topic, m.number, m.offset, m.key, m.value, list(m.headers), m.timestamp) for m in kept]

    def _rebalance(self) -> None:
        assert self._callbacks is not None, "subscribe first"
        on_assign, on_revoke, on_lost = self._callbacks
        group = self._broker.group(self.group)
        if self._lost:
            self._lost = False
            gone = sorted(self._positions)
            self._positions.clear()
            on_lost(gone)
        wanted = self._broker.wanted(self)
        moving = sorted(partition for partition in self._positions if partition not in wanted)
        if moving:
            on_revoke(moving)
            with self._broker.lock:
                for partition in moving:
                    self._positions.pop(partition, None)
                    if group.owners.get(partition) is self:
                        del group.owners[partition]
        with self._broker.lock:
            fresh = sorted(partition for partition in wanted if partition not in group.owners)
            for partition in fresh:
                group.owners[partition] = self
                self._positions[partition] = group.committed.get(partition, 0)
        if fresh:
            on_assign(fresh)

    def pause(self, partitions: Sequence[Partition]) -> None:
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[Partition]) -> None:
        self._paused.difference_update(partitions)

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool) -> None:
        with self._broker.lock:
            if self._broker.away:
                if wait:
                    raise BrokerAway("the broker is away")
                return
            group = self._broker.group(self.group)
            mine = {partition: offset for partition, offset in offsets.items() if group.owners.get(partition) is self}
            group.committed.update(mine)
            if wait and len(mine) < len(offsets):
                raise Fenced(f"not ours any more: {sorted(set(offsets) - set(mine))}")

    def lag(self) -> dict[Partition, int]:
        return {partition: len(self._broker.kept(partition)) - position for partition, position in self._positions.items()}

    def close(self) -> None:
        if self._dead:
            return
        if self._positions and self._callbacks is not None:
            self._callbacks[1](sorted(self._positions))
        with self._broker.lock:
            self.die()

    def lose(self) -> None:
        self._lost = True

    def die(self) -> None:
        group = self._broker.group(self.group)
        self._dead = True
        self._positions.clear()
        if self in group.members:
            group.members.remove(self)
        for partition in [p for p, owner in group.owners.items() if owner is self]:
            del group.owners[partition]


class MemoryReader:
    """Reads partitions from chosen offsets."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._positions: dict[Partition, int] = {}

    def partitions(self, topic: str) -> list[Partition]:
        return self._broker.partitions(topic)

    def bounds(self, partition: Partition) -> tuple[int, int]:
        return 0, len(self._broker.kept(partition))

    def at_time(self, partition: Partition, time: int) -> int:
        kept = self._broker.kept(partition)
        return next((message.offset for message in kept if message.timestamp >= time), len(kept))

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        self._positions = dict(offsets)

    def consume(self, count: int, timeout: float) -> list[Message]:
        found: list[Message] = []
        for partition, position in self._positions.items():
            kept = self._broker.kept(partition)[position : position + count - len(found)]
            self._positions[partition] += len(kept)
            found += kept
        return found

    def position(self, partition: Partition) -> int:
        return self._positions[partition]

    def close(self) -> None:
        self._positions.clear()
