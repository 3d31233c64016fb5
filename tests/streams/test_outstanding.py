"""Ingest pauses by what is emitted and not landed, lane by lane, and asks the broker without ever waiting for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from schemas.events import Lane
from streams.broker import BrokerAway
from streams.outstanding import EVERY, Outstanding


class Unread:
    """A backlog of so many chunks, or one that cannot be asked."""

    def __init__(self, **chunks: int) -> None:
        self.chunks = {Lane(lane): count for lane, count in chunks.items()}
        self.away = False
        self.asked = 0
        self.answering = threading.Event()
        self.answering.set()

    def unread(self, lane: Lane) -> int:
        self.answering.wait(120.0)
        self.asked += 1
        if self.away:
            raise BrokerAway("no broker answers")
        return self.chunks.get(lane, 0)


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60.0
    while not true() and time.monotonic() < deadline:
        time.sleep(0.002)
    return true()


def test_a_lane_pauses_above_the_limit_and_goes_on_below_it_and_other_lanes_never_notice() -> None:
    backlog, clock = Unread(routine=11, urgent=1), Seconds()
    outstanding = Outstanding(backlog, 1_000, clock=clock)
    for size in (50, 150):  # 100 bytes a chunk
        outstanding.emitted(Lane.ROUTINE, size)
        outstanding.emitted(Lane.URGENT, size)
    outstanding.reason(Lane.ROUTINE)
    assert soon(lambda: outstanding.reason(Lane.ROUTINE) != "")
    assert "1,100 bytes" in outstanding.reason(Lane.ROUTINE)
    assert "1,000" in outstanding.reason(Lane.ROUTINE)
    assert outstanding.reason(Lane.URGENT) == ""
    backlog.chunks[Lane.ROUTINE] = 10
    assert outstanding.reason(Lane.ROUTINE), "asked once a second, not more often"
    clock.now += EVERY
    assert soon(lambda: outstanding.reason(Lane.ROUTINE) == "")


def test_a_lane_that_emitted_nothing_here_is_not_asked_about_and_never_pauses() -> None:
    backlog = Unread(background=10**9)
    outstanding = Outstanding(backlog, 1, clock=Seconds())
    outstanding.emitted(Lane.URGENT, 1)
    outstanding.reason(Lane.BACKGROUND)
    assert soon(lambda: backlog.asked == 1)
    assert outstanding.reason(Lane.BACKGROUND) == ""


def test_a_broker_that_is_away_changes_nothing() -> None:
    backlog, clock = Unread(routine=5), Seconds()
    outstanding = Outstanding(backlog, 100, clock=clock)
    outstanding.emitted(Lane.ROUTINE, 100)
    outstanding.reason(Lane.ROUTINE)
    assert soon(lambda: outstanding.reason(Lane.ROUTINE) != "")
    backlog.away, before = True, backlog.asked
    clock.now += EVERY
    outstanding.reason(Lane.ROUTINE)
    assert soon(lambda: backlog.asked > before)
    assert outstanding.reason(Lane.ROUTINE) != "", "what was known last still holds"
    backlog.away, backlog.chunks = False, {}
    clock.now += EVERY
    outstanding.reason(Lane.ROUTINE)
    assert soon(lambda: outstanding.reason(Lane.ROUTINE) == ""), "and it asks again afterwards"


def test_a_slow_broker_holds_nobody_up_and_is_asked_one_thing_at_a_time() -> None:
    backlog, clock = Unread(routine=5), Seconds()
    backlog.answering.clear()
    outstanding = Outstanding(backlog, 100, clock=clock)
    outstanding.emitted(Lane.ROUTINE, 100)
    begun = time.monotonic()
    for _ in range(50):
        clock.now += EVERY
        assert outstanding.reason(Lane.ROUTINE) == ""
    assert time.monotonic() - begun < 60.0
    assert sum(thread.name == "outstanding" for thread in threading.enumerate()) == 1
    backlog.answering.set()
    assert soon(lambda: outstanding.reason(Lane.ROUTINE) != "")
