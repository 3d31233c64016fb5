"""Text columns: numbers into tables of texts."""

from __future__ import annotations

import numpy as np

from processors.annotate.columns import Table, Vocabulary


def test_what_a_kernel_left_empty_reads_as_missing_whether_its_buffer_has_room_or_not() -> None:
    offsets = np.array([0, 2, 2, 3], dtype=np.int64)
    for room in (0, 9):
        data = np.concatenate([np.frombuffer(b"abc", dtype=np.uint8), np.zeros(room, dtype=np.uint8)])
        table = Table.of_written(offsets, data, ".")
        assert [table[number] for number in range(len(table))] == ["ab", ".", "c", "."]


def test_a_text_of_a_number_is_made_once_and_stays_right_when_others_join() -> None:
    made: list[int] = []

    def write(value: int) -> str:
        made.append(value)
        return f"w{value}"

    words = Vocabulary(write)
    for values in ([5, 5, 1], [1, 9, 0], [0, 5]):
        assert words.column(np.array(values, dtype=np.uint64)).texts() == [f"w{value}" for value in values]
    assert sorted(made) == [0, 1, 5, 9]
