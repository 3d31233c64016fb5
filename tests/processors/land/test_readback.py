"""Reading back: every way in which rows can differ from the manifest is found and named."""

from __future__ import annotations

from typing import Any

import pytest

from processors.land import rows
from processors.land.client import Client
from processors.land.manifests import manifest, record_manifest
from processors.land.readback import UnknownRevision, Verification, verify


@pytest.fixture
def landed(laboratory: Any, factory: Any) -> Any:
    """A family of two, verified."""
    emission = factory.emit(("aa", "bb"))
    laboratory.admit(emission)
    laboratory.land(emission)
    return emission


def read(client: Client, emission: Any) -> Verification:
    return verify(client, emission.submission_id, emission.revision_id)


def found(client: Client, emission: Any) -> list[str]:
    return [str(difference) for difference in read(client, emission).differences]


def test_what_landed_as_promised_has_no_differences_and_its_counts_are_told(client: Client, landed: Any) -> None:
    answer = read(client, landed)
    assert answer.ok
    assert answer.differences == ()
    for sample in landed.manifest.samples:
        there = answer.samples[sample.sample_id]
        assert (there.landed, dict(there.quarantined), there.hash_sum) == (sample.landed, sample.quarantined, sample.hash_sum % 2**64)
        assert there.variants_in == there.landed + sum(there.quarantined.values())
    assert sum(s.findings for s in answer.samples.values()) == client.value("SELECT sum(findings) FROM ledger")


def test_a_lost_row_is_found_in_its_chunk_and_sample(client: Client, landed: Any) -> None:
    first = client.value("SELECT min(record) FROM calls WHERE sample_id = 'aa' AND chunk = 1")
    client.command(f"ALTER TABLE calls DELETE WHERE record = {first} AND sample_id = 'aa'")
    promised = landed.manifest.chunks[1].calls
    person = landed.manifest.samples[0].landed
    assert found(client, landed) == [
        f"chunk 1: calls: expected {promised}, found {promised - 1}",
        f"sample aa: calls: expected {person}, found {person - 1}",
    ]


def test_a_row_that_stands_twice_until_a_merge_is_one_row(client: Client, landed: Any, factory: Any) -> None:
    chunk = landed.chunks[0]
    client.insert("calls", rows.calls(chunk, rows.sorted_alleles(chunk), factory.plan), "forgotten")
    assert client.value("SELECT count() FROM calls") > client.value("SELECT count() FROM calls FINAL")
    answer = read(client, landed)
    assert answer.ok
    assert answer.samples["aa"].landed == landed.manifest.samples[0].landed


def test_a_doubled_row_under_another_identity_is_found(client: Client, landed: Any) -> None:
    client.command(
        "INSERT INTO calls SELECT * REPLACE (record + 100000 AS record) FROM calls WHERE chunk = 0 ORDER BY sample_id, record LIMIT 1"
    )
    promised = landed.manifest.chunks[0].calls
    assert found(client, landed)[0] == f"chunk 0: calls: expected {promised}, found {promised + 1}"


def test_a_row_under_a_sample_that_the_manifest_does_not_know_is_found(client: Client, landed: Any) -> None:
    client.command("INSERT INTO calls SELECT * REPLACE ('zz' AS sample_id) FROM calls WHERE chunk = 0 ORDER BY sample_id, record LIMIT 1")
    assert "sample zz: calls: expected 0, found 1" in found(client, landed)


@pytest.mark.parametrize("column", ["haplotypes", "phase_set", "depth_alt"])
def test_a_changed_genotype_is_found(client: Client, landed: Any, column: str) -> None:
    first = client.value("SELECT min(record) FROM calls WHERE sample_id = 'bb'")
    client.command(f"ALTER TABLE calls UPDATE {column} = {column} + 1 WHERE record = {first} AND sample_id = 'bb'")
    answer = read(client, landed)
    assert [(d.what, d.chunk, d.sample_id) for d in answer.differences] == [("calls hash", 0, ""), ("calls hash", -1, "bb")]


