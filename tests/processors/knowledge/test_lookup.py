"""Allele-keyed packs against a plain dictionary."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.knowledge.lookup import AlleleIndex, Spelling, index_arrays
from processors.knowledge.pack import write_pack
from schemas.identity import allele_ids

bases = st.text("ACGT", min_size=1, max_size=16)
alleles = st.tuples(st.integers(0, 60), bases, bases)


def column(texts: list[str]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    offsets = np.zeros(len(texts) + 1, dtype=np.int32)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return offsets, np.frombuffer("".join(texts).encode() or b"\0", dtype=np.uint8)


def spelled(rows: list[tuple[int, str, str]]) -> tuple[npt.NDArray[np.uint64], Spelling]:
    where = Spelling(*column([row[1] for row in rows]), *column([row[2] for row in rows]))
    linear = np.array([row[0] for row in rows], dtype=np.int64)
    return allele_ids(linear, where.ref_offsets, where.ref_bytes, where.alt_offsets, where.alt_bytes), where


def index_of(root: Path, rows: list[tuple[int, str, str]], rank: list[int]) -> tuple[AlleleIndex, npt.NDArray[np.int64], Counter[str]]:
    tally: Counter[str] = Counter()
    ids, spelling = spelled(rows)
    chosen, arrays = index_arrays(ids, spelling, (np.array(rank),), tally)
    return AlleleIndex(write_pack(root, kind="k", name="n", version="1", build="b", arrays=arrays, rows=len(chosen))), chosen, tally


@settings(max_examples=60, deadline=None)
@given(held=st.lists(alleles, min_size=1, max_size=60), asked=st.lists(alleles, min_size=1, max_size=60), data=st.data())
def test_every_allele_is_found_exactly_where_a_dictionary_finds_it(
    tmp_path_factory: pytest.TempPathFactory, held: list[tuple[int, str, str]], asked: list[tuple[int, str, str]], data: st.DataObject
) -> None:
    rank = data.draw(st.permutations(range(len(held))))
    index, chosen, tally = index_of(tmp_path_factory.mktemp("lookup"), held, rank)
    best: dict[tuple[int, str, str], int] = {}
    for row in sorted(range(len(held)), key=lambda k: rank[k]):
        best.setdefault(held[row], row)
    assert tally["duplicate"] == len(held) - len(best)
    questions = asked + held
    found = index.find(*spelled(questions))
    assert [int(chosen[row]) if row >= 0 else None for row in found] == [best.get(question) for question in questions]


def test_a_long_allele_with_the_hash_of_another_is_not_found(tmp_path: Path) -> None:
    index, _, _ = index_of(tmp_path, [(5, "A" * 20, "C")], [0])
    ids, spelling = spelled([(5, "A" * 20, "C")])
    _, other = spelled([(5, "A" * 20, "G")])
    assert index.find(ids, spelling).tolist() == [0]
    assert index.find(ids, other).tolist() == [-1]


def test_a_question_beyond_either_end_finds_nothing(tmp_path: Path) -> None:
    index, _, _ = index_of(tmp_path, [(50, "A", "C"), (60, "A", "C")], [0, 1])
    assert index.find(*spelled([(70, "A", "C"), (1, "A", "C"), (60, "A", "C"), (50, "A", "C")])).tolist() == [-1, -1, 1, 0]
