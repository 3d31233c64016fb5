"""The annotate stage: a pure function of a chunk and its plan's packs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate import terms
from processors.annotate.regions import RegionCalls, call_regions, events
from processors.knowledge.strings import string_buffers
from schemas.chunks import ANNOTATION_FIELDS, LOOKUP_FIELDS, NONE, TRANSCRIPT, Answer, Chunk, Region

if TYPE_CHECKING:
    from processors.resources import Resources

REACH = 5_000
"""Bases up- and downstream of a transcript that still count; VEP's default."""

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


def annotate(chunk: Chunk, resources: Resources) -> Chunk:
    """The chunk with ANNOTATION_FIELDS and LOOKUP_FIELDS appended."""
    return look_up(call(chunk, resources), resources)


def call(chunk: Chunk, resources: Resources) -> Chunk:
    """The chunk with ANNOTATION_FIELDS appended: every transcript within reach, and the picked one."""
    contig = resources.genome.table.resolve(chunk.header.contig)
    if contig is None:
        raise ValueError(f"chunk {chunk.header.chunk_id}: contig {chunk.header.contig!r} is not of {resources.genome.table.build}")
    start, end, inserted = events_of(chunk.rows)
    found = call_regions(resources.transcripts.layout, resources.pick_keys, contig, REACH, start, end, inserted)
    return chunk.append(ANNOTATION_FIELDS, _columns(found))


def look_up(chunk: Chunk, resources: Resources) -> Chunk:
    """The chunk with LOOKUP_FIELDS appended: what ClinVar and the frequency source say of each allele."""
    n = chunk.rows.num_rows
    answers = np.full(n, Answer.NOT_LOADED, dtype=np.uint8)
    clinvar_answer, significance, identity = answers, np.zeros(n, dtype=np.uint8), np.full(n, NONE, dtype=np.uint32)
    if resources.clinvar is not None:
        clinvar_answer, significance, identity = resources.clinvar.query(chunk.rows)
    frequency_answer, frequency = answers, np.full(n, np.nan, dtype=np.float32)
    if resources.frequency is not None:
        frequency_answer, frequency = resources.frequency.query(chunk.rows)
    columns = (clinvar_answer, significance, identity, frequency_answer, frequency)
    return chunk.append(LOOKUP_FIELDS, [pa.array(column) for column in columns])


def events_of(rows: pa.RecordBatch) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """(start, end, bases inserted) of each allele's event, see `annotate.regions`."""
    n = rows.num_rows
    start, end, inserted = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    place = rows.column("start").to_numpy(zero_copy_only=False)
    events(place, *string_buffers(rows.column("ref")), *string_buffers(rows.column("alt")), start, end, inserted)
    return start, end, inserted


def regions_of(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """`Region` of each bit set of terms."""
    result = np.full(len(bits), Region.INTERGENIC, dtype=np.uint8)
    for region, mask in reversed(_REGION_OF_TERMS):
        result[(bits & np.uint64(mask)) != 0] = region
    return result


def _columns(found: RegionCalls) -> list[pa.Array[Any]]:
    rows = pa.StructArray.from_arrays([_inner(found, field) for field in TRANSCRIPT], fields=list(TRANSCRIPT))
    return [
        pa.ListArray.from_arrays(pa.array(found.offsets), rows),
        pa.array(found.pick),
        pa.array(found.pick_gene),
        pa.array(regions_of(found.pick_terms)),
        pa.array(found.pick_terms),
    ]


def _inner(found: RegionCalls, field: pa.Field[Any]) -> pa.Array[Any]:
    values = getattr(found, field.name, None)
    if values is None:
        values = np.zeros(len(found.transcript), dtype=field.type.to_pandas_dtype())
    return pa.array(values)
