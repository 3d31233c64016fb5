"""Publication: readers see complete revisions only, the newest one, and every result is announced until it is known to be delivered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from processors.land.client import Client
from processors.land.insert import AlreadyPublished
from processors.land.publication import NotVerified, current, findings_of, publications, publish, record_announced, unannounced
from schemas import identity
from tests.processors.land.conftest import note_sources_of


def seen(client: Client, view: str) -> set[str]:
    return {row[0] for row in client.rows(f"SELECT DISTINCT submission_id FROM {view}")}


def test_nothing_is_seen_before_publication_and_everything_after(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"))
    laboratory.admit(emission)
    laboratory.land(emission)
    for view in ("sample_current", "calls_current", "finding_current", "fault_current", "variant"):
        assert client.value(f"SELECT count() FROM {view}") == 0
    rows = publish(client, emission.submission_id, emission.revision_id, at=100)
    landed = sum(s.landed for s in emission.manifest.samples)
    assert client.value("SELECT count() FROM calls_current") == landed == client.value("SELECT count() FROM variant")
    assert client.value("SELECT count() FROM finding_current") == sum(row.findings for row in rows) > 0
    assert client.value("SELECT count() FROM fault_current") == 6
    assert [(r.sample_id, r.variants_in, r.landed, r.quarantined, r.complete) for r in rows] == [
        (s.sample_id, s.variants_in, s.landed, s.quarantined, True) for s in emission.manifest.samples
    ]
    assert current(client, "aa") == rows[0] == publications(client, emission.revision_id)[0]


def test_a_revision_that_is_not_as_promised_is_not_published(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit()
    laboratory.admit(emission)
    laboratory.land(emission, skip=(1,))
    with pytest.raises(NotVerified, match="chunk 1: calls: expected 50, found 0"):
        publish(client, emission.submission_id, emission.revision_id, at=100)
    assert publications(client, emission.revision_id) == ()


def test_an_acknowledged_publication_says_that_it_is_not_complete(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit()
    laboratory.admit(emission)
    laboratory.land(emission, skip=(1,))
    [row] = publish(client, emission.submission_id, emission.revision_id, at=100, without=frozenset({1}), actor="me", reason="bad")
    assert (row.complete, row.variants_in, row.landed, row.actor, row.reason) == (False, 103, 50, "me", "bad")
    assert client.value("SELECT count() FROM calls_current") == 50


def test_a_chunk_of_a_revision_that_was_published_without_it_does_not_land(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit()
    laboratory.admit(emission)
    laboratory.land(emission, skip=(1,))
    publish(client, emission.submission_id, emission.revision_id, at=100, without=frozenset({1}), actor="me", reason="bad")
    with pytest.raises(AlreadyPublished, match="is published without it; `riverseq replay"):
        laboratory.land(emission)  # the chunks on the ledger pass as landed, the one left out is refused
    assert client.value("SELECT count() FROM calls_current") == 50


def test_publishing_again_changes_nothing(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"))
    first = laboratory.publish(emission)
    assert publish(client, emission.submission_id, emission.revision_id, at=999, actor="other") == first
    assert client.value("SELECT count() FROM publication") == 2


def test_of_the_contents_a_b_a_the_third_is_current(client: Client, laboratory: Any, factory: Any) -> None:
    ids = []
    for ordinal, seed in ((1, 1), (2, 2), (3, 1)):
        emission = factory.emit(seed=seed, ordinal=ordinal)
        laboratory.publish(emission, ordinal=ordinal)
        ids.append(emission.submission_id)
        for view in ("sample_current", "calls_current", "finding_current", "fault_current", "variant"):
            assert seen(client, view) == {emission.submission_id}
    assert len(set(ids)) == 3
    assert client.value("SELECT count() FROM calls_current") == 100


def test_an_older_submission_published_late_does_not_become_current(client: Client, laboratory: Any, factory: Any) -> None:
    old, new = factory.emit(seed=1, ordinal=1), factory.emit(seed=2, ordinal=2)
    laboratory.publish(new, ordinal=2)
    laboratory.publish(old, ordinal=1)
    assert seen(client, "calls_current") == {new.submission_id}
    assert current(client, "aa").revision_id == new.revision_id  # type: ignore[union-attr]


def test_a_second_revision_replaces_the_first_and_a_study_replaces_none(client: Client, laboratory: Any, factory: Any) -> None:
    first = factory.emit()
    laboratory.publish(first)
    for number, kind, digest in ((2, "live", "98"), (3, "study", "99")):
        fresh = tuple(replace(c, digest=digest) if c.kind == "clinvar" else c for c in factory.plan.components)
        plan = replace(factory.plan, components=fresh)
        later = factory.emit(plan=plan, submission_id=first.submission_id)
        laboratory.publish(later, number=number, kind=kind, plan=plan)
        note_sources_of(client, plan)
        if kind == "live":
            live = later
    assert client.rows("SELECT revision_id, number, kind FROM publication ORDER BY number")[1:] == [
        (live.revision_id, 2, "live"),
        (later.revision_id, 3, "study"),
    ]
    assert client.rows("SELECT DISTINCT revision_id FROM finding_current") == [(live.revision_id,)]
    assert client.value("SELECT count() FROM calls_current") == 100
    assert client.value("SELECT count() FROM variant WHERE frequency_answer != ''") == 100


def test_a_family_member_published_again_alone_leaves_the_others_as_they_were(client: Client, laboratory: Any, factory: Any) -> None:
    family = factory.emit(("aa", "bb"))
    laboratory.publish(family)
    alone = factory.emit(("aa",), ordinal=2, seed=9)
    laboratory.publish(alone, ordinal=2)
    assert client.rows("SELECT sample_id, submission_id FROM sample_current ORDER BY 1") == [
        ("aa", alone.submission_id),
        ("bb", family.submission_id),
    ]
    assert client.rows("SELECT DISTINCT sample_id, submission_id FROM calls_current ORDER BY 1") == [
        ("aa", alone.submission_id),
        ("bb", family.submission_id),
    ]


def test_a_publication_is_announced_until_it_is_known_to_be_delivered(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"))
    rows = laboratory.publish(emission)
    assert unannounced(client) == rows
    record_announced(client, emission.revision_id, 200)
    record_announced(client, emission.revision_id, 300)
    assert unannounced(client) == ()
    assert client.rows("SELECT announced_at FROM announced") == [(200,)]


def test_findings_are_events_with_the_same_ids_whenever_they_are_made(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit(("aa", "bb"))
    row = laboratory.publish(emission)[0]
    events = list(findings_of(client, row, 5))
    assert [replace(e, time=6) for e in events] == list(findings_of(client, row, 6))
    assert len(events) == row.findings == len({e.id for e in events})
    wanted = {f["allele_id"]: f for batch in emission.findings.values() for f in batch.to_pylist() if f["sample"] == 0}
    by_id = {identity.result_id(row.revision_id, "aa", allele, "Finding"): finding for allele, finding in wanted.items()}
    for event in events:
        finding = by_id[event.id]
        assert (event.position, event.ref, event.alt) == (finding["start"] + 1, finding["ref"], finding["alt"])
        assert (event.contig, event.gene, event.frequency, event.score, event.reasons) == ("21", "APP", None, 0.5, ("rare",))
        assert (event.class_, event.revision, event.build) == ("not_assessed", 1, "GRCh38")


def test_the_seam_for_deltas_hides_what_is_superseded_once_its_revision_is_current(client: Client, laboratory: Any, factory: Any) -> None:
    emission = factory.emit()
    laboratory.publish(emission)
    before = client.value("SELECT count() FROM finding_current")
    columns = "revision_id, sample_id, allele_id, record, alt_index"
    for by, fewer in (("a delta not published", 0), (emission.revision_id, 1)):
        client.command(f"INSERT INTO superseded SELECT {columns}, '{by}' FROM finding ORDER BY record LIMIT 1")
        assert client.value("SELECT count() FROM finding_current") == before - fewer
