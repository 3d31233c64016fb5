"""Fail points: named places where a test, or an operator proving recovery, lets a process die.

On the in-memory broker a point raises SimulatedCrash, which no `except Exception` catches. In a real process the variable
`RIVERSEQ_FAILPOINT=NAME[:NTH[:MARK]]` makes the process kill itself with SIGKILL when it reaches NAME for the NTH time; with a file MARK,
which it makes as it dies, only the first process to get there does, so that the one started after it goes on.
"""

from __future__ import annotations

import enum
import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

VARIABLE = "RIVERSEQ_FAILPOINT"


class FailPoint(enum.StrEnum):
    """Every named window. The comment says what is done and what is not."""

    TAKEN = "runner.taken"  # a message was taken from the broker, nothing done
    SUBMITTED = "runner.submitted"  # a message is in the stage
    OUTCOME = "runner.outcome"  # its work is done, its outputs are not produced
    PRODUCED = "runner.produced"  # its outputs are queued, not delivered
    DELIVERED = "runner.delivered"  # its outputs are delivered, its offset is not committed
    COMMITTED = "runner.committed"  # its offset is committed
    REVOKING = "runner.revoking"  # partitions are being taken away, nothing of it committed
    REVOKED = "runner.revoked"  # the last commit before giving partitions away is done
    QUARANTINING = "runner.quarantining"  # a message is to be quarantined, nothing written
    QUARANTINED = "runner.quarantined"  # it is in quarantine, its offset is not committed

    INTAKE_ACCEPTED = "intake.accepted"  # an event is accepted, no row is written
    INTAKE_SUBMISSION = "intake.submission"  # the submission is written, its revision is not
    INTAKE_ROWS = "intake.rows"  # submission and revision are written, no job is sent
    INTAKE_PLAN = "intake.plan"  # the plan is sent, no job is
    INTAKE_JOB = "intake.job"  # the job is sent, the event's offset is not committed
    INGEST_CHUNK = "ingest.chunk"  # some chunks are sent, no manifest
    INGEST_ALL_CHUNKS = "ingest.all_chunks"  # every chunk is delivered, no manifest
    INGEST_MANIFEST = "ingest.manifest"  # the manifest is sent, the job's offset is not committed
    LAND_ROWS = "land.rows"  # rows of a chunk are inserted, the ledger is not written
    LAND_LEDGER = "land.ledger"  # the ledger is written, no receipt
    MANIFEST_ROWS = "manifest.rows"  # the manifest is written, its event's offset is not committed
    VERIFY_READ = "verify.read"  # rows read back equal the manifest, no publication
    PUBLISHED = "publish.row"  # the publication row is written, nothing is announced
    ANNOUNCING = "outbox.part"  # some results are sent, `announced` is not written
    ANNOUNCED = "outbox.sent"  # all results are delivered, `announced` is not written
    DELETE_EPOCH = "delete.epoch"  # the epoch is raised, rows are not deleted

    DELTA_KEYS = "delta.keys"  # the alleles that a release reaches are found, nothing is sent
    DELTA_CHUNK = "delta.chunk"  # some of its chunks are sent
    DELTA_SENT = "delta.sent"  # all of its chunks are sent
    DELTA_LANDED = "delta.landed"  # what the plan says of them is landed, nothing is written of samples
    DELTA_REVISIONS = "delta.revisions"  # revisions are written, their rows are not
    DELTA_ROWS = "delta.rows"  # rows are written, nothing is read back
    DELTA_CARRIED = "delta.carried"  # untouched samples stand under the new plan, the others are not published
    DELTA_PUBLISHED = "delta.published"  # the publication rows are written, nothing is announced

    RELEASE_ROW = "release.row"  # a release is admitted and written, its pack is not active
    RELEASE_ACTIVE = "release.active"  # its pack is active, nobody is told
    RELEASE_TOLD = "release.told"  # knowledge.releases says so, its status does not
    RELEASE_RUNNING = "release.running"  # its status says so, the event's decision is not written


class SimulatedCrash(BaseException):
    """The process dies here, in a test. Nothing may clean up after it."""


class FailPoints(Protocol):
    """What code with fail points is given."""

    def reach(self, point: FailPoint) -> None:
        """The code is at this point now."""


class Harmless:
    """No point does anything."""

    def reach(self, point: FailPoint) -> None:
        del point


class Crash:
    """Raises SimulatedCrash when a point is reached for the nth time; `reached` counts every point."""

    def __init__(self, point: FailPoint | None, nth: int = 1) -> None:
        self._point = point
        self._nth = nth
        self.reached: Counter[FailPoint] = Counter()

    def reach(self, point: FailPoint) -> None:
        self.reached[point] += 1
        if point is self._point and self.reached[point] == self._nth:
            raise SimulatedCrash(f"{point} for the {self._nth}. time")


class Kill:
    """Kills this process, as kill -9 would, when a point is reached for the nth time."""

    def __init__(self, point: FailPoint, nth: int = 1, mark: Path | None = None) -> None:
        self._point = point
        self._left = nth
        self._mark = mark

    def reach(self, point: FailPoint) -> None:
        if point is self._point:
            self._left -= 1
            if self._left == 0 and self._first():
                os.kill(os.getpid(), signal.SIGKILL)

    def _first(self) -> bool:
        if self._mark is None:
            return True
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def from_environment(environment: Mapping[str, str]) -> FailPoints:
    """The fail points of a real process. Raises ValueError for a name that is none, so that a misspelt test cannot pass."""
    text = environment.get(VARIABLE, "")
    if not text:
        return Harmless()
    name, _, rest = text.partition(":")
    nth, _, mark = rest.partition(":")
    try:
        return Kill(FailPoint(name), int(nth or 1), Path(mark) if mark else None)
    except ValueError as error:
        raise ValueError(f"{VARIABLE}={text}: not NAME[:NTH[:MARK]] with a NAME of {', '.join(FailPoint)}") from error
