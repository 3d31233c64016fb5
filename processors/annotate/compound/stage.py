"""Compounds of a chunk: a pure function of its rows, its context rows and the plan's packs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate.codons import COMPLEMENT
from processors.annotate.compound.clusters import Cluster, Part
from processors.annotate.compound.effect import Effect, Reading, call, reading_of
from processors.annotate.compound.haplotypes import Carried, Found, block_of, found_in, read_of
from processors.annotate.compound.parts import Parts, find_parts
from processors.annotate.hgvs.names import Alleles, Kind, names
from processors.annotate.hgvs.style import NOMENCLATURE
from processors.annotate.regions import events
from processors.knowledge.layout import Layout
from processors.knowledge.strings import string_buffers
from schemas import identity
from schemas.chunks import CALL, RAW_FIELDS, Chunk
from schemas.compounds import COMPOUND_FIELDS, COMPOUND_SCHEMA, PART, CompoundFlag, CompoundKind, no_compounds

if TYPE_CHECKING:
    from processors.resources import Resources

_RAW = [field.name for field in RAW_FIELDS]


def call_compounds(chunk: Chunk, resources: Resources) -> pa.RecordBatch:
    """COMPOUND_SCHEMA rows of the transcripts that the chunk calls (`ChunkHeader.window`), by transcript, sample, place and haplotype.

    Rows do not depend on how the file was cut, but for the flag INCOMPLETE. Raises ValueError for a contig that the build does not have.
    """
    contig = resources.genome.table.resolve(chunk.header.contig)
    if contig is None:
        raise ValueError(f"chunk {chunk.header.chunk_id}: contig {chunk.header.contig!r} is not of {resources.genome.table.build}")
    rows = chunk.rows.select(_RAW)
    if chunk.context is not None and chunk.context.num_rows:
        both = pa.Table.from_batches([chunk.context.select(_RAW), rows]).unify_dictionaries().combine_chunks().to_batches()
        rows = both[0]
    wanted = wanted_transcripts(resources, contig, *chunk.header.window)
    return compounds_of(rows, contig, wanted, resources, complete_from=chunk.header.complete_from)


def wanted_transcripts(resources: Resources, contig: int, above: int, upto: int) -> npt.NDArray[np.bool_]:
    """Transcripts (by row) of the coding spans of a contig that end in (above, upto]."""
    layout = resources.transcripts.layout
    spans = resources.coding_spans(contig)
    wanted = np.zeros(len(layout.start), dtype=np.bool_)
    if len(spans) == 0:
        return wanted
    here = np.flatnonzero((layout.contig == contig) & (layout.cds_start >= 0))
    ends = spans[np.searchsorted(spans[:, 0], layout.start[here], side="right") - 1, 1]
    wanted[here] = (ends > above) & (ends <= upto)
    return wanted


def compounds_of(
    rows: pa.RecordBatch, contig: int, wanted: npt.NDArray[np.bool_], resources: Resources, *, complete_from: int = 0
) -> pa.RecordBatch:
    """The same of alleles with RAW_FIELDS of one contig, for the transcripts in `wanted` (bool by row of the pack).

    A transcript that begins before `complete_from` may lack parts, which its rows say.
    """
    if rows.num_rows == 0 or not wanted.any():
        return no_compounds()
    rows = _sorted(rows)
    layout = resources.transcripts.layout
    start, end, low, high = (np.empty(rows.num_rows, dtype=np.int32) for _ in range(4))
    place, (alt_offsets, alt_bytes) = rows.column("start").to_numpy(), string_buffers(rows.column("alt"))
    events(place, *string_buffers(rows.column("ref")), alt_offsets, alt_bytes, start, end, low, high)
    parts = find_parts(layout, contig, wanted, start, end, high - low)
    if len(parts.allele) == 0:
        return no_compounds()
    alleles, own = np.unique(parts.allele, return_inverse=True)
    few = rows.take(pa.array(alleles))
    spans = np.stack([start, end], axis=1)[alleles]
    texts = [alt_bytes[a:b].tobytes() for a, b in zip(low[alleles].tolist(), high[alleles].tolist(), strict=True)]
    found = list(_call(parts._replace(allele=own.astype(np.int64)), few, texts, layout))
    return _batch(found, few, spans, contig, resources, complete_from) if found else no_compounds()


def _sorted(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows in the order of the file, however they were cut."""
    record, alt = rows.column("record").to_numpy(), rows.column("alt_index").to_numpy()
    if len(record) < 2 or bool(np.all(record[1:] >= record[:-1])):
        return rows
    return rows.take(pa.array(np.lexsort((alt, record))))


