"""What an event does to one transcript that it touches, at the level of regions.

Terms follow Ensembl VEP's predicates: splice donor and acceptor are two intronic bases; the splice region is three exonic bases and bases
3 to 8 of the intron; then donor region, 5th base, and the polypyrimidine tract 3 to 17 before the acceptor. An intron of 13 bases and
less is taken for an artefact of the alignment and has no splice site. Effects on the protein are not computed here.

Kernels; `t` is a `knowledge.transcripts.Layout`. An event is [s, e), 0-based half-open on the contig, s == e for an insertion before
base s. VEP's 1-based closed coordinates of it are (s + 1, e), so an insertion ends before it starts.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate import terms

ARTEFACT_INTRON = 13
"""Bases of the longest intron that VEP takes for an artefact."""

_ABLATION = np.uint64(terms.ABLATION)
_ACCEPTOR = np.uint64(terms.SPLICE_ACCEPTOR)
_DONOR = np.uint64(terms.SPLICE_DONOR)
_FIFTH = np.uint64(terms.SPLICE_DONOR_5TH_BASE)
_SPLICE_REGION = np.uint64(terms.SPLICE_REGION)
_DONOR_REGION = np.uint64(terms.SPLICE_DONOR_REGION)
_TRACT = np.uint64(terms.SPLICE_POLYPYRIMIDINE)
_CODING = np.uint64(terms.CODING_SEQUENCE)
_UTR5 = np.uint64(terms.UTR5)
_UTR3 = np.uint64(terms.UTR3)
_NC_EXON = np.uint64(terms.NON_CODING_EXON)
_INTRON = np.uint64(terms.INTRON)
_NMD = np.uint64(terms.NMD)
_NC = np.uint64(terms.NON_CODING_TRANSCRIPT)
_CODING_TRANSCRIPT = np.uint64(terms.CODING_TRANSCRIPT)
_ZERO = np.uint64(0)


@njit(cache=True, nogil=True)
def _meets(vs, ve, low, high):  # type: ignore[no-untyped-def]
    """VEP's overlap of 1-based closed intervals."""
    return ve >= low and vs <= high


@njit(cache=True, nogil=True)
def _first_reaching(borders, low, high, position):  # type: ignore[no-untyped-def]
    """First index in [low, high) whose border lies beyond a position."""
    while low < high:
        middle = (low + high) // 2
        if borders[middle] > position:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True)
def _exons(t, row, s, e):  # type: ignore[no-untyped-def]
    """(exon touched, -1 for none; coding sequence touched; UTR below, and above, the coding region touched) in genomic order."""
    insertion = s == e
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    coding_start, coding_end = t.cds_start[row], t.cds_end[row]
    exon, coding, utr_low, utr_high = -1, False, False, False
    k = _first_reaching(t.exon_ends, first, last, s - 1 if insertion else s)
    while k < last and (t.exon_starts[k] <= e if insertion else t.exon_starts[k] < e):
        low, high = t.exon_starts[k], t.exon_ends[k]
        if not insertion or low < s < high:
            exon = k if exon < 0 or t.strand[row] < 0 else exon
        if coding_start >= 0:
            # an insertion on the border of an exon touches it; one on the border of the coding region belongs to the UTR
            if insertion:
                coding |= coding_start < s < coding_end
                utr_low |= s <= coding_start and low < coding_start
                utr_high |= s >= coding_end and high > coding_end
            else:
                coding |= s < min(high, coding_end) and e > max(low, coding_start)
                utr_low |= s < coding_start and low < coding_start
                utr_high |= e > coding_end and high > coding_end
        k += 1
    return exon, coding, utr_low, utr_high


