"""The ledger: one row a chunk whose rows all landed, written last; and the chunks in quarantine.

It says when to read back, never that all is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from processors.land.client import Client
from processors.land.keys import record_token
from schemas.chunks import ChunkHeader


@dataclass(frozen=True)
class LedgerRow:
    """One landed chunk. Counts are of rows inserted by it; `scores` of alleles asked about that are new in the submission, `known` of rows
    of `knowledge_value` of such alleles."""

    revision_id: str
    chunk: int
    submission_id: str
    chunk_id: str
    kind: str
    contig: str
    epoch: int
    alleles: int
    calls: int
    hash_sum: int  # mod 2^64
    scores: int
    findings: int
    faults: int
    worker: str
    provider: str
    compounds: int = 0
    known: int = 0


@dataclass(frozen=True)
class QuarantineRow:
    """A chunk that a stage could not process. Its original bytes stand at `topic`, `partition`, `offset` in Kafka; -1: not known."""

    revision_id: str
    chunk_id: str
    submission_id: str
    ordinal: int
    stage: str
    reason: str
    error: str  # class of the error
    attempt: int
    topic: str
    partition: int
    offset: int
    quarantined_at: int  # ms since 1970 UTC


_LEDGER = tuple(field.name for field in fields(LedgerRow))
_QUARANTINE = tuple(field.name for field in fields(QuarantineRow))


def record_landed(client: Client, row: LedgerRow) -> None:
    """Write a ledger row, after the chunk's rows. The first worker's row stays."""
    values = [getattr(row, name) for name in _LEDGER]
    client.insert_rows("ledger", _LEDGER, [values], record_token("ledger", row.revision_id, row.chunk, row.chunk_id, row.epoch))


def landed_chunks(client: Client, revision_id: str) -> list[LedgerRow]:
    """Ledger of a revision, by chunk."""
    sql = f"SELECT {', '.join(_LEDGER)} FROM ledger FINAL WHERE revision_id = {{id:String}} ORDER BY chunk"
    return [LedgerRow(*row) for row in client.rows(sql, {"id": revision_id})]


@dataclass(frozen=True)
class Standing:
    """What is on record about a chunk before it lands: its ledger row, its samples that were deleted since it was emitted, and whether
    its revision is published."""

    landed: LedgerRow | None
    deleted: frozenset[str]
    published: bool


def standing(client: Client, header: ChunkHeader) -> Standing:
    """One question before the inserts: a chunk on the ledger need not land again, a deleted sample must not, nor a published one."""
    sql = f"""SELECT
        (SELECT groupArray(({", ".join(_LEDGER)})) FROM ledger
            WHERE revision_id = {{revision:String}} AND chunk = {{chunk:UInt32}} AND chunk_id = {{id:String}}) AS landed,
        (SELECT groupUniqArray(sample_id) FROM sample_epoch
            WHERE epoch > {{epoch:UInt32}} AND sample_id IN {{samples:Array(String)}}) AS deleted,
        (SELECT count() > 0 FROM publication WHERE revision_id = {{revision:String}}) AS published"""
    parameters = {
        "revision": header.revision_id,
        "chunk": header.ordinal,
        "id": header.chunk_id,
        "epoch": header.epoch,
        "samples": list(header.samples),
    }
    [(landed, deleted, published)] = client.rows(sql, parameters)
    return Standing(LedgerRow(*landed[0]) if landed else None, frozenset(deleted), bool(published))


def landed_row(client: Client, header: ChunkHeader) -> LedgerRow | None:
    """A chunk's row on the ledger; None where it has not landed. Of a chunk without samples that is all there is to ask."""
    sql = f"""SELECT {", ".join(_LEDGER)} FROM ledger
        WHERE revision_id = {{revision:String}} AND chunk = {{chunk:UInt32}} AND chunk_id = {{id:String}} LIMIT 1"""
    rows = client.rows(sql, {"revision": header.revision_id, "chunk": header.ordinal, "id": header.chunk_id})
    return LedgerRow(*rows[0]) if rows else None


def record_quarantined(client: Client, row: QuarantineRow) -> None:
    """Write that a chunk could not be processed."""
    values = [getattr(row, name) for name in _QUARANTINE]
    token = record_token("quarantine", row.revision_id, row.chunk_id, row.stage, row.attempt, row.error, row.reason)
    client.insert_rows("quarantine", _QUARANTINE, [values], token)


def quarantined_chunks(client: Client, revision_ids: Sequence[str] | None = None) -> list[QuarantineRow]:
    """Chunks in quarantine that have not landed since, by revision and chunk; of all revisions where none is named."""
    where = "(revision_id, ordinal) NOT IN (SELECT revision_id, chunk FROM ledger)"
    if revision_ids is not None:
        where += " AND revision_id IN {ids:Array(String)}"
    sql = f"SELECT {', '.join(_QUARANTINE)} FROM quarantine FINAL WHERE {where} ORDER BY revision_id, ordinal, stage"
    return [QuarantineRow(*row) for row in client.rows(sql, {"ids": list(revision_ids or ())})]
