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
from processors.annotate.project import cdna_of, contig_of, exon_at_or_after

_N = 78


class Change(NamedTuple):
    """What a kernel must know of one allele on one transcript: CDS positions [start, end) give way to `size` inserted bases.

    `mirrored`: read the 3' UTR as `_mirrored_base` says. `sequence` and `base` are the genome's.
    """

    start: Any
    end: Any
    size: Any
    alt_bytes: Any
    low: Any
    high: Any
    turn: Any
    forward: Any
    mirrored: Any
    sequence: Any
    base: Any


@njit(cache=True, nogil=True)
def place(t, row, s, e):  # type: ignore[no-untyped-def]
    """CDS positions (start, end) of an event, (-1, -1) where one of its ends does not lie in the coding sequence.

    An insertion on the border of an exon lies beside the exon's base; one beside the first or behind the last coding base is outside.
    """
    forward = t.strand[row] > 0
    first, behind, pad = t.coding_start[row], t.coding_end[row], np.int64(t.pad[row])
    if first < 0:
        return np.int64(-1), np.int64(-1)
    if s == e:
        before, after = (cdna_of(t, row, s - 1), cdna_of(t, row, s)) if forward else (cdna_of(t, row, s), cdna_of(t, row, s - 1))
        at = before + 1 if before >= 0 else after
        if at <= first or at >= behind:
            return np.int64(-1), np.int64(-1)
        return at - first + pad, at - first + pad
    low, high = (cdna_of(t, row, s), cdna_of(t, row, e - 1)) if forward else (cdna_of(t, row, e - 1), cdna_of(t, row, s))
    if low < first or high >= behind or high < 0:
        return np.int64(-1), np.int64(-1)
    return low - first + pad, high + 1 - first + pad


@njit(cache=True, nogil=True)
def cds_size(t, row):  # type: ignore[no-untyped-def]
    return np.int64(t.coding_end[row]) - t.coding_start[row] + t.pad[row]


@njit(cache=True, nogil=True)
def base_at(t, row, position):  # type: ignore[no-untyped-def]
    """Base at a CDS position of the unchanged transcript; N outside."""
    at = position - t.pad[row] + t.coding_start[row]
    if position < t.pad[row] or at >= t.base_offsets[row + 1] - t.base_offsets[row]:
        return np.uint8(_N)
    return t.bases[t.base_offsets[row] + at]


@njit(cache=True, nogil=True)
def reference_residue(t, row, number):  # type: ignore[no-untyped-def]
    """Residue of the unchanged protein; a stop codon that is read as selenocysteine is one; X in an incomplete last codon."""
    at = 3 * number
    if at + 3 > cds_size(t, row):
        return np.uint8(UNKNOWN)
    found = residue(t.code[row], base_at(t, row, at), base_at(t, row, at + 1), base_at(t, row, at + 2))
    if found == STOP:
        for i in range(t.sec_offsets[row], t.sec_offsets[row + 1]):
            if t.sec[i] == number:
                return np.uint8(SEC)
    return found


@njit(cache=True, nogil=True)
def protein_size(t, row):  # type: ignore[no-untyped-def]
    """Residues of the unchanged protein, without the stop at its end."""
    size = cds_size(t, row)
    count = size // 3
    if size % 3 == 0 and count > 0 and reference_residue(t, row, count - 1) == STOP:
        count -= 1
    return count


@njit(cache=True, nogil=True)
def changed_size(t, row, change):  # type: ignore[no-untyped-def]
    """Bases from the first coding base (pad counted) to the end of the changed transcript."""
    return np.int64(t.length[row]) - t.coding_start[row] + t.pad[row] - (change.end - change.start) + change.size


@njit(cache=True, nogil=True)
def _mirrored_base(t, row, change, position):  # type: ignore[no-untyped-def]
    """Base of the 3' UTR as VEP reads it of a transcript on the minus strand, when its sequence comes from a FASTA file.

    It takes each exon's place from the wrong end of the transcript: an exon [a, b) of the transcript [s, e) is read at
    [s + e - b, s + e - a). So its distance to a stop in the UTR is wrong; `style.Style.vep` decides.
    """
    at = contig_of(t, row, position - t.pad[row] + t.coding_start[row])
    if at < 0 or change.base < 0:
        return np.uint8(_N)
    exon = exon_at_or_after(t, row, at)
    at += np.int64(t.start[row]) + t.end[row] - t.exon_starts[exon] - t.exon_ends[exon]
    return COMPLEMENT[change.sequence[change.base + at]]


@njit(cache=True, nogil=True)
def _changed_base(t, row, change, position):  # type: ignore[no-untyped-def]
    if position < change.start:
        return base_at(t, row, position)
    if position < change.start + change.size:
        return inserted(change.alt_bytes, change.low, change.high, change.turn, change.forward, position - change.start)
    position += change.end - change.start - change.size
    if change.mirrored and position >= cds_size(t, row):
        return _mirrored_base(t, row, change, position)
    return base_at(t, row, position)


@njit(cache=True, nogil=True)
def changed_residue(t, row, change, number):  # type: ignore[no-untyped-def]
    """Residue of the changed transcript, read on into the 3' UTR."""
    at = 3 * number
    shift = change.size - (change.end - change.start)
    inside = at + 3 <= cds_size(t, row) + shift
    if at + 3 <= change.start:
        return reference_residue(t, row, number)
    if inside and at >= change.start + change.size and shift % 3 == 0:
        return reference_residue(t, row, number - shift // 3)
    return residue(
        t.code[row],
        _changed_base(t, row, change, at),
        _changed_base(t, row, change, at + 1),
        _changed_base(t, row, change, at + 2),
    )


@njit(cache=True, nogil=True)
def next_stop(t, row, change, number):  # type: ignore[no-untyped-def]
    """Number of the first stop of the changed transcript at or behind a residue; -1 where none follows, or an unknown one comes first."""
    for at in range(number, changed_size(t, row, change) // 3):
        found = changed_residue(t, row, change, at)
        if found == STOP:
            return at
        if found == UNKNOWN:
            return -1
    return -1
