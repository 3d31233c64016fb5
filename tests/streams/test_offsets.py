"""Offsets: the lowest unfinished one, against a plain model of what that means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.broker import Partition
from streams.offsets import OffsetOrder, Offsets

PART = Partition("t", 0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=40), st.randoms(use_true_random=False), st.integers(0, 1000))
def test_what_is_due_is_the_lowest_unfinished_offset(gaps: list[int], order: object, first: int) -> None:
    offsets, at = Offsets(), first
    taken: list[int] = []
    finished: set[int] = set()
    for gap in gaps:  # compaction leaves gaps
        taken.append(at)
        at += gap
    random = order
    begun = 0
    committed = first
    while len(finished) < len(taken):
        if begun < len(taken) and (begun == len(finished) or random.random() < 0.5):  # type: ignore[attr-defined]
            offsets.begin(PART, taken[begun])
            begun += 1
        else:
            chosen = random.choice([offset for offset in taken[:begun] if offset not in finished])  # type: ignore[attr-defined]
            offsets.finish(PART, chosen)
            finished.add(chosen)
        unfinished = [offset for offset in taken[:begun] if offset not in finished]
        low = unfinished[0] if unfinished else taken[begun - 1] + 1
        assert offsets.due() == ({PART: low} if low > committed else {})
        if random.random() < 0.3:  # type: ignore[attr-defined]
            offsets.committed(offsets.due())
            committed = max(committed, low)
        assert offsets.open(PART) == len(unfinished)


def test_a_step_back_is_a_defect_of_the_client() -> None:
    offsets = Offsets()
    offsets.begin(PART, 5)
    with pytest.raises(OffsetOrder, match="t/0: offset 5 after 5"):
        offsets.begin(PART, 5)


def test_a_partition_that_comes_back_begins_where_the_broker_says() -> None:
    offsets = Offsets()
    offsets.begin(PART, 5)
    offsets.forget(PART)
    offsets.finish(PART, 5)
    offsets.begin(PART, 3)
    offsets.finish(PART, 3)
    assert offsets.due() == {PART: 4}


def test_a_commit_that_did_not_arrive_is_due_again_without_a_further_message() -> None:
    offsets, partition = Offsets(), Partition("chunks.raw", 0)
    offsets.begin(partition, 7)
    offsets.finish(partition, 7)
    offsets.committed(offsets.due())
    assert offsets.due() == {}
    offsets.again([partition])
    assert offsets.due() == {partition: 8}
