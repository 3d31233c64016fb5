"""The coding sequence of a transcript before and after an event, base by base and codon by codon, for kernels; nothing is copied.

`t` is a `knowledge.transcripts.Layout`, `row` a coding transcript. An event reaches a transcript as

- [a, b), its *cDNA span*: 0-based half-open, a == b an insertion before cDNA base a; -1 for an end that lies in no exon;
- [c, d), its *coding span*: the same counted from the first coding base with the `pad` unknown bases before it; -1 for an end that
  lies outside the coding region, and both -1 for an insertion on its border;
- [k0, k1), its *codons*: k0 == k1 for an insertion between two codons;
- `alt[lo:hi]`, the inserted bases on the contig's forward strand.

Positions of the *coding sequence* run on into the 3' UTR, to the transcript's end; so do those of the changed one. A residue is ASCII:
`*` stop, X unknown (a codon with N that leaves more than one residue open, or one that the sequence ends in), U selenocysteine.

Small kernels are inlined where they are called: to hand over a Layout counts a reference to each of its arrays, which takes longer.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate.codons import CODES, COMPLEMENT, NUMBER, SEC, STOP, UNKNOWN
from processors.annotate.project import cdna_of

_N = np.uint8(78)


@njit(cache=True, nogil=True)
def cdna_span(t, row, s, e):  # type: ignore[no-untyped-def]
    """cDNA span of the event [s, e) on the contig. An insertion on the border of an exon counts as inside it."""
    forward = t.strand[row] > 0
    if s < e:
        first = cdna_of(t, row, s if forward else e - 1)
        last = cdna_of(t, row, e - 1 if forward else s)
        return first, (last + 1 if last >= 0 else last)
    before = cdna_of(t, row, s - 1 if forward else s)
    if before >= 0:
        return before + 1, before + 1
    behind = cdna_of(t, row, s if forward else s - 1)
    return behind, behind


@njit(cache=True, nogil=True)
def coding_span(t, row, a, b):  # type: ignore[no-untyped-def]
    """Coding span of a cDNA span."""
    low, high, pad = np.int64(t.coding_start[row]), np.int64(t.coding_end[row]), np.int64(t.pad[row])
    if a == b:
        if low < a < high:
            return a - low + pad, a - low + pad
        return np.int64(-1), np.int64(-1)
    c = a - low + pad if low <= a < high else np.int64(-1)
    d = b - low + pad if low < b <= high else np.int64(-1)
    return c, d


@njit(cache=True, nogil=True)
def codon_span(c, d):  # type: ignore[no-untyped-def]
    """Codons [k0, k1) that a coding span (both ends inside) touches."""
    return c // 3, (d + 2) // 3


@njit(cache=True, nogil=True)
def coding_length(t, row):  # type: ignore[no-untyped-def]
    """Bases of the coding sequence without the 3' UTR, `pad` counted."""
    return np.int64(t.pad[row]) + t.coding_end[row] - t.coding_start[row]


@njit(cache=True, nogil=True)
def transcript_length(t, row):  # type: ignore[no-untyped-def]
    """Bases of the coding sequence to the transcript's end, `pad` counted."""
    return np.int64(t.pad[row]) + t.length[row] - t.coding_start[row]


@njit(cache=True, nogil=True)
def coding_base(t, row, i):  # type: ignore[no-untyped-def]
    """Base i of the coding sequence, N in the pad; 0 <= i < transcript_length."""
    at = i - t.pad[row]
    if at < 0:
        return _N
    return t.bases[t.base_offsets[row] + t.coding_start[row] + at]


@njit(cache=True, nogil=True)
def inserted_base(t, row, alt, lo, hi, i):  # type: ignore[no-untyped-def]
    """Inserted base i on the transcript's strand; 0 <= i < hi - lo."""
    if t.strand[row] > 0:
        return alt[lo + i]
    return COMPLEMENT[alt[hi - 1 - i]]


@njit(cache=True, nogil=True)
def changed_base(t, row, c, d, alt, lo, hi, i):  # type: ignore[no-untyped-def]
    """Base i of the changed coding sequence; 0 <= i < changed_length."""
    if i < c:
        return coding_base(t, row, i)
    n = hi - lo
    if i < c + n:
        return inserted_base(t, row, alt, lo, hi, i - c)
    return coding_base(t, row, i - n + d - c)


@njit(cache=True, nogil=True)
def changed_length(t, row, c, d, lo, hi):  # type: ignore[no-untyped-def]
    """Bases of the changed coding sequence to the transcript's end."""
    return transcript_length(t, row) - (d - c) + (hi - lo)


