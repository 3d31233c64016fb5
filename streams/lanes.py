"""Priority lanes: urgent, routine and background share a worker 90 : 9 : 1 by rows, and an unused share passes on.

Start-time fair queueing (Goyal, Vin & Cheng 1996): each lane has a virtual time that advances by rows / weight when it is served; the
lane furthest behind is next. A lane that was idle starts at the others' time, so it neither saves its share up nor waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, TypeVar

from schemas.events import Lane

WEIGHTS: Mapping[Lane, int] = {Lane.URGENT: 90, Lane.ROUTINE: 9, Lane.BACKGROUND: 1}

T = TypeVar("T")


class Shares:
    """Who is next. Knows nothing of what is queued."""

    def __init__(self, weights: Mapping[Lane, int] = WEIGHTS) -> None:
        self._weights = weights
        self._served = dict.fromkeys(weights, 0.0)
        self._busy: set[Lane] = set()
        self._now = 0.0

    def choose(self, waiting: Collection[Lane], without: Collection[Lane] = ()) -> Lane | None:
        """The next lane of those that have something, leaving out some; ties go to the more urgent. None where none is left.

        Being left out costs a lane nothing: it keeps its place until it can be served.
        """
        for lane in waiting:
            if lane not in self._busy:
                self._served[lane] = max(self._served[lane], self._now)
        self._busy = set(waiting)
        order = list(self._weights)
        left = [lane for lane in waiting if lane not in without]
        return min(left, key=lambda lane: (self._served[lane], order.index(lane))) if left else None

    def charge(self, lane: Lane, rows: int) -> None:
        """A lane is served `rows` rows (at least 1 is counted)."""
        self._now = max(self._now, self._served[lane])
        self._served[lane] += max(rows, 1) / self._weights[lane]


class Lanes(Generic[T]):
    """Waiting items of every lane, in order within each."""

    def __init__(self, cost: Callable[[T], int], weights: Mapping[Lane, int] = WEIGHTS) -> None:
        self._cost = cost
        self._shares = Shares(weights)
        self._queues: dict[Lane, deque[T]] = {lane: deque() for lane in weights}

    def put(self, lane: Lane, item: T) -> None:
        self._queues[lane].append(item)

    def peek(self, without: Collection[Lane] = ()) -> tuple[Lane, T] | None:
        """The next item, leaving out lanes that cannot be served; it stays queued until `take`."""
        lane = self._shares.choose([lane for lane, queue in self._queues.items() if queue], without)
        return None if lane is None else (lane, self._queues[lane][0])

    def take(self, lane: Lane) -> T:
        """Remove the first item of a lane and charge the lane for it."""
        item = self._queues[lane].popleft()
        self._shares.charge(lane, self._cost(item))
        return item

    def drop(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Remove and return every item that is unwanted."""
        dropped = []
        for lane, queue in self._queues.items():
            dropped += [item for item in queue if unwanted(item)]
            self._queues[lane] = deque(item for item in queue if not unwanted(item))
        return dropped

    def waiting(self, lane: Lane) -> Iterable[T]:
        return self._queues[lane]

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())
