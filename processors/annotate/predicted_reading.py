"""Reading an altered transcript to its stop, and whether nonsense-mediated decay would find that stop.

Kernels; `t` is a `knowledge.transcripts.Layout`. An *altered transcript* is the spliced one with cDNA [a, b) replaced by the inserted
bases `alt[lo:hi]` (forward strand); exons skipped are [a, b) with none. Positions are 0-based; a residue number counts the pad.

They are inlined where they are called, as those of `annotate.sequence` are: a call that hands over a Layout takes 0.3 µs.

Rules of decay: a stop escapes where its first base lies at most 50 bases before the last exon-exon junction (Nagy and Maquat 1998) or
behind it, or where there is none; in an exon of more than 407 bases (Lindeboom 2016); within 100 coding bases of the start (the same
work finds the effect to fade over 150; 100 is what Ensembl's plugin takes). All are measured on the altered transcript, in untranslated
exons too: a junction counts wherever it lies, but for gaps of an alignment that are too short for an intron.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate.codons import MET, STOP
from processors.annotate.project import exon_at_or_after
from processors.annotate.sequence import changed_length, changed_residue, coding_length, reference_residue
from processors.annotate.splice import ARTEFACT_INTRON
from processors.knowledge.transcripts import Status
from schemas.chunks import Effect

LAST_JUNCTION = 50
START_PROXIMAL = 100
LONG_EXON = 407
WHOLE = 10_000
"""The whole protein, in the unit of `lost`."""

_NMD, _ESCAPE = np.uint32(Effect.NMD), np.uint32(Effect.NMD_ESCAPE)
_LAST, _PENULTIMATE, _SINGLE = (
    np.uint32(Effect.ESCAPE_LAST_EXON),
    np.uint32(Effect.ESCAPE_PENULTIMATE_50),
    np.uint32(Effect.ESCAPE_SINGLE_EXON),
)
_START, _LONG = np.uint32(Effect.ESCAPE_START_PROXIMAL), np.uint32(Effect.ESCAPE_LONG_EXON)
_START_INCOMPLETE = np.uint16(Status.START_INCOMPLETE)
_STOP_UNSURE = np.uint16(Status.END_INCOMPLETE | Status.STOP_INSIDE)


@njit(cache=True, nogil=True)
def cdna_before(t, row, position):  # type: ignore[no-untyped-def]
    """cDNA position of the border at a contig position: an event [s, e) replaces the cDNA between its two borders, none in an intron."""
    exon = exon_at_or_after(t, row, position)
    if t.strand[row] > 0:
        if exon == t.exon_offsets[row + 1]:
            return np.int64(t.length[row])
        return np.int64(t.exon_cdna[exon]) + max(position - t.exon_starts[exon], 0)
    if exon == t.exon_offsets[row + 1]:
        return np.int64(0)
    return np.int64(t.exon_cdna[exon]) + t.exon_ends[exon] - max(position, np.int64(t.exon_starts[exon]))


@njit(cache=True, nogil=True)
def replaced(t, row, s, e):  # type: ignore[no-untyped-def]
    """[a, b) in cDNA of an event [s, e) on the contig."""
    left, right = cdna_before(t, row, s), cdna_before(t, row, e)
    if t.strand[row] > 0:
        return left, right
    return right, left


@njit(cache=True, nogil=True)
def share(count, whole):  # type: ignore[no-untyped-def]
    """Residues as a share in 1/10,000, rounded up: `lost > 1000` says more than 10 % exactly."""
    if whole <= 0 or count <= 0:
        return np.int64(0)
    return min((count * WHOLE + whole - 1) // whole, np.int64(WHOLE))


@njit(cache=True, nogil=True)
def next_start(t, row, after):  # type: ignore[no-untyped-def]
    """0-based residue number of the first methionine of the coding sequence that begins at cDNA `after` or behind, -1 for none."""
    k = max((after - t.coding_start[row] + t.pad[row] + 2) // 3, np.int64(1))
    last = coding_length(t, row) // 3
    while k < last:
        if reference_residue(t, row, k) == MET:
            return k
        k += 1
    return np.int64(-1)


@njit(cache=True, nogil=True)
def read_on(t, row, a, b, alt, lo, hi):  # type: ignore[no-untyped-def]
    """(first residue that differs or is missing, -1 for none; cDNA position of the stop's first base in the altered transcript, -1).

    The frame is that of the reference start; a is not before it. Reading begins at the codon of a and goes on past the reference stop
    to the end of the transcript; in frame behind the event it ends at once, with the reference stop.
    """
    frame = np.int64(t.coding_start[row]) - t.pad[row]
    c, d = a - frame, b - frame
    changed = np.int64(-1)
    k = c // 3
    last = changed_length(t, row, c, d, lo, hi) // 3
    moved = (b - a) - (hi - lo)
    own = np.int64(t.coding_end[row]) - 3
    in_frame = moved % 3 == 0 and b <= own and t.status[row] & _STOP_UNSURE == 0
    while k < last:
        if in_frame and 3 * k >= c + (hi - lo):  # from here on all is as in the reference
            return (changed if changed >= 0 else k), own - moved
        now = changed_residue(t, row, c, d, alt, lo, hi, k)
        if changed < 0 and now != reference_residue(t, row, k):
            changed = k
        if now == STOP:
            return changed, frame + 3 * k
        k += 1
    return (changed if changed >= 0 else k), np.int64(-1)


@njit(cache=True, nogil=True)
def decay(t, row, a, b, n, stop):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """NMD or NMD_ESCAPE with its reasons, of a stop at cDNA `stop` of the altered transcript."""
    length = np.int64(t.length[row]) - (b - a) + n
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    before, behind, final = np.int64(0), length, np.int64(0)
    for k in range(first, last - 1):
        if t.exon_starts[k + 1] - t.exon_ends[k] <= ARTEFACT_INTRON:
            continue
        at = np.int64(t.exon_cdna[k + 1] if t.strand[row] > 0 else t.exon_cdna[k])
        if a < at < b:
            continue
        if at > a:
            at += n - (b - a)
        if at <= 0 or at >= length:
            continue
        final = max(final, at)
        if at <= stop:
            before = max(before, at)
        else:
            behind = min(behind, at)
    bits = np.uint32(0)
    if final == 0:
        bits |= _SINGLE
    elif stop >= final:
        bits |= _LAST
    else:
        if final - stop <= LAST_JUNCTION:
            bits |= _PENULTIMATE
        if behind - before > LONG_EXON:
            bits |= _LONG
    if stop - t.coding_start[row] < START_PROXIMAL and t.status[row] & _START_INCOMPLETE == 0:
        bits |= _START
    return bits | (_ESCAPE if bits else _NMD)
