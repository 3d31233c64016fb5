"""Rebuilding: memory from ClickHouse at every start, and the compacted topics from ClickHouse where Kafka was emptied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processors.land.store import LIVE, RevisionStatus
from schemas.events import SampleState
from streams.control import states
from streams.control.desk import Desk
from streams.control.plans import send_plan

if TYPE_CHECKING:
    from streams.control.intake import Intake
    from streams.control.publication import Publisher
    from streams.control.watch import Watch


def restore(desk: Desk, intake: Intake, watch: Watch, publisher: Publisher) -> int:
    """Follow every open revision from where its tables stand and announce what is published; returns the number in flight.

    Jobs are not sent here: an event that was not finished is delivered again, and a job that is nowhere is missed by `watch` after a
    while. Raises StoreError, BrokerError, PackError.
    """
    for submission in desk.records.unopened():
        intake.open_revision(submission)
    for revision in desk.records.open_revisions():
        owner = desk.records.submission(revision.submission_id)
        if owner is not None:
            watch.restore(desk.follow(owner, revision))
    publisher.announce_all()
    return len(desk.in_flight)


@dataclass(frozen=True)
class Rebuilt:
    """What was sent again."""

    plans: int
    samples: int


def republish(desk: Desk) -> Rebuilt:
    """Send every plan and the state of every sample from ClickHouse: what the compacted topics held. Raises StoreError, BrokerError."""
    plans = desk.records.plans()
    for plan in plans:
        send_plan(desk, plan)
    sample_ids = desk.records.samples()
    for sample_id in sample_ids:
        state = state_of(desk, sample_id)
        if state is not None:
            desk.projection.send(state)
    return Rebuilt(len(plans), len(sample_ids))


def state_of(desk: Desk, sample_id: str) -> SampleState | None:
    """A sample's state as the tables tell it: of its newest submission's newest revision. Raises StoreError."""
    records = desk.records
    submission = records.newest_submission(sample_id)
    if submission is None:
        return None
    for revision in reversed([one for one in records.revisions(submission.submission_id) if one.kind == LIVE]):
        rows = {row.sample_id: row for row in records.publications(revision.revision_id)}
        if sample_id in rows:
            return states.published(submission, revision, rows[sample_id])
        if revision.status is not RevisionStatus.DELTA:  # a delta is of the samples that it touches only
            break
    else:
        return None
    return next((state for state in states.ended(desk, submission, revision) if state.sample_id == sample_id), None)
