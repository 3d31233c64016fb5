"""Each window of DESIGN's "Exactly-once effect" and "Identities, revisions" that control opens: it dies exactly there, is started again,
and everything is there once."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import identity
from streams.failpoints import FailPoint, SimulatedCrash

INTAKE = [
    FailPoint.INTAKE_ACCEPTED, FailPoint.INTAKE_SUBMISSION, FailPoint.INTAKE_ROWS, FailPoint.INTAKE_PLAN, FailPoint.INTAKE_JOB,
]  # fmt: skip
PUBLICATION = [FailPoint.MANIFEST_ROWS, FailPoint.VERIFY_READ, FailPoint.PUBLISHED, FailPoint.ANNOUNCING, FailPoint.ANNOUNCED]


def die_at(lab: Any, point: FailPoint) -> None:
    lab.start(point)
    with pytest.raises(SimulatedCrash):
        lab.run()
    lab.start()


def check_once(lab: Any) -> None:
    """One submission, one revision, one publication, complete; results sent again carry the same ids."""
    assert lab.count("submission") == 1
    assert lab.count("revision") == 1
    assert lab.count("publication") == 1
    assert lab.count("announced") == 1
    results = lab.results()
    [revision] = {event.revision_id for event in results}
    assert {event.id for event in lab.interpreted()} == {identity.result_id(revision, lab.sample_id("S1"), 0, "SampleInterpreted")}
    assert len({event.id for event in results}) == 3  # two findings and the sample
    assert len({(event.id, event.time) for event in results}) == 3
    told = lab.interpreted()[0]
    assert all(event == told for event in lab.interpreted())
    assert (told.variants_in, told.landed, dict(told.quarantined), told.findings, told.complete) == (
        lab.calls + lab.faults, lab.calls, {"bad_ref": lab.faults}, 2, True,
    )  # fmt: skip
    assert lab.state().state == "published"
    assert (lab.state().variants_in, lab.state().landed, lab.state().quarantined) == (lab.calls + lab.faults, lab.calls, lab.faults)


@pytest.mark.parametrize("point", INTAKE)
def test_intake_dies_and_the_sample_is_published_once(lab: Any, point: FailPoint) -> None:
    lab.announce(lab.file("a"))
    die_at(lab, point)
    lab.run()
    assert {job.revision_id for job in lab.jobs()} == {lab.jobs()[0].revision_id}
    assert len(lab.jobs()) == (2 if point is FailPoint.INTAKE_JOB else 1)
    for job in lab.jobs():
        lab.work(job)
    lab.run()
    check_once(lab)


@pytest.mark.parametrize("point", PUBLICATION)
def test_publication_dies_and_the_sample_is_published_once(lab: Any, point: FailPoint) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.work()
    die_at(lab, point)
    lab.run()
    check_once(lab)


def test_every_window_in_turn_in_one_samples_life(lab: Any) -> None:
    lab.announce(lab.file("a"))
    for point in INTAKE:
        die_at(lab, point)
    lab.run()
    lab.work()
    for point in PUBLICATION:
        die_at(lab, point)
    lab.run()
    check_once(lab)


def test_rows_without_a_revision_are_taken_up_even_when_the_event_is_gone(lab: Any) -> None:
    lab.announce(lab.file("a"))
    die_at(lab, FailPoint.INTAKE_SUBMISSION)
    lab.committed = 1
    lab.run()
    assert lab.jobs() == []
    for _ in range(60):
        lab.step()
    assert len(lab.jobs()) == 1  # nobody has it, and nothing is waiting anywhere
    lab.work()
    lab.run()
    check_once(lab)


def test_a_deletion_that_dies_after_the_epoch_is_raised_is_finished(lab: Any) -> None:
    lab.announce(lab.file("a"))
    lab.run()
    lab.work()
    lab.run()
    lab.command("delete")
    die_at(lab, FailPoint.DELETE_EPOCH)
    lab.run()
    assert lab.count("calls") == 0
    assert lab.state() is None


def test_a_broker_that_is_away_loses_nothing(lab: Any) -> None:
    from streams.broker import BrokerAway
    from streams.control.outgoing import ProducerOutbox

    lab.announce(lab.file("a"))
    lab.control.desk.outbox = ProducerOutbox(lab.producer, timeout=0.1)
    lab.broker.away = True
    with pytest.raises(BrokerAway):
        lab.step()
    assert lab.committed == 0
    lab.broker.away = False
    lab.start()
    lab.run()
    lab.work()
    lab.run()
    check_once(lab)
