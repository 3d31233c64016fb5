"""Manifests: what ingest promises of a revision, chunk by chunk and sample by sample.

Events carry sums as signed 64 bits, tables mod 2^64.
"""

from __future__ import annotations

from processors.land.client import Client
from processors.land.keys import record_token
from schemas.events import ChunkCount, SampleCount, SampleManifest

_WRAP = 2**64
_CHUNK = ("ordinal", "chunk_id", "kind", "contig", "alleles", "calls", "hash_sum")
_SAMPLE = ("sample_id", "variants_in", "landed", "quarantined", "hash_sum", "quality")
_HEAD = ("submission_id", "plan_id", "source_digest", "records", "reference_blocks", "uncarried", "chunks", "samples")


def record_manifest(client: Client, manifest: SampleManifest) -> None:
    """Write a manifest; the row that says it is there comes last."""
    revision = manifest.revision_id
    chunks = [(revision, c.ordinal, c.chunk_id, c.kind, c.contig, c.alleles, c.calls, c.hash_sum % _WRAP) for c in manifest.chunks]
    if chunks:
        client.insert_rows("manifest_chunk", ("revision_id", *_CHUNK), chunks, record_token("manifest_chunk", chunks))
    samples = [
        (revision, s.sample_id, s.variants_in, s.landed, dict(s.quarantined), s.hash_sum % _WRAP, dict(s.quality)) for s in manifest.samples
    ]
    if samples:
        client.insert_rows("manifest_sample", ("revision_id", *_SAMPLE), samples, record_token("manifest_sample", samples))
    row = (
        revision, manifest.submission_id, manifest.plan_id, manifest.source_digest, manifest.records, manifest.reference_blocks,
        manifest.uncarried, len(chunks), len(samples),
    )  # fmt: skip
    client.insert_rows("manifest", ("revision_id", *_HEAD), [row], record_token("manifest", row))


def manifest(client: Client, revision_id: str) -> SampleManifest | None:
    """The manifest of a revision; None until all of it is there."""
    identity = {"id": revision_id}
    heads = client.rows(f"SELECT {', '.join(_HEAD)} FROM manifest FINAL WHERE revision_id = {{id:String}}", identity)
    if not heads:
        return None
    submission, plan, source, records, blocks, uncarried, n_chunks, n_samples = heads[0]
    sql = f"SELECT {', '.join(_CHUNK)} FROM manifest_chunk FINAL WHERE revision_id = {{id:String}} ORDER BY ordinal"
    chunks = tuple(
        ChunkCount(number, chunk_id, kind, contig, alleles, calls, _signed(total))
        for number, chunk_id, kind, contig, alleles, calls, total in client.rows(sql, identity)
    )
    sql = f"SELECT {', '.join(_SAMPLE)} FROM manifest_sample FINAL WHERE revision_id = {{id:String}} ORDER BY sample_id"
    samples = tuple(
        SampleCount(sample, came, landed, dict(quarantined), _signed(total), dict(quality))
        for sample, came, landed, quarantined, total, quality in client.rows(sql, identity)
    )
    if len(chunks) != n_chunks or len(samples) != n_samples:
        return None
    return SampleManifest(submission, revision_id, plan, source, records, blocks, uncarried, chunks, samples)


def _signed(total: int) -> int:
    return total - _WRAP if total >= _WRAP // 2 else total
