"""What an event does to the protein of one coding transcript that it touches, with Ensembl VEP's predicates.

Reference and allele are compared as VEP compares them: by the codons that the event touches, and by the residues these are read as. A
codon that the sequence ends in reads X, and a stretch without a codon is empty. Nothing is said of a stretch of which one end lies
outside the coding sequence, but that it is touched.

Kernels; names as in `annotate.sequence`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate import terms
from processors.annotate.codons import NUMBER, STOP, UNKNOWN
from processors.annotate.ends import overlaps_start, overlaps_stop, start_codon_is_atg, start_moves, stop_moves
from processors.annotate.sequence import (
    changed_base,
    changed_length,
    changed_residue,
    coding_base,
    coding_length,
    coding_span,
    codon_span,
    protein_length,
    reference_residue,
    translated,
)

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


@njit(cache=True, nogil=True)
def known_bases(alt, lo, hi):  # type: ignore[no-untyped-def]
    """Whether the inserted bases are all A, C, G or T."""
    while lo < hi and NUMBER[alt[lo]] < 4:
        lo += 1
    return lo == hi


@njit(cache=True, nogil=True)
def reference_bases(t, row, k0, k1):  # type: ignore[no-untyped-def]
    """Bases of the reference's codons [k0, k1), which end with the coding sequence."""
    return max(min(3 * k1, coding_length(t, row)) - 3 * k0, 0)


@njit(cache=True, nogil=True)
def changed_bases(t, row, c, d, lo, hi, k0, k1):  # type: ignore[no-untyped-def]
    """Bases that the allele puts in the place of codons [k0, k1); they run on into the 3' UTR where a codon does."""
    wanted = 3 * (k1 - k0) + (hi - lo) - (d - c)
    return max(min(wanted, changed_length(t, row, c, d, lo, hi) - 3 * k0), 0)


@njit(cache=True, nogil=True)
def reference_residues(t, row, k0, bases):  # type: ignore[no-untyped-def]
    """Residues that `bases` bases from codon k0 of the reference are written with: the whole codons, and X for a rest."""
    whole = bases // 3
    if bases % 3 == 0 or (whole == 1 and reference_residue(t, row, k0) == STOP):
        return whole
    return whole + 1


@njit(cache=True, nogil=True)
def changed_residues(t, row, c, d, alt, lo, hi, k0, bases):  # type: ignore[no-untyped-def]
    """The same of the changed sequence."""
    whole = bases // 3
    if bases % 3 == 0 or (whole == 1 and changed_residue(t, row, c, d, alt, lo, hi, k0) == STOP):
        return whole
    return whole + 1


@njit(cache=True, nogil=True)
def reference_at(t, row, k0, bases, i):  # type: ignore[no-untyped-def]
    """Residue i of those."""
    return reference_residue(t, row, k0 + i) if i < bases // 3 else np.uint8(UNKNOWN)


@njit(cache=True, nogil=True)
def changed_at(t, row, c, d, alt, lo, hi, k0, bases, i):  # type: ignore[no-untyped-def]
    """Residue i of those."""
    return changed_residue(t, row, c, d, alt, lo, hi, k0 + i) if i < bases // 3 else np.uint8(UNKNOWN)


@njit(cache=True, nogil=True)
def _reads_on(t, row, c, d, alt, lo, hi, k0, k1, alt_bases, alt_count):  # type: ignore[no-untyped-def]
    """Whether the protein with the changed residues in their place begins as the reference, which is one or two residues shorter."""
    length = protein_length(t, row)
    grown = alt_count - (min(k1, length) - k0)
    if grown < 1 or grown > 2:
        return False
    for i in range(k0, length):
        j = i - k0
        other = changed_at(t, row, c, d, alt, lo, hi, k0, alt_bases, j) if j < alt_count else reference_residue(t, row, i - grown)
        if reference_residue(t, row, i) != other:
            return False
    return True


