"""Genes of structural alleles: which are affected, which are broken, and which two could become one transcript.

A fusion is *possible* where a junction joins the 5' part of one gene to the 3' part of another, on one strand of the new sequence. It is
named by genes only: whether a reading frame survives is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate import terms
from processors.annotate.structural.kinds import Direction, Kind, Side
from processors.knowledge.layout import Layout

BESIDE = np.uint64(terms.mask("upstream_gene_variant", "downstream_gene_variant"))
MAX_PARTNERS = 64
"""Genes looked at on each end of a junction; more never stand at one base."""

_LEFT, _RIGHT = int(Side.LEFT), int(Side.RIGHT)


@dataclass(frozen=True)
class Lists:
    """Lists of n records: int32 `offsets` [n + 1] and the values, one array or several of one length."""

    offsets: npt.NDArray[np.int32]
    values: tuple[npt.NDArray[np.uint32], ...]


def gene_lists(layout: Layout, rows: npt.NDArray[Any], record: npt.NDArray[np.int64], records: int) -> tuple[Lists, Lists]:
    """Genes affected (a transcript is touched, not only close by), and genes broken (an end lies inside a transcript), ascending."""
    gene = layout.gene[rows["transcript"]].astype(np.uint64)
    key = (record.astype(np.uint64) << np.uint64(32)) | gene
    return _distinct(key[(rows["terms"] & BESIDE) == 0], records), _distinct(key[rows["breaks"] > 0], records)


def _distinct(key: npt.NDArray[np.uint64], records: int) -> Lists:
    # numpy's own way to distinct numbers hashes them, and takes ten times as long on keys such as these
    key = np.sort(key)
    kept = key[np.concatenate([np.ones(min(len(key), 1), dtype=np.bool_), key[1:] != key[:-1]])]
    counts = np.bincount((kept >> np.uint64(32)).astype(np.int64), minlength=records)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return Lists(offsets, ((kept & np.uint64(0xFFFFFFFF)).astype(np.uint32),))


def junctions(kind: npt.NDArray[np.uint8], direction: npt.NDArray[np.uint8], side: Any, mate_side: Any) -> npt.NDArray[np.uint8]:
    """uint8[n, 2, 2]: up to two junctions of each record as (side kept at the first end, side kept at the second); 0: none.

    A loss joins what is left of it to what is right, a tandem duplication its own end to its own start, an inversion both lefts and both
    rights. Where a copy went that is not said to stand in tandem, nobody knows.
    """
    result = np.zeros((len(kind), 2, 2), dtype=np.uint8)
    result[direction == Direction.LOSS, 0] = (Side.LEFT, Side.RIGHT)
    result[kind == Kind.TANDEM_DUPLICATION, 0] = (Side.RIGHT, Side.LEFT)
    result[kind == Kind.INVERSION] = ((Side.LEFT, Side.LEFT), (Side.RIGHT, Side.RIGHT))
    ends = (kind == Kind.BREAKEND) & (side > 0) & (mate_side > 0)
    result[ends, 0, 0], result[ends, 0, 1] = side[ends], mate_side[ends]
    return result


@njit(cache=True, nogil=True)
def _partners(t, rows, low, high, bit, side, genes, heads):  # type: ignore[no-untyped-def]
    """Distinct genes broken at one end, and whether what is kept of each is its 5' part."""
    n = 0
    for i in range(low, high):
        if rows[i].breaks & bit:
            gene, head = t.gene[rows[i].transcript], (side == _LEFT) == (t.strand[rows[i].transcript] > 0)
            known = False
            for k in range(n):
                known |= genes[k] == gene and heads[k] == head
            if not known and n < genes.shape[0]:
                genes[n], heads[n] = gene, head
                n += 1
    return n


@njit(cache=True, nogil=True)
def _fuse(t, rows, offsets, joints, counts, five, three):  # type: ignore[no-untyped-def]
    """Write pairs where `five` has room; how many there are."""
    genes, heads = np.empty((2, MAX_PARTNERS), dtype=np.uint32), np.empty((2, MAX_PARTNERS), dtype=np.bool_)
    total = 0
    for i in range(joints.shape[0]):
        first = total
        for j in range(2):
            if joints[i, j, 0] == 0:
                continue
            ends = (
                _partners(t, rows, offsets[i], offsets[i + 1], 1, joints[i, j, 0], genes[0], heads[0]),
                _partners(t, rows, offsets[i], offsets[i + 1], 2, joints[i, j, 1], genes[1], heads[1]),
            )
            for x in range(ends[0]):
                for y in range(ends[1]):
                    if genes[0, x] == genes[1, y] or heads[0, x] == heads[1, y]:
                        continue
                    a, b = (genes[0, x], genes[1, y]) if heads[0, x] else (genes[1, y], genes[0, x])
                    if total < five.shape[0]:
                        five[total], three[total] = a, b
                    total += 1
        counts[i] = total - first
    return total


def fusions(layout: Layout, rows: npt.NDArray[Any], offsets: npt.NDArray[np.int64], joints: npt.NDArray[np.uint8]) -> Lists:
    """(5' gene, 3' gene) of each possible fusion; `offsets` int64[n + 1] into ROW records, `joints` as `junctions`."""
    counts = np.zeros(len(joints), dtype=np.int32)
    room = np.empty((2, 0), dtype=np.uint32)
    total: Any = _fuse(layout, rows, offsets, joints, counts, room[0], room[1])
    if total:
        room = np.empty((2, int(total)), dtype=np.uint32)
        _fuse(layout, rows, offsets, joints, counts, room[0], room[1])
    return Lists(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), (room[0], room[1]))