@njit(cache=True, nogil=True)
def translated(code, first, second, third):  # type: ignore[no-untyped-def]
    """Residue of three bases under row `code` of CODES; one with N has a residue where all that it may be are the same."""
    x, y, z = np.int64(NUMBER[first]), np.int64(NUMBER[second]), np.int64(NUMBER[third])
    if x < 4 and y < 4 and z < 4:
        return CODES[code, (x << 4) + (y << 2) + z]
    found = np.uint8(0)
    for number in range(64):
        if (x < 4 and number >> 4 != x) or (y < 4 and (number >> 2) & 3 != y) or (z < 4 and number & 3 != z):
            continue
        if found == 0:
            found = CODES[code, number]
        elif found != CODES[code, number]:
            return np.uint8(UNKNOWN)
    return found


@njit(cache=True, nogil=True)
def is_selenocysteine(t, row, k):  # type: ignore[no-untyped-def]
    """Whether the codon k of the reference is read as selenocysteine."""
    j = t.sec_offsets[row]
    while j < t.sec_offsets[row + 1] and t.sec[j] != k:
        j += 1
    return j < t.sec_offsets[row + 1]


@njit(cache=True, nogil=True)
def reference_residue(t, row, k):  # type: ignore[no-untyped-def]
    """Residue of codon k of the reference; X where the coding sequence ends inside the codon."""
    i = 3 * k
    if i + 3 > coding_length(t, row):
        return np.uint8(UNKNOWN)
    found = translated(t.code[row], coding_base(t, row, i), coding_base(t, row, i + 1), coding_base(t, row, i + 2))
    if found == STOP and is_selenocysteine(t, row, k):
        return np.uint8(SEC)
    return found


@njit(cache=True, nogil=True)
def changed_residue(t, row, c, d, alt, lo, hi, k):  # type: ignore[no-untyped-def]
    """Residue of codon k of the changed sequence, read on into the 3' UTR; X where the transcript ends inside it.

    A codon that the event does not touch and that stays in frame is read as in the reference, selenocysteine included.
    """
    i = 3 * k
    if i + 3 > changed_length(t, row, c, d, lo, hi):
        return np.uint8(UNKNOWN)
    found = translated(
        t.code[row],
        changed_base(t, row, c, d, alt, lo, hi, i),
        changed_base(t, row, c, d, alt, lo, hi, i + 1),
        changed_base(t, row, c, d, alt, lo, hi, i + 2),
    )
    if found == STOP and t.sec_offsets[row] < t.sec_offsets[row + 1]:
        grown = (hi - lo) - (d - c)
        if i + 3 <= c:
            if is_selenocysteine(t, row, k):
                return np.uint8(SEC)
        elif grown % 3 == 0 and i >= c + (hi - lo) and is_selenocysteine(t, row, k - grown // 3):
            return np.uint8(SEC)
    return found


@njit(cache=True, nogil=True)
def next_stop(t, row, c, d, alt, lo, hi, k):  # type: ignore[no-untyped-def]
    """First codon at or behind k of the changed sequence that is a stop; -1 where none follows in the transcript."""
    last = changed_length(t, row, c, d, lo, hi) // 3
    while k < last:
        if changed_residue(t, row, c, d, alt, lo, hi, k) == STOP:
            return k
        k += 1
    return np.int64(-1)


@njit(cache=True, nogil=True)
def protein_length(t, row):  # type: ignore[no-untyped-def]
    """Residues of the reference protein without its stop; a last codon that is not whole does not count."""
    bases = coding_length(t, row)
    codons = bases // 3
    if bases % 3 == 0 and codons > 0:
        i = bases - 3
        if translated(t.code[row], coding_base(t, row, i), coding_base(t, row, i + 1), coding_base(t, row, i + 2)) == STOP:
            return codons - 1
    return codons


@njit(cache=True, nogil=True)
def first_residue(t, row, s, e, a):  # type: ignore[no-untyped-def]
    """1-based number of the first residue that an event with cDNA span [a, …) touches; 0 where none of its bases is coding.

    Of an insertion between two codons it is the residue behind it. An event that begins outside of the coding sequence touches the first
    coding base of an exon that it reaches.
    """
    low, high, pad = np.int64(t.coding_start[row]), np.int64(t.coding_end[row]), np.int64(t.pad[row])
    if a >= 0:
        first = max(a, low)
        return (first - low + pad) // 3 + 1 if first < high else np.int64(0)
    forward = t.strand[row] > 0
    found = high
    for k in range(t.exon_offsets[row], t.exon_offsets[row + 1]):
        left, right = max(s, t.exon_starts[k]), min(e, t.exon_ends[k])
        if left < right:
            at = t.exon_cdna[k] + (left - t.exon_starts[k] if forward else t.exon_ends[k] - right)
            if at + right - left > low:
                found = min(found, max(at, low))
    return (found - low + pad) // 3 + 1 if found < high else np.int64(0)
