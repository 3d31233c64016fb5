"""The stretch of codons that an event touches, before and after it, as Ensembl VEP writes and compares it; for kernels.

Before it are the codons [k0, k1) of the coding sequence, which may end inside the last one; after it the same with the event's bases
replaced, read on into the 3' UTR where a codon wants more. Residues are those of the whole codons, and an X for a rest. Names as in
`annotate.sequence`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from processors.annotate.codons import NUMBER, STOP, UNKNOWN
from processors.annotate.sequence import (
    changed_length,
    changed_residue,
    coding_length,
    codon_span,
    reference_residue,
)


class Stretch(NamedTuple):
    """Scalars but for `alt`; the residue counts are 0 where the event's bases are not all known."""

    c: Any
    d: Any
    alt: Any
    lo: Any
    hi: Any
    k0: Any
    k1: Any
    ref_bases: Any
    alt_bases: Any
    ref_count: Any
    alt_count: Any


class Compared(NamedTuple):
    """How the residues of a stretch lie to each other. An empty stretch begins and ends every other."""

    ref_stop: Any  # number of the first stop among the residues, -1 for none
    alt_stop: Any
    unknown: Any  # an X in one of them
    begins: Any  # the changed residues begin with the reference's
    ends: Any  # they end with them
    keeps: Any  # they begin or end with them once they are cut behind their first stop


@njit(cache=True, nogil=True)
def known_bases(alt, lo, hi):  # type: ignore[no-untyped-def]
    """Whether the inserted bases are all A, C, G or T."""
    while lo < hi and NUMBER[alt[lo]] < 4:
        lo += 1
    return lo == hi


@njit(cache=True, nogil=True)
def stretch(t, row, c, d, alt, lo, hi, known):  # type: ignore[no-untyped-def]
    """Stretch of an event with coding span [c, d), both ends inside."""
    k0, k1 = codon_span(c, d)
    ref_bases = max(min(3 * k1, coding_length(t, row)) - 3 * k0, 0)
    wanted = 3 * (k1 - k0) + (hi - lo) - (d - c)
    alt_bases = max(min(wanted, changed_length(t, row, c, d, lo, hi) - 3 * k0), 0)
    ref_count, alt_count = np.int64(0), np.int64(0)
    if known:
        ref_count, alt_count = ref_bases // 3, alt_bases // 3
        if ref_bases % 3 > 0 and not (ref_count == 1 and reference_residue(t, row, k0) == STOP):
            ref_count += 1
        if alt_bases % 3 > 0 and not (alt_count == 1 and changed_residue(t, row, c, d, alt, lo, hi, k0) == STOP):
            alt_count += 1
    return Stretch(c, d, alt, lo, hi, k0, k1, ref_bases, alt_bases, ref_count, alt_count)


@njit(cache=True, nogil=True)
def residue_before(t, row, x, i):  # type: ignore[no-untyped-def]
    """Residue i of a Stretch before the event; 0 <= i < ref_count."""
    return reference_residue(t, row, x.k0 + i) if i < x.ref_bases // 3 else np.uint8(UNKNOWN)


@njit(cache=True, nogil=True)
def residue_after(t, row, x, i):  # type: ignore[no-untyped-def]
    """Residue i of a Stretch after the event; 0 <= i < alt_count."""
    if i < x.alt_bases // 3:
        return changed_residue(t, row, x.c, x.d, x.alt, x.lo, x.hi, x.k0 + i)
    return np.uint8(UNKNOWN)


@njit(cache=True, nogil=True)
def _matches(t, row, x, shift):  # type: ignore[no-untyped-def]
    """Whether the reference's residues stand in the changed ones from `shift` on."""
    i = 0
    while i < x.ref_count and residue_before(t, row, x, i) == residue_after(t, row, x, i + shift):
        i += 1
    return i == x.ref_count


@njit(cache=True, nogil=True)
def compare(t, row, x):  # type: ignore[no-untyped-def]
    """Compared of a Stretch of known bases."""
    ref_stop, alt_stop, unknown = -1, -1, False
    for i in range(x.ref_count):
        found = residue_before(t, row, x, i)
        unknown |= found == UNKNOWN
        if found == STOP and ref_stop < 0:
            ref_stop = i
    for i in range(x.alt_count):
        found = residue_after(t, row, x, i)
        unknown |= found == UNKNOWN
        if found == STOP and alt_stop < 0:
            alt_stop = i
    fits = x.ref_count <= x.alt_count
    begins = fits and _matches(t, row, x, np.int64(0))
    ends = fits and _matches(t, row, x, x.alt_count - x.ref_count)
    cut = alt_stop + 1 if alt_stop >= 0 else x.alt_count
    keeps = x.ref_count <= cut and (begins or _matches(t, row, x, cut - x.ref_count))
    return Compared(ref_stop, alt_stop, unknown, begins, ends, keeps)
