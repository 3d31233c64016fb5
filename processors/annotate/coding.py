"""What an event does to the protein of one coding transcript that it touches, with Ensembl VEP's predicates.

Reference and allele are compared as VEP compares them: by the codons that the event touches, and by the residues these are read as. A
codon that the sequence ends in reads X, and a stretch without a codon is empty. Nothing is said of a stretch of which one end lies
outside the coding sequence, but that it is touched.

Kernels; names as in `annotate.sequence`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from processors.annotate import terms
from processors.annotate.codons import SEC, STOP, UNKNOWN
from processors.annotate.ends import overlaps_start, overlaps_stop, start_codon_is_atg, start_moves, stop_moves
from processors.annotate.sequence import (
    changed_base,
    coding_base,
    coding_length,
    coding_span,
    inserted_base,
    is_selenocysteine,
    protein_length,
    reference_residue,
    translated,
)
from processors.annotate.stretch import Compared, compare, known_bases, residue_after, residue_before, stretch

_STOP_GAINED = np.uint64(terms.STOP_GAINED)
_FRAMESHIFT = np.uint64(terms.FRAMESHIFT)
_STOP_LOST = np.uint64(terms.STOP_LOST)
_START_LOST = np.uint64(terms.START_LOST)
_INFRAME_INSERTION = np.uint64(terms.INFRAME_INSERTION)
_INFRAME_DELETION = np.uint64(terms.INFRAME_DELETION)
_MISSENSE = np.uint64(terms.MISSENSE)
_PROTEIN_ALTERING = np.uint64(terms.PROTEIN_ALTERING)
_INCOMPLETE = np.uint64(terms.INCOMPLETE_TERMINAL_CODON)
_START_RETAINED = np.uint64(terms.START_RETAINED)
_STOP_RETAINED = np.uint64(terms.STOP_RETAINED)
_SYNONYMOUS = np.uint64(terms.SYNONYMOUS)
_CODING = np.uint64(terms.CODING_SEQUENCE)
_ZERO = np.uint64(0)
_NO_RESIDUE = np.uint8(0)


class Event(NamedTuple):
    """An event on a transcript, as the predicates below ask for it; scalars but for `alt`."""

    a: Any  # cDNA span
    b: Any
    c: Any  # coding span
    d: Any
    alt: Any
    lo: Any
    hi: Any
    longer: Any  # more bases come than go
    shorter: Any
    known: Any  # the bases that come are all known
    inside: Any  # both ends lie in the coding sequence
    partial: Any  # it begins in a last codon that is not whole


@njit(cache=True, nogil=True)
def _when(said, term):  # type: ignore[no-untyped-def]
    return term if said else _ZERO


@njit(cache=True, nogil=True)
def _substitution(t, row, i, base):  # type: ignore[no-untyped-def]
    """(terms, residue before, residue after) of base i of a whole codon replaced by one of A, C, G and T."""
    k = i // 3
    first, second, third = coding_base(t, row, 3 * k), coding_base(t, row, 3 * k + 1), coding_base(t, row, 3 * k + 2)
    before = translated(t.code[row], first, second, third)
    if before == STOP and t.sec_offsets[row] < t.sec_offsets[row + 1] and is_selenocysteine(t, row, k):
        before = np.uint8(SEC)
    at = i - 3 * k
    if at == 0:
        first = base
    elif at == 1:
        second = base
    else:
        third = base
    after = translated(t.code[row], first, second, third)
    if before == after:
        if before == STOP:
            return _STOP_RETAINED, before, after
        return _CODING if before == UNKNOWN else _SYNONYMOUS, before, after
    if after == STOP:
        return _STOP_GAINED | _when(before == UNKNOWN, _CODING), before, after
    if before == STOP:
        return _STOP_LOST, before, after
    return _MISSENSE | _when(UNKNOWN in (before, after), _CODING), before, after


@njit(cache=True, nogil=True)
def _reads_on(t, row, x):  # type: ignore[no-untyped-def]
    """Whether the protein with the changed residues in their place begins as the reference, which is one or two residues shorter."""
    length = protein_length(t, row)
    grown = x.alt_count - (min(x.k1, length) - x.k0)
    if grown < 1 or grown > 2:
        return False
    i = x.k0
    while i < length:
        j = i - x.k0
        other = residue_after(t, row, x, j) if j < x.alt_count else reference_residue(t, row, i - grown)
        if reference_residue(t, row, i) != other:
            return False
        i += 1
    return True


@njit(cache=True, nogil=True)
def _keeps_stop(t, row, x, y):  # type: ignore[no-untyped-def]
    """Whether the changed residues, of which there are some, still end the protein where it ended."""
    before = residue_before(t, row, x, np.int64(0)) if x.ref_count == 1 else _NO_RESIDUE
    after = residue_after(t, row, x, np.int64(0))
    if before == UNKNOWN and after == UNKNOWN and x.alt_count == 1:
        return False
    if x.k0 + 1 > protein_length(t, row) and y.alt_stop == 0:
        return True
    if (before == after and y.alt_stop >= 0) or (y.ref_stop >= 0 and y.ref_stop == y.alt_stop):
        return True
    return _reads_on(t, row, x)


@njit(cache=True, nogil=True)
def _stop(t, row, v, x, y, read):  # type: ignore[no-untyped-def]
    """(stop lost, stop retained)."""
    resized = v.longer or v.shorter
    at_stop = v.known and resized and overlaps_stop(t, row, v.a, v.b)
    moved = at_stop and v.c >= 0 and stop_moves(t, row, v.a, v.b, v.c, v.alt, v.lo, v.hi)
    lost = (y.ref_stop >= 0 and y.alt_stop < 0) if read else moved
    if v.partial or lost:
        return lost, False
    if read and x.alt_count > 0:
        return False, _keeps_stop(t, row, x, y)
    return False, at_stop and not moved


@njit(cache=True, nogil=True)
def _shrinks(t, row, x):  # type: ignore[no-untyped-def]
    """Whether the changed codons are the reference's without one stretch: a stretch at one end, or whole codons inside."""
    if x.alt_bases >= x.ref_bases:
        return False
    i = 3 * x.k0
    head, tail = 0, 0
    while head < x.alt_bases and coding_base(t, row, i + head) == changed_base(t, row, x.c, x.d, x.alt, x.lo, x.hi, i + head):
        head += 1
    while tail < x.alt_bases and coding_base(t, row, i + x.ref_bases - 1 - tail) == changed_base(
        t, row, x.c, x.d, x.alt, x.lo, x.hi, i + x.alt_bases - 1 - tail
    ):
        tail += 1
    inner = head + tail >= x.alt_bases and (x.ref_bases - x.alt_bases) % 3 == 0
    return x.alt_bases in (head, tail) or inner


