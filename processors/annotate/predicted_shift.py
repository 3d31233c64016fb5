"""The same allele at its other end: terms at the 3'-most place on the transcript, where a name puts it, and the milder of two calls.

A term is called at the left-aligned place, a name at the 3'-most one, so they can speak of different events: a splice acceptor that is
lost and an in-frame deletion of the exon. On a transcript of the reverse strand the two places are one. A move stops at the transcript's
end, as the name does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate import terms as term
from processors.annotate.predicted_splice import steps
from processors.annotate.project import exon_at_or_after
from processors.annotate.regions import touching
from processors.annotate.within import FLANK

U64 = npt.NDArray[np.uint64]

_WITHIN_INTRON = np.uint64(term.INTRON | term.NON_CODING_TRANSCRIPT | term.NMD)


@njit(cache=True, nogil=True)
def turned(alt, lo, hi, k):  # type: ignore[no-untyped-def]
    """The inserted bases of an event that was moved by k (negative: down the contig)."""
    n = hi - lo
    out = np.empty(n, dtype=np.uint8)
    for i in range(n):
        out[i] = alt[lo + (i + k) % n]
    return out


@njit(cache=True, nogil=True)
def terms_at_last(  # type: ignore[no-untyped-def]
    t, sequence, base, length, start, end, alt, alt_from, alt_to, offsets, transcript, terms, out
):
    """Fill `out` with the terms of each row at the 3'-most place; `terms` are those at the given one. Arrays as in `predicted.predict`.

    Within an intron, farther from its exons than any splice term reaches, a move changes nothing.
    """
    for i in range(start.shape[0]):
        s, e, lo, hi = np.int64(start[i]), np.int64(end[i]), np.int64(alt_from[i]), np.int64(alt_to[i])
        _, up = steps(s, e, hi - lo, lo, alt, sequence, base, length)
        for j in range(offsets[i], offsets[i + 1]):
            out[j] = terms[j]
            if up == 0:
                continue
            row = np.int64(transcript[j])
            if t.strand[row] < 0 or s >= t.end[row] or e + up <= t.start[row]:
                continue
            k = min(up, np.int64(t.end[row]) - e - (1 if s == e else 0))
            if k <= 0 or e + k <= t.start[row]:
                continue
            if terms[j] | _WITHIN_INTRON == _WITHIN_INTRON and t.exon_starts[exon_at_or_after(t, row, e)] - FLANK - 2 > e + k:
                continue
            out[j] = touching(t, row, s + k, e + k, sequence, base, turned(alt, lo, hi, k), np.int64(0), hi - lo)[0]


def milder(first: U64, second: U64) -> U64:
    """Of two calls of each row the one whose worst term is the less severe; the first where they are alike. Bits: `annotate.terms`."""
    one = np.uint64(1)
    worst_first, worst_second = first & (~first + one), second & (~second + one)
    return np.where(worst_second > worst_first, second, first)