def test_two_rows_whose_genotypes_were_swapped_are_found(client: Client, landed: Any) -> None:
    first, second = client.rows(
        "SELECT record, depth FROM calls WHERE sample_id = 'aa' AND chunk = 0 ORDER BY record LIMIT 1 BY depth LIMIT 2"
    )
    swapped = f"if(record = {first[0]}, {second[1]}, {first[1]})"
    client.command(f"ALTER TABLE calls UPDATE depth = {swapped} WHERE sample_id = 'aa' AND record IN ({first[0]}, {second[0]})")
    assert [(d.what, d.chunk, d.sample_id) for d in read(client, landed).differences] == [("calls hash", 0, ""), ("calls hash", -1, "aa")]


def test_two_samples_that_were_swapped_are_found_though_every_chunk_is_whole(client: Client, landed: Any) -> None:
    client.command("CREATE TABLE swapped AS calls")
    client.command("INSERT INTO swapped SELECT * REPLACE (if(sample_id = 'aa', 'bb', 'aa') AS sample_id) FROM calls")
    client.command("TRUNCATE TABLE calls")
    client.command("INSERT INTO calls SELECT * FROM swapped")
    client.command("DROP TABLE swapped")
    assert {(d.chunk, d.sample_id) for d in read(client, landed).differences} == {(-1, "aa"), (-1, "bb")}


@pytest.mark.parametrize(("what", "table"), [("annotation", "annotation"), ("knowledge", "knowledge_value"), ("score", "score")])
def test_an_allele_without_its_row_is_found(client: Client, landed: Any, what: str, table: str) -> None:
    before = client.value(f"SELECT count() FROM {table}")
    client.command(f"ALTER TABLE {table} DELETE WHERE allele_id = (SELECT min(allele_id) FROM {table})")
    assert found(client, landed) == [f"submission: {what}: expected {before}, found {before - 1}"]


def test_a_lost_finding_and_a_lost_fault_are_found(client: Client, landed: Any) -> None:
    findings = client.value("SELECT findings FROM ledger WHERE chunk = 1")
    client.command(
        "ALTER TABLE finding DELETE WHERE (sample_id, record) IN (SELECT sample_id, record FROM finding WHERE chunk = 1 LIMIT 1)"
    )
    client.command("ALTER TABLE fault DELETE WHERE sample_id = 'bb' AND record = (SELECT min(record) FROM fault)")
    assert found(client, landed) == [
        "chunk 2: faults: expected 6, found 5",
        "sample bb: faults (bad_ref): expected 3, found 2",
        f"chunk 1: findings: expected {findings}, found {findings - 1}",
    ]


def test_a_chunk_that_never_landed_is_named_and_may_be_acknowledged_but_no_other(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"), chunks=3)
    laboratory.admit(emission)
    laboratory.land(emission, skip=(1,))
    answer = read(client, emission)
    assert {d.chunk for d in answer.differences if d.chunk >= 0} == {1}
    assert (answer.ok, answer.ok_without(frozenset({1})), answer.ok_without(frozenset({0, 2}))) == (False, True, False)


def test_rows_that_belong_to_another_submission_do_not_count(client: Client, landed: Any, laboratory: Any, factory: Any) -> None:
    other = factory.emit(("aa", "bb"), ordinal=2, seed=8)
    laboratory.admit(other, ordinal=2)
    laboratory.land(other)
    assert read(client, landed).ok
    assert read(client, other).ok


def test_a_manifest_comes_back_as_it_was_written_and_only_whole(client: Client, factory: Any) -> None:
    emission = factory.emit(("bb", "aa"))
    record_manifest(client, emission.manifest)
    record_manifest(client, emission.manifest)
    assert manifest(client, emission.revision_id) == emission.manifest
    client.command("ALTER TABLE manifest_chunk DELETE WHERE ordinal = 1")
    assert manifest(client, emission.revision_id) is None


def test_a_revision_without_its_manifest_cannot_be_verified(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit()
    laboratory.admit(emission)
    with pytest.raises(UnknownRevision, match=emission.revision_id):
        read(client, emission)
