"""The control plane's records: what is written comes back equal, twice is once, and the newest status counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from processors.land import store
from processors.land.client import Client
from processors.land.store import DecisionRow, RevisionRow, RevisionStatus, SubmissionRow
from schemas.events import Lane, SampleName, SourceFile

SUBMISSION = SubmissionRow(
    "s1", "e1", 1, "cluster", 0, 7, "GRCh38", Lane.URGENT, SourceFile("file:///a.vcf.gz", "ab" * 32, 99),
    (SampleName("NA12878", "aa"), SampleName("NA12891", "bb")), {"filter": "none"}, "run 1", "lims", "ped", ("HP:0001250",), "APP", 5, 6,
)  # fmt: skip
REVISION = RevisionRow("r1", "s1", "p1", "", 1, "live", 0, RevisionStatus.OPEN, "", 10)


def test_a_submission_comes_back_by_id_event_and_sample_and_is_kept_once(client: Client) -> None:
    store.record_submission(client, SUBMISSION)
    store.record_submission(client, replace(SUBMISSION, accepted_at=77))
    assert client.value("SELECT count() FROM submission") == 1
    assert store.submission(client, "s1") == SUBMISSION
    assert store.submission_by_event(client, "cluster", 0, 7) == SUBMISSION
    assert store.latest_submission(client, "bb") == SUBMISSION
    assert store.submission_by_event(client, "another cluster", 0, 7) is None
    assert store.latest_submission(client, "zz") is None


def test_ordinals_count_the_contents_of_any_sample_of_a_set(client: Client) -> None:
    assert store.greatest_ordinal(client, ["aa", "bb"]) == 0
    store.record_submission(client, SUBMISSION)
    later = replace(SUBMISSION, submission_id="s2", ordinal=4, samples=(SampleName("NA12891", "bb"),), offset=9)
    store.record_submission(client, later)
    assert [store.greatest_ordinal(client, ids) for ids in (["aa"], ["aa", "bb"], ["zz"])] == [1, 4, 0]
    assert store.latest_submission(client, "bb") == later
    assert [row.submission_id for row in store.submissions(client, "bb")] == ["s1", "s2"]
    assert store.samples(client) == ["aa", "bb"]


def test_a_decision_is_found_by_its_event_and_by_its_sample(client: Client) -> None:
    decision = DecisionRow("cluster", 0, 12, "e2", "cancel", "aa", "r1", "me", "wrong file", "done", 3)
    store.record_decision(client, decision)
    store.record_decision(client, decision)
    assert store.decision_by_event(client, "cluster", 0, 12) == decision
    assert store.decisions(client, "aa") == [decision]


def test_a_plan_comes_back_equal(client: Client, factory: Any) -> None:
    store.record_plan(client, factory.plan)
    store.record_plan(client, factory.plan)
    assert store.plan(client, factory.plan.plan_id) == factory.plan
    assert store.plans(client) == [factory.plan]
    assert client.rows("SELECT annotation_key, lookup_key, score_key, model FROM plan") == [
        (factory.plan.annotation_key, factory.plan.lookup_key, factory.plan.score_key, "small@1")
    ]
    assert store.plan(client, "unknown") is None


def test_the_newest_status_of_a_revision_counts_whatever_its_stated_time(client: Client) -> None:
    store.record_revision(client, REVISION)
    store.record_revision(client, REVISION)
    assert store.open_revisions(client) == [REVISION] == store.revisions(client, "s1")
    failed = replace(REVISION, status=RevisionStatus.FAILED, reason="digest", changed_at=9)
    store.record_revision(client, failed)
    assert store.revision(client, "r1") == failed
    assert store.open_revisions(client) == []
    again = replace(REVISION, changed_at=30)
    store.record_revision(client, again)
    assert store.open_revisions(client) == [again]
    assert client.value("SELECT count() FROM revision_status") == 3


def test_a_submission_without_a_revision_is_unopened(client: Client) -> None:
    store.record_submission(client, SUBMISSION)
    assert store.unopened_submissions(client) == [SUBMISSION]
    store.record_revision(client, REVISION)
    assert store.unopened_submissions(client) == []


def test_a_published_revision_is_no_longer_open(client: Client, laboratory: Any, factory: Any) -> None:
    laboratory.publish(factory.emit())
    assert store.open_revisions(client) == []
