"""Studies: a sample interpreted anew with the knowledge of a date. A study is never current, sends no results and no states, waits for
nothing and holds up nothing: readers see it by `--as-of` alone. It goes in the background lane.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from processors.knowledge.as_of import plan_as_of
from processors.land.store import STUDY, RevisionRow, RevisionStatus, SubmissionRow
from schemas import identity
from schemas.plan import Plan
from streams.control.desk import Desk
from streams.control.intake import Intake
from streams.control.plans import ActiveSet


class StudyRefused(ValueError):
    """A date that is none, or lies ahead."""


class Studies:
    """Opens studies. The same sample, date and packs again are the same revision."""

    def __init__(self, desk: Desk, intake: Intake, active: ActiveSet) -> None:
        self._desk = desk
        self._intake = intake
        self._active = active

    def replay(self, submission: SubmissionRow, as_of: str) -> str:
        """Interpret a submission as of a date; returns what is done. Raises StudyRefused, PackError, StoreError, BrokerError."""
        records = self._desk.records
        plan = plan_as_of(self._active.assigned(submission.build), self._active.packs, self._day(as_of))
        revision_id = study_id(submission.submission_id, plan)
        with self._desk.lock:  # deltas give numbers too
            revisions = records.revisions(submission.submission_id)
            known = next((one for one in revisions if one.revision_id == revision_id), None)
            if known is not None and records.publications(revision_id):
                return f"study {known.number} ({revision_id}) is published"
            if known is None:
                number = max((one.number for one in revisions), default=0) + 1
                known = self._intake.open_revision(submission, number=number, study=plan)
            elif known.status is not RevisionStatus.OPEN:
                known = replace(known, status=RevisionStatus.OPEN, reason="", changed_at=self._desk.clock.now())
                records.record_revision(known)
        self._begin(submission, known)
        return f"study {known.number} ({revision_id})"

    def _begin(self, submission: SubmissionRow, revision: RevisionRow) -> None:
        flight = self._desk.follow(submission, revision)
        if flight.progress.promised is None and self._desk.records.manifest(revision.revision_id) is None:
            self._intake.begin(flight)

    def _day(self, text: str) -> date:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise StudyRefused(f"arguments.as_of: {text[:40]!r} is not a date, like 2017-01-15") from None
        today = datetime.fromtimestamp(self._desk.clock.now() / 1000, UTC).date()
        if day > today:
            raise StudyRefused(f"arguments.as_of: {day} lies ahead (today is {today})")
        return day


def study_id(submission_id: str, plan: Plan) -> str:
    """Id of a study: apart from that of a live revision under the same plan."""
    return identity.revision_id(submission_id, plan.plan_id, STUDY)
