"""Site records as chunks: the alleles of a file as the stages want them, beside what the file itself says of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.knowledge.sources.sites import Sites, SitesFile, Written
from schemas.chunks import RAW_FIELDS, Chunk, ChunkHeader, ChunkKind

CHUNK_ALLELES = 16_384


@dataclass(frozen=True)
class Records:
    """One block of a file: everything it holds, and its usable alleles as chunks of one contig each, without calls.

    `rows[k]` says which rows of `written` the alleles of `chunks[k]` are.
    """

    written: Written
    chunks: list[Chunk]
    rows: list[npt.NDArray[np.int64]]


def read_records(sites: SitesFile) -> Iterator[Records]:
    """Blocks of a file in its order. Raises as `SitesFile.blocks`."""
    for block in sites.blocks():
        chunks: list[Chunk] = []
        rows: list[npt.NDArray[np.int64]] = []
        batch = _batch(block)
        for low, high in _runs(block.written.contig, block.written.record):
            name = sites.genome.table.contigs[int(block.written.contig[low])].name
            header = ChunkHeader("", "", "", "", sites.genome.table.build, ChunkKind.ALLELES, name, len(chunks), "", 0, ())
            chunks.append(Chunk(header, batch.slice(low, high - low)))
            rows.append(block.good[low:high])
        yield Records(block.all, chunks, rows)


def _runs(contig: npt.NDArray[np.int32], record: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """(first, behind last) of each stretch of one contig: about CHUNK_ALLELES long, and whole records."""
    if len(contig) == 0:
        return []
    borders = [0, *(np.flatnonzero(np.diff(contig)) + 1).tolist(), len(contig)]
    runs = []
    for low, high in itertools.pairwise(borders):
        at = low
        while at < high:
            end = min(at + CHUNK_ALLELES, high)
            end = int(np.searchsorted(record, record[end - 1], side="right"))
            runs.append((at, end))
            at = end
    return runs


def _batch(block: Sites) -> pa.RecordBatch:
    n = len(block.ids)
    alleles = block.alleles
    calls = RAW_FIELDS[-1].type
    columns: list[pa.Array[Any]] = [
        pa.array((block.written.record & 0xFFFF_FFFF).astype(np.uint32)),
        pa.array((block.written.alt + 1).astype(np.uint16)),
        pa.array(block.ids),
        pa.array(alleles.starts),
        pa.StringArray.from_buffers(n, pa.py_buffer(alleles.ref_offsets), pa.py_buffer(np.ascontiguousarray(alleles.ref_bytes))),
        pa.StringArray.from_buffers(n, pa.py_buffer(alleles.alt_offsets), pa.py_buffer(np.ascontiguousarray(alleles.alt_bytes))),
        pa.array(alleles.flags),
        pa.array(np.full(n, np.nan, dtype=np.float32)),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int16)), pa.array(["."])),
        pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, dtype=np.int32)), pa.array([], type=calls.value_type)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(RAW_FIELDS))