@njit(cache=True, nogil=True)
def _intron(vs, ve, low, high, forward):  # type: ignore[no-untyped-def]
    """(terms, in the splice region, at the 5th base, in the donor region) of one intron [low, high], 1-based closed."""
    insertion = vs > ve
    result = _ZERO
    if _meets(vs, ve, low, low + 1):
        result |= _DONOR if forward else _ACCEPTOR
    if _meets(vs, ve, high - 1, high):
        result |= _ACCEPTOR if forward else _DONOR
    at_inner_border = insertion and (vs == low + 2 or ve == high - 2)
    if _meets(vs, ve, low + 2, high - 2) or at_inner_border:
        result |= _INTRON
    region = (
        _meets(vs, ve, low - 3, low - 1) or _meets(vs, ve, low + 2, low + 7) or _meets(vs, ve, high - 7, high - 2)
        or _meets(vs, ve, high + 1, high + 3) or at_inner_border or (insertion and (vs == low or ve == high))
    )  # fmt: skip
    if forward:
        tract = ve <= high and (_meets(vs, ve, high - 16, high - 2) or (insertion and ve == high - 2))
        fifth, donor_region = _meets(vs, ve, low + 4, low + 4), _meets(vs, ve, low + 2, low + 5)
    else:
        tract = vs >= low and (_meets(vs, ve, low + 2, low + 16) or (insertion and vs == low + 2))
        fifth, donor_region = _meets(vs, ve, high - 4, high - 4), _meets(vs, ve, high - 5, high - 2)
    if tract:
        result |= _TRACT
    return result, region, fifth, donor_region


@njit(cache=True, nogil=True)
def _introns(t, row, s, e):  # type: ignore[no-untyped-def]
    """(terms, intron touched, -1 for none, artefact touched), over all introns near an event."""
    vs, ve = s + 1, e
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    forward = t.strand[row] > 0
    result, number, artefact, region, fifth, donor_region = _ZERO, -1, False, False, False, False
    k = max(_first_reaching(t.exon_starts, first, last, s - 4) - 1, first)
    while k < last - 1 and t.exon_ends[k] - 3 <= e:
        low, high = t.exon_ends[k] + 1, t.exon_starts[k + 1]  # 1-based, closed
        if _meets(vs, ve, low, high):
            number = k if number < 0 or not forward else number
        if high - low < ARTEFACT_INTRON:
            artefact |= _meets(vs, ve, low, high)
        else:
            bits, in_region, at_fifth, in_donor = _intron(vs, ve, low, high, forward)
            result |= bits
            region |= in_region
            fifth |= at_fifth
            donor_region |= in_donor
        k += 1
    if fifth:
        result |= _FIFTH
    elif donor_region:
        result |= _DONOR_REGION
    if region and (result & (_DONOR | _ACCEPTOR | _FIFTH | _DONOR_REGION)) == _ZERO:
        result |= _SPLICE_REGION
    return result, number, artefact


@njit(cache=True, nogil=True)
def within(t, row, s, e, inserted):  # type: ignore[no-untyped-def]
    """(terms, exon, intron) of an event that touches a transcript's span; numbers 1-based in transcript order, 0: none."""
    if s <= t.start[row] and e >= t.end[row] and inserted == 0 and s < e:
        return _ABLATION, 0, 0
    forward = t.strand[row] > 0
    coding_start, coding_end = t.cds_start[row], t.cds_end[row]
    exon, coding, utr_low, utr_high = _exons(t, row, s, e)
    result, intron, artefact = _introns(t, row, s, e)
    if coding_start >= 0:
        if coding or (artefact and s < coding_end and e > coding_start):
            result |= _CODING
        if utr_low or (artefact and s < coding_start):
            result |= _UTR5 if forward else _UTR3
        if utr_high or (artefact and e > coding_end):
            result |= _UTR3 if forward else _UTR5
        if t.decay[row]:
            result |= _NMD
        elif result == _ZERO:
            result |= _CODING_TRANSCRIPT
    elif exon >= 0 or artefact:
        result |= _NC_EXON
    else:
        result |= _NC
    first, count = t.exon_offsets[row], t.exon_offsets[row + 1] - t.exon_offsets[row]
    exon_number, intron_number = 0, 0
    if exon >= 0:
        exon_number = exon - first + 1 if forward else count - (exon - first)
    if intron >= 0:
        intron_number = intron - first + 1 if forward else count - 1 - (intron - first)
    return result, exon_number, intron_number