@njit(cache=True, nogil=True)
def _codons_shrink(t, row, c, d, alt, lo, hi, k0, ref_bases, alt_bases):  # type: ignore[no-untyped-def]
    """Whether the changed codons are the reference's without one stretch: a stretch at one end, or whole codons inside."""
    i = 3 * k0
    head = 0
    while head < alt_bases and coding_base(t, row, i + head) == changed_base(t, row, c, d, alt, lo, hi, i + head):
        head += 1
    if head == alt_bases:
        return True
    tail = 0
    while tail < alt_bases and coding_base(t, row, i + ref_bases - 1 - tail) == changed_base(
        t, row, c, d, alt, lo, hi, i + alt_bases - 1 - tail
    ):
        tail += 1
    return tail == alt_bases or (head + tail >= alt_bases and (ref_bases - alt_bases) % 3 == 0)


@njit(cache=True, nogil=True)
def _substitution(t, row, i, base):  # type: ignore[no-untyped-def]
    """(terms, residue before, residue after) of base i of a whole codon replaced by one of A, C, G and T."""
    k = i // 3
    first, second, third = coding_base(t, row, 3 * k), coding_base(t, row, 3 * k + 1), coding_base(t, row, 3 * k + 2)
    before = reference_residue(t, row, k)
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
        return _STOP_GAINED | (_CODING if before == UNKNOWN else _ZERO), before, after
    if before == STOP:
        return _STOP_LOST, before, after
    return _MISSENSE | (_CODING if UNKNOWN in (before, after) else _ZERO), before, after


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
    at_start = overlaps_start(t, row, a, b)
    length = coding_length(t, row)
    if inside and known and size == 1 and n == 1 and not at_start and 3 * (c // 3) + 3 <= length and not complete:
        return _substitution(t, row, c, changed_base(t, row, c, d, alt, lo, hi, c))

    k0, k1, ref_bases, alt_bases, ref_count, alt_count = c // 3, np.int64(-1), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    ref_stop, alt_stop, ref_unknown, alt_unknown = -1, -1, False, False
    read = inside and known
    if inside:
        k0, k1 = codon_span(c, d)
        ref_bases, alt_bases = reference_bases(t, row, k0, k1), changed_bases(t, row, c, d, lo, hi, k0, k1)
    if read:
        ref_count = reference_residues(t, row, k0, ref_bases)
        alt_count = changed_residues(t, row, c, d, alt, lo, hi, k0, alt_bases)
        for i in range(ref_count):
            found = reference_at(t, row, k0, ref_bases, i)
            ref_unknown |= found == UNKNOWN
            if found == STOP and ref_stop < 0:
                ref_stop = i
        for i in range(alt_count):
            found = changed_at(t, row, c, d, alt, lo, hi, k0, alt_bases, i)
            alt_unknown |= found == UNKNOWN
            if found == STOP and alt_stop < 0:
                alt_stop = i

    # how the two stretches of residues lie to each other; `retained` lets the allele's end with its first stop
    same, begins, ends, begins_retained, ends_retained = False, False, False, False, False
    if read:
        trimmed = alt_stop + 1 if alt_stop >= 0 else alt_count
        begins, ends = ref_count <= alt_count, ref_count <= alt_count
        begins_retained, ends_retained = ref_count <= trimmed, ref_count <= trimmed
        for i in range(ref_count):
            before = reference_at(t, row, k0, ref_bases, i)
            if begins and before != changed_at(t, row, c, d, alt, lo, hi, k0, alt_bases, i):
                begins, begins_retained = False, False
            if ends and before != changed_at(t, row, c, d, alt, lo, hi, k0, alt_bases, alt_count - ref_count + i):
                ends = False
            if ends_retained and before != changed_at(t, row, c, d, alt, lo, hi, k0, alt_bases, trimmed - ref_count + i):
                ends_retained = False
        same = begins and ref_count == alt_count

    partial = c >= 0 and 0 < length - 3 * (c // 3) < 3
    stop_moved = known and overlaps_stop(t, row, a, b) and n != size and c >= 0 and stop_moves(t, row, a, b, c, alt, lo, hi)
    stop_lost = (ref_stop >= 0 and alt_stop < 0) if read else stop_moved
    stop_retained = False
    if not partial and not stop_lost:
        if read and alt_count > 0:
            first = changed_at(t, row, c, d, alt, lo, hi, k0, alt_bases, 0)
            both_unknown = ref_count == 1 and alt_count == 1 and ref_unknown and alt_unknown
            stop_retained = not both_unknown and (
                (k0 + 1 > protein_length(t, row) and alt_stop == 0)
                or (ref_count == 1 and alt_stop >= 0 and first == reference_at(t, row, k0, ref_bases, 0))
                or (ref_stop >= 0 and ref_stop == alt_stop)
                or _reads_on(t, row, c, d, alt, lo, hi, k0, k1, alt_bases, alt_count)
            )
        else:
            stop_retained = known and n != size and overlaps_stop(t, row, a, b) and not stop_moved
    shifts = inside and not partial and not stop_retained and (n - (d - c)) % 3 != 0
    inframe_deletion = (
        inside and not partial and not shifts and alt_bases < ref_bases
        and _codons_shrink(t, row, c, d, alt, lo, hi, k0, ref_bases, alt_bases)
    )  # fmt: skip

    start_moved = known and at_start and n != size and start_moves(t, row, a, b, alt, lo, hi)
    if n == size:
        start_retained = at_start and known and start_codon_is_atg(t, row, a, b, alt, lo, hi)
    else:
        start_retained = at_start and known and not start_moved
    inframe_insertion = (
        read and not shifts and alt_bases > ref_bases and not (start_retained and ends) and (begins_retained or ends_retained)
    )  # fmt: skip
    start_lost = False
    if at_start:
        start_lost = start_moved and not (inframe_insertion or inframe_deletion)
        if not start_lost and known and t.coding_start[row] > 0 and b <= t.coding_start[row] + length:
            start_lost = not start_codon_is_atg(t, row, a, b, alt, lo, hi)
        if not start_lost and read and ref_count > 0 and alt_count > 0 and not (alt_count == 1 and alt_unknown):
            start_lost = k0 == 0 and not begins and not ends
    inframe_insertion &= not start_lost
    protein_altering = (
        read and ref_count != alt_count and ref_stop != 0 and alt_stop != 0 and not begins and not ends
        and not inframe_deletion and not start_lost and not shifts
    )  # fmt: skip
    stop_gained = read and not stop_retained and alt_stop >= 0 and ref_stop < 0

    result = _ZERO
    if stop_gained:
        result |= _STOP_GAINED
    if shifts and n != size:
        result |= _FRAMESHIFT
    if stop_lost:
        result |= _STOP_LOST
    if start_lost:
        result |= _START_LOST
    if inframe_insertion and n > size:
        result |= _INFRAME_INSERTION
    if inframe_deletion and n < size:
        result |= _INFRAME_DELETION
    lost = start_lost or stop_lost or stop_gained or partial or stop_retained
    if n == size and read and not lost and not same and ref_count == alt_count:
        result |= _MISSENSE
    if protein_altering:
        result |= _PROTEIN_ALTERING
    if partial:
        result |= _INCOMPLETE
    if start_retained:
        result |= _START_RETAINED
    if stop_retained:
        result |= _STOP_RETAINED
    if same and ref_count > 0 and not (stop_retained or start_retained or alt_unknown or ref_unknown):
        result |= _SYNONYMOUS
    unread = not read or alt_unknown or ref_unknown
    said = shifts or inframe_deletion or protein_altering or start_retained or start_lost or stop_retained or stop_lost
    if touched and unread and not said and not complete:
        result |= _CODING
    if read and ref_bases == 3 and alt_bases == 3:
        return result, reference_at(t, row, k0, ref_bases, 0), changed_at(t, row, c, d, alt, lo, hi, k0, alt_bases, 0)
    return result, _NO_RESIDUE, _NO_RESIDUE