@dataclass(frozen=True)
class _Called:
    sample: int
    transcript: int
    found: Found
    effect: Effect


def _call(parts: Parts, rows: pa.RecordBatch, texts: list[bytes], layout: Layout) -> Iterator[_Called]:
    """Compounds of each sample and transcript. `texts`: bases that each allele's event puts in."""
    records = rows.column("record").to_pylist()
    calls, owner, sample, part = _carriers(parts, rows)
    readings: dict[int, Reading] = {}
    effects: dict[tuple[int, Cluster], Effect | None] = {}
    built: dict[int, Part] = {}
    edges = np.flatnonzero(np.append(True, (np.diff(owner) != 0) | (np.diff(sample) != 0)))
    for low, high in zip(edges.tolist(), [*edges[1:].tolist(), len(owner)], strict=True):
        if high - low < 2:
            continue
        row, carried = int(owner[low]), []
        for at in range(low, high):
            number = int(part[at])
            if number not in built:
                built[number] = _part(parts, number, texts, layout)
            genotype = {name: values[at] for name, values in calls.items()}
            block = block_of(record=records[built[number].allele], **genotype)
            carried.append(Carried(built[number], genotype["haplotypes"], genotype["ploidy"], block))
        read: list[tuple[Found, Cluster]] = []
        told: dict[Cluster, Effect] = {}
        for found in found_in(carried):
            key = (row, found.cluster)
            if key not in effects:
                if row not in readings:
                    readings[row] = reading_of(layout, row)
                effects[key] = call(readings[row], found.cluster)
            effect = effects[key]
            if effect is not None:
                read.append((found, effect.cluster))
                told.setdefault(effect.cluster, effect)
        for found in read_of(read, carried):
            yield _Called(int(sample[low]), row, found, told[found.cluster])


