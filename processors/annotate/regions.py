"""The interval kernel: every allele against every transcript within reach.

An *event* is what an allele replaces, without what REF and ALT share: [start, end) on the contig, 0-based half-open; start == end is an
insertion before base `start`. In its place stand the bases `alt[alt_from:alt_to]` of the allele.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate import terms
from processors.annotate.coding import coding
from processors.annotate.pick import PickOrder, pick_alleles
from processors.annotate.project import anchor_of
from processors.annotate.sequence import cdna_span, first_residue
from processors.annotate.within import within
from processors.knowledge.genome import Genome
from processors.knowledge.layout import Layout
from processors.knowledge.strings import read_only, writable
from processors.knowledge.transcripts import BIN_BITS

_UP = np.uint64(terms.UPSTREAM)
_DOWN = np.uint64(terms.DOWNSTREAM)
_ABLATION = np.uint64(terms.ABLATION)
_ZERO = np.uint64(0)


@njit(cache=True, nogil=True)
def events(  # type: ignore[no-untyped-def]
    start, ref_offsets, ref_bytes, alt_offsets, alt_bytes, out_start, out_end, out_from, out_to
):
    """Event of each allele: what remains of REF and of ALT once their common prefix and suffix are gone; `out_from`, `out_to` into ALT."""
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
        out_from[i] = a0
        out_to[i] = a1


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
                row = np.int64(t.bin_rows[j])
                if b > low and (t.start[row] >> BIN_BITS) != b:
                    continue  # seen in an earlier bin
                # an event next to a transcript is one base away from it
                if e + reach > t.start[row] and s < t.end[row] + reach:
                    total += 1
        offsets[i + 1] = total
    return total


@njit(cache=True, nogil=True)
def touching(t, row, s, e, genome, base, alt, lo, hi):  # type: ignore[no-untyped-def]
    """(terms, exon, intron, position, offset, residue, residue before, residue after) of an event that touches a transcript's span."""
    bits, exon, intron, touched = within(t, row, s, e, genome, base, alt, lo, hi)
    left, right = max(s, t.start[row]), min(max(e, s + 1), t.end[row])
    first = left if t.strand[row] > 0 else (right - 1 if s < e else s - 1)
    anchor, offset = anchor_of(t, row, first)
    residue, before, after = np.int64(0), np.uint8(0), np.uint8(0)
    if t.coding_start[row] >= 0 and s < t.cds_end[row] and e > t.cds_start[row] and bits != _ABLATION:
        if e - s == 1 and offset == 0:
            a, b = anchor, anchor + 1
        else:
            a, b = cdna_span(t, row, s, e)
        if a >= 0 or b >= 0 or touched:
            complete = s <= t.start[row] and e >= t.end[row]
            more, before, after = coding(t, row, a, b, e - s, alt, lo, hi, touched, complete)
            bits |= more
            if touched and t.coding_start[row] <= a < t.coding_end[row]:
                residue = (a - t.coding_start[row] + t.pad[row]) // 3 + 1
            elif touched:
                residue = first_residue(t, row, s, e, a)
    return bits, exon, intron, anchor + 1, offset, residue, before, after


@njit(cache=True, nogil=True)
def _fill(  # type: ignore[no-untyped-def]
    t, contig, reach, start, end, genome, base, alt, alt_from, alt_to, rows, found, exons, introns, distances, positions, anchors,
    residues, befores, afters,
):  # fmt: skip
    first_bin, bins = t.bin_base[contig], t.bin_base[contig + 1] - t.bin_base[contig]
    n = 0
    for i in range(start.shape[0]):
        s, e = np.int64(start[i]), np.int64(end[i])
        low, high = max(s - reach, 0) >> BIN_BITS, min((e + reach) >> BIN_BITS, bins - 1)
        for b in range(low, high + 1):
            for j in range(t.bin_offsets[first_bin + b], t.bin_offsets[first_bin + b + 1]):
                row = np.int64(t.bin_rows[j])
                if b > low and (t.start[row] >> BIN_BITS) != b:
                    continue
                if not (e + reach > t.start[row] and s < t.end[row] + reach):
                    continue
                rows[n] = row
                if e <= t.start[row] or s >= t.end[row]:
                    before = e <= t.start[row]
                    found[n] = _UP if before == (t.strand[row] > 0) else _DOWN
                    distances[n] = (t.start[row] - e if before else s - t.end[row]) + (1 if s < e else 0)
                else:
                    (
                        found[n], exons[n], introns[n], positions[n], anchors[n], residues[n], befores[n], afters[n]
                    ) = touching(t, row, s, e, genome, base, alt, alt_from[i], alt_to[i])  # fmt: skip
                n += 1


