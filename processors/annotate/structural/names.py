"""Names of structural alleles: HGVS on the genome where both ends are known to the base, and ranges of exons and introns.

HGVS: `g.5_9del`, `g.5_9dup`, `g.5_9inv`, at the 3'-most place (HGVS Nomenclature 21.1, general recommendations). A duplication is named
only where it is said to stand in tandem, which `dup` means.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from processors.annotate.structural.kinds import Direction, Kind
from processors.annotate.structural.places import Places
from processors.knowledge.genome import Genome
from schemas.assembly import accession

_UNKNOWN = ord("N")


@njit(cache=True, nogil=True)
def _shift(sequence, base, length, contig, named, turned, start, end):  # type: ignore[no-untyped-def]
    """Move what is deleted or duplicated as far towards higher positions as it reads the same; unname what lies on unknown bases."""
    for i in range(named.shape[0]):
        if not named[i] or turned[i]:
            continue
        offset, last = base[contig[i]], length[contig[i]]
        if offset < 0 or sequence[offset + start[i]] == _UNKNOWN:
            named[i] = False
            continue
        while end[i] < last and sequence[offset + start[i]] == sequence[offset + end[i]] and sequence[offset + end[i]] != _UNKNOWN:
            start[i] += 1
            end[i] += 1


def genomic_names(places: Places, genome: Genome, *, with_accession: bool) -> pa.Array[Any]:
    """HGVS g. (m.) name of each allele as a string column, empty where there is none."""
    turned = places.kind == Kind.INVERSION
    lost = (places.kind == Kind.DELETION) | (
        (places.kind == Kind.COPY_NUMBER) & (places.direction == Direction.LOSS) & places.per_haplotype
    )
    named = places.exact & (turned | lost | (places.kind == Kind.TANDEM_DUPLICATION))
    start, end = places.start.astype(np.int64), places.end.astype(np.int64)
    named &= ~turned | (end - start > 1)
    _shift(genome.sequence, genome.sequence_offsets, genome.lengths, places.contig, named, turned, start, end)
    table = genome.table
    labels = [(accession(table.build, one.name) or one.name) if with_accession else one.name for one in table.contigs]
    label = pa.array([f"{name}:{'m' if one.name == 'MT' else 'g'}." for name, one in zip(labels, table.contigs, strict=True)], pa.string())
    what = pa.array(["del", "dup", "inv"]).take(pa.array(np.where(turned, 2, np.where(lost, 0, 1))))
    first, last = (pa.array(values).cast(pa.string()) for values in (start + 1, end))
    span = pc.if_else(pa.array(end - start == 1), first, pc.binary_join_element_wise(first, last, pa.scalar("_")))
    names = pc.binary_join_element_wise(label.take(pa.array(np.maximum(places.contig, 0))), span, what, pa.scalar("", pa.string()))
    return pc.if_else(pa.array(named), names, "")


def ranges(first: npt.NDArray[np.uint16], last: npt.NDArray[np.uint16], total: npt.NDArray[Any], missing: str) -> tuple[Any, list[str]]:
    """`3/10` or `3-5/10` of each row as (number of the text int32, texts); `missing` where `first` is 0."""
    key = (
        (first.astype(np.uint64) << np.uint64(40))
        | (last.astype(np.uint64) << np.uint64(20))
        | np.where(first > 0, total, 0).astype(np.uint64)
    )
    kinds, index = np.unique(key, return_inverse=True)
    texts = []
    for kind in kinds.tolist():
        low, high, whole = kind >> 40, (kind >> 20) & 0xFFFFF, kind & 0xFFFFF
        texts.append(missing if low == 0 else f"{low}/{whole}" if low == high else f"{low}-{high}/{whole}")
    return index.reshape(-1).astype(np.int32), texts
