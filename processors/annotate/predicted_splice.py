"""Which splice sites an event touches, whether they read the same afterwards, and which exons go with them.

Kernels; `t` is a `knowledge.transcripts.Layout`; an event is [s, e) on the contig, s == e an insertion before base s, with n inserted
bases `alt[lo:lo + n]`; `sequence[base:base + length]` is the contig's genome. A *site* is the two intronic bases at an end of an
intron; a gap of the alignment too short for an intron has none (`annotate.within`).

A site is *unchanged* where the same altered sequence can be had by an event that leaves its two bases alone: an insertion or deletion moved
along a repeat, or a replacement of equal length that puts the same two bases back. What is moved into the exon is then an event there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate.codons import COMPLEMENT
from processors.annotate.hgvs.shift import steps_down, steps_up
from processors.annotate.predicted_reading import cdna_before
from processors.annotate.project import exon_at_or_after
from processors.annotate.splice import ARTEFACT_INTRON
from schemas.chunks import Effect

DONOR_EDGE, ACCEPTOR_EDGE = 3, 1
"""Exonic bases that are part of a site's motif: the last three before a donor, the first behind an acceptor (as PVS1 and BP7 count)."""

_GC, _U12, _NONCANONICAL = np.uint32(Effect.SPLICE_GC), np.uint32(Effect.SPLICE_U12), np.uint32(Effect.SPLICE_NONCANONICAL)
_GT_TO_GC = np.uint32(Effect.SPLICE_GT_TO_GC)
_UTR = np.uint32(Effect.SPLICE_UTR)
_EDGE, _LAST_BASE = np.uint32(Effect.EXON_EDGE), np.uint32(Effect.EXON_LAST_BASE)
_A, _C, _G, _T, _N = 65, 67, 71, 84, 78


@njit(cache=True, nogil=True)
def _touches(s, e, low):  # type: ignore[no-untyped-def]
    """Whether an event touches the two bases from `low`: an insertion does between them."""
    if s == e:
        return s == low + 1
    return s < low + 2 and e > low


@njit(cache=True, nogil=True)
def _first_intron(t, row, s):  # type: ignore[no-untyped-def]
    """The first intron, by the exon before it on the contig, that an event from s can touch."""
    return max(exon_at_or_after(t, row, s) - 1, t.exon_offsets[row])


@njit(cache=True, nogil=True)
def touches_site(t, row, s, e):  # type: ignore[no-untyped-def]
    """Whether an event touches any splice site of the transcript."""
    last = t.exon_offsets[row + 1] - 1
    k = _first_intron(t, row, s)
    while k < last and t.exon_ends[k] <= e:
        low, high = t.exon_ends[k], t.exon_starts[k + 1]
        if high - low > ARTEFACT_INTRON and (_touches(s, e, low) or _touches(s, e, high - 2)):
            return True
        k += 1
    return False


@njit(cache=True, nogil=True)
def _kind(t, row, low, high, s, e, n, lo, alt, sequence, base):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """Bits of an intron's own sites: GC-AG, AT-AC, none of the known; and +2T>C."""
    if base < 0:
        return np.uint32(0)
    left, right = base + low, base + high
    if t.strand[row] > 0:
        d1, d2, a1, a2 = sequence[left], sequence[left + 1], sequence[right - 2], sequence[right - 1]
        second, new = low + 1, alt[lo] if n else np.uint8(_N)
    else:
        d1, d2 = COMPLEMENT[sequence[right - 1]], COMPLEMENT[sequence[right - 2]]
        a1, a2 = COMPLEMENT[sequence[left + 1]], COMPLEMENT[sequence[left]]
        second, new = high - 2, COMPLEMENT[alt[lo]] if n else np.uint8(_N)
    if _N in (d1, d2, a1, a2):
        return np.uint32(0)
    ag = a1 == _A and a2 == _G
    if ag and d1 == _G and d2 == _T:
        if n == 1 and s == second and e == s + 1 and new == _C:
            return _GT_TO_GC
        return np.uint32(0)
    if ag and d1 == _G and d2 == _C:
        return _GC
    if d1 == _A and d2 == _T and a1 == _A and a2 == _C:
        return _U12
    return _NONCANONICAL


@njit(cache=True, nogil=True)
def _same_bases(low, s, e, lo, alt, sequence, base):  # type: ignore[no-untyped-def]
    """Whether a replacement of equal length leaves the two bases from `low` as they are."""
    for at in range(max(low, s), min(low + 2, e)):  # noqa: SIM110 -- a kernel has no generator expressions
        if sequence[base + at] != alt[lo + at - s] or sequence[base + at] == _N:
            return False
    return True


