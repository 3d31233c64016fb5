"""The coding sequence before and after a change, for the names of proteins.

A *CDS position* counts from the first coding base, 0-based, with the transcript's `pad` unknown bases before it; it goes on into the 3'
UTR.
A *residue number* is 0-based here and 1-based in names. Residues are ASCII; X is unknown.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from processors.annotate.codons import COMPLEMENT, SEC, STOP, UNKNOWN, residue
from processors.annotate.hgvs.nucleotide import inserted
from processors.annotate.project import cdna_of
from processors.annotate.sequence import cdna_span, coding_span, translated

_N = 78


class Reading(NamedTuple):
    """One transcript and what an allele does to it, as plain values: CDS positions [start, end) give way to `added` inserted bases.

    A kernel is handed this instead of the whole Layout, which costs more to pass than a codon to read.
    """

    bases: Any  # Layout.bases
    first: Any  # place in `bases` of CDS position 0 (before the transcript's first base where `pad` > 0)
    limit: Any  # place in `bases` behind the transcript's last base
    pad: Any
    size: Any  # bases of the coding sequence, pad counted
    code: Any
    sec: Any  # Layout.sec, of which [sec_low, sec_high) are this transcript's
    sec_low: Any
    sec_high: Any
    start: Any
    end: Any
    added: Any
    alt_bytes: Any
    low: Any
    high: Any
    turn: Any
    forward: Any
    mirrored: Any  # read the 3' UTR as `_mirrored_base` says
    sequence: Any
    base: Any
    exon_starts: Any
    exon_cdna: Any
    exon_low: Any
    exon_high: Any
    ends: Any  # sum of the transcript's start and end on the contig
    coding_start: Any


@njit(cache=True, nogil=True)
def place_of_base(t, row, s):  # type: ignore[no-untyped-def]
    """CDS position of one base of the contig, -1 where it is not coding."""
    first = np.int64(t.coding_start[row])
    at = cdna_of(t, row, s)
    if first < 0 or at < first or at >= t.coding_end[row]:
        return np.int64(-1)
    return at - first + t.pad[row]


@njit(cache=True, nogil=True)
def place(t, row, s, e):  # type: ignore[no-untyped-def]
    """CDS positions (start, end) of an event, (-1, -1) where one of its ends does not lie in the coding sequence.

    An insertion on the border of an exon lies beside the exon's base; one beside the first or behind the last coding base is outside.
    """
    if t.coding_start[row] < 0:
        return np.int64(-1), np.int64(-1)
    a, b = cdna_span(t, row, s, e)
    start, end = coding_span(t, row, a, b)
    if start < 0 or end < 0:
        return np.int64(-1), np.int64(-1)
    return start, end


@njit(cache=True, nogil=True)
def reading(t, row, start, end, alt_bytes, low, high, turn, mirrored, sequence, base):  # type: ignore[no-untyped-def]
    """The Reading of an allele that replaces CDS positions [start, end)."""
    pad, coding_start = np.int64(t.pad[row]), np.int64(t.coding_start[row])
    return Reading(
        t.bases, t.base_offsets[row] + coding_start - pad, t.base_offsets[row + 1], pad, t.coding_end[row] - coding_start + pad,
        t.code[row], t.sec, t.sec_offsets[row], t.sec_offsets[row + 1],
        start, end, high - low, alt_bytes, low, high, turn, t.strand[row] > 0,
        mirrored, sequence, base, t.exon_starts, t.exon_cdna, t.exon_offsets[row], t.exon_offsets[row + 1],
        np.int64(t.start[row]) + t.end[row], coding_start,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def base_at(r, position):  # type: ignore[no-untyped-def]
    """Base at a CDS position of the unchanged transcript; N outside."""
    at = r.first + position
    if position < r.pad or at >= r.limit:
        return np.uint8(_N)
    return r.bases[at]


@njit(cache=True, nogil=True)
def reference_residue(r, number):  # type: ignore[no-untyped-def]
    """Residue of the unchanged protein; a stop codon that is read as selenocysteine is one; X in an incomplete last codon."""
    at = 3 * number
    if at + 3 > r.size:
        return np.uint8(UNKNOWN)
    found = translated(r.code, base_at(r, at), base_at(r, at + 1), base_at(r, at + 2))
    if found == STOP:
        for i in range(r.sec_low, r.sec_high):
            if r.sec[i] == number:
                return np.uint8(SEC)
    return found


@njit(cache=True, nogil=True)
def protein_size(r):  # type: ignore[no-untyped-def]
    """Residues of the unchanged protein, without the stop at its end."""
    count = r.size // 3
    if r.size % 3 == 0 and count > 0 and reference_residue(r, count - 1) == STOP:
        count -= 1
    return count


@njit(cache=True, nogil=True)
def changed_size(r):  # type: ignore[no-untyped-def]
    """Bases from the first coding base (pad counted) to the end of the changed transcript."""
    return r.limit - r.first - (r.end - r.start) + r.added


@njit(cache=True, nogil=True)
def _mirrored_base(r, position):  # type: ignore[no-untyped-def]
    """Base of the 3' UTR as VEP reads it of a transcript on the minus strand, when its sequence comes from a FASTA file.

    It takes each exon's place from the wrong end of the transcript: an exon [a, b) of the transcript [s, e) is read at
    [s + e - b, s + e - a). So its distance to a stop in the UTR is wrong; `style.Style.vep` decides.
    """
    cdna = position - r.pad + r.coding_start
    exon = r.exon_low
    while exon + 1 < r.exon_high and r.exon_cdna[exon] > cdna:
        exon += 1
    at = r.ends - r.exon_starts[exon] - 1 - (cdna - r.exon_cdna[exon])
    if r.base < 0 or r.first + position >= r.limit:
        return np.uint8(_N)
    return COMPLEMENT[r.sequence[r.base + at]]


@njit(cache=True, nogil=True)
def _changed_base(r, position):  # type: ignore[no-untyped-def]
    if position < r.start:
        return base_at(r, position)
    if position < r.start + r.added:
        return inserted(r.alt_bytes, r.low, r.high, r.turn, r.forward, position - r.start)
    position += r.end - r.start - r.added
    if r.mirrored and position >= r.size:
        return _mirrored_base(r, position)
    return base_at(r, position)


@njit(cache=True, nogil=True)
def changed_residue(r, number):  # type: ignore[no-untyped-def]
    """Residue of the changed transcript, read on into the 3' UTR."""
    at = 3 * number
    shift = r.added - (r.end - r.start)
    if at + 3 <= r.start:
        return reference_residue(r, number)
    if shift % 3 == 0 and at >= r.start + r.added and at + 3 <= r.size + shift:
        return reference_residue(r, number - shift // 3)
    return translated(r.code, _changed_base(r, at), _changed_base(r, at + 1), _changed_base(r, at + 2))


@njit(cache=True, nogil=True)
def substituted(r):  # type: ignore[no-untyped-def]
    """(old, new) residue of a codon in which one base gives way to another. The path of nearly all rows."""
    at = 3 * (r.start // 3)
    if at + 3 > r.size or at < r.pad:
        return np.uint8(UNKNOWN), np.uint8(UNKNOWN)
    one, two, three = r.bases[r.first + at], r.bases[r.first + at + 1], r.bases[r.first + at + 2]
    old = residue(r.code, one, two, three)
    new = r.alt_bytes[r.low] if r.forward else COMPLEMENT[r.alt_bytes[r.low]]
    place = r.start - at
    new = residue(r.code, new if place == 0 else one, new if place == 1 else two, new if place == 2 else three)
    return (reference_residue(r, at // 3) if old == STOP else old), new


@njit(cache=True, nogil=True)
def next_stop(r, number):  # type: ignore[no-untyped-def]
    """Number of the first stop of the changed transcript at or behind a residue; -1 where none follows, or an unknown one comes first."""
    for at in range(number, changed_size(r) // 3):
        found = changed_residue(r, at)
        if found == STOP:
            return at
        if found == UNKNOWN:
            return -1
    return -1
