"""What an event does to the introns of one transcript, with Ensembl VEP's predicates.

Splice donor and acceptor are two intronic bases; the splice region is three exonic bases and bases 3 to 8 of the intron; then donor
region, 5th base, and the polypyrimidine tract 3 to 17 before the acceptor. An intron of 13 bases and less is taken for an artefact of
the alignment: within it there is no splice site, only a gap in the exon.

Kernels; `t` is a `knowledge.transcripts.Layout`, [s, e) the event, `genome` the bases of all contigs with `base` the place of this
contig's first one in it (-1: none), and `alt[lo:hi]` the inserted bases. VEP's 1-based closed coordinates of an event are (s + 1, e), so
an insertion ends before it starts.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate import terms

ARTEFACT_INTRON = 13
"""Bases of the longest intron that VEP takes for an artefact."""
ARTEFACT_REACH = 12
"""In a transcript that has such an intron, VEP counts bases this near to an exon as exonic when it looks for the polypyrimidine tract."""

_REACH = 8
"""Bases beyond an intron's border that any of the predicates may look at."""
_ACCEPTOR = np.uint64(terms.SPLICE_ACCEPTOR)
_DONOR = np.uint64(terms.SPLICE_DONOR)
_FIFTH = np.uint64(terms.SPLICE_DONOR_5TH_BASE)
_SPLICE_REGION = np.uint64(terms.SPLICE_REGION)
_DONOR_REGION = np.uint64(terms.SPLICE_DONOR_REGION)
_TRACT = np.uint64(terms.SPLICE_POLYPYRIMIDINE)
_INTRON = np.uint64(terms.INTRON)
_ZERO = np.uint64(0)

_START_SITE, _END_SITE, _INSIDE, _ARTEFACT, _REGION, _FIFTH_FORWARD, _FIFTH_REVERSE, _DONOR_FORWARD, _DONOR_REVERSE, _TRACT_FORWARD = (
    1 << bit for bit in range(10)
)
_TRACT_REVERSE = 1 << 10


@njit(cache=True, nogil=True)
def meets(vs, ve, low, high):  # type: ignore[no-untyped-def]
    """VEP's overlap of 1-based closed intervals; an interval that ends before it starts meets what lies on both sides of its gap."""
    return ve >= low and vs <= high


@njit(cache=True, nogil=True)
def first_beyond(borders, low, high, position):  # type: ignore[no-untyped-def]
    """First index in [low, high) whose border lies beyond a position; `high` if none."""
    while low < high:
        middle = (low + high) // 2
        if borders[middle] > position:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True)
def _differs(genome, base, s, e, alt, lo, hi, at):  # type: ignore[no-untyped-def]
    """Whether reference and allele differ `at` bases behind the event's start, both laid side by side from there."""
    if at >= e - s or at >= hi - lo or base < 0 or base + s + at >= genome.shape[0]:
        return True
    return genome[base + s + at] != alt[lo + at]


@njit(cache=True, nogil=True)
def _one(flags, rs, re, near, far, low, high):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """`flags` with what one changed stretch (rs, re) does to one intron [low, high]; (near, far) are the outermost bases of the event.

    All are 1-based closed. Of several stretches the last one decides the splice region, unless a splice site was met before it.
    """
    at_intron = meets(near, far, low - 3, high + 3)
    at_border = meets(near, far, low - 3, low + 7) or meets(near, far, high - 7, high + 3)  # of a short intron this reaches further
    if (at_intron or at_border) and high - low < ARTEFACT_INTRON and meets(rs, re, low, high):
        return flags | _ARTEFACT
    insertion = rs > re
    if at_intron:
        if meets(rs, re, low + 2, high - 2) or (insertion and (rs == low + 2 or re == high - 2)):
            flags |= _INSIDE
        left, right = min(rs, re), max(rs, re)
        if meets(left, right, high - 16, high - 2):
            flags |= _TRACT_FORWARD
        if meets(left, right, low + 2, low + 16):
            flags |= _TRACT_REVERSE
    if not at_border:
        return flags
    if meets(rs, re, low, low + 1):
        flags |= _START_SITE
    if meets(rs, re, high - 1, high):
        flags |= _END_SITE
    if meets(rs, re, low + 4, low + 4):
        flags |= _FIFTH_FORWARD
    if meets(rs, re, high - 4, high - 4):
        flags |= _FIFTH_REVERSE
    if meets(rs, re, low + 2, low + 5):
        flags |= _DONOR_FORWARD
    if meets(rs, re, high - 5, high - 2):
        flags |= _DONOR_REVERSE
    if not flags & (_START_SITE | _END_SITE):
        region = (
            meets(rs, re, low + 2, low + 7) or meets(rs, re, high - 7, high - 2) or meets(rs, re, low - 3, low - 1)
            or meets(rs, re, high + 1, high + 3)
            or (insertion and (rs == low or re == high or rs == low + 2 or re == high - 2))
        )  # fmt: skip
        flags = flags | _REGION if region else flags & ~_REGION
    return flags


