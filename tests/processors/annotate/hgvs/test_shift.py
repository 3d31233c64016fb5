"""The 3' rule by itself: how far an event moves, up and down the contig."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.annotate.hgvs.shift import shifted
from processors.knowledge.strings import string_buffers


def moved(sequence: str, start: int, ref: str, alt: str) -> tuple[list[int], int, int]:
    bases = np.frombuffer(sequence.encode(), dtype=np.uint8)
    columns = (*string_buffers(pa.array([ref])), *string_buffers(pa.array([alt])))
    spans, up, down = shifted(bases, 0, len(sequence), np.array([start], dtype=np.int32), *columns)
    return spans[0].tolist(), int(up[0]), int(down[0])


@pytest.mark.parametrize(
    ("sequence", "start", "ref", "alt", "up", "down"),
    [
        ("GCAAAATG", 1, "CA", "C", 3, 0),
        ("GCAAAATG", 4, "AA", "A", 0, 3),
        ("GCACACAT", 0, "G", "GCA", 6, 0),
        ("GCACACAT", 0, "GCA", "G", 4, 0),
        ("GCATTTG", 2, "A", "ACA", 0, 2),
        ("GCATTTG", 2, "A", "C", 0, 0),
        ("GCATTTG", 2, "AT", "CC", 0, 0),
        ("GCANAATG", 1, "CA", "C", 0, 0),
        ("AAAA", 0, "AA", "A", 2, 1),
    ],
)
def test_only_pure_insertions_and_deletions_move_and_they_stop_at_unknown_bases(
    sequence: str, start: int, ref: str, alt: str, up: int, down: int
) -> None:
    assert moved(sequence, start, ref, alt)[1:] == (up, down)


@given(st.text("AC", min_size=4, max_size=30), st.data())
def test_a_moved_event_makes_the_same_sequence_and_cannot_move_further(sequence: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sequence) - 2))
    if data.draw(st.booleans()):
        size = data.draw(st.integers(1, len(sequence) - start - 1))
        ref, alt = sequence[start : start + size + 1], sequence[start]
    else:
        ref = sequence[start]
        alt = ref + data.draw(st.text("AC", min_size=1, max_size=5))
    (first, behind, low, high), up, down = moved(sequence, start, ref, alt)
    bases = alt[low:high]
    result = sequence[:first] + bases + sequence[behind:]
    for k in (*range(up + 1), *range(-down, 0)):
        turn = k % len(bases) if bases else 0
        run = bases[turn:] + bases[:turn]
        assert sequence[: first + k] + run + sequence[behind + k :] == result
    turn = (up + 1) % len(bases) if bases else 0
    at = first + up + 1
    assert behind + up >= len(sequence) or sequence[:at] + bases[turn:] + bases[:turn] + sequence[behind + up + 1 :] != result
