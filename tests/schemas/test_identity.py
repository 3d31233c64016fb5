"""Every identity is frozen: a golden value that changes is a new IDENTITY_VERSION and a migration, never an edit of this file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clickhouse.launch import RunningClickHouse
from processors.land.client import connect
from schemas import identity

SHORT = st.text("ACGT", min_size=1, max_size=10)
ALLELES = st.tuples(st.integers(0, 2**32 - 1), SHORT, SHORT)


# --- golden ids ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "golden"),
    [
        (identity.digest("kind", "a", 1), "648f9115da283009fd81bc981a00b4dd"),
        (identity.person_id(b"key", "sample", "NA12878"), "677f0513a2a5a91fea6a32e4831e8e7a"),
        (identity.event_id({"b": 1, "a": "ü"}), "d6cf0fc61ed5dd7761ae6f015da8b26e"),
        (identity.submission_id(["b", "a"], "d" * 64, "GRCh38", {"y": "2", "x": "1"}, 3), "c9ddfa957272642bf547fcee5b3a4868"),
        (identity.chunk_id("s", 1, "16384/131072/3145728", "21", 7), "1e0b4fa0d2c7898123b2dacfe33bdf71"),
        (identity.plan_id([("genome", "g", "1", "d")], {"ingest": 1}, "1/2/3"), "0f5d726daa664e9f4c1744221b5decda"),
        (identity.revision_id("s", "p"), "45d370ccec3fa44c978f4a11348cd87a"),
        (identity.revision_id("s", "p", "b"), "018f47dbeffcfce353b12c060038b0c2"),
        (identity.delta_id("p", "q", [("b", "r2"), ("a", "r1")]), "61f4449fcda34b0edd4f7c18864f3a12"),
        (identity.delta_revision_id("s", "p", "q", "r", ["b", "a"]), "d63ad3d0f52a62108a59ab1d7b446a9c"),
        (identity.result_id("r", "s", 9, "Finding"), "5aa57d98ccb78fe6173c2d5d220b4ab9"),
        (identity.insert_token("u", "r", "calls", 1, 0, "d"), "b2a6fc3ba4f480f3a10e136d7a1222be"),
        (identity.traceparent("0123456789abcdef" * 2), "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"),
    ],
)
def test_a_name_is_what_it_always_was(found: str, golden: str) -> None:
    assert found == golden


@pytest.mark.parametrize(
    ("linear", "ref", "alt", "golden"),
    [
        (0, "A", "C", 142868480),
        (2_000_000_000, "G", "GATTACA", 8589934592195621120),
        (2**32 - 1, "T", "G", 18446744069560860672),
        (10, "ACGTACGTAC", "T", 44300682951),
        (10, "A", "ACGTACGTACGT", 46854856205),
        (10, "A", "N", 46581342212),
        (10, "ACGTACGTACG", "T", 47058912580),
    ],
)
def test_an_allele_s_number_is_what_it_always_was(linear: int, ref: str, alt: str, golden: int) -> None:
    assert identity.allele_id(linear, ref, alt) == golden


def test_a_spelling_is_what_it_always_was() -> None:
    assert [spelling(10, *texts) for texts in (("A", "ACGTACGTACGT"), ("A", "C"), ("A", "N"))] == [1154818216, 0, 2224494435]


def test_a_call_s_hash_is_what_it_always_was() -> None:
    columns: dict[str, npt.NDArray[Any]] = {
        name: np.array([place + 1, -1 if place >= 8 else place]) for place, name in enumerate(identity.CALL_HASH_COLUMNS)
    }
    columns["allele_id"] = np.array([5, 2**64 - 1], dtype=np.uint64)
    hashes = identity.call_hashes(columns)
    assert [int(h) for h in hashes] == [16435682913224546596, 13527192090240730061]
    assert identity.sum_mod64(hashes) == 11516130929755725041


# --- names -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_two_lists_of_parts_read_alike_only_when_they_are_equal(first: list[str], second: list[str]) -> None:
    assert (identity.digest("k", *first) == identity.digest("k", *second)) == (first == second)


@pytest.mark.parametrize(
    ("first", "second"), [(("ab", "c"), ("a", "bc")), (("1",), (1,)), (("a", ""), ("a",)), (("1:a",), ("a",)), ((1, 11), (11, 1))]
)
def test_parts_that_join_to_one_text_are_two_names(first: tuple[str | int, ...], second: tuple[str | int, ...]) -> None:
    assert identity.digest("k", *first) != identity.digest("k", *second)


def test_a_person_s_id_is_the_installation_s_own() -> None:
    ids = {identity.person_id(key, kind, "NA12878") for key in (b"one", b"two") for kind in ("sample", "family")}
    assert len(ids) == 4


def test_an_event_is_its_content_whatever_the_order_of_its_fields() -> None:
    assert identity.event_id({"a": 1, "b": [2]}) == identity.event_id({"b": [2], "a": 1}) != identity.event_id({"a": 1, "b": [3]})


def test_a_submission_is_its_set_of_samples_source_build_options_and_ordinal() -> None:
    base: dict[str, Any] = {"sample_ids": ["a", "b"], "source_digest": "d", "build": "GRCh38", "options": {"x": "1"}, "ordinal": 1}
    changes: list[dict[str, Any]] = [
        {"sample_ids": ["a"]}, {"source_digest": "e"}, {"build": "GRCh37"}, {"options": {}}, {"ordinal": 2}, {"ordinal": 3},
    ]  # fmt: skip
    assert len({identity.submission_id(**{**base, **change}) for change in [{}, *changes]}) == 7
    assert identity.submission_id(**{**base, "sample_ids": ["b", "a"]}) == identity.submission_id(**base)


# --- alleles ---------------------------------------------------------------------------------------------------------


def spelling(linear: int, ref: str, alt: str) -> int:
    r, a = ref.encode(), alt.encode()
    ids = np.array([identity.allele_id(linear, ref, alt)], dtype=np.uint64)
    columns = np.array([0, len(r)], np.int32), np.frombuffer(r, np.uint8), np.array([0, len(a)], np.int32), np.frombuffer(a, np.uint8)
    return int(identity.spellings(ids, *columns)[0])


@given(ALLELES)
def test_a_short_allele_is_read_back_from_its_number(allele: tuple[int, str, str]) -> None:
    _, ref, alt = allele
    number = identity.allele_id(*allele)
    short = len(ref) + len(alt) <= identity.SHORT_BASES
    assert identity.decode_allele(number) == (allele if short else None)
    assert bool(identity.is_long(np.array([number], dtype=np.uint64))[0]) == (not short)
    assert (spelling(*allele) == 0) == short


@given(ALLELES, ALLELES)
def test_numbers_are_ordered_by_place(first: tuple[int, str, str], second: tuple[int, str, str]) -> None:
    a, b = identity.allele_id(*first), identity.allele_id(*second)
    if first[0] != second[0]:
        assert (a < b) == (first[0] < second[0])
    assert a >> 32 == first[0]


@given(ALLELES, ALLELES)
def test_two_short_alleles_share_a_number_only_when_they_are_one(first: tuple[int, str, str], second: tuple[int, str, str]) -> None:
    if all(len(ref) + len(alt) <= identity.SHORT_BASES for _, ref, alt in (first, second)):
        assert (identity.allele_id(*first) == identity.allele_id(*second)) == (first == second)


@given(st.text("ACGT", min_size=12, max_size=40), st.text("ACGT", min_size=12, max_size=40))
def test_two_long_alleles_of_one_place_differ_in_number_or_spelling(first: str, second: str) -> None:
    pairs = [(identity.allele_id(7, "A", text), spelling(7, "A", text)) for text in (first, second)]
    assert (pairs[0] == pairs[1]) == (first == second)


def test_letters_that_are_no_base_are_never_taken_for_one() -> None:
    numbers = {identity.allele_id(7, "A", alt) for alt in ("A", "C", "G", "T", "N", "*", "R")}
    assert len(numbers) == 7
    assert all(identity.decode_allele(identity.allele_id(7, "A", alt)) is None for alt in ("N", "*", "R"))


def test_a_column_of_alleles_has_the_numbers_of_each() -> None:
    alleles: list[tuple[int, str, str]] = [(5, "A", "C"), (6, "AT", "A"), (7, "A", "ACGTACGTACGTACGT"), (8, "N", "A")]
    texts = [a[1] for a in alleles], [a[2] for a in alleles]
    refs, alts = ("".join(column).encode() for column in texts)
    offsets = [np.cumsum([0, *(len(text) for text in column)]).astype(np.int32) for column in texts]
    linear = np.array([a[0] for a in alleles])
    ids = identity.allele_ids(linear, offsets[0], np.frombuffer(refs, np.uint8), offsets[1], np.frombuffer(alts, np.uint8))
    assert [int(n) for n in ids] == [identity.allele_id(*a) for a in alleles]


# --- row hashes ------------------------------------------------------------------------------------------------------

_TYPES = {
    "allele_id": np.uint64, "record": np.uint32, "alt_index": np.uint16, "haplotypes": np.uint8, "ploidy": np.uint8,
    "other_alts": np.uint8, "missing": np.uint8, "phased": np.bool_, "phase_set": np.int32, "depth": np.int32, "quality": np.int32,
    "depth_ref": np.int32, "depth_alt": np.int32,
}  # fmt: skip


def random_calls(rows: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Calls over the whole range of every column, a third of the signed numbers -1."""
    random = np.random.default_rng(seed)
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, kind in _TYPES.items():
        if kind is np.bool_:
            columns[name] = random.random(rows) < 0.5
        else:
            info = np.iinfo(kind)
            columns[name] = random.integers(info.min, info.max, rows, dtype=kind, endpoint=True)
            if info.min < 0:
                columns[name][random.random(rows) < 1 / 3] = -1
    return columns


