"""The annotate stage: a pure function of a chunk and its plan's packs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate import terms
from processors.annotate.lookup import look_up
from processors.annotate.pick import pick_alleles
from processors.annotate.predicted import predict
from processors.annotate.regions import call_consequences, events
from processors.annotate.rows import Rows
from processors.knowledge.strings import string_buffers
from schemas.chunks import ANNOTATION_FIELDS, TRANSCRIPT, Chunk, Region
from schemas.identity import spellings

if TYPE_CHECKING:
    from processors.annotate.options import Options
    from processors.resources import Resources

_REGION_OF_TERMS = (
    (Region.CODING, terms.CODING_SEQUENCE | terms.ABLATION | terms.PROTEIN_EFFECTS),
    (
        Region.SPLICE,
        terms.SPLICE_ACCEPTOR | terms.SPLICE_DONOR | terms.SPLICE_REGION | terms.SPLICE_DONOR_5TH_BASE | terms.SPLICE_DONOR_REGION,
    ),
    (Region.UTR5, terms.UTR5),
    (Region.UTR3, terms.UTR3),
    (Region.NONCODING_EXON, terms.NON_CODING_EXON),
    (Region.INTRON, terms.INTRON | terms.SPLICE_POLYPYRIMIDINE | terms.NON_CODING_TRANSCRIPT | terms.CODING_TRANSCRIPT | terms.NMD),
    (Region.UPSTREAM, terms.UPSTREAM),
    (Region.DOWNSTREAM, terms.DOWNSTREAM),
)


class Events(NamedTuple):
    """What each allele replaces, [start, end) of the contig, and by what, `alt[alt_from:alt_to]`; see `annotate.regions`."""

    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    alt: npt.NDArray[np.uint8]
    alt_from: npt.NDArray[np.int64]
    alt_to: npt.NDArray[np.int64]


def annotate(chunk: Chunk, resources: Resources) -> Chunk:
    """The chunk with ANNOTATION_FIELDS and LOOKUP_FIELDS appended."""
    return look_up(call(chunk, resources), resources)


def call(chunk: Chunk, resources: Resources) -> Chunk:
    """The chunk with ANNOTATION_FIELDS appended: every transcript within reach, and the picked one."""
    contig = resources.genome.table.resolve(chunk.header.contig)
    if contig is None:
        raise ValueError(f"chunk {chunk.header.chunk_id}: contig {chunk.header.contig!r} is not of {resources.genome.table.build}")
    if resources.cache is None:
        rows = compute(chunk.rows, contig, resources)
    else:
        held = chunk.rows.select(["allele_id", "start", "ref", "alt"])
        ids = held.column("allele_id").to_numpy()
        spelt = spellings(ids, *string_buffers(held.column("ref")), *string_buffers(held.column("alt")))
        rows = resources.cache.rows(
            resources.annotation_key, ids, spelt, lambda missing: compute(held.take(pa.array(missing)), contig, resources)
        )
    return chunk.append(ANNOTATION_FIELDS, _columns(rows, resources))


def compute(rows: pa.RecordBatch, contig: int, resources: Resources) -> Rows:
    """Every transcript within reach of every allele of some rows on one contig."""
    found = events_of(rows)
    options = resources.options
    calls = call_consequences(
        resources.transcripts.layout, resources.pick_order, resources.genome, contig, options.reach, found.start, found.end, found.alt,
        found.alt_from, found.alt_to,
    )  # fmt: skip
    predict(
        resources.transcripts.layout, resources.genome, contig, found.start, found.end, found.alt, found.alt_from, found.alt_to,
        calls.offsets, calls.transcript, calls.terms, calls.effect, calls.lost,
    )  # fmt: skip
    fields: list[Any] = [getattr(calls, field.name) for field in TRANSCRIPT]
    every = Rows(calls.offsets, *fields)
    return every if options.upstream == options.downstream else within_reach(every, options)


def events_of(rows: pa.RecordBatch) -> Events:
    """The events of a chunk's alleles."""
    n = rows.num_rows
    start, end = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    alt_from, alt_to = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    offsets, alt = string_buffers(rows.column("alt"))
    events(
        rows.column("start").to_numpy(zero_copy_only=False), *string_buffers(rows.column("ref")), offsets, alt, start, end, alt_from, alt_to
    )
    return Events(start, end, alt, alt_from, alt_to)


def regions_of(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """`Region` of each bit set of terms."""
    result = np.full(len(bits), Region.INTERGENIC, dtype=np.uint8)
    for region, mask in reversed(_REGION_OF_TERMS):
        result[(bits & np.uint64(mask)) != 0] = region
    return result


def within_reach(rows: Rows, options: Options) -> Rows:
    """The rows without those that lie farther up- or downstream than each of the two distances allows."""
    distance = rows.distance
    far = ((rows.terms & np.uint64(terms.UPSTREAM)) != 0) & (distance > options.upstream)
    far |= ((rows.terms & np.uint64(terms.DOWNSTREAM)) != 0) & (distance > options.downstream)
    kept = np.flatnonzero(~far)
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(~far)])
    left: list[Any] = [values[kept] for values in rows[1:]]
    return Rows(before[rows.offsets].astype(np.int32), *left)


def _columns(rows: Rows, resources: Resources) -> list[pa.Array[Any]]:
    n = len(rows.offsets) - 1
    pick, gene = np.empty(n, dtype=np.uint32), np.empty(n, dtype=np.uint32)
    bits = np.empty(n, dtype=np.uint64)
    order = resources.pick_order
    pick_alleles(order.keys, order.shift, resources.transcripts.layout.gene, rows.offsets, rows.transcript, rows.terms, pick, gene, bits)
    inner = pa.StructArray.from_arrays([pa.array(values) for values in rows[1:]], fields=list(TRANSCRIPT))
    lists = pa.ListArray.from_arrays(pa.array(rows.offsets), inner)
    return [lists, pa.array(pick), pa.array(gene), pa.array(regions_of(bits)), pa.array(bits)]
