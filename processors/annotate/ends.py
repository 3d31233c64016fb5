"""What an event does to the first and the last codon of a coding sequence, as Ensembl VEP looks at them, for kernels.

VEP edits the spliced sequence and looks whether the codon at the old place is still there. For the start it lays the unknown bases of a
coding sequence that begins inside a codon between 5' UTR and coding sequence. Names as in `annotate.sequence`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate.codons import STOP
from processors.annotate.sequence import changed_base, coding_base, coding_length, inserted_base, transcript_length, translated
from processors.knowledge.transcripts import Tag

_START_UNKNOWN = np.uint16(int(Tag.CDS_START_NF))
_END_UNKNOWN = np.uint16(int(Tag.CDS_END_NF))
_A, _T, _G = np.uint8(65), np.uint8(84), np.uint8(71)


@njit(cache=True, nogil=True)
def overlaps_start(t, row, a, b):  # type: ignore[no-untyped-def]
    """Whether a cDNA span with both ends in exons meets the first three coding bases; never where the file says that they are not there."""
    start = t.coding_start[row]
    return a >= 0 and b > start and a < start + 3 and t.tags[row] & _START_UNKNOWN == 0


@njit(cache=True, nogil=True)
def overlaps_stop(t, row, a, b):  # type: ignore[no-untyped-def]
    """The same of the last three."""
    end = t.coding_end[row]
    return a >= 0 and b >= end - 2 and a < end and t.tags[row] & _END_UNKNOWN == 0


@njit(cache=True, nogil=True)
def _base(t, row, i):  # type: ignore[no-untyped-def]
    """Base i of 5' UTR, pad and coding sequence."""
    start = t.coding_start[row]
    if i < start:
        return t.bases[t.base_offsets[row] + i]
    return coding_base(t, row, i - start)


@njit(cache=True, nogil=True)
def _edited(t, row, a, b, alt, lo, hi, i):  # type: ignore[no-untyped-def]
    """The same with [a, b) replaced."""
    if i < a:
        return _base(t, row, i)
    n = hi - lo
    if i < a + n:
        return inserted_base(t, row, alt, lo, hi, i - a)
    return _base(t, row, i - n + b - a)


@njit(cache=True, nogil=True)
def start_codon_is_atg(t, row, a, b, alt, lo, hi):  # type: ignore[no-untyped-def]
    """Whether the three bases at the old place of the first codon read ATG in the changed sequence."""
    i = np.int64(t.coding_start[row])
    total = i + coding_length(t, row)
    b = min(b, total)
    if i + 3 > total - (b - a) + (hi - lo):
        return False
    return (
        _edited(t, row, a, b, alt, lo, hi, i) == _A
        and _edited(t, row, a, b, alt, lo, hi, i + 1) == _T
        and _edited(t, row, a, b, alt, lo, hi, i + 2) == _G
    )


@njit(cache=True, nogil=True)
def start_moves(t, row, a, b, alt, lo, hi):  # type: ignore[no-untyped-def]
    """Whether an event that changes the length leaves no untouched coding sequence behind a 5' UTR of any length."""
    start, n = np.int64(t.coding_start[row]), hi - lo
    length = coding_length(t, row)
    b = min(b, start + length)
    total = start + length - (b - a) + n
    if start > 0 and start_codon_is_atg(t, row, a, b, alt, lo, hi):
        i = a
        while i < start and _base(t, row, i) == _edited(t, row, a, b, alt, lo, hi, i):
            i += 1
        if i >= start:
            return False
    if total < length:
        return True
    # what lies behind the event is as it was: the bases before it must be those of the coding sequence too
    i = np.int64(0)
    while i < b - start and coding_base(t, row, i) == _edited(t, row, a, b, alt, lo, hi, total - length + i):
        i += 1
    return i < b - start


@njit(cache=True, nogil=True)
def stop_moves(t, row, a, b, c, alt, lo, hi):  # type: ignore[no-untyped-def]
    """Whether no stop stands at the old place of the last codon in the changed sequence; c is the event's coding position."""
    d = c + b - a
    end = coding_length(t, row)
    total = transcript_length(t, row) - (d - c) + (hi - lo)
    if total < end or end < 3:
        return True
    first = changed_base(t, row, c, d, alt, lo, hi, end - 3)
    second = changed_base(t, row, c, d, alt, lo, hi, end - 2)
    third = changed_base(t, row, c, d, alt, lo, hi, end - 1)
    return translated(t.code[row], first, second, third) != STOP
