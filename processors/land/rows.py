"""A chunk's columns as rows of the tables: exploded, keyed and sorted with numpy and Arrow, never row by row.

Rows come sorted as their table is, so that the server need not sort: a chunk is nearly sorted already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.land.client import StoreError
from processors.land.keys import call_set
from processors.land.store import model_name
from schemas import identity
from schemas.chunks import CALL, Chunk, Flag, Scored, sources_of
from schemas.compounds import PART
from schemas.plan import Plan

Array = npt.NDArray[Any]


class AlleleCollision(StoreError):
    """Two different long alleles of one chunk share an id: their findings would share a result id. The chunk belongs in quarantine."""


@dataclass(frozen=True)
class Alleles:
    """A chunk's rows in the order of their ids, with their spellings; `distinct` numbers the first row of each allele."""

    rows: pa.RecordBatch
    ids: npt.NDArray[np.uint64]
    spellings: npt.NDArray[np.uint32]
    distinct: npt.NDArray[np.int64]


def sorted_alleles(chunk: Chunk) -> Alleles:
    """The chunk's rows by allele. Raises AlleleCollision."""
    rows = chunk.rows
    ids = _numbers(rows.column("allele_id"))
    if len(ids) > 1 and bool(np.any(ids[1:] < ids[:-1])):
        rows = rows.take(pa.array(np.argsort(ids, kind="stable")))
        ids = _numbers(rows.column("allele_id"))
    spellings = np.zeros(len(ids), dtype=np.uint32)
    long = np.flatnonzero(identity.is_long(ids))
    if len(long):
        texts = rows.select(["ref", "alt"]).take(pa.array(long))
        spellings[long] = identity.spellings(ids[long], *_bytes(texts.column(0)), *_bytes(texts.column(1)))
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = ids[1:] != ids[:-1]
    clash = np.flatnonzero(~first[1:] & (spellings[1:] != spellings[:-1]))
    if len(clash):
        here = rows.slice(int(clash[0]), 2).to_pylist()
        raise AlleleCollision(
            f"chunk {chunk.header.chunk_id} ({chunk.header.contig}:{here[0]['start'] + 1}): records {here[0]['record']} and "
            f"{here[1]['record']} hold different alleles with the id {here[0]['allele_id']}; replay it once the id has more bits"
        )
    return Alleles(rows, ids, spellings, np.flatnonzero(first))


def calls(chunk: Chunk, alleles: Alleles, plan: Plan) -> pa.RecordBatch:
    """One row a call, by sample, then allele."""
    header, rows = chunk.header, alleles.rows
    lists = rows.column("calls")
    inner = lists.flatten()
    fields = {field.name: inner.field(number) for number, field in enumerate(CALL)}
    sample = _numbers(fields["sample"])
    counts = np.diff(_numbers(lists.offsets))
    site = np.repeat(np.arange(len(counts)), counts)
    columns: dict[str, pa.Array[Any]] = {
        name: rows.column(name) for name in ("allele_id", "record", "alt_index", "start", "ref", "alt", "flags", "qual", "filter")
    }
    columns["spelling"] = pa.array(alleles.spellings)
    if bool(np.any(counts != 1)):
        columns = {name: column.take(pa.array(site)) for name, column in columns.items()}
    if len(header.samples) > 1:
        order = np.argsort(sample, kind="stable")
        columns = {name: column.take(pa.array(order)) for name, column in columns.items()}
        fields = {name: column.take(pa.array(order)) for name, column in fields.items()}
        sample = sample[order]
    return _batch(
        {
            "submission_id": constant(header.submission_id, len(sample)),
            "sample_id": pa.DictionaryArray.from_arrays(pa.array(sample.astype(np.int32)), pa.array(header.samples, pa.string())),
            "call_set": constant(call_set(header.submission_id, plan), len(sample)),
            **columns,
            "chunk": _repeat(header.ordinal, len(sample)),
            "epoch": _repeat(header.epoch, len(sample)),
            "contig": constant(header.contig, len(sample)),
            **{name: column for name, column in fields.items() if name != "sample"},
        }
    )


def call_hash_sum(rows: pa.RecordBatch) -> int:
    """Sum mod 2^64 of the hashes of rows of `calls`."""
    columns = {name: _numbers(rows.column(name)) for name in identity.CALL_HASH_COLUMNS}
    return identity.sum_mod64(identity.call_hashes(columns))