class ConsequenceCalls:
    """Rows of allele × transcript, cut by `offsets` (alleles + 1), and the pick of each allele; see `schemas.chunks.TRANSCRIPT`."""

    __slots__ = (
        "alt_aa", "distance", "effect", "exon", "intron", "lost", "offset", "offsets", "pick", "pick_gene", "pick_terms", "position",
        "ref_aa", "residue", "terms", "transcript",
    )  # fmt: skip

    def __init__(self, alleles: int, offsets: npt.NDArray[np.int32], total: int) -> None:
        self.offsets = offsets
        self.transcript: npt.NDArray[np.uint32] = np.empty(total, dtype=np.uint32)
        self.terms: npt.NDArray[np.uint64] = np.empty(total, dtype=np.uint64)
        self.exon: npt.NDArray[np.uint16] = np.zeros(total, dtype=np.uint16)
        self.intron: npt.NDArray[np.uint16] = np.zeros(total, dtype=np.uint16)
        self.distance: npt.NDArray[np.int32] = np.zeros(total, dtype=np.int32)
        self.position: npt.NDArray[np.int32] = np.zeros(total, dtype=np.int32)
        self.offset: npt.NDArray[np.int32] = np.zeros(total, dtype=np.int32)
        self.residue: npt.NDArray[np.int32] = np.zeros(total, dtype=np.int32)
        self.ref_aa: npt.NDArray[np.uint8] = np.zeros(total, dtype=np.uint8)
        self.alt_aa: npt.NDArray[np.uint8] = np.zeros(total, dtype=np.uint8)
        self.effect: npt.NDArray[np.uint32] = np.zeros(total, dtype=np.uint32)
        self.lost: npt.NDArray[np.uint16] = np.zeros(total, dtype=np.uint16)
        self.pick: npt.NDArray[np.uint32] = np.empty(alleles, dtype=np.uint32)
        self.pick_gene: npt.NDArray[np.uint32] = np.empty(alleles, dtype=np.uint32)
        self.pick_terms: npt.NDArray[np.uint64] = np.empty(alleles, dtype=np.uint64)


def call_consequences(
    layout: Layout,
    order: PickOrder,
    genome: Genome | None,
    contig: int,
    reach: int,
    start: npt.NDArray[np.int32],
    end: npt.NDArray[np.int32],
    alt: npt.NDArray[np.uint8],
    alt_from: npt.NDArray[np.int64],
    alt_to: npt.NDArray[np.int64],
) -> ConsequenceCalls:
    """Calls of n events on one contig, at the place they are given.

    `reach` is how many bases up- and downstream of a transcript still count (VEP: 5,000). Rows of an allele come in the order of the
    pack. `effect` and `lost` are left 0, for `annotate.predicted`. The genome is asked only which bases of a longer substitution differ;
    without one, all of them do.
    """
    offsets = np.empty(len(start) + 1, dtype=np.int32)
    total: Any = _count(layout, contig, reach, start, end, offsets)
    calls = ConsequenceCalls(len(start), offsets, int(total))
    sequence = read_only(np.empty(0, dtype=np.uint8)) if genome is None else genome.sequence
    base = np.int64(-1 if genome is None else genome.sequence_offsets[contig])
    _fill(
        layout, contig, reach, start, end, sequence, base, writable(alt), alt_from, alt_to, calls.transcript, calls.terms, calls.exon,
        calls.intron, calls.distance, calls.position, calls.offset, calls.residue, calls.ref_aa, calls.alt_aa,
    )  # fmt: skip
    pick_alleles(
        order.keys, order.shift, layout.gene, offsets, calls.transcript, calls.terms, calls.pick, calls.pick_gene, calls.pick_terms
    )
    return calls
