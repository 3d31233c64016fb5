"""The control plane's records in ClickHouse: the port of `records.py` on the functions of `processors.land`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from processors.land import delete, ledger, manifests, publication, readback, store
from processors.land.client import Client
from processors.land.publication import PublicationRow
from processors.land.readback import SampleFound, Verification
from processors.land.store import DecisionRow, RevisionRow, SubmissionRow
from schemas.events import Finding, SampleManifest
from schemas.plan import Plan
from streams.control.delta.records import DeltaRecords
from streams.control.records import Landed, Position, Quarantined
from streams.control.release_records import ReleaseRecords

CHUNK_QUARANTINED = "chunk_quarantined"
"""Reason under which the variants of an acknowledged missing chunk are counted."""


class ClickHouseRecords:
    """`Records` on one connection, which threads may share."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.releases = ReleaseRecords(client)
        self.deltas = DeltaRecords(client)

    # --- submissions, plans, revisions
    def submission(self, submission_id: str) -> SubmissionRow | None:
        return store.submission(self._client, submission_id)

    def submission_at(self, position: Position) -> SubmissionRow | None:
        return store.submission_by_event(self._client, *position)

    def newest_submission(self, sample_id: str) -> SubmissionRow | None:
        return store.latest_submission(self._client, sample_id)

    def submissions_of(self, sample_id: str) -> list[SubmissionRow]:
        return store.submissions(self._client, sample_id)

    def unopened(self) -> list[SubmissionRow]:
        return store.unopened_submissions(self._client)

    def greatest_ordinal(self, sample_ids: Sequence[str]) -> int:
        return store.greatest_ordinal(self._client, sample_ids)

    def newest_ordinals(self, sample_ids: Sequence[str]) -> dict[str, int]:
        return store.newest_ordinals(self._client, sample_ids)

    def samples(self) -> list[str]:
        return store.samples(self._client)

    def record_submission(self, row: SubmissionRow) -> None:
        store.record_submission(self._client, row)

    def plan(self, plan_id: str) -> Plan | None:
        return store.plan(self._client, plan_id)

    def plans(self) -> list[Plan]:
        return store.plans(self._client)

    def record_plan(self, plan: Plan) -> None:
        store.record_plan(self._client, plan)

    def revisions(self, submission_id: str) -> list[RevisionRow]:
        return store.revisions(self._client, submission_id)

    def open_revisions(self) -> list[RevisionRow]:
        return store.open_revisions(self._client)

    def record_revision(self, row: RevisionRow) -> None:
        store.record_revision(self._client, row)

    # --- what people decided
    def decision_at(self, position: Position) -> DecisionRow | None:
        return store.decision_by_event(self._client, *position)

    def record_decision(self, row: DecisionRow) -> None:
        store.record_decision(self._client, row)

    def epochs(self, sample_ids: Sequence[str]) -> dict[str, int]:
        return store.epochs(self._client, sample_ids)

    def next_epoch(self, sample_id: str) -> int:
        return delete.next_epoch(self._client, sample_id)

    def delete_sample(self, sample_id: str, epoch: int, raised: Callable[[], None]) -> None:
        delete.delete_sample(self._client, sample_id, epoch, raised)

    # --- what must land and what landed
    def record_manifest(self, manifest: SampleManifest) -> None:
        manifests.record_manifest(self._client, manifest)

    def manifest(self, revision_id: str) -> SampleManifest | None:
        return manifests.manifest(self._client, revision_id)

    def landed(self, revision_id: str) -> list[Landed]:
        rows = ledger.landed_chunks(self._client, revision_id)
        return [Landed(row.chunk, row.chunk_id, row.alleles, row.provider) for row in rows]

    def quarantined(self, revision_id: str) -> list[Quarantined]:
        rows = ledger.quarantined_chunks(self._client, [revision_id])
        return [Quarantined(row.chunk_id, row.ordinal, row.stage, row.reason, row.quarantined_at) for row in rows]

    def record_quarantined(self, submission_id: str, revision_id: str, chunk: Quarantined) -> None:
        error = chunk.reason.partition(":")[0] if ":" in chunk.reason else ""
        row = ledger.QuarantineRow(
            revision_id, chunk.chunk_id, submission_id, chunk.ordinal, chunk.stage, chunk.reason, error, 1, "", -1, -1, chunk.time
        )
        ledger.record_quarantined(self._client, row)

    def read_back(self, submission_id: str, revision_id: str) -> Verification:
        return readback.verify(self._client, submission_id, revision_id)

    # --- publication
    def publish(
        self, checked: Verification, *, at: int, without: frozenset[int] = frozenset(), actor: str = "", reason: str = ""
    ) -> tuple[PublicationRow, ...]:
        counted = replace(checked, samples=self._with_held(checked)) if without else checked
        return publication.publish(
            self._client,
            checked.submission_id,
            checked.revision_id,
            at=at,
            without=without,
            actor=actor,
            reason=reason,
            verification=counted,
        )

    def _with_held(self, checked: Verification) -> dict[str, SampleFound]:
        """Samples with what is missing of their promise counted as quarantined, so that `in = landed + quarantined` stays true."""
        promise = manifests.manifest(self._client, checked.revision_id)
        came = {sample.sample_id: sample.variants_in for sample in promise.samples} if promise else {}
        samples = {}
        for sample_id, found in checked.samples.items():
            missing = came.get(sample_id, 0) - found.landed - sum(found.quarantined.values())
            held = {CHUNK_QUARANTINED: missing} if missing > 0 else {}
            samples[sample_id] = replace(found, quarantined={**found.quarantined, **held})
        return samples

    def publications(self, revision_id: str) -> tuple[PublicationRow, ...]:
        return publication.publications(self._client, revision_id)

    def unannounced(self) -> tuple[PublicationRow, ...]:
        return publication.unannounced(self._client)

    def current(self, sample_id: str) -> PublicationRow | None:
        return publication.current(self._client, sample_id)

    def findings(self, row: PublicationRow, time: int) -> Iterator[Finding]:
        return publication.findings_of(self._client, row, time)

    def record_announced(self, revision_id: str, at: int) -> None:
        publication.record_announced(self._client, revision_id, at)
