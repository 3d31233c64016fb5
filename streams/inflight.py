"""Messages that a runner took and has not finished: each one's state, those waiting for their turn, those inside the stage."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from schemas.events import Lane
from streams.broker import Message, Output
from streams.lanes import Lanes
from streams.limits import Limits

BYTES_A_ROW = 20
"""Of a chunk message, roughly: the cost of a message that does not say its rows."""


@dataclass(eq=False)
class Entry:
    """A message that was taken, and what has become of it so far. Compared by identity: a redelivery is another entry."""

    message: Message
    lane: Lane
    rows: int
    taken: float  # by the runner's clock, seconds
    attempt: int = 1
    in_flight: bool = False  # inside the stage
    undelivered: int = 0  # outputs on their way to the broker
    rows_done: int = 0
    ending: str = "done"  # or "quarantined"
    again: float = 0.0  # when to ask again, where it waits
    dropped: bool = False  # its partition went elsewhere
    outputs: deque[Output] = field(default_factory=deque)  # not produced yet

    @property
    def untouched(self) -> bool:
        """Nothing of it is inside the stage or on its way out: it may be forgotten without any effect."""
        return not self.in_flight and not self.undelivered and not self.outputs


def rows_of(message: Message) -> int:
    """Rows of a message by its header `rows`, else estimated from its size."""
    text = message.header("rows")
    return int(text) if text.isdigit() else max(1, message.size // BYTES_A_ROW)


class Queues:
    """Messages fetched and waiting for their turn, by lane. A full lane stays full until half of it is gone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lanes: Lanes[Entry] = Lanes(lambda entry: entry.rows)
        self._size = dict.fromkeys(Lane, 0)
        self._full: set[Lane] = set()

    def put(self, entry: Entry) -> None:
        self._lanes.put(entry.lane, entry)
        self._size[entry.lane] += entry.message.size

    def peek(self, without: Collection[Lane]) -> Entry | None:
        """Whose turn it is, leaving out lanes that cannot be served; it stays queued until `take`."""
        found = self._lanes.peek(without)
        return None if found is None else found[1]

    def take(self, lane: Lane) -> None:
        """The first of a lane has gone into the stage."""
        self._size[lane] -= self._lanes.take(lane).message.size

    def drop(self, gone: set[Entry]) -> None:
        for entry in self._lanes.drop(lambda entry: entry in gone):
            self._size[entry.lane] -= entry.message.size

    def count(self, lane: Lane) -> int:
        return sum(1 for _ in self._lanes.waiting(lane))

    def full(self) -> set[Lane]:
        """Lanes whose topics should be paused now."""
        for lane in Lane:
            count, size = self.count(lane), self._size[lane]
            if count >= self._limits.queue_messages or size >= self._limits.queue_size:
                self._full.add(lane)
            elif count <= self._limits.queue_messages // 2 and size <= self._limits.queue_size // 2:
                self._full.discard(lane)
        return self._full


class Inside:
    """Rows and bytes inside the stage, against the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.rows = 0
        self.size = 0

    def has_room(self, entry: Entry) -> bool:
        if self.rows == 0:
            return True
        return self.rows + entry.rows <= self._limits.rows and self.size + entry.message.size <= self._limits.size

    def enter(self, entry: Entry) -> None:
        entry.in_flight = True
        self.rows += max(entry.rows, 1)
        self.size += entry.message.size

    def leave(self, entry: Entry) -> None:
        """Nothing happens where it is not inside."""
        if entry.in_flight:
            entry.in_flight = False
            self.rows -= max(entry.rows, 1)
            self.size -= entry.message.size
