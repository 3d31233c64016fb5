"""Deletion: what is deleted is gone, what arrives late stays unseen, and what is submitted again lands."""

from __future__ import annotations

from typing import Any

import pytest

from processors.land import rows, store
from processors.land.client import Client
from processors.land.delete import delete_sample, next_epoch
from processors.land.insert import SampleDeleted, land_chunk
from processors.land.keys import call_set, rows_token
from processors.land.publication import current, publish, unannounced

VIEWS = ("sample_current", "calls_current", "finding_current", "fault_current", "variant")


def people(client: Client, table: str) -> set[str]:
    return {row[0] for row in client.rows(f"SELECT DISTINCT sample_id FROM {table}")}


def test_a_deleted_sample_is_gone_and_the_rest_of_its_file_is_not(client: Client, laboratory: Any, factory: Any) -> None:
    laboratory.publish(factory.emit(("aa", "bb")))
    assert next_epoch(client, "aa") == 1
    delete_sample(client, "aa", 1)
    for table in (*VIEWS, "calls", "fault", "finding"):
        assert people(client, table) == {"bb"}, table
    assert current(client, "aa") is None
    assert [row.sample_id for row in unannounced(client)] == ["bb"]
    assert store.samples(client) == ["bb"]


def test_the_epoch_is_raised_before_a_row_is_removed(
    client: Client, laboratory: Any, factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    laboratory.publish(factory.emit(("aa",)))

    def die(*_: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(client, "command", die)
        with pytest.raises(RuntimeError, match="killed"):
            delete_sample(client, "aa", 1)
    assert people(client, "calls") == {"aa"}
    for view in VIEWS:
        assert people(client, view) == set(), view
    delete_sample(client, "aa", 1)
    assert people(client, "calls") == set()


def test_a_deleted_sample_submitted_again_lands_and_is_seen(client: Client, laboratory: Any, factory: Any) -> None:
    first = factory.emit(("aa",))
    laboratory.publish(first)
    delete_sample(client, "aa", next_epoch(client, "aa"))
    assert store.greatest_ordinal(client, ["aa"]) == 1
    again = factory.emit(("aa",), ordinal=2, epoch=1)
    laboratory.publish(again, ordinal=2)
    assert client.rows("SELECT submission_id, epoch FROM sample_current") == [(again.submission_id, 1)]
    assert client.value("SELECT count() FROM calls_current") == 100 == client.value("SELECT count() FROM calls")
    assert next_epoch(client, "aa") == 2
    assert store.samples(client) == ["aa"]


def test_a_token_of_the_old_epoch_is_dropped_silently_and_one_of_the_new_epoch_is_not(
    client: Client, laboratory: Any, factory: Any
) -> None:
    emission = factory.emit(("aa",), chunks=1)
    laboratory.publish(emission)
    delete_sample(client, "aa", 1)
    chunk = emission.chunks[0]
    batch = rows.calls(chunk, rows.sorted_alleles(chunk), factory.plan)
    key = call_set(emission.submission_id, factory.plan)
    client.insert("calls", batch, rows_token(chunk.header.chunk_id, key, "calls", 0, batch))
    assert client.value("SELECT count() FROM calls") == 0
    client.insert("calls", batch, rows_token(chunk.header.chunk_id, key, "calls", 1, batch))
    assert client.value("SELECT count() FROM calls") == 50


def test_what_was_emitted_before_the_deletion_is_refused_or_stays_unseen_and_is_swept(
    client: Client, laboratory: Any, factory: Any
) -> None:
    emission = factory.emit(("aa",))
    laboratory.admit(emission)
    delete_sample(client, "aa", next_epoch(client, "aa"))
    with pytest.raises(SampleDeleted):
        land_chunk(client, emission.chunks[0], emission.findings[0], factory.plan, worker="w", provider="CPU")
    chunk = emission.chunks[0]
    client.insert("calls", rows.calls(chunk, rows.sorted_alleles(chunk), factory.plan), "looked just before the epoch was raised")
    assert people(client, "calls") == {"aa"}
    assert people(client, "calls_current") == set()
    delete_sample(client, "aa", 1)
    assert people(client, "calls") == set()


def test_a_publication_that_arrives_after_the_deletion_is_not_seen(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"))
    laboratory.admit(emission)
    laboratory.land(emission)
    delete_sample(client, "aa", 1)
    assert [row.sample_id for row in publish(client, emission.submission_id, emission.revision_id, at=1)] == ["bb"]
    for view in VIEWS:
        assert people(client, view) == {"bb"}, view


def test_a_sample_of_a_file_whose_epoch_is_another_sample_s_is_deleted_all_the_same(client: Client, laboratory: Any, factory: Any) -> None:
    laboratory.publish(factory.emit(("aa", "bb"), epoch=5))
    assert next_epoch(client, "bb") == 6
    delete_sample(client, "bb", 6)
    for table in (*VIEWS, "calls"):
        assert people(client, table) == {"aa"}, table


def test_names_and_the_file_are_forgotten_with_the_last_of_its_samples(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"))
    laboratory.publish(emission)
    delete_sample(client, "aa", 1)
    half = store.submission(client, emission.submission_id)
    assert half is not None
    assert [s.name for s in half.samples] == ["", "name of bb"]
    assert (half.file.uri, half.hpo) == ("file:///aa.vcf", ("HP:0000001",))
    delete_sample(client, "bb", 1)
    gone = store.submission(client, emission.submission_id)
    assert gone is not None
    assert ([s.name for s in gone.samples], gone.file.uri, gone.hpo, gone.family) == (["", ""], "", (), "")
