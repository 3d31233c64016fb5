"""Clients of the in-memory broker: a producer, a group member, a reader of chosen offsets."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from streams.broker import BrokerAway, Fenced, Message, OnDelivery, OnPartitions, Output, Partition, QueueFull

if TYPE_CHECKING:  # the broker makes its clients
    from streams.memory.broker import MemoryBroker


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
        self._not_committed: set[Partition] = set()
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
                self._not_committed.update(offsets)
                return
            group = self._broker.group(self.group)
            mine = {partition: offset for partition, offset in offsets.items() if group.owners.get(partition) is self}
            group.committed.update(mine)
            if wait and len(mine) < len(offsets):
                raise Fenced(f"not ours any more: {sorted(set(offsets) - set(mine))}")

    def not_committed(self) -> list[Partition]:
        found = sorted(self._not_committed)
        self._not_committed.clear()
        return found

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