def _carriers(
    parts: Parts, rows: pa.RecordBatch
) -> tuple[dict[str, list[Any]], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Genotypes that carry a part with at least one other of its transcript: (fields, transcript, sample, row of the parts)."""
    lists = rows.column("calls")
    inner = lists.flatten()
    fields = {field.name: inner.field(k).to_numpy(zero_copy_only=False) for k, field in enumerate(CALL)}
    offsets = lists.offsets.to_numpy().astype(np.int64)
    first, counts = offsets[:-1] - offsets[0], np.diff(offsets)
    own = counts[parts.allele]
    part = np.repeat(np.arange(len(parts.allele)), own)
    call_row = np.repeat(first[parts.allele] - (np.cumsum(own) - own), own) + np.arange(len(part))
    carried = fields["haplotypes"][call_row] != 0
    part, call_row = part[carried], call_row[carried]
    sample, owner = fields["sample"][call_row].astype(np.int64), parts.transcript[part]
    order = np.lexsort((part, sample, owner))
    part, call_row, sample, owner = part[order], call_row[order], sample[order], owner[order]
    group = np.cumsum(np.append(0, (np.diff(owner) != 0) | (np.diff(sample) != 0)))
    if len(part):
        shared = np.flatnonzero(np.bincount(group)[group] > 1)
        part, call_row, sample, owner = part[shared], call_row[shared], sample[shared], owner[shared]
    genotype = {name: fields[name][call_row].tolist() for name in ("haplotypes", "ploidy", "phased", "phase_set")}
    return genotype, owner, sample, part


def _part(parts: Parts, number: int, texts: list[bytes], layout: Layout) -> Part:
    allele = int(parts.allele[number])
    alt = texts[allele]
    if layout.strand[parts.transcript[number]] < 0:
        alt = COMPLEMENT[np.frombuffer(alt, dtype=np.uint8)][::-1].tobytes()
    return Part(allele, int(parts.start[number]), int(parts.end[number]), alt, bool(parts.crosses[number]))


def _batch(
    found: list[_Called], rows: pa.RecordBatch, spans: npt.NDArray[np.int64], contig: int, resources: Resources, complete_from: int
) -> pa.RecordBatch:
    """Rows of COMPOUND_SCHEMA."""
    layout, pads = resources.transcripts.layout, resources.transcripts.layout.pad
    alleles = [sorted(part.allele for part in one.effect.cluster.parts) for one in found]
    cis = _cis_names(found, rows, contig, resources)
    columns: dict[str, list[Any]] = {field.name: [] for field in COMPOUND_FIELDS[:-1]}
    for one, own, parts_name in zip(found, alleles, cis, strict=True):
        effect, cluster, pad = one.effect, one.effect.cluster, int(pads[one.transcript])
        flags = effect.flags | (CompoundFlag.NEIGHBOUR_UNPHASED if one.found.neighbour_unphased else CompoundFlag(0))
        if int(layout.start[one.transcript]) < complete_from:
            flags |= CompoundFlag.INCOMPLETE
        whole = cluster.kind is CompoundKind.CODON and effect.terms != 0
        values = {
            "sample": one.sample,
            "haplotypes": one.found.haplotypes,
            "phase": int(one.found.phase),
            "phase_set": one.found.phase_set,
            "transcript": one.transcript,
            "gene": int(layout.gene[one.transcript]),
            "kind": int(cluster.kind),
            "flags": int(flags),
            "start": int(spans[own, 0].min()),
            "end": int(spans[own, 1].max()),
            "terms": effect.terms,
            "cds_start": cluster.parts[0].start - pad + 1,
            "cds_end": max(max(part.end, part.start + 1) for part in cluster.parts) - pad,
            "residue": effect.residue + 1,
            "ref_codons": effect.ref_codons,
            "alt_codons": effect.alt_codons,
            "ref_aa": effect.ref_aa,
            "alt_aa": effect.alt_aa,
            "hgvsc": f"{resources.transcripts.name[one.transcript]}:c.{effect.change if whole else parts_name}",
            "hgvsp": _protein_name(effect, resources, one.transcript),
        }
        for name, value in values.items():
            columns[name].append(value)
    arrays = [pa.array(columns[field.name], type=field.type) for field in COMPOUND_FIELDS[:-1]]
    return pa.RecordBatch.from_arrays([*arrays, _links(found, alleles, rows)], schema=COMPOUND_SCHEMA)


def _protein_name(effect: Effect, resources: Resources, transcript: int) -> str:
    if not effect.protein:
        return ""
    return f"{resources.transcripts.protein[transcript] or resources.transcripts.name[transcript]}:p.{effect.protein}"


def _cis_names(found: list[_Called], rows: pa.RecordBatch, contig: int, resources: Resources) -> list[str]:
    """`[76A>G;78G>C]`: what follows `c.` where the parts are named by themselves, in the order of the transcript."""
    index = np.array([part.allele for one in found for part in one.effect.cluster.parts], dtype=np.int64)
    owner = np.array([one.transcript for one in found for _ in one.effect.cluster.parts], dtype=np.uint32)
    alleles = Alleles.of(contig, rows.column("start"), rows.column("ref"), rows.column("alt"))
    bits = np.zeros(len(index), dtype=np.uint64)
    texts = names(Kind.TRANSCRIPT, alleles, resources.genome, resources.transcripts, index, owner, bits, NOMENCLATURE).to_pylist()
    result, at = [], 0
    for one in found:
        own = texts[at : at + len(one.effect.cluster.parts)]
        at += len(own)
        result.append("[" + ";".join((text or ":c.?").rsplit(":c.", 1)[-1] for text in own) + "]")
    return result


def _links(found: list[_Called], alleles: list[list[int]], rows: pa.RecordBatch) -> pa.Array[Any]:
    """The column `parts`, by position on the contig."""
    offsets = np.concatenate([[0], np.cumsum([len(own) for own in alleles])]).astype(np.int32)
    kept = ["record", "alt_index", "allele_id", "start", "ref", "alt"]  # without the calls, of which a wide file has thousands an allele
    taken = rows.select(kept).take(pa.array(np.array([allele for own in alleles for allele in own], dtype=np.int64)))
    ids = taken.column("allele_id").to_numpy()
    alone = []
    for one, own in zip(found, alleles, strict=True):
        by_allele = {part.allele: bits for part, bits in zip(one.effect.cluster.parts, one.effect.alone, strict=True)}
        alone += [by_allele[allele] for allele in own]
    spelled = identity.spellings(ids, *string_buffers(taken.column("ref")), *string_buffers(taken.column("alt")))
    columns: dict[str, pa.Array[Any]] = {name: taken.column(name) for name in kept}
    columns |= {"spelling": pa.array(spelled), "terms": pa.array(np.array(alone, dtype=np.uint64))}
    struct = pa.StructArray.from_arrays([columns[field.name] for field in PART], fields=list(PART))
    return pa.ListArray.from_arrays(pa.array(offsets), struct)
