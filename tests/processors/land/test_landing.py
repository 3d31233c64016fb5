"""Landing: whatever dies in between, and whoever lands again, the rows are there once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from processors.land import rows, store
from processors.land.client import Client
from processors.land.insert import SampleDeleted, land_chunk, land_faults
from processors.land.keys import call_set, rows_token
from processors.land.ledger import QuarantineRow, landed_chunks, quarantined_chunks, record_quarantined
from processors.land.rows import AlleleCollision
from schemas import identity
from schemas.chunks import Chunk, Scored

TABLES = ("calls", "annotation", "knowledge_value", "score", "finding", "ledger")


class Killed(Exception):
    pass


class Dying:
    """A client whose process dies after so many inserts; the last one is in the table, its answer never arrives."""

    def __init__(self, client: Client, inserts: int) -> None:
        self._client = client
        self._left = inserts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _count(self, call: Callable[[], None]) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1
        call()

    def insert(self, *arguments: Any) -> None:
        self._count(lambda: self._client.insert(*arguments))

    def insert_rows(self, *arguments: Any) -> None:
        self._count(lambda: self._client.insert_rows(*arguments))


def count(client: Client, table: str) -> int:
    """Physical rows: a doubled row counts twice, merged or not."""
    return int(client.value(f"SELECT count() FROM {table}"))


def counts(client: Client) -> dict[str, int]:
    return {table: count(client, table) for table in TABLES}


def land(client: Any, emission: Any, plan: Any, number: int = 0, worker: str = "w1") -> Any:
    return land_chunk(client, emission.chunks[number], emission.findings[number], plan, worker=worker, provider="CPU")


def test_a_chunk_lands_with_every_number_that_its_ledger_row_says(client: Client, factory: Any) -> None:
    emission = factory.emit(("aa", "bb", "cc"))
    row = land(client, emission, factory.plan)
    chunk = emission.chunks[0]
    asked = np.count_nonzero(chunk.rows.column("scored").to_numpy() == Scored.SCORED)
    promised = emission.manifest.chunks[0]
    assert (row.calls, row.hash_sum, row.alleles, row.scores) == (promised.calls, promised.hash_sum % 2**64, 50, asked)
    known = chunk.rows.column("looked_up").flatten()
    assert row.known == len(known) > 0
    assert counts(client) == {
        "calls": row.calls, "annotation": 50, "knowledge_value": len(known), "score": asked, "finding": row.findings, "ledger": 1
    }  # fmt: skip
    assert landed_chunks(client, emission.revision_id) == [row]


def test_every_value_of_a_call_arrives_in_its_column(client: Client, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"), chunks=1)
    land(client, emission, factory.plan)
    expected = []
    for row in emission.chunks[0].rows.to_pylist():
        for call in row["calls"]:
            values = {n: row[n] for n in ("record", "alt_index", "allele_id", "start", "ref", "alt", "flags", "qual", "filter")}
            values |= {name: value for name, value in call.items() if name != "sample"}
            expected.append({**values, "sample_id": ("aa", "bb")[call["sample"]], "contig": "21", "chunk": 0, "epoch": 0})
    names = sorted(expected[0])
    stored = client.records(f"SELECT {', '.join(names)} FROM calls")
    key = str
    assert sorted(map(dict, stored), key=key) == sorted(({n: row[n] for n in names} for row in expected), key=key)


def test_transcripts_of_an_allele_arrive_in_order(client: Client, factory: Any) -> None:
    emission = factory.emit(chunks=1)
    land(client, emission, factory.plan)
    stored = {
        row[0]: row[1:]
        for row in client.rows("SELECT allele_id, `transcripts.transcript`, `transcripts.distance`, terms, pick FROM annotation")
    }
    for row in emission.chunks[0].rows.to_pylist():
        hits = row["transcripts"]
        assert stored[row["allele_id"]] == ([h["transcript"] for h in hits], [h["distance"] for h in hits], row["terms"], row["pick"])


def test_a_chunk_landed_twice_by_the_same_or_another_worker_lands_once(client: Client, factory: Any) -> None:
    emission = factory.emit()
    first = land(client, emission, factory.plan)
    before = counts(client)
    assert land(client, emission, factory.plan) == first
    assert land(client, emission, factory.plan, worker="w2") == first
    assert counts(client) == before


@pytest.mark.parametrize("inserts", range(len(TABLES)))
def test_a_crash_after_any_insert_and_a_second_landing_elsewhere_lands_once(client: Client, factory: Any, inserts: int) -> None:
    emission = factory.emit(("aa", "bb"))
    with pytest.raises(Killed):
        land(Dying(client, inserts), emission, factory.plan)
    assert landed_chunks(client, emission.revision_id) == []
    row = land(client, emission, factory.plan, worker="w2")
    assert counts(client) == {
        "calls": row.calls, "annotation": 50, "knowledge_value": row.known, "score": row.scores, "finding": row.findings, "ledger": 1
    }  # fmt: skip


def test_two_workers_that_both_saw_an_empty_ledger_land_once(client: Client, factory: Any) -> None:
    emission = factory.emit()
    blind = Dying(client, 99)
    blind.rows = lambda *arguments: [([], [], 0)]  # type: ignore[attr-defined]
    land(client, emission, factory.plan)
    before = counts(client)
    land(blind, emission, factory.plan, worker="w2")
    assert counts(client) == before


def test_a_repetition_beyond_the_window_of_tokens_is_one_row_to_a_reader(client: Client, factory: Any) -> None:
    emission = factory.emit(chunks=1)
    row = land(client, emission, factory.plan)
    batch = rows.calls(emission.chunks[0], rows.sorted_alleles(emission.chunks[0]), factory.plan)
    client.insert("calls", batch, "a token that nobody remembers")
    assert count(client, "calls") == 2 * row.calls
    assert client.value("SELECT count() FROM calls FINAL") == row.calls


def test_faults_land_once_for_each_sample_that_carries_them(client: Client, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"), faults=4)
    for worker in ("w1", "w2"):
        row = land_faults(client, emission.chunks[-1], factory.plan, worker=worker)
    assert (row.faults, row.kind, row.worker) == (8, "faults", "w1")
    assert client.rows("SELECT sample_id, reason, count() FROM fault GROUP BY 1, 2 ORDER BY 1") == [
        ("aa", "bad_ref", 4),
        ("bb", "bad_ref", 4),
    ]


def test_a_second_plan_reads_the_same_calls_and_adds_only_what_it_changes(client: Client, factory: Any) -> None:
    emission = factory.emit(chunks=1)
    land(client, emission, factory.plan)
    before = counts(client)
    fresh = tuple(replace(c, digest="99") if c.kind == "clinvar" else c for c in factory.plan.components)
    plan = replace(factory.plan, components=fresh)
    again = factory.emit(chunks=1, plan=plan, submission_id=emission.submission_id)
    assert again.revision_id != emission.revision_id
    land(client, again, plan)
    after = counts(client)
    assert {t for t in TABLES if after[t] != before[t]} == {"finding", "ledger"}
    assert after["ledger"] == 2


def test_a_second_version_of_a_source_adds_its_values_beside_those_of_the_first(client: Client, factory: Any) -> None:
    emission = factory.emit(chunks=1)
    row = land(client, emission, factory.plan)
    plan = replace(factory.plan, components=tuple(replace(c, digest="99") if c.kind == "frequency" else c for c in factory.plan.components))
    again = replace(factory, plan=plan).emit(chunks=1, submission_id=emission.submission_id)
    assert land(client, again, plan).known == row.known
    assert client.rows("SELECT source, count() FROM knowledge_value GROUP BY source ORDER BY source") == [
        ("04", row.known),
        ("99", row.known),
    ]


def test_calls_of_another_version_of_ingest_stand_apart(client: Client, factory: Any) -> None:
    emission = factory.emit(chunks=1)
    land(client, emission, factory.plan)
    plan = replace(factory.plan, code={**factory.plan.code, "ingest": 2})
    again = factory.emit(chunks=1, plan=plan, submission_id=emission.submission_id)
    land(client, again, plan)
    assert call_set(emission.submission_id, plan) != call_set(emission.submission_id, factory.plan)
    assert client.value("SELECT uniqExact(call_set) FROM calls FINAL") == 2


def test_the_first_score_that_lands_is_the_one_that_stays(client: Client, factory: Any) -> None:
    emission = factory.emit(chunks=1)
    land(client, emission, factory.plan)
    first = client.rows("SELECT allele_id, score FROM score ORDER BY allele_id")
    chunk = emission.chunks[0]
    place = chunk.rows.schema.get_field_index("score")
    other = pa.array(chunk.rows.column("score").to_numpy() + np.float32(0.25))
    twin = replace(chunk.header, chunk_id="another sample's", revision_id="r2", submission_id="s2")
    land_chunk(
        client, Chunk(twin, chunk.rows.set_column(place, "score", other)), emission.findings[0], factory.plan, worker="w2", provider="GPU"
    )
    assert client.rows("SELECT allele_id, score FROM score FINAL ORDER BY allele_id") == first
    client.command("OPTIMIZE TABLE score FINAL")
    assert client.rows("SELECT allele_id, score FROM score ORDER BY allele_id") == first


def long_alleles(factory: Any, texts: tuple[str, ...], name: str) -> Chunk:
    """A chunk of one allele a text, all with one id, as if 31 bits of hash had met."""
    shared = identity.allele_id(2_000_000_000, "A", "A" + "CGT" * 9)
    n = len(texts)
    header = factory.emit((name,), chunks=1, faults=0).chunks[0].header
    refs, starts = pa.array(["A"] * n), pa.array(np.full(n, 1000, np.int32))
    ids = pa.array(np.full(n, shared, np.uint64))
    return Chunk(header, factory.stages(np.random.default_rng(1), 1, n, 0, ids, starts, refs, pa.array(texts)))


def test_long_alleles_of_two_samples_that_share_an_id_stay_two(client: Client, factory: Any) -> None:
    for name, text in (("aa", "A" + "CGT" * 9), ("bb", "A" + "GGT" * 9)):
        chunk = long_alleles(factory, (text,), name)
        land_chunk(client, chunk, factory.findings(chunk), factory.plan, worker="w", provider="CPU")
    client.command("OPTIMIZE TABLE annotation FINAL")
    stored = client.rows("SELECT allele_id, spelling, alt FROM annotation ORDER BY alt")
    assert [row[2] for row in stored] == ["A" + "CGT" * 9, "A" + "GGT" * 9]
    assert stored[0][0] == stored[1][0]
    assert stored[0][1] != stored[1][1]


def test_long_alleles_of_one_chunk_that_share_an_id_are_refused_by_name(client: Client, factory: Any) -> None:
    chunk = long_alleles(factory, ("A" + "CGT" * 9, "A" + "GGT" * 9), "aa")
    with pytest.raises(AlleleCollision, match=r"21:1001.*records 0 and 1"):
        land_chunk(client, chunk, factory.findings(chunk), factory.plan, worker="w", provider="CPU")
    assert counts(client) == dict.fromkeys(TABLES, 0)


def test_an_allele_that_the_file_repeats_has_two_calls_and_one_annotation(client: Client, factory: Any) -> None:
    chunk = long_alleles(factory, ("A" + "CGT" * 9, "A" + "CGT" * 9), "aa")
    row = land_chunk(client, chunk, factory.findings(chunk), factory.plan, worker="w", provider="CPU")
    assert (row.calls, count(client, "calls"), count(client, "annotation")) == (2, 2, 1)
    assert row.known == count(client, "knowledge_value") == len(chunk.rows.column("looked_up")[0])


def test_a_chunk_whose_sample_was_deleted_meanwhile_does_not_land(client: Client, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"))
    client.insert_rows("sample_epoch", ("sample_id", "epoch"), [("aa", 1)], "t1")
    row = land(client, emission, factory.plan)
    assert client.rows("SELECT DISTINCT sample_id FROM calls") == [("bb",)]
    assert client.rows("SELECT DISTINCT sample_id FROM finding") == [("bb",)]
    assert row.calls == count(client, "calls")
    client.insert_rows("sample_epoch", ("sample_id", "epoch"), [("bb", 1)], "t2")
    with pytest.raises(SampleDeleted):
        land(client, emission, factory.plan, 1)
    assert store.epochs(client, ["aa", "bb", "cc"]) == {"aa": 1, "bb": 1, "cc": 0}


def test_a_token_names_the_content_and_not_the_worker(factory: Any) -> None:
    emission = factory.emit(chunks=2)
    first, second = (rows.calls(c, rows.sorted_alleles(c), factory.plan) for c in emission.chunks[:2])
    token = rows_token("c", "k", "calls", 0, first)
    assert token == rows_token("c", "k", "calls", 0, first)
    others = {
        rows_token("d", "k", "calls", 0, first),
        rows_token("c", "l", "calls", 0, first),
        rows_token("c", "k", "annotation", 0, first),
    }
    others |= {rows_token("c", "k", "calls", 1, first), rows_token("c", "k", "calls", 0, second)}
    assert len(others) == 5
    assert token not in others


def test_a_chunk_in_quarantine_is_listed_until_it_lands(client: Client, factory: Any) -> None:
    emission = factory.emit(chunks=1)
    header = emission.chunks[0].header
    row = QuarantineRow(
        header.revision_id, header.chunk_id, header.submission_id, 0, "score", "no finite number", "ScoreFailed", 1, "chunks.raw", 2, 77, 5
    )
    record_quarantined(client, row)
    record_quarantined(client, row)
    assert quarantined_chunks(client) == [row] == quarantined_chunks(client, [header.revision_id])
    assert quarantined_chunks(client, ["other"]) == []
    land(client, emission, factory.plan)
    assert quarantined_chunks(client) == []


@pytest.mark.parametrize("table", ["calls", "annotation", "knowledge_value", "score", "finding"])
def test_rows_that_a_server_took_for_landed_and_does_not_have_land_when_the_chunk_comes_again(
    client: Client, factory: Any, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    emission = factory.emit(("aa", "bb", "cc"), chunks=1)
    insert = client.insert
    # the server is killed after it wrote the token down and before the rows had a place: the same insert again is acknowledged
    with monkeypatch.context() as dying:
        dying.setattr(client, "insert", lambda name, batch, token: insert(name, batch[:0] if name == table else batch, token))
        row = land(client, emission, factory.plan)
    seen: list[str] = []

    def noted(name: str, batch: pa.RecordBatch, token: str) -> None:
        seen.append(token)
        insert(name, batch, token)

    with monkeypatch.context() as swallowing:
        swallowing.setattr(client, "insert", noted)
        assert land(client, emission, factory.plan) == row
    assert all("-" in token for token in seen)
    assert seen
    asked = np.count_nonzero(emission.chunks[0].rows.column("scored").to_numpy() == Scored.SCORED)
    final = {name: int(client.value(f"SELECT count() FROM {name} FINAL")) for name in TABLES}
    expected = {
        "calls": row.calls,
        "annotation": row.alleles,
        "knowledge_value": row.known,
        "score": asked,
        "finding": row.findings,
        "ledger": 1,
    }
    assert final == expected
    seen.clear()
    assert land(client, emission, factory.plan) == row
    assert {name: int(client.value(f"SELECT count() FROM {name} FINAL")) for name in TABLES} == expected
