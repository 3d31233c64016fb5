"""Intake: an announcement becomes a submission, a revision and a job, once, whatever is delivered twice or dies in between.

Rows are written before the message that depends on them is sent; the event's offset is committed after both. So every death leaves either
an event that is delivered again, or rows from which the rest follows.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from dataclasses import replace

from processors.knowledge.pack import PackError
from processors.land.store import LIVE, STUDY, DecisionRow, RevisionRow, RevisionStatus, SubmissionRow
from schemas import identity
from schemas.events import CompletionEvent, SampleName
from schemas.plan import Plan
from streams.control import states
from streams.control.consent import Consent
from streams.control.desk import Desk, InFlight
from streams.control.gate import Announcement, Refused, Surroundings, admit
from streams.control.plans import ActiveSet, send_job, send_plan
from streams.control.records import Position
from streams.failpoints import FailPoint
from streams.logs import logger


class Outcome(enum.StrEnum):
    """What became of an announcement."""

    ACCEPTED = "accepted"
    RESUMED = "resumed"  # the same delivery again: what was left to do is done
    DUPLICATE = "duplicate"
    CASE = "case"  # the same calls with another panel, phenotype, pedigree or lane
    REJECTED = "rejected"
    DELETED = "deleted"  # led to a submission that was deleted since


class Intake:
    """Takes announcements, one after another (the topic has one partition)."""

    def __init__(self, desk: Desk, around: Surroundings, active: ActiveSet, key_of_people: bytes, consent: Consent) -> None:
        self._desk = desk
        self._around = around
        self._active = active
        self._key = key_of_people
        self._consent = consent

    def sample_id(self, name: str) -> str:
        """Pseudonym of a sample."""
        return identity.person_id(self._key, "sample", name)

    def take(self, event: CompletionEvent, position: Position, refuse: Callable[[Refused], None]) -> Outcome:
        """Take one announcement. `refuse` keeps the original bytes of one that is not admitted.

        Raises StoreError, BrokerError: the same call again goes on where this one stopped.
        """
        records = self._desk.records
        known = records.submission_at(position)
        if known is not None:
            self.resume(known)
            return Outcome.RESUMED
        done = records.decision_at(position)
        if done is not None:
            return Outcome(done.kind)
        try:
            announcement = admit(event, self._around)
            self._plan(announcement.event.build)
        except Refused as refusal:
            self._reject(event, position, refusal, refuse)
            return Outcome.REJECTED
        return self._admitted(announcement, position)

    def _admitted(self, announcement: Announcement, position: Position) -> Outcome:
        desk = self._desk
        samples = tuple(SampleName(name, self.sample_id(name)) for name in announcement.samples)
        self._consent.announce([sample.sample_id for sample in samples], announcement.event.reanalysis)
        newest = self._newest(samples)
        if newest is not None and self._stands(newest):
            if newest.event_id == announcement.event_id:
                self._decide(position, announcement.event_id, Outcome.DUPLICATE, newest, "the same announcement as the newest one")
                return Outcome.DUPLICATE
            if _same_calls(newest, announcement):
                self._decide(position, announcement.event_id, Outcome.CASE, newest, _case_inputs(announcement))
                return Outcome.CASE
        desk.points.reach(FailPoint.INTAKE_ACCEPTED)
        submission = self._submission(announcement, samples, position)
        desk.records.record_submission(submission)
        desk.points.reach(FailPoint.INTAKE_SUBMISSION)
        self.resume(submission)
        return Outcome.ACCEPTED

    def resume(self, submission: SubmissionRow) -> None:
        """Do whatever a submission still lacks: its revision, the end of older ones, its plan and its job."""
        desk, records = self._desk, self._desk.records
        revisions = [revision for revision in records.revisions(submission.submission_id) if revision.kind == LIVE]
        revision = revisions[-1] if revisions else self.open_revision(submission)
        if revision.status is not RevisionStatus.OPEN or records.publications(revision.revision_id):
            return
        self._abandon_older(submission)
        flight = desk.follow(submission, revision)
        if flight.progress.promised is not None or records.manifest(revision.revision_id) is not None:
            return
        self.begin(flight)
        with desk.lock:
            for state in states.in_flight(desk, flight):
                desk.projection.put(state, now=True)

    def open_revision(self, submission: SubmissionRow, base: str = "", number: int = 1, *, study: Plan | None = None) -> RevisionRow:
        """Pin the plan, or that of a study, and write a new open revision. Raises PackError."""
        desk = self._desk
        plan = study or self._active.assigned(submission.build)
        revision = RevisionRow(
            revision_id=identity.revision_id(submission.submission_id, plan.plan_id, STUDY if study else base),
            submission_id=submission.submission_id,
            plan_id=plan.plan_id,
            base=base,
            number=number,
            kind=STUDY if study else LIVE,
            epoch=max(desk.records.epochs(submission.sample_ids).values()),
            status=RevisionStatus.OPEN,
            reason="",
            changed_at=desk.clock.now(),
        )
        desk.records.record_plan(plan)
        self._active.note_names(self._active.packs, plan)
        desk.records.record_revision(revision)
        desk.points.reach(FailPoint.INTAKE_ROWS)
        return revision

    def begin(self, flight: InFlight) -> bool:
        """Send a revision's plan and job, or hold them back and note why while there is no room; True where sent. Again is harmless.

        Nothing waits here: what stands behind this event in the topic (manifests of samples whose end makes room) goes on.
        """
        waits = self._desk.room.lack()
        if not waits:
            self.dispatch(flight.submission, flight.revision)
        with self._desk.lock:
            if bool(waits) != bool(flight.waits):
                logger().warning("job held back" if waits else "job sent", revision_id=flight.revision.revision_id, reason=waits)
            if flight.waits and not waits:
                flight.progress.on_sent(self._desk.clock.seconds())
                flight.resend_after = self._desk.clock.seconds() + self._desk.patience
            flight.waits, flight.changed = waits, True
        return not waits

    def dispatch(self, submission: SubmissionRow, revision: RevisionRow) -> None:
        """Send a revision's plan and job. Sending them again is harmless."""
        plan = self._desk.records.plan(revision.plan_id)
        if plan is None:
            raise LookupError(
                f"plan {revision.plan_id} of revision {revision.revision_id} is not on record; replay the sample to plan it anew"
            )
        send_plan(self._desk, plan)
        self._desk.points.reach(FailPoint.INTAKE_PLAN)
        send_job(self._desk, submission, revision)
        self._desk.points.reach(FailPoint.INTAKE_JOB)

    def _plan(self, build: str) -> None:
        """Raises Refused where no plan can be pinned for a build now: a pack that its active set names is missing or damaged."""
        try:
            self._active.assigned(build)
        except PackError as error:
            raise Refused("build", str(error)) from error

    # --- dedupe ------------------------------------------------------------------------------------------------------

    def _newest(self, samples: tuple[SampleName, ...]) -> SubmissionRow | None:
        """The newest submission of exactly these samples, if it is the newest of each of them."""
        wanted = {sample.sample_id for sample in samples}
        newest = self._desk.records.newest_submission(samples[0].sample_id)
        if newest is None or set(newest.sample_ids) != wanted:
            return None
        greatest = self._desk.records.greatest_ordinal(sorted(wanted))
        return newest if newest.ordinal == greatest else None

    def _stands(self, submission: SubmissionRow) -> bool:
        """True while a submission is in flight or published, and none of its samples was deleted since: again, it would change nothing."""
        records = self._desk.records
        epoch = max(records.epochs(submission.sample_ids).values())
        return any(
            revision.epoch >= epoch and (revision.status is RevisionStatus.OPEN or bool(records.publications(revision.revision_id)))
            for revision in records.revisions(submission.submission_id)
            if revision.kind == LIVE
        )

    # --- rows --------------------------------------------------------------------------------------------------------

    def _submission(self, announcement: Announcement, samples: tuple[SampleName, ...], position: Position) -> SubmissionRow:
        event = announcement.event
        ids = [sample.sample_id for sample in samples]
        ordinal = self._desk.records.greatest_ordinal(ids) + 1
        return SubmissionRow(
            submission_id=identity.submission_id(ids, event.file.digest, event.build, event.options, ordinal),
            event_id=announcement.event_id,
            ordinal=ordinal,
            cluster=position.cluster,
            partition=position.partition,
            offset=position.offset,
            build=event.build,
            lane=event.lane,
            file=event.file,
            samples=samples,
            options=event.options,
            run_id=event.run_id,
            source=event.source,
            family=event.family,
            hpo=event.hpo,
            panel=event.panel,
            event_time=event.time,
            accepted_at=self._desk.clock.now(),
        )

    def _abandon_older(self, submission: SubmissionRow) -> None:
        """End older open revisions whose samples are all among this submission's. One of a wider file goes on, for the others in it."""
        mine = set(submission.sample_ids)
        for revision in self._desk.records.open_revisions():
            if revision.submission_id == submission.submission_id or revision.kind == STUDY:
                continue
            other = self._desk.records.submission(revision.submission_id)
            if other is not None and set(other.sample_ids) <= mine and other.ordinal < submission.ordinal:
                self._desk.close(
                    revision, RevisionStatus.ABANDONED, f"a newer submission of the sample took its place ({submission.submission_id})"
                )

    def _reject(self, event: CompletionEvent, position: Position, refusal: Refused, refuse: Callable[[Refused], None]) -> None:
        desk = self._desk
        refuse(refusal)
        for name in event.samples[:100]:
            sample_id = self.sample_id(name)
            state = states.refused(sample_id, event.build, event.lane, event.time, str(refusal), desk.clock.now())
            with desk.lock:
                standing = desk.projection.latest(sample_id)
                desk.projection.send(state)
                if standing is not None:  # what stood still stands: a watcher saw the refusal pass, a later reader sees the sample
                    desk.projection.send(
                        replace(standing, reason=f"a later announcement was refused: {refusal}", updated_at=desk.clock.now())
                    )
        self.note_refusal(position, event.id, refusal)

    def note_refusal(self, position: Position, event_id: str, refusal: Refused) -> None:
        """Write down that the event at a position was refused. Raises StoreError."""
        self._decide(position, event_id, Outcome.REJECTED, None, str(refusal))

    def _decide(self, position: Position, event_id: str, outcome: Outcome, submission: SubmissionRow | None, why: str) -> None:
        self._desk.records.record_decision(
            DecisionRow(
                *position,
                event_id=event_id,
                kind=outcome.value,
                sample_id=submission.sample_ids[0] if submission and len(submission.samples) == 1 else "",
                revision_id="",
                actor="intake",
                reason=why,
                outcome=outcome.value,
                time=self._desk.clock.now(),
            )
        )


def _case_inputs(announcement: Announcement) -> str:
    """What a case is made from besides calls, kept until cases read it: a resubmission that changes only these makes no new submission."""
    event = announcement.event
    return json.dumps({"panel": event.panel, "hpo": list(event.hpo), "family": event.family, "lane": event.lane}, sort_keys=True)


def _same_calls(submission: SubmissionRow, announcement: Announcement) -> bool:
    event = announcement.event
    return (submission.file.digest, submission.build, dict(submission.options)) == (event.file.digest, event.build, dict(event.options))