def annotation(alleles: Alleles, plan: Plan) -> pa.RecordBatch:
    """One row a distinct allele: the pick's gene, region and terms, and every transcript."""
    rows, long = _distinct(alleles), identity.is_long(alleles.ids[alleles.distinct])
    lists = rows.column("transcripts")
    inner, offsets = lists.flatten(), lists.offsets
    if len(offsets) and offsets[0].as_py() != 0:
        offsets = pa.array(_numbers(offsets) - offsets[0].as_py())
    nested = {
        f"transcripts.{inner.type.field(number).name}": pa.ListArray.from_arrays(offsets, inner.field(number))
        for number in range(inner.type.num_fields)
    }
    keep = pa.array(long)
    return _batch(
        {
            "annotation_key": constant(plan.annotation_key, len(rows)),
            "allele_id": rows.column("allele_id"),
            "spelling": pa.array(alleles.spellings[alleles.distinct]),
            "ref": pc.if_else(keep, rows.column("ref"), ""),
            "alt": pc.if_else(keep, rows.column("alt"), ""),
            **{name: rows.column(name) for name in ("pick", "gene", "region", "terms")},
            **nested,
        }
    )


def values(alleles: Alleles) -> pa.RecordBatch:
    """One row a source and distinct allele of which the source's answer is not its default, by source, then allele."""
    digests = sources_of(alleles.rows.schema)
    lists = alleles.rows.column("looked_up")
    offsets, inner = _numbers(lists.offsets), lists.values
    counts = np.diff(offsets)[alleles.distinct]
    allele = np.repeat(alleles.distinct, counts)
    first = np.repeat(offsets[:-1][alleles.distinct] - (np.cumsum(counts) - counts), counts)
    place = first + np.arange(len(allele))
    by_digest = np.argsort(np.array(digests))
    rank = np.empty(len(digests), dtype=np.int64)
    rank[by_digest] = np.arange(len(digests))
    source = _numbers(inner.field(0))[place]
    order = np.argsort(rank[source], kind="stable") if len(digests) > 1 else np.arange(len(place))
    place, allele = place[order], allele[order]
    named = pa.DictionaryArray.from_arrays(pa.array(source[order].astype(np.int8)), pa.array(digests, pa.string()))
    return _batch(
        {
            "source": named,
            "allele_id": pa.array(alleles.ids[allele]),
            "spelling": pa.array(alleles.spellings[allele]),
            **{name: pa.array(_numbers(inner.field(name))[place]) for name in ("answer", "value", "row")},
        }
    )


def new_values(alleles: Alleles) -> int:
    """How many rows of `values` are of alleles that did not come before in the submission."""
    fresh = (_numbers(alleles.rows.column("flags"))[alleles.distinct] & np.uint32(Flag.REPEAT)) == 0
    return int(np.diff(_numbers(alleles.rows.column("looked_up").offsets))[alleles.distinct][fresh].sum())


def score(alleles: Alleles, plan: Plan) -> pa.RecordBatch:
    """One row a distinct allele that the model was asked about, scored or failed."""
    scored = _numbers(alleles.rows.column("scored"))[alleles.distinct]
    chosen = alleles.distinct[np.isin(scored, (Scored.SCORED, Scored.FAILED))]
    rows = alleles.rows.select(["allele_id", "scored", "score"]).take(pa.array(chosen))
    return _batch(
        {
            "score_key": constant(plan.score_key, len(rows)),
            "allele_id": rows.column("allele_id"),
            "spelling": pa.array(alleles.spellings[chosen]),
            "model": constant(model_name(plan), len(rows)),
            "scored": rows.column("scored"),
            "score": rows.column("score"),
        }
    )


def new_scores(alleles: Alleles) -> int:
    """How many alleles the model was asked about that did not come before in the submission."""
    scored = _numbers(alleles.rows.column("scored"))
    fresh = (_numbers(alleles.rows.column("flags")) & np.uint32(Flag.REPEAT)) == 0
    return int(np.count_nonzero(np.isin(scored, (Scored.SCORED, Scored.FAILED)) & fresh))


