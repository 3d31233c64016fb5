"""Landing a delta chunk: what a plan says of alleles on file, once for all who carry them.

Annotation and scores of these alleles are on file already: plans of a delta differ in knowledge alone, so their keys are the same. Values
of the released sources are landed by `processors.delta.values`, for every allele on file.
"""

from __future__ import annotations

from uuid import uuid4

import pyarrow as pa

from processors.land import rows
from processors.land.client import Client
from processors.land.insert import named_of
from processors.land.keys import rows_token
from processors.land.ledger import LedgerRow, landed_row, record_landed
from processors.land.rows import constant, spellings_of
from schemas.chunks import Chunk
from schemas.plan import Plan


def land_delta(client: Client, chunk: Chunk, evidence: pa.RecordBatch, plan: Plan, *, worker: str, provider: str) -> LedgerRow:
    """Land the evidence (`schemas.findings.EVIDENCE_SCHEMA`) of a delta chunk, then its ledger row. Again harmless.

    Raises Unavailable (keep the chunk and try again), AlleleCollision, Rejected.
    """
    landed = landed_row(client, chunk.header)
    if landed is not None and _stands(client, evidence, plan):
        return landed
    rows.sorted_alleles(chunk)  # refuses two alleles of one id
    batch = evidence_rows(evidence, plan)
    if len(batch):
        token = rows_token(chunk.header.chunk_id, plan.evidence_key, "evidence", chunk.header.epoch, batch)
        # on the ledger and not in the table: a server that was killed in an insert knows its token without having its rows
        client.insert("evidence", batch, token if landed is None else f"{token}-{uuid4().hex}")
    if landed is not None:
        return landed
    row = LedgerRow(
        **named_of(chunk), alleles=len(chunk.rows), calls=0, hash_sum=0, scores=0, findings=0, faults=0, worker=worker, provider=provider
    )
    record_landed(client, row)
    return row


def _stands(client: Client, evidence: pa.RecordBatch, plan: Plan) -> bool:
    """Whether the table holds the evidence of every allele of a batch."""
    wanted = set(zip(evidence.column("allele_id").to_pylist(), spellings_of(evidence).to_pylist(), strict=True))
    if not wanted:
        return True
    sql = """SELECT DISTINCT allele_id, spelling FROM evidence
        WHERE evidence_key = {key:String} AND allele_id BETWEEN {low:UInt64} AND {high:UInt64}"""
    found = client.rows(sql, {"key": plan.evidence_key, "low": min(wanted)[0], "high": max(wanted)[0]})
    return wanted <= set(found)


def evidence_rows(evidence: pa.RecordBatch, plan: Plan) -> pa.RecordBatch:
    """Rows of EVIDENCE_SCHEMA as rows of the table `evidence`."""
    columns = {name: evidence.column(name) for name in evidence.schema.names if name not in ("ref", "alt")}
    columns |= {"evidence_key": constant(plan.evidence_key, len(evidence)), "spelling": spellings_of(evidence)}
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
