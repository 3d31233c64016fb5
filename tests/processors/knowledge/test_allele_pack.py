"""The allele-keyed pack against a plain dictionary: any order, any alleles, any cut into blocks, runs and ranges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.knowledge import allele_merge, allele_runs
from processors.knowledge.allele_columns import Column, strings_of
from processors.knowledge.allele_pack import AllelePack, Rows, open_allele_pack, write_allele_pack
from processors.knowledge.pack import PackError
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused
from schemas.chunks import NONE, Answer
from tests.processors.knowledge.test_lookup import alleles, spelled

COLUMNS = (
    Column("value", "f4", "a number"),
    Column("number", "u4", "a count"),
    Column("small", "i4", "a signed number"),
    Column("word", "code", "one of a few"),
    Column("said", "text", "anything"),
    Column("flags", "flags", "bits", vocabulary=("a", "b", "c")),
)
rows = st.tuples(
    alleles,
    st.floats(0, 1, width=32) | st.just(math.nan),
    st.integers(-1, 2**32 - 2),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.sampled_from(("", "x", "yy", "zzz")),
    st.text(max_size=5),
    st.integers(0, 7),
    st.booleans(),
)
Row = tuple[Any, ...]


def blocks(held: list[Row], size: int) -> Iterator[Rows]:
    for start in range(0, len(held), size):
        some = held[start : start + size]
        ids, spelling = spelled([row[0] for row in some])
        names = ("value", "number", "small", "word", "said", "flags", "failed")
        given_: dict[str, Any] = {name: [row[place + 1] for row in some] for place, name in enumerate(names)}
        for name in ("value", "number", "small", "flags", "failed"):
            given_[name] = np.array(given_[name])
        yield Rows(ids, spelling, given_)


def written(root: Path, held: list[Row], size: int = 7, **more: Any) -> AllelePack:
    source = root / "source"
    source.write_text("x")
    chosen: dict[str, Any] = {"main": "value", "default": Answer.UNKNOWN, "filtered": "failed", **more}
    return open_allele_pack(write_allele_pack(Request("user.t", (source,), root, "b", "1"), COLUMNS, blocks(held, size), **chosen))


def expected(row: Row) -> dict[str, Any]:
    value = None if math.isnan(row[1]) else float(str(np.float32(row[1])))
    flags = [name for bit, name in enumerate("abc") if row[6] >> bit & 1]
    return {"value": value, "number": None if row[2] < 0 else row[2], "small": row[3], "word": row[4] or None, "said": row[5] or None,
            "flags": flags, "filtered": row[7]}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(held=st.lists(rows, min_size=1, max_size=80), asked=st.lists(alleles, max_size=20), size=st.integers(1, 40), run=st.integers(1, 30),
       span=st.integers(1, 30))  # fmt: skip
def test_a_pack_says_of_every_allele_what_a_dictionary_says(
    tmp_path_factory: pytest.TempPathFactory, held: list[Row], asked: list[Any], size: int, run: int, span: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allele_runs, "ROWS_A_RUN", run)
        patch.setattr(allele_merge, "ROWS_A_RANGE", span)
        tally: Counter[str] = Counter(records=len(held))
        pack = written(tmp_path_factory.mktemp("pack"), held, size, preference=("-number", "failed"), tally=tally)
    best: dict[Any, Row] = {}
    for row in sorted(held, key=lambda row: (-row[2], row[7])):
        best.setdefault(row[0], row)
    assert pack.pack.rows == len(best)
    assert pack.pack.extra["counts"].get("duplicate", 0) == len(held) - len(best)
    questions = [*asked, *(row[0] for row in held)]
    answer, value, place = pack.query(*spelled(questions))
    for question, said, number, row in zip(questions, answer, value, place, strict=True):
        known = best.get(question)
        if known is None:
            assert (said, row) == (Answer.UNKNOWN, NONE)
            assert math.isnan(number)
            continue
        assert pack.details(int(row)) == expected(known)
        told = not known[7] and not math.isnan(known[1])
        assert said == (Answer.FOUND if told else Answer.UNKNOWN)
        assert (number == np.float32(known[1])) if told else math.isnan(number)


@settings(max_examples=25, deadline=None)
@given(held=st.lists(rows, min_size=1, max_size=60), size=st.integers(1, 30), run=st.integers(1, 30), span=st.integers(1, 30))
def test_a_pack_is_the_same_however_its_building_was_cut(
    tmp_path_factory: pytest.TempPathFactory, held: list[Row], size: int, run: int, span: int
) -> None:
    whole = written(tmp_path_factory.mktemp("whole"), held, 1_000, preference=("value",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allele_runs, "ROWS_A_RUN", run)
        patch.setattr(allele_merge, "ROWS_A_RANGE", span)
        parts = written(tmp_path_factory.mktemp("parts"), held, size, preference=("value",))
    assert parts.pack.digest == whole.pack.digest


def test_long_alleles_of_one_hash_are_counted_and_never_taken_for_each_other(tmp_path: Path) -> None:
    ids, one = spelled([(5, "A" * 20, "C")])
    _, other = spelled([(5, "A" * 20, "G")])
    source = tmp_path / "source"
    source.write_text("x")
    column = Column("value", "f4", "a number")
    both = [Rows(ids, spelling, {"value": np.array([number])}) for spelling, number in ((one, 0.25), (other, 0.5))]
    pack = open_allele_pack(
        write_allele_pack(Request("user.t", (source,), tmp_path, "b", "1"), [column], both, main="value", default=Answer.ABSENT)
    )
    assert pack.pack.extra["counts"] == {"hash_collision": 1}
    assert pack.query(ids, one).value.tolist() == [0.25]
    assert pack.query(ids, other).answer.tolist() == [Answer.ABSENT]


def test_a_source_without_rows_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="source: holds no row"):
        written(tmp_path, [])
    assert [path.name for path in (tmp_path / "user.t").iterdir()] == []


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        (Column("n", "u1", "t"), [256], "column n: 256 does not fit u1"),
        (Column("n", "u4", "t"), [1.5], "column n takes integers"),
        (Column("n", "flags", "t", vocabulary=("a",)), [300], "column n: 300 does not fit flags"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_named(column: Column, values: list[Any], words: str) -> None:
    with pytest.raises(PackError, match=words):
        column.stored(np.array(values))


def test_a_column_that_a_block_lacks_is_named(tmp_path: Path) -> None:
    ids, spelling = spelled([(1, "A", "C")])
    source = tmp_path / "source"
    source.write_text("x")
    with pytest.raises(PackError, match="lacks the column value"):
        write_allele_pack(
            Request("user.t", (source,), tmp_path, "b", "1"), COLUMNS, [Rows(ids, spelling, {})], main="value", default=Answer.UNKNOWN
        )


def test_strings_come_from_sequences_and_from_slices_of_arrow_arrays() -> None:
    import pyarrow as pa

    for values in (["a", "", "ccc"], pa.array(["z", "a", None, "ccc"]).slice(1)):
        table = strings_of(values)
        assert [table[row] for row in range(3)] == ["a", "", "ccc"]
