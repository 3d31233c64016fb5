"""What people ask for: done once, however often it is delivered, and never more than was asked."""

from __future__ import annotations

from typing import Any

import pytest

from processors.land.store import RevisionStatus
from schemas import identity


def published(lab: Any, name: str = "a", *samples: str) -> None:
    lab.announce(lab.file(name, *samples))
    lab.run()
    lab.work()
    lab.run()


def outcomes(lab: Any) -> list[str]:
    return [row[0] for row in lab.client.rows("SELECT outcome FROM decision WHERE actor = 'tester' AND outcome != 'deleted' ORDER BY time")]


def test_a_cancelled_sample_stays_cancelled_whatever_its_workers_still_do(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.command("cancel")
    lab.run()
    assert lab.state().state == "cancelled"
    assert "tester: because" in lab.state().reason
    lab.work()
    lab.run()
    assert lab.results() == []
    assert lab.count("publication") == 0
    assert lab.records.revisions(lab.jobs()[0].submission_id)[0].status is RevisionStatus.CANCELLED


def test_a_cancelled_sample_can_be_submitted_again(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.command("cancel")
    lab.announce(lab.file("a"))
    lab.run()
    assert len(lab.jobs()) == 2
    lab.work()
    lab.run()
    assert lab.state().state == "published"


@pytest.mark.parametrize("kind", ["cancel", "delete", "acknowledge", "replay", "explode"])
def test_a_command_that_cannot_be_done_is_refused_in_words(lab: Any, kind: str) -> None:
    lab.command(kind)
    lab.run()
    [outcome] = outcomes(lab)
    assert outcome.startswith("refused: ")


def test_a_sample_deleted_and_submitted_again_lands_all_its_rows(lab: Any) -> None:
    published(lab)
    assert lab.count("calls") == lab.calls
    lab.command("delete")
    lab.run()
    assert lab.state() is None
    for table in ("calls", "fault", "finding"):
        assert lab.count(table) == 0, table
    assert lab.records.current(lab.sample_id("S1")) is None
    published(lab)
    assert lab.count("calls") == lab.calls
    assert lab.count("fault") == lab.faults
    assert lab.state().state == "published"
    assert len(lab.interpreted()) == 2


def test_a_deleted_sample_does_not_come_back_from_its_old_event(lab: Any) -> None:
    published(lab)
    lab.command("delete", lab.sample_id("S1"))
    lab.run()
    lab.committed = 0
    lab.start()
    lab.run()
    assert lab.count("calls") == 0
    assert lab.state() is None
    assert len(lab.jobs()) == 1


def test_a_sample_deleted_in_flight_never_lands(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.command("delete")
    lab.run()
    from processors.land.insert import SampleDeleted

    with pytest.raises(SampleDeleted):
        lab.work()
    lab.run()
    assert lab.count("calls") == 0
    assert lab.results() == []


def test_rows_that_slip_in_behind_a_deletion_are_swept_away(lab: Any) -> None:
    published(lab)
    kept = lab.client.rows("SELECT submission_id, sample_id, call_set, allele_id, record, alt_index FROM calls LIMIT 1")
    lab.command("delete")
    lab.run()
    columns = ("submission_id", "sample_id", "call_set", "allele_id", "record", "alt_index")
    lab.client.insert_rows("calls", columns, kept, "an insert that was under way")
    lab.step()
    assert lab.count("calls") == 1
    lab.clock.at += 31.0
    lab.step()
    assert lab.count("calls") == 0


def test_deleting_one_sample_of_a_file_leaves_the_others(lab: Any) -> None:
    published(lab, "cohort", "S1", "S2")
    lab.command("delete", "S1")
    lab.run()
    rows = lab.client.rows("SELECT DISTINCT sample_id FROM calls")
    assert rows == [(lab.sample_id("S2"),)]
    assert lab.state("S1") is None
    assert lab.state("S2").state == "published"


def test_a_replay_under_a_new_plan_is_a_new_revision(lab: Any) -> None:
    published(lab)
    lab.add_pack("clinvar", "2")
    lab.command("replay")
    lab.run()
    first, second = lab.jobs()
    assert first.submission_id == second.submission_id
    assert first.plan_id != second.plan_id
    lab.work()
    lab.run()
    assert [event.revision for event in lab.interpreted()] == [1, 2]
    assert lab.state().revision == 2


def test_a_replay_under_the_same_plan_is_based_on_what_is_published(lab: Any) -> None:
    published(lab)
    lab.command("replay")
    lab.run()
    first, second = lab.jobs()
    assert second.revision_id == identity.revision_id(first.submission_id, first.plan_id, first.revision_id)
    lab.work()
    lab.run()
    assert [event.revision for event in lab.interpreted()] == [1, 2]


def test_a_replay_of_a_failed_revision_opens_it_again(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.fail_job("disk full")
    lab.run()
    lab.command("replay")
    lab.run()
    first, second = lab.jobs()
    assert first.revision_id == second.revision_id
    lab.heard = 0  # the old failure is heard again
    lab.work()
    lab.run()
    assert lab.state().state == "published"


def test_a_publication_under_a_plan_that_is_no_longer_assigned_is_written_down(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.add_pack("transcripts", "2")
    lab.work()
    lab.run()
    [(revision, reason)] = lab.client.rows("SELECT revision_id, reason FROM decision WHERE kind = 'plan_changed'")
    assert revision == lab.jobs()[0].revision_id
    assert lab.jobs()[0].plan_id in reason


def test_a_replay_reads_the_file_again_where_a_chunk_in_quarantine_holds_the_sample(lab: Any) -> None:
    from schemas.events import Receipt

    lab.announce(lab.file("a"))
    lab.run()
    job = lab.jobs()[-1]
    promised = lab.work(land=lambda ordinal: ordinal != 0)
    chunk_id = promised.chunks[0].chunk_id
    lab.send(
        "receipts",
        Receipt(job.submission_id, job.revision_id, chunk_id, 0, "chain", "quarantined", 0, 1, -1.0, "w", "", "WireError: damaged", 1),
    )
    lab.run()
    assert lab.state().state == "incomplete"
    lab.command("replay")
    lab.run()
    assert outcomes(lab) == ["revision 1 is read again from its file"]
    assert lab.jobs() == [job, job]
    lab.work()
    lab.run()
    assert lab.state().state == "published"
    assert lab.interpreted()[0].complete
    assert lab.count("calls") == lab.calls


def test_a_replay_reads_the_file_again_where_rows_are_missing_that_the_ledger_has(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.work(manifest=False)
    lab.client.command("ALTER TABLE calls DELETE WHERE chunk = 0")
    promised = lab.work(manifest=False, land=lambda ordinal: False)
    lab.send("run.events", promised)
    for _ in range(30):
        lab.step()
    assert lab.state().state == "incomplete"
    assert "differs from the manifest" in lab.state().reason
    lab.command("replay")
    lab.run()
    assert outcomes(lab) == ["revision 1 is read again from its file"]
    lab.work()
    lab.run()
    assert lab.state().state == "published"
    assert lab.count("calls") == lab.calls
