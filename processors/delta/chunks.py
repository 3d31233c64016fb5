"""The affected alleles as delta chunks: one a contig, of no sample, cut as the plan cuts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from processors.delta.batch import Batch
from processors.delta.changed import OnFile
from schemas import identity
from schemas.chunks import RAW_FIELDS, Chunk, ChunkHeader, ChunkKind


def delta_chunks(batch: Batch, alleles: OnFile, lane: str) -> Iterator[Chunk]:
    """The chunks of a delta; the same alleles give the same chunks. Alleles come by allele_id, so a contig's stand together."""
    if len(alleles) == 0:
        return
    contigs = np.array(alleles.rows.column("contig").to_pylist())
    borders = np.append(np.flatnonzero(np.concatenate([[True], contigs[1:] != contigs[:-1]])), len(contigs))
    size = batch.new.cutting.alleles
    ordinal = 0
    for first, end in pairwise(borders):
        for low in range(int(first), int(end), size):
            high = min(low + size, int(end))
            yield _chunk(batch, alleles.take(np.arange(low, high)), str(contigs[low]), ordinal, lane)
            ordinal += 1


def _chunk(batch: Batch, alleles: OnFile, contig: str, ordinal: int, lane: str) -> Chunk:
    content = identity.digest("alleles", alleles.ids.tobytes().hex(), alleles.spelling.tobytes().hex())
    header = ChunkHeader(
        chunk_id=identity.digest("delta_chunk", batch.delta_id, contig, ordinal, content),
        submission_id=batch.delta_id,
        revision_id=batch.delta_id,
        plan_id=batch.new.plan_id,
        build=batch.new.build,
        kind=ChunkKind.DELTA,
        contig=contig,
        ordinal=ordinal,
        lane=lane,
        epoch=0,
        samples=(),
    )
    n = len(alleles)
    columns: dict[str, Any] = {name: alleles.rows.column(name) for name in ("allele_id", "start", "ref", "alt")}
    columns |= {
        "record": np.arange(n, dtype=np.uint32),
        "alt_index": np.ones(n, dtype=np.uint16),
        "flags": np.zeros(n, dtype=np.uint32),
        "qual": np.full(n, np.nan, dtype=np.float32),
        "filter": [""] * n,
        "calls": [[]] * n,
    }
    return Chunk(header, pa.RecordBatch.from_arrays([_array(columns[f.name], f.type) for f in RAW_FIELDS], schema=pa.schema(RAW_FIELDS)))


def _array(values: Any, type_: Any) -> Any:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks().cast(type_) if values.num_chunks != 1 else values.chunk(0).cast(type_)
    return pa.array(values, type_)
