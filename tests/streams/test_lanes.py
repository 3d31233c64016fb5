"""Lanes: shares by rows, an unused share passes on, an idle lane neither saves up nor starves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Lane
from streams.lanes import WEIGHTS, Lanes

URGENT, ROUTINE, BACKGROUND = Lane.URGENT, Lane.ROUTINE, Lane.BACKGROUND


def _lanes(**rows: int) -> Lanes[int]:
    """Lanes that hold a hundred thousand rows each, in items of so many rows."""
    lanes: Lanes[int] = Lanes(lambda item: item)
    for name, size in rows.items():
        for _ in range(100_000 // size):
            lanes.put(Lane[name.upper()], size)
    return lanes


def _serve(lanes: Lanes[int], rows: int, without: tuple[Lane, ...] = ()) -> Counter[Lane]:
    served: Counter[Lane] = Counter()
    while sum(served.values()) < rows and (found := lanes.peek(without)) is not None:
        served[found[0]] += lanes.take(found[0])
    return served


def test_busy_lanes_share_by_rows_whatever_the_size_of_their_items() -> None:
    served = _serve(_lanes(urgent=1000, routine=10, background=200), 50_000)
    assert abs(served[URGENT] - 45_000) <= 1000
    assert abs(served[ROUTINE] - 4500) <= 1000
    assert abs(served[BACKGROUND] - 500) <= 1000


def test_an_unused_share_passes_on() -> None:
    assert _serve(_lanes(background=100), 10_000) == {BACKGROUND: 10_000}
    served = _serve(_lanes(routine=10, background=10), 10_000)
    assert abs(served[ROUTINE] - 9000) <= 20


def test_an_urgent_item_is_next_however_long_the_backlog_was_served() -> None:
    lanes = _lanes(routine=10)
    _serve(lanes, 50_000)
    lanes.put(URGENT, 10)
    assert lanes.peek() == (URGENT, 10)


def test_a_lane_that_was_idle_has_not_saved_its_share_up() -> None:
    lanes = _lanes(urgent=10, routine=10)
    _serve(lanes, 50_000)
    for _ in range(5000):
        lanes.put(BACKGROUND, 10)
    served = _serve(lanes, 10_000)
    assert 50 <= served[BACKGROUND] <= 150


def test_a_lane_that_could_not_be_served_keeps_its_place() -> None:
    lanes = _lanes(urgent=10, routine=10, background=10)
    _serve(lanes, 20_000, without=(BACKGROUND,))
    assert _serve(lanes, 150) == {BACKGROUND: 150}, "it is behind by 200 rows of its own"


@given(st.lists(st.tuples(st.sampled_from(Lane), st.integers(1, 5000)), min_size=1, max_size=200))
def test_everything_put_is_served_once_and_in_order_within_its_lane(items: list[tuple[Lane, int]]) -> None:
    lanes: Lanes[tuple[int, int]] = Lanes(lambda item: item[1])
    for number, (lane, rows) in enumerate(items):
        lanes.put(lane, (number, rows))
    served: list[tuple[Lane, int]] = []
    while (found := lanes.peek()) is not None:
        served.append((found[0], lanes.take(found[0])[0]))
    for lane in WEIGHTS:
        assert [number for at, number in served if at is lane] == [number for number, item in enumerate(items) if item[0] is lane]
    assert len(lanes) == 0


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=50), st.integers(1, 2000))
def test_no_lane_waits_longer_than_its_share_allows(urgent: list[int], routine: int) -> None:
    """A routine item is served before the urgent lane has had ten times its rows, and one item, more."""
    lanes: Lanes[int] = Lanes(lambda item: item)
    lanes.put(ROUTINE, routine)
    lanes.put(ROUTINE, 1)
    for _ in range(40):
        for rows in urgent:
            lanes.put(URGENT, rows)
    before = 0
    routines = 0
    while routines < 2 and (found := lanes.peek()) is not None:
        rows = lanes.take(found[0])
        if found[0] is ROUTINE:
            routines += 1
        else:
            before += rows
    assert before <= 10 * routine + 2 * max(urgent) or before == 40 * sum(urgent)
