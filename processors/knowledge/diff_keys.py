"""Keys of every kind that a release changes: by the consequence engine's own reading of the changed alleles.

A criterion may read its neighbour's record: PS1 and PM5 read what ClinVar says of other alleles of the residue. So a changed allele changes
the keys of its gene, of the residues that it touches on every transcript, and of its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate.stage import compute
from processors.knowledge.diff import Changes
from processors.knowledge.kinds import Keyed

if TYPE_CHECKING:
    from processors.resources import Resources

_BATCH = 65_536


@dataclass(frozen=True)
class ChangedKeys:
    """Distinct changed keys. `everything`: all alleles on file are affected, and nothing is listed.

    `ids` and `spellings` are the changed alleles; `genes` (uint32) are rows of the transcript pack's genes, as the column `gene` of
    annotations has them, `gene_names` their ids and symbols; `residues` (int64[n, 2]) are (gene, 1-based residue), as annotations number
    it: the first residue that an allele touches on each transcript. `regions` (int64[m, 2]) are linear, half-open, merged.
    """

    everything: bool
    ids: npt.NDArray[np.uint64]
    spellings: npt.NDArray[np.uint32]
    residues: npt.NDArray[np.int64]
    genes: npt.NDArray[np.uint32]
    gene_names: tuple[str, ...]
    regions: npt.NDArray[np.int64]


def changed_keys(changes: Changes, resources: Resources) -> ChangedKeys:
    """Keys of the changed alleles, genes or regions under a plan's genome and gene models. Take `changes.of(...)` for some fields alone."""
    none = np.empty((0, 2), dtype=np.int64)
    empty = ChangedKeys(changes.everything, changes.ids[:0], changes.spellings[:0], none, np.empty(0, dtype=np.uint32), (), changes.regions)
    if changes.everything:
        return empty
    if changes.keyed is Keyed.GENE:
        return _of_genes(changes, resources, empty)
    if changes.keyed is Keyed.REGION or len(changes.ids) == 0:
        return empty
    found = [_annotated(changes, rows, contig, resources) for contig, rows in _by_contig(changes, resources)]
    pairs = np.concatenate([none, *found])
    residues = np.unique(pairs[pairs[:, 1] > 0], axis=0)
    genes = np.unique(pairs[:, 0]).astype(np.uint32)
    regions = np.stack([changes.linear, changes.linear + np.diff(changes.spelled.ref_offsets)], axis=1)
    return ChangedKeys(
        False, changes.ids, changes.spellings, residues, genes, _names(resources, genes), _merge(np.concatenate([regions, changes.regions]))
    )


def _by_contig(changes: Changes, resources: Resources) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """(number of a contig, rows on it), at most _BATCH at a time."""
    offsets = np.array([contig.offset for contig in resources.genome.table.contigs], dtype=np.int64)
    contig = np.searchsorted(offsets, changes.linear, side="right") - 1
    parts = []
    for number in np.unique(contig).tolist():
        rows = np.flatnonzero(contig == number)
        parts += [(number, rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)]
    return parts


def _annotated(changes: Changes, rows: npt.NDArray[np.int64], contig: int, resources: Resources) -> npt.NDArray[np.int64]:
    """Distinct (gene, residue; 0 for none) of some alleles of a contig."""
    part = changes.take(rows)
    start = part.linear - resources.genome.table.contigs[contig].offset
    texts = [
        pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
        for offsets, data in ((part.spelled.ref_offsets, part.spelled.ref_bytes), (part.spelled.alt_offsets, part.spelled.alt_bytes))
    ]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(part.ids), pa.array(start.astype(np.int32)), *texts], names=["allele_id", "start", "ref", "alt"]
    )
    found = compute(batch, contig, resources)
    gene = np.asarray(resources.transcripts.layout.gene)[found.transcript]
    return np.unique(np.stack([gene.astype(np.int64), found.residue.astype(np.int64)], axis=1), axis=0)


def _of_genes(changes: Changes, resources: Resources, empty: ChangedKeys) -> ChangedKeys:
    """Rows of the plan's genes that a gene-keyed source calls by one of its names."""
    ids = {identity for key, _ in changes.genes for identity in key.ids}
    symbols = {key.symbol for key, _ in changes.genes if key.symbol}
    known: Any = resources.transcripts
    rows = [row for row, (gene, symbol) in enumerate(zip(*_tables(known), strict=True)) if gene in ids or symbol in symbols]
    genes = np.array(rows, dtype=np.uint32)
    return ChangedKeys(False, empty.ids, empty.spellings, empty.residues, genes, _names(resources, genes), empty.regions)


def _names(resources: Resources, genes: npt.NDArray[np.uint32]) -> tuple[str, ...]:
    ids, symbols = _tables(resources.transcripts)
    return tuple(sorted({name for row in genes.tolist() for name in (ids[row], symbols[row]) if name}))


def _tables(transcripts: Any) -> tuple[list[str], list[str]]:
    return transcripts.gene_id.arrow().to_pylist(), transcripts.gene_symbol.arrow().to_pylist()


def _merge(spans: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.flatnonzero(np.concatenate([[True], spans[1:, 0] > reach[:-1]]))
    ends: npt.NDArray[np.int64] = reach[np.append(first[1:], len(spans)) - 1]
    return np.stack([spans[first, 0], ends], axis=1)
