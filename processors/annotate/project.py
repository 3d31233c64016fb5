"""Coordinate projection between contig, spliced transcript (cDNA) and coding sequence, for kernels.

`t` is a `knowledge.transcripts.Layout`, `row` a transcript. Positions are 0-based; cDNA counts from the transcript's 5' end; a CDS
position counts from the first coding base, with `pad` unknown bases before it where the coding sequence begins inside a codon.

All are inlined where they are called: a call that hands over a Layout counts a reference to each of its arrays, which takes 0.3 µs.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def exon_at_or_after(t, row, position):  # type: ignore[no-untyped-def]
    """Number (into the exon arrays) of the first exon of a transcript that ends beyond a contig position; exon_offsets[row + 1] if none."""
    low, high = t.exon_offsets[row], t.exon_offsets[row + 1]
    while low < high:
        middle = (low + high) // 2
        if t.exon_ends[middle] > position:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True)
def cdna_in(t, row, exon, position):  # type: ignore[no-untyped-def]
    """cDNA position of a contig position known to lie in `exon`."""
    if t.strand[row] > 0:
        return np.int64(t.exon_cdna[exon]) + position - t.exon_starts[exon]
    return np.int64(t.exon_cdna[exon]) + t.exon_ends[exon] - 1 - position


@njit(cache=True, nogil=True)
def cdna_of(t, row, position):  # type: ignore[no-untyped-def]
    """cDNA position of a contig position, -1 where it lies in no exon."""
    exon = exon_at_or_after(t, row, position)
    if exon == t.exon_offsets[row + 1] or t.exon_starts[exon] > position:
        return np.int64(-1)
    return cdna_in(t, row, exon, position)


@njit(cache=True, nogil=True)
def contig_of(t, row, cdna):  # type: ignore[no-untyped-def]
    """Contig position of a cDNA position, -1 outside [0, length)."""
    if cdna < 0 or cdna >= t.length[row]:
        return np.int64(-1)
    low, high = t.exon_offsets[row], t.exon_offsets[row + 1]
    forward = t.strand[row] > 0
    while high - low > 1:  # exons ascend on the contig: their cDNA positions ascend forward and descend in reverse
        middle = (low + high) // 2
        if forward:
            if t.exon_cdna[middle] <= cdna:
                low = middle
            else:
                high = middle
        elif t.exon_cdna[middle - 1] > cdna:
            low = middle
        else:
            high = middle
    if forward:
        return np.int64(t.exon_starts[low]) + cdna - t.exon_cdna[low]
    return np.int64(t.exon_ends[low]) - 1 - (cdna - t.exon_cdna[low])


@njit(cache=True, nogil=True)
def anchor_of(t, row, position):  # type: ignore[no-untyped-def]
    """(cDNA position of the nearest exonic base, offset into the intron) as HGVS names an intronic base.

    The offset is 0 in an exon, positive behind the exon that comes before it in the transcript, negative before the one that follows; the
    middle base of an intron of odd length goes with the exon before it (HGVS, numbering). The position lies within the transcript's span.
    """
    exon = exon_at_or_after(t, row, position)
    if t.exon_starts[exon] <= position:
        return cdna_in(t, row, exon, position), np.int64(0)
    left, right = t.exon_ends[exon - 1] - 1, np.int64(t.exon_starts[exon])
    from_left, from_right = position - left, right - position
    if t.strand[row] > 0:
        if from_left <= from_right:
            return cdna_in(t, row, exon - 1, left), from_left
        return cdna_in(t, row, exon, right), -from_right
    if from_right <= from_left:
        return cdna_in(t, row, exon, right), from_right
    return cdna_in(t, row, exon - 1, left), -from_left
