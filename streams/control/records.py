"""The port through which the control plane reads and writes what it keeps in ClickHouse.

Everything in memory is rebuilt from here, so a record is written before the message that depends on it is sent. `clickhouse.py` is the
port on `processors.land`. Times are ms since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from processors.land.store import DecisionRow, RevisionRow, SubmissionRow
from schemas.events import Finding, SampleCount, SampleManifest
from schemas.plan import Plan


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


@dataclass(frozen=True)
class Verification:
    """The answer of reading back what landed, and how it differs from the manifest (empty: not at all)."""

    ok: bool
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Publication:
    """A published revision. `complete` is False where a person acknowledged that chunks are missing."""

    revision_id: str
    submission_id: str
    complete: bool
    published_at: int
    actor: str = ""
    reason: str = ""


class Records(Protocol):
    """The control plane's records. Calls block; a connection's errors propagate, and repeating a call is harmless."""

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

    def delete_sample(self, sample_id: str, epoch: int, raised: Callable[[], None]) -> None:
        """Raise a sample's epoch to `epoch`, call `raised`, and remove its rows; again harmless, and removes what landed in between."""
        ...

    # --- what must land and what landed
    def record_manifest(self, manifest: SampleManifest) -> None: ...
    def manifest(self, revision_id: str) -> SampleManifest | None: ...
    def landed(self, revision_id: str) -> list[Landed]: ...
    def quarantined(self, revision_id: str) -> list[Quarantined]: ...
    def record_quarantined(self, submission_id: str, revision_id: str, chunk: Quarantined) -> None: ...
    def read_back(self, submission_id: str, revision_id: str) -> Verification: ...
    def landed_counts(self, submission_id: str, revision_id: str) -> dict[str, SampleCount]:
        """Per sample what stands in the tables now: counted, not promised."""
        ...

    # --- publication
    def record_publication(self, publication: Publication) -> None: ...
    def publication(self, revision_id: str) -> Publication | None: ...
    def unannounced(self) -> list[Publication]:
        """Publications of live revisions whose results are not known to be delivered."""
        ...

    def current_ordinal(self, sample_id: str) -> int:
        """Greatest ordinal among the published submissions of a sample, 0 where there is none."""
        ...

    def findings(self, submission: SubmissionRow, revision: RevisionRow, sample_id: str, time: int) -> Iterator[Finding]:
        """The `Finding` events of a sample's revision, with their result ids, in a fixed order."""
        ...

    def record_announced(self, revision_id: str) -> None: ...