@njit(cache=True, nogil=True)
def _start_retained(t, row, v, at_start):  # type: ignore[no-untyped-def]
    """Whether an event at the start codon leaves a start."""
    if not (at_start and v.known):
        return False
    if v.longer or v.shorter:
        return not start_moves(t, row, v.a, v.b, v.alt, v.lo, v.hi)
    return start_codon_is_atg(t, row, v.a, v.b, v.alt, v.lo, v.hi)


@njit(cache=True, nogil=True)
def _start_lost(t, row, v, x, y, read, retained, whole):  # type: ignore[no-untyped-def]
    """Whether an event at the start codon takes it away; `whole` says that it only puts codons in or takes some out."""
    if v.known:
        if (v.longer or v.shorter) and not retained and not whole:
            return True
        five, length = t.coding_start[row], coding_length(t, row)
        if five > 0 and v.b <= five + length and not start_codon_is_atg(t, row, v.a, v.b, v.alt, v.lo, v.hi):
            return True
    if not read or x.ref_count == 0 or x.alt_count == 0 or x.k0 > 0:
        return False
    if x.alt_count == 1 and residue_after(t, row, x, np.int64(0)) == UNKNOWN:
        return False
    return not y.begins and not y.ends


@njit(cache=True, nogil=True)
def _judged(t, row, v, x, y, touched, complete):  # type: ignore[no-untyped-def]
    """Terms of an event whose stretch is known, or is empty and nothing where it cannot be read."""
    read = v.inside and v.known
    at_start = overlaps_start(t, row, v.a, v.b)
    stop_lost, stop_retained = _stop(t, row, v, x, y, read)
    shifts = v.inside and not v.partial and not stop_retained and ((v.hi - v.lo) - (v.d - v.c)) % 3 != 0
    deletes = v.inside and not v.partial and not shifts and _shrinks(t, row, x)
    retained = _start_retained(t, row, v, at_start)
    inserts = read and not shifts and x.alt_bases > x.ref_bases and y.keeps and not (retained and y.ends)
    start_lost = at_start and _start_lost(t, row, v, x, y, read, retained, inserts or deletes)
    inserts &= not start_lost
    same_count = x.ref_count == x.alt_count
    alters = (
        read and not same_count and y.ref_stop != 0 and y.alt_stop != 0 and not y.begins and not y.ends
        and not deletes and not start_lost and not shifts
    )  # fmt: skip
    gained = read and not stop_retained and y.alt_stop >= 0 and y.ref_stop < 0
    same = read and same_count and y.begins
    resized = v.longer or v.shorter
    substitutes = read and not resized and same_count and not same
    silent = same and x.ref_count > 0 and not stop_retained and not retained and not y.unknown
    unread = touched and not complete and (not read or y.unknown)
    said = shifts or deletes or alters or retained or start_lost or stop_retained or stop_lost
    return (
        _when(gained, _STOP_GAINED)
        | _when(shifts and resized, _FRAMESHIFT)
        | _when(stop_lost, _STOP_LOST)
        | _when(start_lost, _START_LOST)
        | _when(inserts and v.longer, _INFRAME_INSERTION)
        | _when(deletes and v.shorter, _INFRAME_DELETION)
        | _when(substitutes and not (start_lost or stop_lost or gained or v.partial or stop_retained), _MISSENSE)
        | _when(alters, _PROTEIN_ALTERING)
        | _when(v.partial, _INCOMPLETE)
        | _when(retained, _START_RETAINED)
        | _when(stop_retained, _STOP_RETAINED)
        | _when(silent, _SYNONYMOUS)
        | _when(unread and not said, _CODING)
    )


