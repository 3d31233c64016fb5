"""Publication and outbox: what landed is read back, published by one row, and announced until delivery is known.

A death before the row leaves an unpublished revision that is verified again; a death after it leaves a publication without `announced`,
whose results are sent again with the same ids.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import chain, groupby, islice

from processors.knowledge.pack import PackError
from processors.land.publication import PublicationRow
from processors.land.readback import UnknownRevision, Verification
from processors.land.store import STUDY, DecisionRow, RevisionRow, RevisionStatus, SubmissionRow
from schemas import identity
from schemas.plan import differ_in_knowledge_alone
from streams.broker import Output
from streams.control import states
from streams.control.delta.announce import announce, is_delta
from streams.control.desk import Desk, InFlight
from streams.control.messages import BATCH, interpreted, result
from streams.control.plans import ActiveSet
from streams.control.records import Position
from streams.failpoints import FailPoint
from streams.logs import logger
from streams.metrics import Metrics

RETRIES = 3
"""Read-backs that may differ before a person must look: merges and inserts under way settle within seconds."""
CONTROL = Position("control", 0, 0)


class Publisher:
    """Verifies, publishes, announces. One thread announces at a time, else a timer would send what is being sent."""

    def __init__(self, desk: Desk, active: ActiveSet, metrics: Metrics) -> None:
        self._desk = desk
        self._metrics = metrics
        self._active = active
        self._one = threading.Lock()
        self.behind: Callable[[], None] = lambda: None
        """Called where a sample was published under a plan that is no longer the assigned one, and a delta can bring it there."""

    def verify(self, flight: InFlight) -> bool:
        """Read a complete revision back; publish it where it equals the manifest. True where published. Raises StoreError, BrokerError."""
        checked = self._read_back(flight)
        if checked is None:
            return False
        if checked.ok:
            self._desk.points.reach(FailPoint.VERIFY_READ)
            return self._publish(flight, checked)
        self._differs(flight, tuple(str(difference) for difference in checked.differences[:10]))
        return False

    def acknowledge(self, flight: InFlight, actor: str, reason: str) -> bool:
        """Publish an incomplete revision without its quarantined chunks: all others must be as promised.

        Raises NotVerified, UnknownRevision, StoreError, BrokerError.
        """
        checked = self._desk.records.read_back(flight.submission.submission_id, flight.revision.revision_id)
        return self._publish(flight, checked, frozenset(flight.progress.held), actor, reason)

    def announce_all(self) -> int:
        """Send the results of everything published and not announced; at start and on a timer. Raises StoreError, BrokerError."""
        with self._one:
            unannounced = self._desk.records.unannounced()
            for _, rows in groupby((row for row in unannounced if not is_delta(row)), key=lambda row: row.revision_id):
                self._announce(tuple(rows))
            deltas = [row for row in unannounced if is_delta(row)]
            if deltas:
                announce(self._desk, deltas, self._metrics.announced.labels("result").inc)
        return len(unannounced)

    def _read_back(self, flight: InFlight) -> Verification | None:
        try:
            with self._metrics.readback_seconds.time():
                return self._desk.records.read_back(flight.submission.submission_id, flight.revision.revision_id)
        except UnknownRevision as error:  # deleted by hand, or by a delete that overtook this read-back
            self._differs(flight, (str(error),))
            return None

    def _differs(self, flight: InFlight, differences: tuple[str, ...]) -> None:
        desk = self._desk
        with desk.lock:
            flight.verify_failures += 1
            flight.verify_after = desk.clock.seconds() + 2.0**flight.verify_failures
            if flight.verify_failures >= RETRIES:
                flight.progress.unverified = differences
        logger().warning("read-back differs", revision_id=flight.revision.revision_id, times=flight.verify_failures, first=differences[:3])

    def _publish(
        self, flight: InFlight, checked: Verification, without: frozenset[int] = frozenset(), actor: str = "", reason: str = ""
    ) -> bool:
        """Append the publication, unless the revision ended meanwhile, and announce it. Raises NotVerified, StoreError, BrokerError."""
        desk, revision = self._desk, flight.revision
        with self._one:
            with desk.lock:  # a cancel or a delete either came before, and is seen here, or comes after a published revision
                if desk.in_flight.get(revision.revision_id) is not flight:
                    return False
                rows = desk.records.publish(checked, at=desk.clock.now(), without=without, actor=actor, reason=reason)
                desk.in_flight.pop(revision.revision_id)
            if not rows:
                desk.close(revision, RevisionStatus.DELETED, "none of its samples is left")
                return False
            desk.points.reach(FailPoint.PUBLISHED)
            self._metrics.published.labels(str(not without).lower()).inc()
            if revision.kind == STUDY:  # nobody waits for it, and nobody is told
                return True
            waited = rows[0].published_at - flight.submission.event_time
            self._metrics.sample_seconds.labels(flight.submission.lane.value).observe(max(waited, 0) / 1000)
            self._announce(rows, flight.progress.provider)
        return True

    def _announce(self, rows: tuple[PublicationRow, ...], provider: str = "") -> None:
        """Send the results and states of a revision's published samples, then write that it was done."""
        desk, first = self._desk, rows[0]
        submission = desk.records.submission(first.submission_id)
        revision = next((r for r in desk.records.revisions(first.submission_id) if r.revision_id == first.revision_id), None)
        if submission is None or revision is None or revision.status is RevisionStatus.DELETED:
            return
        shown = [row for row in rows if self._is_current(row)]
        messages = chain.from_iterable(self._results(row) for row in shown)
        while batch := list(islice(messages, BATCH)):
            desk.outbox.send(*batch)
            self._metrics.announced.labels("result").inc(len(batch))
            desk.points.reach(FailPoint.ANNOUNCING)
        with desk.lock:
            newest = set(desk.shown_of(submission))
            for row in (row for row in shown if row.sample_id in newest):
                desk.projection.send(states.published(submission, revision, row, provider))
        desk.points.reach(FailPoint.ANNOUNCED)
        desk.records.record_announced(first.revision_id, desk.clock.now())
        self._compare_with_assigned(submission, revision)

    def _is_current(self, row: PublicationRow) -> bool:
        """False where a newer submission of the sample is published already (a wide file that finished after a resubmission of one)."""
        current = self._desk.records.current(row.sample_id)
        return current is None or (row.ordinal, row.number) >= (current.ordinal, current.number)

    def _results(self, row: PublicationRow) -> Iterator[Output]:
        """A sample's findings, then its SampleInterpreted; ids and times are the same every time."""
        found = 0
        for finding in self._desk.records.findings(row, row.published_at):
            found += 1
            yield result(row, finding)
        yield result(row, interpreted(row, found))

    def _compare_with_assigned(self, submission: SubmissionRow, revision: RevisionRow) -> None:
        """Ask for a delta where a published revision's plan is no longer the assigned one, or write down that a person must replay it."""
        try:
            assigned = self._active.assigned(submission.build)
        except PackError as error:
            logger().warning("no plan is assigned", build=submission.build, reason=str(error))
            return
        if assigned.plan_id == revision.plan_id:
            return
        plan = self._desk.records.plan(revision.plan_id)
        if plan is not None and differ_in_knowledge_alone(plan, assigned):
            self.behind()
            return
        self._desk.records.record_plan(assigned)
        self._desk.records.record_decision(
            DecisionRow(
                *CONTROL,
                event_id=identity.digest("plan_changed", revision.revision_id, assigned.plan_id),
                kind="plan_changed",
                sample_id="",
                revision_id=revision.revision_id,
                actor="control",
                reason=f"published under plan {revision.plan_id}, assigned is {assigned.plan_id}",
                outcome="recorded",
                time=self._desk.clock.now(),
            )
        )
