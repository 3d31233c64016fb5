"""A broker in memory, for tests: topics, groups with cooperative rebalances, commits, redelivery, crashes; every choice from one seed.

What is uncertain on a real broker is decided here at random, but repeatably: when a message is delivered and when its producer learns
of it, which partition a consumer hears of next, how many messages it gets at once. A crashed client stops where it stands: what it had
produced may have arrived or not, what it had not committed is delivered again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from streams.broker import (
    BrokerError,
    Message,
    Output,
    Partition,
    TooLarge,
)
from streams.memory.clients import MemoryConsumer, MemoryProducer, MemoryReader
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