@njit(cache=True, nogil=True)
def coding(t, row, a, b, size, alt, lo, hi, touched, complete):  # type: ignore[no-untyped-def]
    """(terms, residue before, residue after) of an event with cDNA span [a, b) that replaces `size` bases on the contig.

    `touched` says whether the event touches the coding sequence, `complete` whether it covers the whole transcript. Residues are 0 but
    where one codon becomes one other.
    """
    n = hi - lo
    c, d = coding_span(t, row, a, b)
    known = known_bases(alt, lo, hi)
    inside = c >= 0 and d >= 0
    rest = coding_length(t, row) - 3 * (c // 3)
    if inside and known and size == 1 and n == 1 and rest >= 3 and not complete and not overlaps_start(t, row, a, b):
        return _substitution(t, row, c, inserted_base(t, row, alt, lo, hi, np.int64(0)))
    event = Event(a, b, c, d, alt, lo, hi, n > size, n < size, known, inside, c >= 0 and 0 < rest < 3)
    x = stretch(t, row, c if inside else np.int64(0), d if inside else np.int64(0), alt, lo, hi, known and inside)
    y = compare(t, row, x) if inside and known else Compared(-1, -1, False, False, False, False)
    result = _judged(t, row, event, x, y, touched, complete)
    if inside and known and x.ref_bases == 3 and x.alt_bases == 3:
        return result, residue_before(t, row, x, np.int64(0)), residue_after(t, row, x, np.int64(0))
    return result, _NO_RESIDUE, _NO_RESIDUE
