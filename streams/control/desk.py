"""What the parts of the control plane share: the records, the outgoing port, the clock, and the revisions in flight."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from processors.land.store import STUDY, RevisionRow, RevisionStatus, SubmissionRow
from schemas.events import Lane
from streams.clock import now_ms
from streams.control.outgoing import Outbox
from streams.control.progress import Progress
from streams.control.projection import Projection
from streams.control.records import Records
from streams.control.room import Boundless, Room
from streams.failpoints import FailPoints, Harmless


class Clock:
    """Time of day in ms since 1970 UTC, and seconds of a clock that never goes back. A test passes its own."""

    def now(self) -> int:
        return now_ms()

    def seconds(self) -> float:
        return time.monotonic()


@dataclass
class InFlight:
    """One open revision as control follows it. `look_after` (clock seconds) is when its ledger is read next."""

    submission: SubmissionRow
    revision: RevisionRow
    progress: Progress
    look_after: float = 0.0
    verify_after: float = 0.0
    verify_failures: int = 0
    resend_after: float = 0.0
    waits: str = ""  # why its job is held back; it is sent once there is room
    changed: bool = False  # since its states were last made
    show_after: float = 0.0


@dataclass
class Desk:
    """Shared state. Whoever reads or changes `in_flight` holds `lock`; nobody holds it over a file, a read-back or many messages."""

    records: Records
    outbox: Outbox
    projection: Projection
    points: FailPoints = field(default_factory=Harmless)
    clock: Clock = field(default_factory=Clock)
    room: Room = field(default_factory=Boundless)
    patience: float = 30.0
    """Seconds without any movement after which a revision counts as stuck."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    in_flight: dict[str, InFlight] = field(default_factory=dict)  # by revision_id
    newest: dict[str, int] = field(default_factory=dict)
    """Greatest ordinal by sample_id, of the samples in flight: a sample's state is that of its newest submission."""

    def follow(self, submission: SubmissionRow, revision: RevisionRow) -> InFlight:
        """Follow an open revision from now on; the same one again is the one already followed. A study goes in the background."""
        if revision.kind == STUDY:
            submission = replace(submission, lane=Lane.BACKGROUND)
        with self.lock:
            known = self.in_flight.get(revision.revision_id)
            if known is not None:
                return known
            self.newest |= self.records.newest_ordinals(submission.sample_ids)
            progress = Progress(submission.submission_id, revision.revision_id, self.clock.seconds(), revision.changed_at)
            # a restart follows many at once: their patience must not run out in one moment
            jitter = random.uniform(0, self.patience / 4)  # noqa: S311 - spreads load, no secret
            flight = InFlight(submission, revision, progress, resend_after=self.clock.seconds() + self.patience + jitter)
            self.in_flight[revision.revision_id] = flight
            return flight

    def shown_of(self, submission: SubmissionRow) -> list[str]:
        """Samples of a submission of which no newer one is known: those whose state it is to show."""
        return [sample_id for sample_id in submission.sample_ids if submission.ordinal >= self.newest.get(sample_id, 0)]

    def of_sample(self, sample_id: str) -> Iterator[InFlight]:
        """Revisions in flight that hold a sample."""
        with self.lock:
            return iter([flight for flight in self.in_flight.values() if sample_id in flight.submission.sample_ids])

    def close(self, revision: RevisionRow, status: RevisionStatus, reason: str) -> RevisionRow:
        """Write that a revision ended without publication, and follow it no longer."""
        closed = replace(revision, status=status, reason=reason, changed_at=self.clock.now())
        with self.lock:
            self.records.record_revision(closed)
            self.in_flight.pop(revision.revision_id, None)
        return closed
