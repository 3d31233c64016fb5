"""The port through which the control plane reads and writes what it keeps in ClickHouse.

Everything in memory is rebuilt from here, so a record is written before the message that depends on it is sent. `clickhouse.py` is the
port on `processors.land`. Times are ms since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from processors.land.publication import PublicationRow
from processors.land.readback import Verification
from processors.land.store import DecisionRow, RevisionRow, SubmissionRow
from schemas.events import Finding, SampleManifest
from schemas.plan import Plan
from streams.control.delta.records import DeltaRecords
from streams.control.release_records import ReleaseRecords


class Position(NamedTuple):
    """Where an event stands in Kafka. A cluster or topic that was made anew has another `cluster`."""

    cluster: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Landed:
    """One row of the ledger, as far as progress needs it: `rows` are alleles, or faults."""

    ordinal: int
    chunk_id: str
    rows: int
    provider: str = ""


@dataclass(frozen=True)
class Quarantined:
    """One chunk of a revision that a stage could not process."""

    chunk_id: str
    ordinal: int
    stage: str
    reason: str
    time: int


class Records(Protocol):
    """The control plane's records. Calls block; a connection's errors propagate, and repeating a call is harmless."""

    @property
    def releases(self) -> ReleaseRecords:
        """Releases of knowledge, pauses and consent."""
        ...

    @property
    def deltas(self) -> DeltaRecords:
        """Re-interpretation of current samples."""
        ...

    # --- submissions, plans, revisions
    def submission(self, submission_id: str) -> SubmissionRow | None: ...
    def submission_at(self, position: Position) -> SubmissionRow | None:
        """The submission that the event at this position led to."""
        ...

    def newest_submission(self, sample_id: str) -> SubmissionRow | None:
        """The submission of greatest ordinal that holds a sample."""
        ...

    def submissions_of(self, sample_id: str) -> list[SubmissionRow]:
        """Every submission that holds a sample, by ordinal."""
        ...

    def unopened(self) -> list[SubmissionRow]:
        """Submissions without a revision: the process died between the two, and the event may be gone by now."""
        ...

    def greatest_ordinal(self, sample_ids: Sequence[str]) -> int:
        """Greatest ordinal over all submissions of any of these samples; 0 where there is none."""
        ...

    def newest_ordinals(self, sample_ids: Sequence[str]) -> dict[str, int]:
        """Greatest ordinal of each of these samples; 0 for one that was never submitted."""
        ...

    def samples(self) -> list[str]:
        """Every sample that was submitted and is not deleted."""
        ...

    def record_submission(self, row: SubmissionRow) -> None: ...
    def plan(self, plan_id: str) -> Plan | None: ...
    def plans(self) -> list[Plan]: ...
    def record_plan(self, plan: Plan) -> None: ...
    def revisions(self, submission_id: str) -> list[RevisionRow]:
        """All revisions of a submission, by number."""
        ...

    def open_revisions(self) -> list[RevisionRow]:
        """Revisions with status OPEN that are not published."""
        ...

    def record_revision(self, row: RevisionRow) -> None:
        """Write a revision, or its new status."""
        ...

    # --- what people decided
    def decision_at(self, position: Position) -> DecisionRow | None: ...
    def record_decision(self, row: DecisionRow) -> None: ...
    def epochs(self, sample_ids: Sequence[str]) -> dict[str, int]:
        """Epoch of each sample: how often it was deleted."""
        ...

    def next_epoch(self, sample_id: str) -> int:
        """The epoch that deletes all there is of a sample."""
        ...

    def delete_sample(self, sample_id: str, epoch: int, raised: Callable[[], None]) -> None:
        """Raise a sample's epoch to `epoch`, call `raised`, and remove its rows; again harmless, and removes what landed in between."""
        ...

    # --- what must land and what landed
    def record_manifest(self, manifest: SampleManifest) -> None: ...
    def manifest(self, revision_id: str) -> SampleManifest | None: ...
    def landed(self, revision_id: str) -> list[Landed]: ...
    def quarantined(self, revision_id: str) -> list[Quarantined]: ...
    def record_quarantined(self, submission_id: str, revision_id: str, chunk: Quarantined) -> None: ...
    def read_back(self, submission_id: str, revision_id: str) -> Verification:
        """What stands in the tables, against the manifest."""
        ...

    # --- publication
    def publish(
        self, checked: Verification, *, at: int, without: frozenset[int] = frozenset(), actor: str = "", reason: str = ""
    ) -> tuple[PublicationRow, ...]:
        """Publish what was read back just now; `without` the chunks that a person acknowledged as missing. Raises NotVerified."""
        ...

    def publications(self, revision_id: str) -> tuple[PublicationRow, ...]:
        """The published samples of a revision; none where it is not published."""
        ...

    def unannounced(self) -> tuple[PublicationRow, ...]:
        """Published samples of live revisions whose results are not known to be delivered, oldest first."""
        ...

    def current(self, sample_id: str) -> PublicationRow | None:
        """What readers see of a sample now."""
        ...

    def findings(self, row: PublicationRow, time: int) -> Iterator[Finding]:
        """The `Finding` events of a published sample, with their result ids, in a fixed order."""
        ...

    def record_announced(self, revision_id: str, at: int) -> None: ...
