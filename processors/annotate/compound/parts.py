"""Alleles in coding sequence: where each lies in each coding transcript, and which of them can meet another at all.

*Coding positions* `q` count from the first base of the first codon, 0-based, on the transcript's strand; a coding sequence that begins
inside a codon has `Layout.pad` unknown bases before its first. Codon k is [3k, 3k + 3).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate.project import cdna_in, exon_at_or_after
from processors.knowledge.layout import Layout
from processors.knowledge.transcripts import BIN_BITS


class Parts(NamedTuple):
    """n pairs of allele and transcript, by transcript, then place. [start, end) in coding positions, start == end: an insertion before."""

    allele: npt.NDArray[np.int64]  # row of the events
    transcript: npt.NDArray[np.int64]  # row of the pack
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]  # bases inserted less bases deleted
    crosses: npt.NDArray[np.bool_]  # reaches beyond the coding bases of one exon

    def take(self, rows: npt.NDArray[Any]) -> Parts:
        return Parts(*(column[rows] for column in self))

    def codons(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(first, last) codon touched; last < first where an insertion of whole codons stands between two."""
        first = self.start // 3
        between = (self.start % 3 == 0) & (self.shift % 3 == 0)
        return first, np.where(self.end > self.start, (self.end - 1) // 3, np.where(between, first - 1, first))


@njit(cache=True, nogil=True)
def _place(t, row, s, e):  # type: ignore[no-untyped-def]
    """(touches coding bases, first, behind last coding position, crosses a border) of an event."""
    low, high = np.int64(t.cds_start[row]), np.int64(t.cds_end[row])
    forward = t.strand[row] > 0
    base = np.int64(t.pad[row]) - t.coding_start[row]
    last = t.exon_offsets[row + 1]
    exon = exon_at_or_after(t, row, s)
    if s == e:
        if exon == last or not (t.exon_starts[exon] < s < t.exon_ends[exon]) or not (low < s < high):
            return False, np.int64(0), np.int64(0), False
        at = base + (cdna_in(t, row, exon, s) if forward else cdna_in(t, row, exon, s - 1))
        return True, at, at, False
    if exon == last or t.exon_starts[exon] >= e:
        return False, np.int64(0), np.int64(0), False
    first = max(s, np.int64(t.exon_starts[exon]), low)
    behind, behind_exon = np.int64(-1), exon
    k = exon
    while k < last and t.exon_starts[k] < e:
        reach = min(e, np.int64(t.exon_ends[k]), high)
        if reach > max(np.int64(t.exon_starts[k]), low):
            behind, behind_exon = reach, k
        k += 1
    if behind < 0:
        return False, np.int64(0), np.int64(0), False
    while first >= t.exon_ends[exon]:  # the coding region begins in a later exon
        exon += 1
        first = max(first, np.int64(t.exon_starts[exon]))
    crosses = exon != behind_exon or first > s or behind < e
    if forward:
        return True, base + cdna_in(t, row, exon, first), base + cdna_in(t, row, behind_exon, behind - 1) + 1, crosses
    return True, base + cdna_in(t, row, behind_exon, behind - 1), base + cdna_in(t, row, exon, first) + 1, crosses


@njit(cache=True, nogil=True)
def _scan(t, contig, wanted, start, end, inserted, out):  # type: ignore[no-untyped-def]
    """Pairs of events and wanted coding transcripts; with an empty `out` they are only counted."""
    base, bins = t.bin_base[contig], t.bin_base[contig + 1] - t.bin_base[contig]
    n = 0
    for i in range(start.shape[0]):
        s, e = np.int64(start[i]), np.int64(end[i])
        low, high = max(s - 1, np.int64(0)) >> BIN_BITS, min(e >> BIN_BITS, bins - 1)
        for b in range(low, high + 1):
            for j in range(t.bin_offsets[base + b], t.bin_offsets[base + b + 1]):
                row = np.int64(t.bin_rows[j])
                if b > low and (t.start[row] >> BIN_BITS) != b:
                    continue
                if t.cds_start[row] < 0 or e < t.cds_start[row] or s > t.cds_end[row] or not wanted[row]:
                    continue
                touches, first, behind, crosses = _place(t, row, s, e)
                if not touches:
                    continue
                if out.shape[0]:
                    out[n, 0], out[n, 1], out[n, 2], out[n, 3] = i, row, first, behind
                    out[n, 4], out[n, 5] = np.int64(inserted[i]) - (e - s), crosses
                n += 1
    return n


@njit(cache=True, nogil=True)
def _meeting(transcript, first, last, shifts, keep):  # type: ignore[no-untyped-def]
    """Mark parts that could be called with another of their transcript, whoever carries them: their codons meet, or a frame is shifted."""
    n = transcript.shape[0]
    i = 0
    while i < n:
        j = i
        shifted = False
        while j < n and transcript[j] == transcript[i]:
            shifted |= shifts[j]
            j += 1
        if j - i > 1:
            k = i
            while k < j:
                reach, m = last[k], k + 1
                while m < j and (shifted or first[m] <= reach):
                    reach = max(reach, last[m])
                    m += 1
                if m - k > 1:
                    keep[k:m] = True
                k = m
        i = j


def find_parts(
    layout: Layout,
    contig: int,
    wanted: npt.NDArray[np.bool_],
    start: npt.NDArray[np.int32],
    end: npt.NDArray[np.int32],
    inserted: npt.NDArray[np.int32],
) -> Parts:
    """Parts of n events (see `annotate.regions`) on one contig that could be called with another one of the same transcript.

    `wanted`: bool by transcript row, which transcripts are called here.
    """
    total: int = _scan(layout, contig, wanted, start, end, inserted, np.empty((0, 6), dtype=np.int64))
    out = np.empty((max(total, 1), 6), dtype=np.int64)
    if total:
        _scan(layout, contig, wanted, start, end, inserted, out)
    out = out[:total]
    out = out[np.lexsort((out[:, 0], out[:, 3], out[:, 2], out[:, 1]))]
    allele, transcript, first_base, behind, shift, crosses = (np.ascontiguousarray(column) for column in out.T)
    parts = Parts(allele, transcript, first_base, behind, shift, crosses != 0)
    first, last = parts.codons()
    keep = np.zeros(total, dtype=np.bool_)
    _meeting(parts.transcript, first, last, (parts.shift % 3 != 0) & ~parts.crosses, keep)
    return parts.take(np.flatnonzero(keep))
