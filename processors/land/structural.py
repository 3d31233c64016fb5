"""Structural alleles as rows of the tables: what each sample carries, and, once, what each allele overlaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.annotate.structural.genes import Lists
from processors.annotate.structural.kinds import Direction, Kind, Problem, Side
from processors.annotate.structural.overlap import ROW
from processors.annotate.structural.stage import Called, Structural, structural_ids
from processors.land.keys import call_set
from processors.land.rows import constant
from schemas.chunks import Chunk
from schemas.plan import Plan

NOT_ASSESSED = "not_assessed"


def structural_calls(chunk: Chunk, found: Structural, plan: Plan) -> pa.RecordBatch:
    """One row a sample and structural allele of a chunk of faults, also one without a place."""
    header, places = chunk.header, found.places
    lists = chunk.rows.column("samples").take(pa.array(found.sites.row))
    counts = np.diff(lists.offsets.to_numpy())
    sample = lists.flatten().to_numpy().astype(np.int32)
    allele = np.repeat(np.arange(len(found)), counts)
    site = pa.array(found.sites.row[allele])
    contigs = pa.array(["", *(contig.name for contig in found.table.contigs)])
    called = places.called
    where = np.where(called, places.contig, -1)

    def named(codes: npt.NDArray[Any], names: list[str]) -> pa.Array[Any]:
        return pa.array(names).take(pa.array(codes.astype(np.int64))).take(pa.array(allele))

    def of(values: npt.NDArray[Any]) -> pa.Array[Any]:
        return pa.array(values[allele])

    return _batch(
        {
            "submission_id": constant(header.submission_id, len(sample)),
            "sample_id": pa.DictionaryArray.from_arrays(pa.array(sample), pa.array(header.samples, pa.string())),
            "call_set": constant(call_set(header.submission_id, plan), len(sample)),
            "annotation_key": constant(plan.annotation_key, len(sample)),
            **{name: chunk.rows.column(name).take(site) for name in ("record", "alt_index")},
            "structural_id": structural_ids(places, found.table).take(pa.array(allele)),
            "kind": named(places.kind, [kind.label for kind in Kind]),
            "direction": named(places.direction, [way.name.lower() if way else "" for way in Direction]),
            "contig": contigs.take(pa.array(where[allele] + 1)),
            "start": of(places.start),
            "end": of(places.end),
            "side": named(places.side, [side.name.lower() if side else "" for side in Side]),
            "mate_contig": contigs.take(pa.array(places.mate_contig[allele] + 1)),
            "mate_start": of(places.mate_start),
            "mate_side": named(places.mate_side, [side.name.lower() if side else "" for side in Side]),
            "mate_id": places.mate_id.take(pa.array(allele)),
            "copies": of(places.copies),
            "copies_of": named(np.where(places.copies < 0, 0, 2 - places.per_haplotype), ["", "haplotype", "sample"]),
            "exact": of(places.exact),
            "reason": named(places.problem, [problem.reason for problem in Problem]),
            "class": constant(NOT_ASSESSED, len(sample)),
            "chunk": pa.array(np.full(len(sample), header.ordinal, dtype=np.uint32)),
            "epoch": pa.array(np.full(len(sample), header.epoch, dtype=np.uint32)),
        }
    )


def structural_overlaps(called: Called, ids: pa.Array[Any], plan: Plan) -> pa.RecordBatch:
    """One row a distinct placed allele of a batch. `ids` are those of all alleles, see `structural_ids`."""
    names = ids.slice(called.first, called.last - called.first)
    _, first = np.unique(names.dictionary_encode().indices.to_numpy(), return_index=True)
    kept = first[pc.not_equal(names.take(pa.array(first)), "").to_numpy(zero_copy_only=False)]
    at = pa.array(kept)
    rows = called.rows

    def lists(offsets: npt.NDArray[Any], values: pa.Array[Any]) -> pa.Array[Any]:
        return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values).take(at)

    def genes(found: Lists, which: int = 0) -> pa.Array[Any]:
        return lists(found.offsets, pa.array(found.values[which]))

    assert ROW.names is not None
    return _batch(
        {
            "annotation_key": constant(plan.annotation_key, len(kept)),
            "structural_id": names.take(at),
            "pick": pa.array(called.pick[kept]),
            "gene": pa.array(called.gene[kept]),
            "terms": pa.array(called.terms[kept]),
            "genes": genes(called.genes),
            "broken": genes(called.broken),
            "fusions.five_prime": genes(called.fusions, 0),
            "fusions.three_prime": genes(called.fusions, 1),
            **{f"transcripts.{name}": lists(called.offsets, pa.array(np.ascontiguousarray(rows[name]))) for name in ROW.names},
        }
    )


def _batch(columns: Mapping[str, pa.Array[Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
