"""Publication and outbox: what landed is read back, published by one row, and announced until delivery is known.

A death before the row leaves an unpublished revision that is verified again; a death after it leaves a publication without `announced`,
whose results are sent again with the same ids.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

from processors.knowledge.pack import PackError
from processors.land.store import DecisionRow, RevisionRow, RevisionStatus, SubmissionRow
from schemas import identity
from schemas.events import SampleCount, SampleInterpreted
from streams import wire
from streams.broker import Headers, Output
from streams.control import states
from streams.control.desk import Desk, InFlight
from streams.control.plans import ActiveSet
from streams.control.records import Position, Publication
from streams.failpoints import FailPoint
from streams.logs import logger
from streams.metrics import Metrics
from streams.topics import RESULTS

BATCH = 2_000
"""Results sent between two waits for delivery: bounds what is held in memory."""
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

    def verify(self, flight: InFlight) -> bool:
        """Read a complete revision back; publish it where it equals the manifest. True where published. Raises StoreError, BrokerError."""
        desk, revision = self._desk, flight.revision
        with self._metrics.readback_seconds.time():
            answer = desk.records.read_back(flight.submission.submission_id, revision.revision_id)
        if answer.ok:
            desk.points.reach(FailPoint.VERIFY_READ)
            return self.publish(flight, complete=True)
        with desk.lock:
            flight.verify_failures += 1
            flight.verify_after = desk.clock.seconds() + 2.0**flight.verify_failures
            if flight.verify_failures >= RETRIES:
                flight.progress.unverified = answer.differences or ("unexplained",)
        logger().warning("read-back differs", revision_id=revision.revision_id, times=flight.verify_failures, first=answer.differences[:3])
        return False

    def publish(self, flight: InFlight, *, complete: bool, actor: str = "", reason: str = "") -> bool:
        """Append the publication row, unless the revision ended meanwhile, and announce it. Raises StoreError, BrokerError."""
        desk, revision = self._desk, flight.revision
        publication = Publication(revision.revision_id, revision.submission_id, complete, desk.clock.now(), actor, reason)
        with self._one:
            with desk.lock:  # a cancel or a delete either came before, and is seen here, or comes after a published revision
                if desk.in_flight.get(revision.revision_id) is not flight:
                    return False
                desk.records.record_publication(publication)
                desk.in_flight.pop(revision.revision_id)
            desk.points.reach(FailPoint.PUBLISHED)
            self._metrics.published.labels(str(complete).lower()).inc()
            waited = publication.published_at - flight.submission.event_time
            self._metrics.sample_seconds.labels(flight.submission.lane.value).observe(max(waited, 0) / 1000)
            self._announce(publication, flight.progress.provider)
        return True

    def announce_all(self) -> int:
        """Send the results of everything published and not announced; at start and on a timer. Raises StoreError, BrokerError."""
        with self._one:
            unannounced = self._desk.records.unannounced()
            for publication in unannounced:
                self._announce(publication)
        return len(unannounced)

    def _announce(self, publication: Publication, provider: str = "") -> None:
        desk, records = self._desk, self._desk.records
        submission = records.submission(publication.submission_id)
        revision = next((r for r in records.revisions(publication.submission_id) if r.revision_id == publication.revision_id), None)
        if submission is None or revision is None or revision.status is RevisionStatus.DELETED:
            return
        counts = self.counts(submission, publication)
        messages = self._results(submission, revision, publication, counts)
        while batch := list(islice(messages, BATCH)):
            desk.outbox.send(*batch)
            self._metrics.announced.labels("result").inc(len(batch))
            desk.points.reach(FailPoint.ANNOUNCING)
        current = [sample_id for sample_id in submission.sample_ids if self._current(submission, sample_id)]
        with desk.lock:
            for state in states.published(submission, revision, publication, counts, provider):
                if state.sample_id in current:
                    desk.projection.send(state)
        desk.points.reach(FailPoint.ANNOUNCED)
        records.record_announced(publication.revision_id)
        self._compare_with_assigned(submission, revision)

    def counts(self, submission: SubmissionRow, publication: Publication) -> dict[str, SampleCount]:
        """Per sample what is published: the manifest's figures where complete (they were read back), else what stands in the tables."""
        records = self._desk.records
        manifest = records.manifest(publication.revision_id)
        promised = {count.sample_id: count for count in manifest.samples} if manifest else {}
        if publication.complete:
            return promised
        return records.landed_counts(submission.submission_id, publication.revision_id)

    def _current(self, submission: SubmissionRow, sample_id: str) -> bool:
        """False where a newer submission of the sample is published already (a wide file that finished after a resubmission of one)."""
        return submission.ordinal >= self._desk.records.current_ordinal(sample_id)

    def _results(
        self, submission: SubmissionRow, revision: RevisionRow, publication: Publication, counts: dict[str, SampleCount]
    ) -> Iterator[Output]:
        """Findings of every sample, each sample's followed by its SampleInterpreted; ids and times are the same every time."""
        for sample_id in submission.sample_ids:
            if sample_id not in counts or not self._current(submission, sample_id):
                continue
            found = 0
            for finding in self._desk.records.findings(submission, revision, sample_id, publication.published_at):
                found += 1
                yield Output(RESULTS.name, sample_id.encode(), wire.encode(finding), _headers(revision, finding.id))
            interpreted = _interpreted(submission, revision, publication, counts[sample_id], found)
            yield Output(RESULTS.name, sample_id.encode(), wire.encode(interpreted), _headers(revision, interpreted.id))

    def _compare_with_assigned(self, submission: SubmissionRow, revision: RevisionRow) -> None:
        """Write down that a published revision's plan is no longer the assigned one: what schedules a delta reads these decisions."""
        try:
            assigned = self._active.assigned(submission.build)
        except PackError as error:
            logger().warning("no plan is assigned", build=submission.build, reason=str(error))
            return
        if assigned.plan_id == revision.plan_id:
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


def _headers(revision: RevisionRow, id_: str) -> Headers:
    return [("id", id_.encode()), ("traceparent", identity.traceparent(revision.revision_id).encode())]


def _interpreted(
    submission: SubmissionRow, revision: RevisionRow, publication: Publication, count: SampleCount, findings: int
) -> SampleInterpreted:
    return SampleInterpreted(
        id=identity.result_id(revision.revision_id, count.sample_id, 0, "SampleInterpreted"),
        sample_id=count.sample_id,
        submission_id=submission.submission_id,
        revision_id=revision.revision_id,
        revision=revision.number,
        plan_id=revision.plan_id,
        build=submission.build,
        variants_in=count.variants_in,
        landed=count.landed,
        quarantined=dict(count.quarantined),
        findings=findings,
        complete=publication.complete,
        time=publication.published_at,
    )
