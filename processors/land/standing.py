"""Whether the rows of a chunk on the ledger are in the tables, asked where the chunk is delivered again before its revision is published.

A ClickHouse server (tables that are not replicated) that is killed in an insert may know its token without having its rows. The same insert
again is then acknowledged and adds nothing, and reading back holds the sample. The chunk, read again, lands under new tokens.
"""

from __future__ import annotations

from processors.land.client import Client
from processors.land.keys import call_set
from processors.land.ledger import LedgerRow
from schemas.chunks import ChunkHeader
from schemas.plan import Plan

_ALLELE = "bitXor(allele_id, toUInt64(spelling))"
_OURS = "submission_id = {submission:String} AND call_set = {set:String} AND chunk = {chunk:UInt32}"


def chunk_stands(client: Client, header: ChunkHeader, plan: Plan, row: LedgerRow) -> bool:
    """No table lacks rows that the ledger says a chunk of alleles landed. Raises Unavailable."""
    alleles = f"SELECT {_ALLELE} AS allele FROM calls WHERE {_OURS}"
    keys = {"annotation": plan.annotation_key, "score": plan.score_key}
    stored = (f"(SELECT uniqExact({_ALLELE}) FROM {t} WHERE {t}_key = {{{t}:String}} AND {_ALLELE} IN ({alleles}))" for t in keys)
    sql = f"""SELECT (SELECT count() FROM calls FINAL WHERE {_OURS}),
        (SELECT count() FROM finding FINAL WHERE revision_id = {{revision:String}} AND chunk = {{chunk:UInt32}}),
        (SELECT count() FROM compound FINAL WHERE revision_id = {{revision:String}} AND chunk = {{chunk:UInt32}}),
        (SELECT uniqExact(source, {_ALLELE}) FROM knowledge_value WHERE source IN {{sources:Array(String)}} AND {_ALLELE} IN ({alleles})),
        (SELECT uniqExact(allele) FROM ({alleles})), {", ".join(stored)}"""
    parameters = {**_named(header, plan), **keys, "sources": [component.digest for component in plan.components]}
    [(calls, findings, compounds, known, called, annotated, scored)] = client.rows(sql, parameters)
    whole = calls >= row.calls and findings >= row.findings and compounds >= row.compounds
    return bool(whole and known >= row.known and annotated >= called and scored >= row.scores)


def faults_stand(client: Client, header: ChunkHeader, plan: Plan, row: LedgerRow, structural: int) -> bool:
    """No table lacks rows that the ledger says a chunk of faults landed, nor any of its calls of structural alleles. Raises Unavailable."""
    sql = f"""SELECT (SELECT count() FROM fault FINAL WHERE {_OURS}),
        (SELECT count() FROM structural FINAL WHERE {_OURS} AND annotation_key = {{annotation:String}})"""
    [(faults, called)] = client.rows(sql, {**_named(header, plan), "annotation": plan.annotation_key})
    return bool(faults >= row.faults and called >= structural)


def _named(header: ChunkHeader, plan: Plan) -> dict[str, str | int]:
    return {
        "submission": header.submission_id,
        "set": call_set(header.submission_id, plan),
        "revision": header.revision_id,
        "chunk": header.ordinal,
    }