def findings(chunk: Chunk, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of `schemas.findings` as rows of `finding`."""
    header = chunk.header
    ids = _numbers(rows.column("allele_id"))
    columns: Mapping[str, pa.Array[Any]] = {field.name: rows.column(field.name) for field in rows.schema if field.name != "sample"}
    return _batch(
        {
            "revision_id": constant(header.revision_id, len(ids)),
            "submission_id": constant(header.submission_id, len(ids)),
            "sample_id": pa.DictionaryArray.from_arrays(
                pa.array(_numbers(rows.column("sample")).astype(np.int32)), pa.array(header.samples, pa.string())
            ),
            "spelling": spellings_of(rows),
            "chunk": _repeat(header.ordinal, len(ids)),
            "epoch": _repeat(header.epoch, len(ids)),
            "contig": constant(header.contig, len(ids)),
            **columns,
        }
    )


def compounds(chunk: Chunk, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of `schemas.compounds.NAMED_SCHEMA` as rows of `compound`."""
    header, n = chunk.header, rows.num_rows
    lists = rows.column("parts")
    parts, offsets = lists.flatten(), lists.offsets
    if len(offsets) and offsets[0].as_py() != 0:
        offsets = pa.array(_numbers(offsets) - offsets[0].as_py())
    nested = {f"parts.{field.name}": pa.ListArray.from_arrays(offsets, parts.field(k)) for k, field in enumerate(PART)}
    sample = _numbers(rows.column("sample")).astype(np.int32)
    return _batch(
        {
            "revision_id": constant(header.revision_id, n),
            "sample_id": pa.DictionaryArray.from_arrays(pa.array(sample), pa.array(header.samples, pa.string())),
            "submission_id": constant(header.submission_id, n),
            "chunk": _repeat(header.ordinal, n),
            "epoch": _repeat(header.epoch, n),
            "contig": constant(header.contig, n),
            **{field.name: rows.column(field.name) for field in rows.schema if field.name not in ("sample", "parts")},
            **nested,
        }
    )


def faults(chunk: Chunk, plan: Plan) -> pa.RecordBatch:
    """One row a sample and fault."""
    header, rows = chunk.header, chunk.rows
    lists = rows.column("samples")
    sample = _numbers(lists.flatten())
    counts = np.diff(_numbers(lists.offsets))
    site = pa.array(np.repeat(np.arange(len(counts)), counts))
    return _batch(
        {
            "submission_id": constant(header.submission_id, len(sample)),
            "sample_id": pa.DictionaryArray.from_arrays(pa.array(sample.astype(np.int32)), pa.array(header.samples, pa.string())),
            "call_set": constant(call_set(header.submission_id, plan), len(sample)),
            **{name: rows.column(name).take(site) for name in ("record", "alt_index", "reason", "detail", "site")},
            "chunk": _repeat(header.ordinal, len(sample)),
            "epoch": _repeat(header.epoch, len(sample)),
        }
    )


def _distinct(alleles: Alleles) -> pa.RecordBatch:
    if len(alleles.distinct) == len(alleles.ids):
        return alleles.rows
    return alleles.rows.drop_columns(["calls"]).take(pa.array(alleles.distinct))


def _batch(columns: Mapping[str, pa.Array[Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _numbers(column: pa.Array[Any]) -> Array:
    values: Array = column.to_numpy(zero_copy_only=False)
    return values


def spellings_of(rows: pa.RecordBatch) -> pa.Array[Any]:
    """Spelling of each row's allele; `rows` has allele_id, ref and alt."""
    return pa.array(identity.spellings(_numbers(rows.column("allele_id")), *_bytes(rows.column("ref")), *_bytes(rows.column("alt"))))


def constant(text: str, rows: int) -> pa.Array[Any]:
    """A column of one text, dictionary-encoded."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int8)), pa.array([text], pa.string()))


def _repeat(number: int, rows: int) -> pa.Array[Any]:
    return pa.array(np.full(rows, number, dtype=np.uint32))


def _bytes(column: pa.Array[Any]) -> tuple[Array, Array]:
    """Offsets from 0 and bytes of a string column."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    raw = column.buffers()[2]
    data = np.frombuffer(raw, dtype=np.uint8) if raw is not None else np.zeros(1, dtype=np.uint8)
    return offsets, data