def test_the_engine_computes_the_same_hash_of_every_row(clickhouse: RunningClickHouse) -> None:
    columns = random_calls(5000, 3)
    with connect(clickhouse.dsn("admin")) as client:
        types = {kind: np.dtype(kind).name.replace("int", "Int").replace("uI", "UI").replace("bool", "Bool") for kind in _TYPES.values()}
        described = ", ".join(f"{name} {types[kind]}" for name, kind in _TYPES.items())
        client.command(f"CREATE TABLE IF NOT EXISTS identity_calls (place UInt32, {described}) ENGINE = MergeTree ORDER BY place")
        try:
            batch = pa.RecordBatch.from_pydict({"place": np.arange(5000, dtype=np.uint32), **columns})
            client.insert("identity_calls", batch, "once")
            expression = identity.call_hash_sql()
            stored = client.arrow(f"SELECT {expression} AS hash FROM identity_calls ORDER BY place").column("hash").to_numpy()
            total = client.value(f"SELECT sum({expression}) FROM identity_calls")
        finally:
            client.command("DROP TABLE identity_calls")
    hashes = identity.call_hashes(columns)
    assert np.array_equal(stored, hashes)
    assert total == identity.sum_mod64(hashes)


@given(st.integers(0, 2**32), st.data())
def test_a_change_of_any_column_changes_the_hash(seed: int, data: st.DataObject) -> None:
    columns = random_calls(1, seed)
    name = data.draw(st.sampled_from(identity.CALL_HASH_COLUMNS))
    changed = {**columns, name: ~columns[name] if columns[name].dtype == np.bool_ else columns[name] ^ columns[name].dtype.type(1)}
    assert identity.call_hashes(columns)[0] != identity.call_hashes(changed)[0]


def test_the_sum_does_not_see_order_or_cuts_but_sees_a_double() -> None:
    hashes = identity.call_hashes(random_calls(100, 5))
    total = identity.sum_mod64(hashes)
    assert identity.sum_mod64(hashes[::-1]) == total
    assert (identity.sum_mod64(hashes[:30]) + identity.sum_mod64(hashes[30:])) % 2**64 == total
    assert identity.sum_mod64(np.concatenate([hashes, hashes[:1], hashes[:1]])) != total
