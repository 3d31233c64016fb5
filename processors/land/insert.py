"""Landing a chunk: one insert a table under a token that only its content decides, the data first, the ledger last.

Whatever dies in between, the chunk is delivered again and the same inserts are made again: those that were made are recognised by their
tokens, and beyond the window of tokens a ReplacingMergeTree on the identity of the row keeps one. A chunk on the ledger is not repeated,
unless its rows are not there: a server that is killed in an insert may know its token without having its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from processors.annotate.structural.stage import Structural, structural_ids
from processors.land import rows
from processors.land.client import Client, StoreError
from processors.land.keys import call_set, rows_token
from processors.land.ledger import LedgerRow, Standing, record_landed, standing
from processors.land.standing import chunk_stands, faults_stand
from processors.land.structural import structural_calls, structural_overlaps
from schemas.chunks import Chunk, ChunkKind, sources_of
from schemas.compounds import NAMED_SCHEMA, no_compounds
from schemas.plan import Plan


class SampleDeleted(StoreError):
    """Every sample of the chunk was deleted after the chunk was emitted: there is nothing to land."""


class AlreadyPublished(StoreError):
    """The chunk's revision was published without it, as a person acknowledged: what is published stays as it was."""


def land_chunk(
    client: Client,
    chunk: Chunk,
    findings: pa.RecordBatch,
    plan: Plan,
    *,
    worker: str,
    provider: str,
    compounds: pa.RecordBatch | None = None,
    rows_landed: Callable[[], None] = lambda: None,
) -> LedgerRow:
    """Land a chunk of alleles that went through every stage, with its findings (`schemas.findings`) and the compounds that are called with
    it (`schemas.compounds.NAMED_SCHEMA`; None: none), and return its ledger row.

    `rows_landed` is called between the rows and the ledger, where a crash is of interest.

    Raises Unavailable (keep the chunk and try again), SampleDeleted, AlreadyPublished, AlleleCollision, Rejected.
    """
    header = chunk.header
    state = standing(client, header)
    if state.landed is not None and (state.published or state.deleted or chunk_stands(client, header, plan, state.landed)):
        return state.landed
    _refuse_late(chunk, state)
    alleles = rows.sorted_alleles(chunk)
    calls = _without(rows.calls(chunk, alleles, plan), state.deleted)
    found = _without(rows.findings(chunk, findings), state.deleted)
    together = _without(rows.compounds(chunk, no_compounds(NAMED_SCHEMA) if compounds is None else compounds), state.deleted)
    scores = rows.score(alleles, plan)
    insert = _Inserts(client, chunk, again=state.landed is not None)
    insert("calls", call_set(header.submission_id, plan), calls)
    insert("annotation", plan.annotation_key, rows.annotation(alleles, plan))
    insert("knowledge_value", ",".join(sources_of(chunk.rows.schema)), rows.values(alleles))
    insert("score", plan.score_key, scores, {"provider": provider, "worker": worker})
    insert("finding", header.revision_id, found)
    insert("compound", header.revision_id, together)
    if state.landed is not None:
        return state.landed
    row = LedgerRow(
        **named_of(chunk),
        alleles=len(chunk.rows),
        calls=len(calls),
        hash_sum=rows.call_hash_sum(calls),
        scores=rows.new_scores(alleles),
        findings=len(found),
        faults=0,
        worker=worker,
        provider=provider,
        compounds=len(together),
        known=rows.new_values(alleles),
    )
    rows_landed()
    record_landed(client, row)
    return row


def land_faults(client: Client, chunk: Chunk, plan: Plan, *, worker: str, structural: Structural | None = None) -> LedgerRow:
    """Land a chunk of faults, with the calls of its structural alleles, and return its ledger row.

    Raises Unavailable, SampleDeleted, AlreadyPublished, Rejected.
    """
    state = standing(client, chunk.header)
    called = 0 if structural is None or not len(structural) else len(structural_calls(chunk, structural, plan))
    if state.landed is not None and (state.published or state.deleted or faults_stand(client, chunk.header, plan, state.landed, called)):
        return state.landed
    _refuse_late(chunk, state)
    faults = _without(rows.faults(chunk, plan), state.deleted)
    insert = _Inserts(client, chunk, again=state.landed is not None)
    insert("fault", call_set(chunk.header.submission_id, plan), faults)
    if structural is not None and len(structural):
        _land_structural(insert, chunk, structural, plan, state)
    if state.landed is not None:
        return state.landed
    row = LedgerRow(
        **named_of(chunk),
        alleles=len(chunk.rows),
        calls=0,
        hash_sum=0,
        scores=0,
        findings=0,
        faults=len(faults),
        worker=worker,
        provider="",
    )
    record_landed(client, row)
    return row


def _land_structural(insert: _Inserts, chunk: Chunk, structural: Structural, plan: Plan, state: Standing) -> None:
    """What each allele overlaps, batch by batch, since few alleles may reach many transcripts; then who carries which."""
    ids = structural_ids(structural.places, structural.table)
    for called in structural.call():
        insert("structural_overlap", f"{plan.annotation_key}/{called.first}", structural_overlaps(called, ids, plan))
    insert("structural", plan.annotation_key, _without(structural_calls(chunk, structural, plan), state.deleted))


class _Inserts:
    """Inserts of one chunk. Rows that belong to a call set or a once-only store have tokens without the revision: a second revision with
    the same calls or the same annotation adds nothing. `again`: the tokens are known to the tables and rows are missing all the same, so
    they get new ones; a row that then stands twice is one, by its identity."""

    def __init__(self, client: Client, chunk: Chunk, *, again: bool) -> None:
        self._client = client
        self._header = chunk.header
        self._again = again

    def __call__(self, table: str, key: str, batch: pa.RecordBatch, who: dict[str, str] | None = None) -> None:
        if not len(batch):
            return
        token = rows_token(self._header.chunk_id, key, table, self._header.epoch, batch)
        if self._again:
            token = f"{token}-{uuid4().hex}"
        for name, text in (who or {}).items():
            batch = batch.append_column(name, rows.constant(text, len(batch)))
        self._client.insert(table, batch, token)


def named_of(chunk: Chunk) -> dict[str, Any]:
    """The columns of a ledger row that name its chunk."""
    header = chunk.header
    return {
        "revision_id": header.revision_id,
        "chunk": header.ordinal,
        "submission_id": header.submission_id,
        "chunk_id": header.chunk_id,
        "kind": str(ChunkKind(header.kind)),
        "contig": header.contig,
        "epoch": header.epoch,
    }


def _refuse_late(chunk: Chunk, state: Standing) -> None:
    header = chunk.header
    if state.deleted.issuperset(header.samples):
        raise SampleDeleted(f"chunk {header.chunk_id}: its samples were deleted after it was emitted (epoch {header.epoch})")
    if state.published:
        raise AlreadyPublished(
            f"chunk {header.chunk_id}: revision {header.revision_id} is published without it; "
            f"`riverseq replay {header.samples[0]}` makes a new revision from the file"
        )


def _without(batch: pa.RecordBatch, deleted: frozenset[str]) -> pa.RecordBatch:
    """The rows of the samples that are still there."""
    if not deleted:
        return batch
    return batch.filter(pc.invert(pc.is_in(batch.column("sample_id").cast(pa.string()), pa.array(sorted(deleted)))))
