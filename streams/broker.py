"""The seam to Kafka: the small part of a client that riverseq uses. `streams.confluent` is real, `streams.memory` simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = list[tuple[str, bytes]]


class BrokerError(Exception):
    """Something about Kafka went wrong; the message says what, and what to do."""


class BrokerAway(BrokerError):
    """No broker answers at the moment. Trying again later is right."""


class Fenced(BrokerError):
    """The group gave this member's partitions away: its commits no longer count."""


class TooLarge(BrokerError):
    """A message is above the limit of its topic."""


class QueueFull(BrokerError):
    """The producer's local queue is full; poll, then try again."""


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, eq=False)
class Message:
    """One consumed message. Compared by identity: a redelivery is another message. `timestamp` in ms since 1970 UTC (append time)."""

    topic: str
    number: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers = field(default_factory=list)
    timestamp: int = -1

    @property
    def partition(self) -> Partition:
        return Partition(self.topic, self.number)

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return len(self.value)

    def header(self, name: str) -> str:
        """A header as text, empty where it is missing or no text."""
        for key, value in self.headers:
            if key == name and value is not None:
                return value.decode(errors="replace")
        return ""

    def place(self) -> str:
        """`topic/partition/offset`, as errors and logs name a message."""
        return f"{self.topic}/{self.number}/{self.offset}"


@dataclass(frozen=True)
class Output:
    """One message to produce. An empty value is a tombstone: it removes the key from a compacted topic."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return len(self.value)


OnDelivery = Callable[[BrokerError | None], None]
OnPartitions = Callable[[Sequence[Partition]], None]


class Producer(Protocol):
    """Sends; calls back from `poll` or `flush`, in the thread that calls them. `produce` may be called from any thread."""

    def produce(self, output: Output, on_delivery: OnDelivery | None = None) -> None:
        """Queue a message. Raises TooLarge, QueueFull. `on_delivery` gets None once every in-sync replica has it."""

    def poll(self, timeout: float = 0.0) -> None:
        """Run the callbacks that are due."""

    def flush(self, timeout: float) -> int:
        """Wait until everything is delivered; the number of messages that are not after `timeout` seconds."""


class Consumer(Protocol):
    """A member of a consumer group. Nothing commits by itself; positions start at the committed offset, else at the earliest."""

    def subscribe(self, topics: Sequence[str], on_assign: OnPartitions, on_revoke: OnPartitions, on_lost: OnPartitions) -> None:
        """Join the group. Callbacks run inside `consume`; after `on_lost` nothing may be committed for the partitions."""

    def consume(self, count: int, timeout: float) -> list[Message]:
        """Up to `count` messages, waiting at most `timeout` seconds. Must be called regularly, paused or not.

        Raises BrokerError when the client cannot go on.
        """

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Deliver nothing of these partitions until resumed."""

    def resume(self, partitions: Sequence[Partition]) -> None: ...

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool) -> None:
        """Store the next offset to read of each partition. Raises Fenced or BrokerAway when `wait`; otherwise see `not_committed`."""

    def not_committed(self) -> list[Partition]:
        """Partitions of which a commit without `wait` has failed since the last call: without new messages nothing else would carry it."""
        ...

    def lag(self) -> Mapping[Partition, int]:
        """Messages between the position and the end of each assigned partition, as far as known."""

    def close(self) -> None:
        """Leave the group."""


class Reader(Protocol):
    """Reads partitions from chosen offsets, outside any group."""

    def partitions(self, topic: str) -> list[Partition]:
        """All partitions of a topic. Raises BrokerError where it does not exist."""

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """(first offset kept, next offset to be written)."""

    def at_time(self, partition: Partition, time: int) -> int:
        """First offset appended at or after `time` (ms since 1970 UTC); the end where there is none."""

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on."""

    def consume(self, count: int, timeout: float) -> list[Message]: ...

    def position(self, partition: Partition) -> int:
        """Next offset that `consume` would return."""

    def close(self) -> None: ...