@njit(cache=True, nogil=True)
def _all(t, row, rs, re, near, far, flags):  # type: ignore[no-untyped-def]
    """`flags` with what one changed stretch does to every intron near the event."""
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    k = max(first_beyond(t.exon_starts, first, last, near - _REACH) - 1, first)
    while k < last - 1 and t.exon_ends[k] - _REACH <= far:
        if t.exon_ends[k] < t.exon_starts[k + 1]:
            flags = _one(flags, rs, re, near, far, t.exon_ends[k] + 1, t.exon_starts[k + 1])
        k += 1
    return flags


@njit(cache=True, nogil=True)
def has_artefact(t, row):  # type: ignore[no-untyped-def]
    """Whether one of a transcript's introns is an artefact."""
    k = t.exon_offsets[row]
    while k < t.exon_offsets[row + 1] - 1 and t.exon_starts[k + 1] - t.exon_ends[k] > ARTEFACT_INTRON:
        k += 1
    return k < t.exon_offsets[row + 1] - 1


@njit(cache=True, nogil=True)
def exon_near(t, row, near, far):  # type: ignore[no-untyped-def]
    """Whether VEP counts the bases from near to far (1-based closed) as touching an exon."""
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    k = first_beyond(t.exon_ends, first, last, near - 1)
    if k < last and t.exon_starts[k] < far:
        return True
    close = (k < last and t.exon_starts[k] < far + ARTEFACT_REACH) or (k > first and t.exon_ends[k - 1] >= near - ARTEFACT_REACH)
    return close and has_artefact(t, row)


@njit(cache=True, nogil=True)
def splicing(t, row, s, e, genome, base, alt, lo, hi):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """(terms, whether the event lies in an artefact) of an event that touches a transcript's span."""
    near, far = (s, s + 1) if s == e else (s + 1, e)
    flags = np.int64(0)
    if e - s > 1 and hi - lo > 1:
        # of a longer substitution only the stretches that differ count; reference and allele lie side by side from the event's start
        at, longest, found = 0, max(e - s, hi - lo), False
        while at < longest:
            if not _differs(genome, base, s, e, alt, lo, hi, at):
                at += 1
                continue
            begin = at
            while at < longest and _differs(genome, base, s, e, alt, lo, hi, at):
                at += 1
            flags = _all(t, row, s + 1 + begin, s + at, near, far, flags)
            found = True
        if not found:  # the genome reads as the allele, so REF is not what it says: the whole stretch counts
            flags = _all(t, row, s + 1, e, near, far, flags)
    else:
        flags = _all(t, row, s + 1, e, near, far, flags)
    forward = t.strand[row] > 0
    result = _ZERO
    if flags & (_START_SITE if forward else _END_SITE):
        result |= _DONOR
    if flags & (_END_SITE if forward else _START_SITE):
        result |= _ACCEPTOR
    if flags & (_FIFTH_FORWARD if forward else _FIFTH_REVERSE):
        result |= _FIFTH
    elif flags & (_DONOR_FORWARD if forward else _DONOR_REVERSE):
        result |= _DONOR_REGION
    if flags & _REGION and result == _ZERO:
        result |= _SPLICE_REGION
    if flags & _INSIDE:
        result |= _INTRON
    if flags & (_TRACT_FORWARD if forward else _TRACT_REVERSE) and not exon_near(t, row, near, far):
        result |= _TRACT
    return result, flags & _ARTEFACT != 0
