"""Watching revisions: receipts and a timer say when to look, the ledger says what landed, and what is late is asked for again."""

from __future__ import annotations

import random
from dataclasses import replace

from processors.land.store import RevisionStatus
from schemas.events import Receipt, SampleManifest
from streams.backlog import Backlog
from streams.broker import BrokerError
from streams.control import states
from streams.control.desk import Desk, InFlight
from streams.control.intake import Intake
from streams.control.progress import Phase
from streams.control.records import Quarantined
from streams.failpoints import FailPoint
from streams.logs import logger

LOOK = 5.0
"""Seconds between two looks at the ledger of a revision of which no receipt speaks."""
LOOK_SOON = 0.25
"""Seconds to the next look after a receipt: a burst of receipts is one look."""
RESENDS = 8
"""Times that a job is sent again before a person must look; with doubling pauses this spans hours."""


class Watch:
    """Follows the revisions on the desk."""

    def __init__(self, desk: Desk, intake: Intake, backlog: Backlog) -> None:
        self._desk = desk
        self._intake = intake
        self._backlog = backlog

    # --- events ------------------------------------------------------------------------------------------------------

    def manifest(self, manifest: SampleManifest) -> bool:
        """Keep what ingest promises; the same again is harmless. False: of no open revision, ignored. Raises StoreError."""
        desk = self._desk
        with desk.lock:
            flight = desk.in_flight.get(manifest.revision_id)
        if flight is None:
            return False
        if manifest.source_digest != flight.submission.file.digest:
            self._fail(
                flight,
                f"the file that was read (sha256 {manifest.source_digest[:12]}) is not the one announced"
                f" ({flight.submission.file.digest[:12]}); submit it again",
            )
            return False
        desk.records.record_manifest(manifest)
        desk.points.reach(FailPoint.MANIFEST_ROWS)
        with desk.lock:
            flight.progress.on_manifest(manifest, desk.clock.seconds())
            flight.look_after = 0.0
            flight.changed = True
        return True

    def receipt(self, receipt: Receipt) -> bool:
        """Take a hint. Quarantined chunks and failed jobs are written down, since no other table says so. Raises StoreError."""
        desk = self._desk
        with desk.lock:
            flight = desk.in_flight.get(receipt.revision_id)
            if flight is None:
                return False
            now = desk.clock.seconds()
            changed = flight.progress.on_receipt(receipt, now)
            held = flight.progress.held.get(receipt.ordinal) if receipt.chunk_id and receipt.outcome == "quarantined" else None
            if receipt.stage == "land":
                flight.look_after = min(flight.look_after, now + LOOK_SOON)
                if flight.progress.unverified:  # the file is read again: read back anew
                    flight.progress.unverified, flight.verify_failures, flight.verify_after = (), 0, now + LOOK_SOON
                    changed = True
        if held is not None:
            desk.records.record_quarantined(
                receipt.submission_id,
                receipt.revision_id,
                Quarantined(receipt.chunk_id, receipt.ordinal, receipt.stage, receipt.reason, receipt.time),
            )
        if flight.progress.failure:
            self._fail(flight, flight.progress.failure)
        elif changed:
            with desk.lock:
                flight.changed = True
        return changed

    # --- the timer ---------------------------------------------------------------------------------------------------

    def look(self) -> list[InFlight]:
        """Read the ledgers that are due, send jobs that waited for room or are late, and return what is ready to be verified.

        Raises StoreError, BrokerError.
        """
        desk = self._desk
        with desk.lock:
            now = desk.clock.seconds()
            due = [flight for flight in desk.in_flight.values() if flight.look_after <= now]
            waiting = [flight for flight in desk.in_flight.values() if flight.waits]
        for flight in waiting:
            if not self._intake.begin(flight):
                break  # no room for one is no room for the next
        for flight in due:
            self._read_ledger(flight)
            if flight.progress.stuck(desk.clock.seconds(), desk.patience) is not None:
                self._ask_again(flight)
            with desk.lock:
                flight.changed = True
        with desk.lock:
            now = desk.clock.seconds()
            return [f for f in desk.in_flight.values() if f.progress.phase is Phase.VERIFYING and f.verify_after <= now]

    def restore(self, flight: InFlight) -> None:
        """Bring a revision's progress back from the tables. Raises StoreError."""
        records, revision_id = self._desk.records, flight.revision.revision_id
        manifest = records.manifest(revision_id)
        quarantined, landed = records.quarantined(revision_id), records.landed(revision_id)
        with self._desk.lock:
            now = self._desk.clock.seconds()
            if manifest is not None:
                flight.progress.on_manifest(manifest, now)
            flight.progress.on_quarantined(quarantined)
            flight.progress.on_ledger(landed, now)
            flight.changed = True

    def _read_ledger(self, flight: InFlight) -> None:
        rows = self._desk.records.landed(flight.revision.revision_id)
        with self._desk.lock:
            now = self._desk.clock.seconds()
            if flight.progress.on_ledger(rows, now):
                flight.verify_after = 0.0
            flight.look_after = now + LOOK

    def _ask_again(self, flight: InFlight) -> None:
        """Send a late revision's job again, if nothing of its lane is waiting anywhere. Same job, same chunks, same rows."""
        desk, progress = self._desk, flight.progress
        now = desk.clock.seconds()
        if flight.waits or now < flight.resend_after or progress.resent >= RESENDS or not self._owes(flight):
            return
        try:
            waiting = self._backlog.unread(flight.submission.lane)
        except BrokerError as error:
            logger().info("backlog unknown", revision_id=flight.revision.revision_id, reason=str(error))
            return
        if waiting > 0:
            return
        if not self._intake.begin(flight):
            return
        with desk.lock:
            progress.on_resent(now)
            pause = desk.patience * 2**progress.resent
            flight.resend_after = now + random.uniform(pause, 1.5 * pause)  # noqa: S311 - spreads load, no secret
        logger().warning("job sent again", revision_id=flight.revision.revision_id, times=progress.resent, missing=len(progress.missing))

    @staticmethod
    def _owes(flight: InFlight) -> bool:
        return flight.progress.promised is None or bool(flight.progress.missing)

    def _fail(self, flight: InFlight, reason: str) -> None:
        desk = self._desk
        closed = desk.close(flight.revision, RevisionStatus.FAILED, reason)
        with desk.lock:
            for state in states.ended(desk, flight.submission, closed):
                desk.projection.put(replace(state, provider=flight.progress.provider), now=True)
