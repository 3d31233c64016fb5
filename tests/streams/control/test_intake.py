"""Announcements: what becomes a submission, what is the same thing again, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from processors.land.store import RevisionStatus
from schemas import identity
from schemas.events import AnnotationPlan, Lane, SourceFile
from streams import wire
from streams.broker import Output
from streams.topics import PLANS, RUN_EVENTS


def test_an_announcement_becomes_rows_a_plan_and_a_job(lab: Any) -> None:
    lab.announce(lab.file("a"), lane=Lane.URGENT, hpo=("HP:0001250",))
    lab.run()
    [job] = lab.jobs()
    submission = lab.records.submission(job.submission_id)
    [revision] = lab.records.revisions(job.submission_id)
    assert (submission.ordinal, submission.lane, submission.hpo) == (1, Lane.URGENT, ("HP:0001250",))
    assert [s.sample_id for s in job.samples] == [lab.sample_id("S1")]
    assert job.submission_id == identity.submission_id([lab.sample_id("S1")], job.file.digest, "toy", {}, 1)
    assert job.revision_id == identity.revision_id(job.submission_id, job.plan_id)
    assert (revision.number, revision.status) == (1, RevisionStatus.OPEN)
    [plan] = [wire.decode(m.value, AnnotationPlan) for m in lab.broker.log(PLANS.name)]
    assert plan.plan_id == job.plan_id
    assert lab.broker.log("work.urgent")
    assert lab.state().state == "queued"


def test_the_same_announcement_twice_is_one(lab: Any) -> None:
    event = lab.announce(lab.file("a"))
    lab.run()
    lab.send(RUN_EVENTS.name, replace(event, time=event.time + 5000, id="another"))
    lab.run()
    assert len(lab.jobs()) == 1
    lab.work()
    lab.run()
    lab.send(RUN_EVENTS.name, replace(event, time=event.time + 9000))
    lab.run()
    assert len(lab.jobs()) == 1
    assert lab.count("submission") == 1


def test_an_announcement_again_after_a_failure_starts_it_again(lab: Any) -> None:
    event = lab.announce(lab.file("a"))
    lab.run()
    lab.fail_job("truncated at byte 5")
    lab.run()
    assert lab.state().state == "failed"
    assert lab.state().reason == "truncated at byte 5"
    lab.send(RUN_EVENTS.name, event)
    lab.run()
    first, second = lab.jobs()
    assert first.submission_id != second.submission_id
    assert lab.records.submission(second.submission_id).ordinal == 2
    lab.work()
    lab.run()
    assert lab.state().state == "published"


def test_files_a_b_and_a_again_are_three_submissions(lab: Any) -> None:
    a, b = lab.file("a"), lab.file("b")
    for file in (a, b, a):
        lab.announce(file)
        lab.run()
        lab.work()
        lab.run()
    assert [lab.records.submission(job.submission_id).ordinal for job in lab.jobs()] == [1, 2, 3]
    assert len({job.submission_id for job in lab.jobs()}) == 3
    assert len(lab.interpreted()) == 3
    assert lab.state().submission_id == lab.jobs()[2].submission_id


def test_a_new_submission_abandons_the_open_revision_of_its_sample(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.announce(lab.file("b"))
    lab.run()
    first, second = lab.jobs()
    assert lab.records.revisions(first.submission_id)[0].status is RevisionStatus.ABANDONED
    lab.work(first)
    lab.work(second)
    lab.run()
    assert [event.submission_id for event in lab.interpreted()] == [second.submission_id]


def test_a_submission_of_one_sample_leaves_a_wider_file_running_for_the_others(lab: Any) -> None:
    lab.announce(lab.file("cohort", "S1", "S2"))
    lab.run()
    lab.announce(lab.file("a", "S1"))
    lab.run()
    wide, narrow = lab.jobs()
    lab.work(narrow)
    lab.run()
    lab.work(wide)
    lab.run()
    told = {(event.sample_id, event.submission_id) for event in lab.interpreted()}
    assert told == {(lab.sample_id("S1"), narrow.submission_id), (lab.sample_id("S2"), wide.submission_id)}
    assert lab.state("S1").submission_id == narrow.submission_id


def test_another_phenotype_for_the_same_calls_is_no_new_submission(lab: Any) -> None:
    event = lab.announce(lab.file("a"))
    lab.run()
    lab.send(RUN_EVENTS.name, replace(event, hpo=("HP:0001250",), panel="epilepsy"))
    lab.run()
    assert len(lab.jobs()) == 1
    [(kind, outcome, reason)] = lab.client.rows("SELECT kind, outcome, reason FROM decision")
    assert (kind, outcome) == ("case", "case")
    assert "HP:0001250" in reason


def test_events_read_again_from_the_beginning_change_nothing(lab: Any) -> None:
    event = lab.announce(lab.file("a"))
    lab.run()
    lab.send(RUN_EVENTS.name, event)
    lab.command("cancel")
    lab.run()
    lab.command("delete", "S9")
    lab.run()
    lab.committed = 0
    lab.start()
    lab.run()
    assert len(lab.jobs()) == 1
    assert lab.state().state == "cancelled"


def test_a_topic_made_anew_is_not_taken_for_the_old_one(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.work()
    lab.run()
    lab.cluster = "another"
    lab.committed = 0
    lab.start()
    lab.run()
    assert lab.count("submission") == 1  # the same content is a duplicate there, too
    assert len(lab.jobs()) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"run_id": ""}, "run_id"),
        ({"build": "GRCh37"}, "build"),
        ({"hpo": ("HP:1",)}, "hpo"),
        ({"file": SourceFile("/etc/hostname")}, "file.uri"),
    ],
)
def test_a_refused_announcement_is_kept_with_its_field_named(lab: Any, change: dict[str, Any], field: str) -> None:
    sent = lab.announce(change.get("file") or lab.file("a"), samples=("S1",), **{k: v for k, v in change.items() if k != "file"})
    lab.run()
    [kept] = lab.quarantine()
    assert kept.value == wire.encode(sent)
    assert kept.header("quarantine.detail").startswith(f"{field}: ")
    assert lab.state().state == "rejected"
    assert lab.state().reason.startswith(f"{field}: ")
    assert lab.jobs() == []
    lab.committed = 0
    lab.run()
    assert len(lab.quarantine()) == 1


def test_bytes_of_an_unknown_schema_are_kept_and_do_not_stop_what_follows(lab: Any) -> None:
    for raw in (b"", b"nonsense", b"\0\xff\xff\xff\xffxx", wire.encode(lab.announce(lab.file("z")))[:-3]):
        lab.broker.append(Output(RUN_EVENTS.name, b"k", raw))
    lab.announce(lab.file("a"))
    lab.run()
    assert [m.header("quarantine.error") for m in lab.quarantine()] == ["WireError"] * 4
    assert "not registered here" in lab.quarantine()[2].header("quarantine.detail")
    assert len(lab.jobs()) == 2


def test_a_refusal_does_not_hide_what_stands(lab: Any) -> None:
    event = lab.announce(lab.file("a"), samples=("S1",))
    lab.run()
    lab.work()
    lab.run()
    lab.send(RUN_EVENTS.name, replace(event, hpo=("nonsense",)))
    lab.run()
    assert lab.states()[-2:] == ["rejected", "published"]
    assert "refused: hpo" in lab.state().reason


def test_a_file_rewritten_between_submit_and_read_fails_and_can_be_submitted_again(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    [job] = lab.jobs()
    lab.work(replace(job, file=replace(job.file, digest="f" * 64)))  # what ingest truly read
    lab.run()
    assert lab.state().state == "failed"
    assert "is not the one announced" in lab.state().reason
    assert lab.results() == []
    assert lab.count("publication") == 0
    lab.announce(lab.file("a", content="rewritten"))
    lab.run()
    lab.work()
    lab.run()
    assert lab.state().state == "published"


def test_a_build_whose_pack_is_damaged_is_refused(lab: Any) -> None:
    lab.add_pack("clinvar", "1")
    for path in (lab.folder / "packs" / "clinvar").glob("*/pack.json"):
        path.write_text("broken")
    lab.announce(lab.file("a"), samples=("S1",))
    lab.run()
    assert lab.state().state == "rejected"
    assert lab.state().reason.startswith("build: ")