@njit(cache=True, nogil=True)
def survey(t, row, s, e, n, lo, alt, sequence, base):  # type: ignore[no-untyped-def]
    """What an event touches among the sites of a transcript.

    (any touched; the introns touched are deleted whole, and so leave their exons joined; every touched base reads the same in place;
    bits of kind and of UTR introns; the first and last exon, as numbers into the exon arrays in contig order, that lose a site).
    """
    last = t.exon_offsets[row + 1] - 1
    coding_start, coding_end = np.int64(t.coding_start[row]), np.int64(t.coding_end[row])
    touched, whole, same, utr, bits = False, True, s < e and e - s == n and base >= 0, coding_start >= 0, np.uint32(0)
    low_exon, high_exon = np.int64(-1), np.int64(-1)
    k = _first_intron(t, row, s)
    while k < last and t.exon_ends[k] <= e:
        low, high = np.int64(t.exon_ends[k]), np.int64(t.exon_starts[k + 1])
        at_low, at_high = _touches(s, e, low), _touches(s, e, high - 2)
        if high - low > ARTEFACT_INTRON and (at_low or at_high):
            touched = True
            whole &= s <= low and e >= high
            junction = np.int64(t.exon_cdna[k + 1] if t.strand[row] > 0 else t.exon_cdna[k])
            utr &= junction <= coding_start or junction >= coding_end
            bits |= _kind(t, row, low, high, s, e, n, lo, alt, sequence, base)
            if at_low:
                low_exon = k if low_exon < 0 else low_exon
                high_exon = k
                same = same and _same_bases(low, s, e, lo, alt, sequence, base)
            if at_high:
                low_exon = k + 1 if low_exon < 0 else low_exon
                high_exon = k + 1
                same = same and _same_bases(high - 2, s, e, lo, alt, sequence, base)
        k += 1
    if touched and utr:
        bits |= _UTR
    return touched, touched and whole, touched and same, bits, low_exon, high_exon


@njit(cache=True, nogil=True)
def steps(s, e, n, lo, alt, sequence, base, length):  # type: ignore[no-untyped-def]
    """(bases that an event can be moved down, and up, the contig) with the same altered sequence; 0 for what is no pure indel."""
    if base < 0 or (n > 0) == (s < e):
        return np.int64(0), np.int64(0)
    if n > 0:
        return (
            steps_down(sequence, base, length, s, alt, lo, lo + n),
            steps_up(sequence, base, length, s, alt, lo, lo + n),
        )
    return (
        steps_down(sequence, base, length, s, sequence, base + s, base + e),
        steps_up(sequence, base, length, e, sequence, base + s, base + e),
    )


@njit(cache=True, nogil=True)
def exonic(t, row, s, e):  # type: ignore[no-untyped-def]
    """Whether an event changes the spliced sequence: deletes exonic bases, or inserts within an exon or at its border."""
    if s < e:
        return cdna_before(t, row, s) != cdna_before(t, row, e)
    exon = exon_at_or_after(t, row, s)
    if exon < t.exon_offsets[row + 1] and t.exon_starts[exon] <= s:
        return True
    return exon > t.exon_offsets[row] and t.exon_ends[exon - 1] == s


@njit(cache=True, nogil=True)
def edges(t, row, s, e):  # type: ignore[no-untyped-def]
    """EXON_EDGE and EXON_LAST_BASE of an event; an insertion touches an edge within it or at its border with the intron."""
    last = t.exon_offsets[row + 1] - 1
    forward = t.strand[row] > 0
    bits = np.uint32(0)
    k = max(exon_at_or_after(t, row, s - 1) - 1, t.exon_offsets[row])
    while k < last and t.exon_ends[k] - DONOR_EDGE <= e:
        low, high = np.int64(t.exon_ends[k]), np.int64(t.exon_starts[k + 1])
        if high - low > ARTEFACT_INTRON:
            before = low - min(DONOR_EDGE if forward else ACCEPTOR_EDGE, low - t.exon_starts[k])
            behind = high + min(ACCEPTOR_EDGE if forward else DONOR_EDGE, t.exon_ends[k + 1] - high)
            if s == e:
                if before < s <= low or high <= s < behind:
                    bits |= _EDGE
            else:
                if (s < low and e > before) or (s < behind and e > high):
                    bits |= _EDGE
                if (s < low <= e) if forward else (s <= high < e):
                    bits |= _LAST_BASE
        k += 1
    return bits


@njit(cache=True, nogil=True)
def placed_aside(t, row, s, e, down, up):  # type: ignore[no-untyped-def]
    """How far (negative: down the contig) to move an event that touches sites so that it touches none; 0 where it cannot be.

    `down`, `up`: what the sequence allows, of `steps`. A place in an intron is preferred to one in an exon, and in an exon one that leaves
    the edges alone: the milder each time; then the nearest, and of two the one that is first on the transcript.
    """
    first_up = t.strand[row] < 0
    clear, any_exonic = np.int64(0), np.int64(0)
    for distance in range(1, max(down, up) + 1):
        for side in range(2):
            k = np.int64(distance if (side == 0) == first_up else -distance)
            if k > up or -k > down or touches_site(t, row, s + k, e + k):
                continue
            if not exonic(t, row, s + k, e + k):
                return k
            if any_exonic == 0:
                any_exonic = k
            if clear == 0 and edges(t, row, s + k, e + k) == 0:
                clear = k
    return clear if clear != 0 else any_exonic


@njit(cache=True, nogil=True)
def skipped(t, row, low_exon, high_exon):  # type: ignore[no-untyped-def]
    """[a, b) in cDNA of a run of exons, given by their numbers into the exon arrays."""
    if t.strand[row] > 0:
        return np.int64(t.exon_cdna[low_exon]), np.int64(t.exon_cdna[high_exon]) + t.exon_ends[high_exon] - t.exon_starts[high_exon]
    return np.int64(t.exon_cdna[high_exon]), np.int64(t.exon_cdna[low_exon]) + t.exon_ends[low_exon] - t.exon_starts[low_exon]
