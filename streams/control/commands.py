"""What a person asks for: of samples (cancel, delete, acknowledge, replay, reanalysis) and of knowledge (release, rollback, pause, resume).

Each command is done once, however often it is delivered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from processors.knowledge.pack import PackError
from processors.land.publication import NotVerified
from processors.land.readback import UnknownRevision
from processors.land.store import LIVE, DecisionRow, RevisionRow, RevisionStatus, SubmissionRow
from schemas import identity
from schemas.events import Command
from streams.control import states
from streams.control.consent import ALLOWED, REFUSED, Consent
from streams.control.desk import Desk
from streams.control.intake import Intake, Outcome
from streams.control.plans import ActiveSet
from streams.control.progress import Phase
from streams.control.publication import Publisher
from streams.control.records import Position
from streams.control.release_request import NothingToDo, ReleaseRefused
from streams.control.releases import Releases
from streams.control.studies import Studies, StudyRefused
from streams.failpoints import FailPoint

SWEEPS = (30.0, 300.0, 3600.0)
"""Seconds after a deletion at which rows that an insert under way has added meanwhile are removed. No view ever shows them."""
_SAMPLE_ID = re.compile(r"[0-9a-f]{32}")


class CommandRefused(ValueError):
    """A command that is none, or that nothing can be done about; the message says why."""


class Commands:
    """Takes commands, in the order of `run.events`."""

    def __init__(self, desk: Desk, intake: Intake, publisher: Publisher, active: ActiveSet, releases: Releases, consent: Consent) -> None:
        self._desk = desk
        self._intake = intake
        self._publisher = publisher
        self._active = active
        self._studies = Studies(desk, intake, active)
        self._releases = releases
        self._consent = consent
        self._sweeps: list[tuple[float, str, int]] = []  # (clock seconds, sample_id, epoch)
        self._kinds: dict[str, Callable[[Command, str, Position], str]] = {
            "cancel": self._cancel,
            "delete": self._delete,
            "acknowledge": self._acknowledge,
            "replay": self._replay,
            "reanalysis": self._reanalysis,
        }
        self._of_knowledge: dict[str, Callable[[Command], str]] = {
            "release": releases.take,
            "rollback": releases.take,
            "pause": lambda command: releases.pause(command, True),
            "resume": lambda command: releases.pause(command, False),
        }

    def take(self, command: Command, position: Position) -> str:
        """Do what a command asks and write down what came of it; returns that. Raises StoreError, BrokerError: call again."""
        records = self._desk.records
        done = records.decision_at(position)
        if done is not None:
            return done.outcome
        of_knowledge = self._of_knowledge.get(command.kind)
        sample_id = "" if of_knowledge else self.sample_id(command.sample)
        try:
            outcome = of_knowledge(command) if of_knowledge else self._of_sample(command, sample_id, position)
        except NothingToDo as nothing:
            outcome = f"nothing: {nothing}"
        except (CommandRefused, ReleaseRefused) as refusal:
            outcome = f"refused: {refusal}"
        records.record_decision(
            DecisionRow(*position, command.id, command.kind, sample_id, "", command.actor, command.reason, outcome, self._desk.clock.now())
        )
        return outcome

    def _of_sample(self, command: Command, sample_id: str, position: Position) -> str:
        if command.kind not in self._kinds:
            raise CommandRefused(f"kind: {command.kind!r} is not one of {', '.join([*self._kinds, *self._of_knowledge])}")
        return self._kinds[command.kind](command, sample_id, position)

    def sample_id(self, sample: str) -> str:
        """The pseudonym of what a person typed: a sample's name, or the pseudonym itself."""
        if _SAMPLE_ID.fullmatch(sample) and self._desk.records.newest_submission(sample) is not None:
            return sample
        return self._intake.sample_id(sample)

    def sweep(self) -> int:
        """Remove what was inserted for deleted samples after their deletion, where it is time to look. Raises StoreError."""
        desk = self._desk
        with desk.lock:
            due = [sweep for sweep in self._sweeps if sweep[0] <= desk.clock.seconds()]
        for sweep in due:
            desk.records.delete_sample(sweep[1], sweep[2], lambda: None)
            with desk.lock:
                self._sweeps.remove(sweep)
        return len(due)

    # --- kinds -------------------------------------------------------------------------------------------------------

    def _cancel(self, command: Command, sample_id: str, position: Position) -> str:
        del position
        flights = list(self._desk.of_sample(sample_id))
        if not flights:
            raise CommandRefused("nothing of this sample is in flight")
        for flight in flights:
            self._end(flight.submission, flight.revision, RevisionStatus.CANCELLED, _because("cancelled", command))
        return f"cancelled {len(flights)}"

    def _delete(self, command: Command, sample_id: str, position: Position) -> str:
        del position
        desk, records = self._desk, self._desk.records
        submissions = records.submissions_of(sample_id)
        if not submissions:
            raise CommandRefused("no such sample")
        for submission in submissions:
            # the event that led to it may be read again from the topic's beginning: it must not bring the sample back
            records.record_decision(
                DecisionRow(
                    submission.cluster, submission.partition, submission.offset, submission.event_id, Outcome.DELETED, sample_id, "",
                    command.actor, command.reason, Outcome.DELETED, desk.clock.now(),
                )
            )  # fmt: skip
        for flight in list(desk.of_sample(sample_id)):
            self._end(flight.submission, flight.revision, RevisionStatus.DELETED, _because("a sample of it was deleted", command))
        epoch = records.next_epoch(sample_id)
        records.delete_sample(sample_id, epoch, lambda: desk.points.reach(FailPoint.DELETE_EPOCH))
        now = desk.clock.seconds()
        with desk.lock:
            self._sweeps += [(now + after, sample_id, epoch) for after in SWEEPS]
            desk.projection.forget(sample_id)
        return f"deleted {len(submissions)} submissions"

    def _acknowledge(self, command: Command, sample_id: str, position: Position) -> str:
        del position
        waiting = [flight for flight in self._desk.of_sample(sample_id) if flight.progress.phase is Phase.INCOMPLETE]
        if not waiting:
            raise CommandRefused("nothing of this sample is incomplete and waits to be acknowledged")
        for flight in waiting:
            try:
                self._publisher.acknowledge(flight, command.actor, command.reason)
            except (NotVerified, UnknownRevision) as error:
                raise CommandRefused(str(error)) from error
        return f"published {len(waiting)} incomplete"

    def _replay(self, command: Command, sample_id: str, position: Position) -> str:
        del position
        submission = self._desk.records.newest_submission(sample_id)
        if submission is None:
            raise CommandRefused("no such sample")
        revisions = self._desk.records.revisions(submission.submission_id)
        epoch = max(self._desk.records.epochs(submission.sample_ids).values())
        if any(revision.epoch < epoch for revision in revisions):
            raise CommandRefused("a sample of the file was deleted; submit the file again")
        if "as_of" in command.arguments:
            return self._study(submission, command.arguments["as_of"])
        revisions = [revision for revision in revisions if revision.kind == LIVE]
        if revisions and revisions[-1].status is RevisionStatus.OPEN and not self._desk.records.publications(revisions[-1].revision_id):
            self._intake.resume(submission)  # also what a repeated delivery of this very command finds
            if self._read_again(revisions[-1]):
                return f"revision {revisions[-1].number} is read again from its file"
            return f"revision {revisions[-1].number} is in flight"
        try:
            with self._desk.lock:  # a delta gives numbers too
                revision = self._again(submission, self._desk.records.revisions(submission.submission_id))
        except PackError as error:
            raise CommandRefused(f"no plan: {error}") from error
        self._intake.resume(submission)
        return f"revision {revision.number}"

    def _study(self, submission: SubmissionRow, as_of: str) -> str:
        try:
            return self._studies.replay(submission, as_of)
        except PackError as error:
            raise CommandRefused(f"no plan: {error}") from error
        except StudyRefused as error:
            raise CommandRefused(str(error)) from error

    def _reanalysis(self, command: Command, sample_id: str, position: Position) -> str:
        del position
        answer = command.arguments.get("answer", "")
        if answer not in (ALLOWED, REFUSED):
            raise CommandRefused(f"arguments.answer: {answer!r} is neither {ALLOWED} nor {REFUSED}")
        if self._desk.records.newest_submission(sample_id) is None:
            raise CommandRefused("no such sample")
        outcome = self._consent.decide(command, sample_id, answer == ALLOWED)
        self._releases.reconciler.poke()
        return outcome

    def _read_again(self, revision: RevisionRow) -> bool:
        """Send the job of a revision that is held up: a chunk that was damaged on its way is whole in the file, and rows that a
        killed server took for landed and does not have land under new tokens."""
        with self._desk.lock:
            flight = self._desk.in_flight.get(revision.revision_id)
            held = flight is not None and flight.progress.phase is Phase.INCOMPLETE
        if flight is None or not held:
            return False
        self._intake.begin(flight)
        return True

    def _again(self, submission: SubmissionRow, revisions: list[RevisionRow]) -> RevisionRow:
        """A new open revision of a submission, or an ended one under the same plan opened again."""
        records = self._desk.records
        by_id = {revision.revision_id: revision for revision in revisions}
        plan = self._active.assigned(submission.build)
        base = ""
        while (known := by_id.get(identity.revision_id(submission.submission_id, plan.plan_id, base))) is not None:
            if not records.publications(known.revision_id):
                reopened = replace(known, status=RevisionStatus.OPEN, reason="", changed_at=self._desk.clock.now())
                records.record_revision(reopened)
                return reopened
            base = known.revision_id
        return self._intake.open_revision(submission, base, number=max((r.number for r in revisions), default=0) + 1)

    def _end(self, submission: SubmissionRow, revision: RevisionRow, status: RevisionStatus, reason: str) -> None:
        closed = self._desk.close(revision, status, reason)
        with self._desk.lock:
            for state in states.ended(self._desk, submission, closed):
                self._desk.projection.put(state, now=True)


def _because(what: str, command: Command) -> str:
    return f"{what} by {command.actor}" + (f": {command.reason}" if command.reason else "")
