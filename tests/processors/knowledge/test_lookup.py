"""Allele-keyed packs against a plain dictionary."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.knowledge.lookup import AlleleIndex, Spelling, index_arrays
from processors.knowledge.pack import write_pack
from schemas.identity import allele_ids

bases = st.text("ACGT", min_size=1, max_size=16)
alleles = st.tuples(st.integers(0, 60), bases, bases)


def spelled(rows: list[tuple[int, str, str]]) -> tuple[np.ndarray, Spelling]:
    columns = []
    for place in (1, 2):
        offsets = np.zeros(len(rows) + 1, dtype=np.int32)
        np.cumsum([len(str(row[place])) for row in rows], out=offsets[1:])
        columns += [offsets, np.frombuffer("".join(str(row[place]) for row in rows).encode() or b"\0", dtype=np.uint8)]
    where = Spelling(*columns)
    return allele_ids(np.array([row[0] for row in rows], dtype=np.int64), *columns), where


def index_of(root: Path, rows: list[tuple[int, str, str]], rank: list[int]) -> tuple[AlleleIndex, np.ndarray, Counter[str]]:
    tally: Counter[str] = Counter()
    ids, spelling = spelled(rows)
    chosen, arrays = index_arrays(ids, spelling, (np.array(rank),), tally)
    return AlleleIndex(write_pack(root, kind="k", name="n", version="1", build="b", arrays=arrays, rows=len(chosen))), chosen, tally


@settings(max_examples=60, deadline=None)
@given(held=st.lists(alleles, min_size=1, max_size=60), asked=st.lists(alleles, min_size=1, max_size=60), data=st.data())
def test_every_allele_is_found_exactly_where_a_dictionary_finds_it(
    tmp_path_factory, held: list[tuple[int, str, str]], asked: list[tuple[int, str, str]], data: st.DataObject
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
