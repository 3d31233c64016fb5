"""What the reconciler reads and writes in ClickHouse: `processors.delta` on one connection, which threads may share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from processors.delta import changed, events, landing, outcome, waiting
from processors.delta.batch import Batch
from processors.delta.changed import Affected
from processors.delta.outcome import Outcome
from processors.delta.waiting import Waiting
from processors.land import publication, store
from processors.land.client import Client
from processors.land.keys import record_token
from processors.land.publication import PublicationRow
from processors.land.store import RevisionRow, SubmissionRow
from schemas.events import Finding, Reclassified
from schemas.plan import Plan


class DeltaRecords:
    """Calls block; a connection's errors propagate, and repeating a call is harmless."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # --- who waits
    def waiting(self, assigned: Mapping[str, str], samples: Sequence[str] = ()) -> list[Waiting]:
        """Current samples of builds (build → plan_id) that stand under another plan; of these samples only, where some are named."""
        return waiting.waiting(self._client, assigned, samples)

    def busy(self) -> frozenset[str]:
        """Samples of which something is admitted and neither published nor ended."""
        return waiting.busy(self._client)

    def bases(self, chosen: Sequence[Waiting]) -> tuple[PublicationRow, ...]:
        """The publications on which samples stand, by sample."""
        found = publication.publications_of(self._client, [(w.sample_id, w.revision_id) for w in chosen])
        return tuple(sorted(found, key=lambda row: row.sample_id))

    # --- the alleles
    def affected(self, batch: Batch, packs: Path) -> Affected:
        return changed.affected(self._client, batch, packs)

    def evidence_missing(self, batch: Batch) -> frozenset[int]:
        return landing.evidence_missing(self._client, batch)

    # --- the samples
    def outcome(self, batch: Batch, affected: Affected) -> Outcome:
        changed.keep_recorded(self._client, batch, affected)
        return outcome.outcome(self._client, batch, affected)

    def numbers(self, revisions: Mapping[str, str], touched: Sequence[PublicationRow]) -> dict[str, int]:
        return landing.numbers_of(self._client, revisions, touched)

    def record_revisions(
        self, batch: Batch, revisions: Mapping[str, str], numbers: Mapping[str, int], touched: Sequence[PublicationRow], at: int
    ) -> None:
        landing.record_revisions(self._client, batch, revisions, numbers, touched, at)

    def record_rows(
        self, batch: Batch, found: Outcome, revisions: Mapping[str, str], touched: Sequence[PublicationRow], *, again: bool = False
    ) -> Mapping[str, pa.Table]:
        """Insert a delta's rows; returns them by table. `again`: they were inserted before and are not there."""
        written = landing.rows_of(batch, found, revisions, touched)
        landing.record_rows(self._client, batch, written, again=again)
        return written

    def read_back(self, batch: Batch, written: Mapping[str, pa.Table], revisions: Mapping[str, str]) -> None:
        """Raises NotLanded."""
        landing.read_back(self._client, batch, written, sorted(set(revisions.values())))

    def carry(self, batch: Batch, untouched: Sequence[PublicationRow], at: int) -> None:
        landing.carry(self._client, batch, untouched, at)

    def publish(
        self,
        batch: Batch,
        found: Outcome,
        revisions: Mapping[str, str],
        numbers: Mapping[str, int],
        touched: Sequence[PublicationRow],
        at: int,
    ) -> tuple[PublicationRow, ...]:
        return landing.publish(self._client, batch, found, revisions, numbers, touched, at)

    # --- what is told
    def currents(self, samples: Iterable[str]) -> dict[str, tuple[int, int]]:
        """(ordinal, number) of what readers see of each sample."""
        return waiting.currents(self._client, samples)

    def findings(self, rows: Sequence[PublicationRow]) -> Iterator[tuple[PublicationRow, Finding]]:
        return publication.findings_of_many(self._client, rows)

    def reclassified(self, rows: Sequence[PublicationRow], plans: Mapping[str, Plan]) -> Iterator[tuple[PublicationRow, Reclassified]]:
        return events.reclassified_of(self._client, rows, plans)

    def standing(self, rows: Sequence[PublicationRow]) -> tuple[dict[str, SubmissionRow], dict[str, RevisionRow]]:
        """The submissions and the revisions of some publications, by id."""
        submissions = store.submissions_of_ids(self._client, sorted({row.submission_id for row in rows}))
        revisions = store.revisions_of_ids(self._client, sorted({row.revision_id for row in rows}))
        return {one.submission_id: one for one in submissions}, {one.revision_id: one for one in revisions}

    def tiers(self, revisions: Sequence[str]) -> dict[int, int]:
        return dict(events.tiers_of(self._client, revisions))

    def record_announced(self, revisions: Sequence[str], at: int) -> None:
        """Write that every result of some revisions was delivered."""
        rows = [(revision, at) for revision in sorted(set(revisions))]
        self._client.insert_rows("announced", ("revision_id", "announced_at"), rows, record_token("announced", [row[0] for row in rows]))
