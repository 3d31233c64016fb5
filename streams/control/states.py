"""`SampleState` values: what a person is shown of a submission, a revision in flight, a publication or a refusal."""

from __future__ import annotations

from processors.land.publication import PublicationRow
from processors.land.store import STUDY, RevisionRow, RevisionStatus, SubmissionRow
from schemas.events import Lane, SampleState, StageProgress
from streams.control.desk import Desk, InFlight
from streams.control.progress import Phase

_ENDED = {
    RevisionStatus.ABANDONED: Phase.CANCELLED,
    RevisionStatus.CANCELLED: Phase.CANCELLED,
    RevisionStatus.FAILED: Phase.FAILED,
    RevisionStatus.DELETED: Phase.DELETED,
}


def in_flight(desk: Desk, flight: InFlight) -> list[SampleState]:
    """States of a revision in flight, of each sample that it is the newest of; none of a study. `eta` is a time, ms since 1970 UTC."""
    if flight.revision.kind == STUDY:
        return []
    progress, seconds, now = flight.progress, desk.clock.seconds(), desk.clock.now()
    left = progress.remaining(seconds)
    alone = len(flight.submission.samples) == 1
    return [
        _state(
            flight.submission,
            flight.revision,
            sample_id,
            state=progress.phase,
            reason=flight.waits or progress.reason(seconds, desk.patience),
            landed=progress.rows_landed if alone else 0,  # a chunk holds rows of all samples; one sample's share shows at publication
            quarantined=0,
            stages=progress.stages(seconds),
            eta=now + round(1000 * left) if left >= 0 else -1,
            provider=progress.provider,
            updated_at=now,
        )
        for sample_id in desk.shown_of(flight.submission)
    ]


def ended(desk: Desk, submission: SubmissionRow, revision: RevisionRow) -> list[SampleState]:
    """States of a revision that ended without publication, of each sample that it is the newest of."""
    return [
        _state(submission, revision, sample_id, state=_ended_phase(revision), reason=revision.reason, updated_at=revision.changed_at)
        for sample_id in desk.shown_of(submission)
        if revision.kind != STUDY
    ]


def published(submission: SubmissionRow, revision: RevisionRow, row: PublicationRow, provider: str = "") -> SampleState:
    """State of one sample of a published revision."""
    held = sum(row.quarantined.values())
    return _state(
        submission,
        revision,
        row.sample_id,
        state=Phase.PUBLISHED,
        reason="" if row.complete else f"published incomplete, acknowledged by {row.actor}: {row.reason}",
        variants_in=row.variants_in,
        landed=row.landed,
        quarantined=held,
        stages=(
            StageProgress("ingest", row.variants_in, row.variants_in, 0.0),
            StageProgress("interpret", row.landed + held, row.variants_in, 0.0),
        ),
        eta=row.published_at,
        provider=provider,
        updated_at=row.published_at,
    )


def refused(sample_id: str, build: str, lane: Lane, submitted_at: int, reason: str, now: int) -> SampleState:
    """State of a sample whose announcement was not admitted."""
    return SampleState(
        sample_id=sample_id,
        submission_id="",
        revision_id="",
        plan_id="",
        build=build,
        lane=lane,
        state=Phase.REJECTED,
        reason=reason,
        variants_in=0,
        landed=0,
        quarantined=0,
        revision=0,
        stages=(),
        eta=-1,
        provider="",
        submitted_at=submitted_at,
        updated_at=now,
    )


def _ended_phase(revision: RevisionRow) -> Phase:
    return _ENDED.get(revision.status, Phase.QUEUED)


def _state(
    submission: SubmissionRow,
    revision: RevisionRow,
    sample_id: str,
    *,
    state: Phase,
    reason: str,
    updated_at: int,
    variants_in: int = 0,
    landed: int = 0,
    quarantined: int = 0,
    stages: tuple[StageProgress, ...] = (),
    eta: int = -1,
    provider: str = "",
) -> SampleState:
    return SampleState(
        sample_id=sample_id,
        submission_id=submission.submission_id,
        revision_id=revision.revision_id,
        plan_id=revision.plan_id,
        build=submission.build,
        lane=submission.lane,
        state=state.value,
        reason=reason,
        variants_in=variants_in,
        landed=landed,
        quarantined=quarantined,
        revision=revision.number,
        stages=stages,
        eta=eta,
        provider=provider,
        submitted_at=submission.event_time,
        updated_at=updated_at,
    )
