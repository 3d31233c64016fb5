"""What an event does to one transcript that it touches, at the level of regions, with Ensembl VEP's predicates.

Kernels; `t` is a `knowledge.transcripts.Layout`, [s, e) the event on the contig, 0-based half-open, s == e for an insertion before base
s. Effects on the protein are `annotate.coding`'s; here is said only whether the coding sequence is touched.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate import terms
from processors.annotate.project import exon_at_or_after
from processors.annotate.splice import first_beyond, splicing

FLANK = 17
"""Bases of an intron from its border that a splice term may reach."""
_EXON_FLANK = 3
_SHORT = 8
"""Bases beyond its end that a short intron's splice terms may reach, seen from its other border."""

_ABLATION = np.uint64(terms.ABLATION)
_MATURE = np.uint64(terms.MATURE_MIRNA)
_UTR5 = np.uint64(terms.UTR5)
_UTR3 = np.uint64(terms.UTR3)
_NC_EXON = np.uint64(terms.NON_CODING_EXON)
_INTRON = np.uint64(terms.INTRON)
_NMD = np.uint64(terms.NMD)
_NC = np.uint64(terms.NON_CODING_TRANSCRIPT)
_CODING_TRANSCRIPT = np.uint64(terms.CODING_TRANSCRIPT)
_ZERO = np.uint64(0)


@njit(cache=True, nogil=True)
def exons_met(t, row, s, e):  # type: ignore[no-untyped-def]
    """[first, last) of the exons that hold a base of the event, into the exon arrays; an insertion is held where both its sides are."""
    low, high = t.exon_offsets[row], t.exon_offsets[row + 1]
    first = first_beyond(t.exon_ends, low, high, s)
    last = first
    while last < high and t.exon_starts[last] < (s if s == e else e):
        last += 1
    return first, last


@njit(cache=True, nogil=True)
def introns_met(t, row, s, e):  # type: ignore[no-untyped-def]
    """The same of introns; intron k lies between exons k and k + 1."""
    low, high = t.exon_offsets[row], t.exon_offsets[row + 1]
    first = max(first_beyond(t.exon_starts, low, high, s) - 1, low)
    last = first
    while last < high - 1 and t.exon_ends[last] < (s if s == e else e):
        last += 1
    return first, last


@njit(cache=True, nogil=True)
def _touches(t, row, s, e):  # type: ignore[no-untyped-def]
    """(an exon touched, the coding sequence touched); an insertion on the border of an exon touches it."""
    low, high = t.exon_offsets[row], t.exon_offsets[row + 1]
    insertion = s == e
    coding_start, coding_end = t.cds_start[row], t.cds_end[row]
    exonic, coding = False, False
    k = first_beyond(t.exon_ends, low, high, s - 1 if insertion else s)
    while k < high and (t.exon_starts[k] <= s if insertion else t.exon_starts[k] < e):
        exonic = True
        if coding_start >= 0:
            if insertion:
                coding |= coding_start < s < coding_end
            else:
                coding |= s < min(t.exon_ends[k], coding_end) and e > max(t.exon_starts[k], coding_start)
        k += 1
    return exonic, coding


@njit(cache=True, nogil=True)
def _mature(t, row, s, e):  # type: ignore[no-untyped-def]
    """Whether the event meets a mature miRNA of the transcript."""
    j, last = t.mature_offsets[row], t.mature_offsets[row + 1]
    while j < last and not (t.mature_starts[j] < e and s < t.mature_ends[j]):
        j += 1
    return j < last


@njit(cache=True, nogil=True)
def _numbers(t, row, s, e):  # type: ignore[no-untyped-def]
    """(first exon, first intron) touched, 1-based in transcript order, 0: none."""
    first, count = t.exon_offsets[row], t.exon_offsets[row + 1] - t.exon_offsets[row]
    exon, exon_end = exons_met(t, row, s, e)
    intron, intron_end = introns_met(t, row, s, e)
    if t.strand[row] > 0:
        return exon - first + 1 if exon < exon_end else 0, intron - first + 1 if intron < intron_end else 0
    return count - (exon_end - 1 - first) if exon < exon_end else 0, count - 1 - (intron_end - 1 - first) if intron < intron_end else 0


@njit(cache=True, nogil=True)
def within(t, row, s, e, genome, base, alt, lo, hi):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """(terms without those of the protein, exon, intron, coding sequence touched) of an event that touches a transcript's span.

    Numbers are those of the first exon and intron touched, 1-based in transcript order, 0: none.
    """
    coding_start, coding_end = t.cds_start[row], t.cds_end[row]
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    forward = t.strand[row] > 0
    coding = False
    if e - s == 1 and hi - lo == 1:
        k = exon_at_or_after(t, row, s)
        exonic = t.exon_starts[k] <= s
        if exonic:
            exon, intron, artefact = (k - first + 1 if forward else last - k), 0, False
            coding = coding_start <= s < coding_end
            result = _ZERO
            if (k > first and (s - t.exon_starts[k] < _EXON_FLANK or s - t.exon_ends[k - 1] < _SHORT)) or (
                k < last - 1 and (t.exon_ends[k] - s <= _EXON_FLANK or t.exon_starts[k + 1] - s <= _SHORT)
            ):
                result, artefact = splicing(t, row, s, e, genome, base, alt, lo, hi)
        else:
            exon, intron, artefact = 0, (k - first if forward else last - k), False
            result = _INTRON
            if s - t.exon_ends[k - 1] < FLANK or t.exon_starts[k] - s <= FLANK:
                result, artefact = splicing(t, row, s, e, genome, base, alt, lo, hi)
    else:
        exon, intron = _numbers(t, row, s, e)
        exonic, coding = _touches(t, row, s, e)
        result, artefact = splicing(t, row, s, e, genome, base, alt, lo, hi)
    complete = s <= t.start[row] and e >= t.end[row]
    if complete and hi - lo < e - s:
        return _ABLATION, exon, intron, False
    if coding_start >= 0:
        coding |= artefact and s < coding_end and e > coding_start
        if exonic or artefact:
            if s < coding_start or (s == e and s == coding_start):
                result |= _UTR5 if forward else _UTR3
            if e > coding_end or (s == e and s == coding_end):
                result |= _UTR3 if forward else _UTR5
        if complete and not t.decay[row]:
            result |= _CODING_TRANSCRIPT
    elif t.mature_offsets[row] < t.mature_offsets[row + 1] and _mature(t, row, s, e):
        return _MATURE, exon, intron, False
    elif exon > 0 and not complete:
        result |= _NC_EXON
    else:
        result |= _NC
    if t.decay[row]:
        result |= _NMD
    return result, exon, intron, coding
