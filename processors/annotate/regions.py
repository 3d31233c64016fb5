"""The interval kernel: every allele against every transcript within reach, at the level of regions.

An *event* is what an allele replaces, without what REF and ALT share: [start, end) on the contig, 0-based half-open; start == end is an
insertion before base `start`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate import terms
from processors.annotate.pick import SEVERITY_OF_CODING, SEVERITY_SHIFT
from processors.annotate.within import within
from processors.knowledge.transcripts import BIN_BITS, Layout

_CODING = np.uint64(terms.CODING_SEQUENCE)
_UP = np.uint64(terms.UPSTREAM)
_DOWN = np.uint64(terms.DOWNSTREAM)
_NONE = np.uint32(0xFFFFFFFF)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


@njit(cache=True, nogil=True)
def events(  # type: ignore[no-untyped-def]
    start, ref_offsets, ref_bytes, alt_offsets, alt_bytes, out_start, out_end, out_inserted
):
    """Event of each allele: what remains of REF, and how many bases of ALT, once their common prefix and suffix are gone."""
    for i in range(start.shape[0]):
        r0, r1 = ref_offsets[i], ref_offsets[i + 1]
        a0, a1 = alt_offsets[i], alt_offsets[i + 1]
        s = start[i]
        while r0 < r1 and a0 < a1 and ref_bytes[r0] == alt_bytes[a0]:
            r0 += 1
            a0 += 1
            s += 1
        while r0 < r1 and a0 < a1 and ref_bytes[r1 - 1] == alt_bytes[a1 - 1]:
            r1 -= 1
            a1 -= 1
        out_start[i] = s
        out_end[i] = s + (r1 - r0)
        out_inserted[i] = a1 - a0


@njit(cache=True, nogil=True)
def _count(t, contig, reach, start, end, offsets):  # type: ignore[no-untyped-def]
    base, bins = t.bin_base[contig], t.bin_base[contig + 1] - t.bin_base[contig]
    total = 0
    offsets[0] = 0
    for i in range(start.shape[0]):
        s, e = start[i], end[i]
        low, high = max(s - reach, 0) >> BIN_BITS, min((e + reach) >> BIN_BITS, bins - 1)
        for b in range(low, high + 1):
            for j in range(t.bin_offsets[base + b], t.bin_offsets[base + b + 1]):
                row = t.bin_rows[j]
                if b > low and (t.start[row] >> BIN_BITS) != b:
                    continue  # seen in an earlier bin
                # an event next to a transcript is one base away from it
                if e + reach > t.start[row] and s < t.end[row] + reach:
                    total += 1
        offsets[i + 1] = total
    return total


@njit(cache=True, nogil=True)
def _fill(  # type: ignore[no-untyped-def]
    t, keys, contig, reach, start, end, inserted, rows, found, exons, introns, distances, pick, pick_gene, pick_terms
):
    base, bins = t.bin_base[contig], t.bin_base[contig + 1] - t.bin_base[contig]
    n = 0
    for i in range(start.shape[0]):
        s, e = start[i], end[i]
        low, high = max(s - reach, 0) >> BIN_BITS, min((e + reach) >> BIN_BITS, bins - 1)
        best, best_row, best_terms = np.uint64(0xFFFFFFFFFFFFFFFF), _NONE, np.uint64(terms.INTERGENIC)
        for b in range(low, high + 1):
            for j in range(t.bin_offsets[base + b], t.bin_offsets[base + b + 1]):
                row = t.bin_rows[j]
                if b > low and (t.start[row] >> BIN_BITS) != b:
                    continue
                if not (e + reach > t.start[row] and s < t.end[row] + reach):
                    continue
                exon, intron, distance = 0, 0, 0
                if e <= t.start[row]:
                    bits = _UP if t.strand[row] > 0 else _DOWN
                    distance = t.start[row] - e + (1 if s < e else 0)
                elif s >= t.end[row]:
                    bits = _DOWN if t.strand[row] > 0 else _UP
                    distance = s - t.end[row] + (1 if s < e else 0)
                else:
                    bits, exon, intron = within(t, row, s, e, inserted[i])
                rows[n] = row
                found[n] = bits
                exons[n] = exon
                introns[n] = intron
                distances[n] = distance
                n += 1
                severity = _ZERO
                while (bits >> severity) & _ONE == _ZERO:
                    severity += _ONE
                if bits & _CODING and severity > SEVERITY_OF_CODING:
                    severity = np.uint64(SEVERITY_OF_CODING)
                key = keys[row] | (severity << np.uint64(SEVERITY_SHIFT))
                if key < best:
                    best, best_row, best_terms = key, row, bits
        pick[i] = best_row
        pick_terms[i] = best_terms
        pick_gene[i] = t.gene[best_row] if best_row != _NONE else _NONE


class RegionCalls:
    """What the kernel found: `offsets` (n + 1) into the rows of allele × transcript, and the pick of each allele."""

    __slots__ = ("distance", "exon", "intron", "offsets", "pick", "pick_gene", "pick_terms", "terms", "transcript")

    def __init__(self, alleles: int, offsets: npt.NDArray[np.int32], total: int) -> None:
        self.offsets = offsets
        self.transcript: npt.NDArray[np.uint32] = np.empty(total, dtype=np.uint32)
        self.terms: npt.NDArray[np.uint64] = np.empty(total, dtype=np.uint64)
        self.exon: npt.NDArray[np.uint16] = np.empty(total, dtype=np.uint16)
        self.intron: npt.NDArray[np.uint16] = np.empty(total, dtype=np.uint16)
        self.distance: npt.NDArray[np.int32] = np.empty(total, dtype=np.int32)
        self.pick: npt.NDArray[np.uint32] = np.empty(alleles, dtype=np.uint32)
        self.pick_gene: npt.NDArray[np.uint32] = np.empty(alleles, dtype=np.uint32)
        self.pick_terms: npt.NDArray[np.uint64] = np.empty(alleles, dtype=np.uint64)


def call_regions(
    layout: Layout,
    keys: npt.NDArray[np.uint64],
    contig: int,
    reach: int,
    start: npt.NDArray[np.int32],
    end: npt.NDArray[np.int32],
    inserted: npt.NDArray[np.int32],
) -> RegionCalls:
    """Region-level calls of n events on one contig.

    `keys` are `pick.pick_keys`; `reach` is how many bases up- and downstream of a transcript still count (VEP: 5,000). Rows of an allele
    come in the order of the pack.
    """
    offsets = np.empty(len(start) + 1, dtype=np.int32)
    total: Any = _count(layout, contig, reach, start, end, offsets)
    calls = RegionCalls(len(start), offsets, int(total))
    _fill(
        layout, keys, contig, reach, start, end, inserted, calls.transcript, calls.terms, calls.exon, calls.intron, calls.distance,
        calls.pick, calls.pick_gene, calls.pick_terms,
    )  # fmt: skip
    return calls
