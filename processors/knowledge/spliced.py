"""Spliced coordinates, sequence and what is unusual about a coding sequence: kernels of the transcript pack's builder.

Exons of transcript `row` are `[offsets[row], offsets[row + 1])` of `starts`/`ends`, 0-based half-open on the contig and ascending;
cDNA positions count from the transcript's 5' end, 0-based.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate.codons import COMPLEMENT, STOP, UNKNOWN, residue
from processors.knowledge.transcripts import Status

_N = ord("N")
_A, _G, _T = ord("A"), ord("G"), ord("T")
_START_INCOMPLETE = int(Status.START_INCOMPLETE)
_END_INCOMPLETE = int(Status.END_INCOMPLETE)
_START_NOT_ATG = int(Status.START_NOT_ATG)
_STOP_INSIDE = int(Status.STOP_INSIDE)
_UNKNOWN_BASES = int(Status.UNKNOWN_BASES)
_CODING_GAPPED = int(Status.CODING_GAPPED)


@njit(cache=True, nogil=True)
def lay_exons(offsets, starts, ends, strand, exon_cdna, length):  # type: ignore[no-untyped-def]
    """Fill the cDNA position of each exon's 5'-most base (`exon_cdna`) and the bases of each transcript (`length`)."""
    for row in range(strand.shape[0]):
        low, high = offsets[row], offsets[row + 1]
        before = 0
        for step in range(high - low):
            exon = low + step if strand[row] > 0 else high - 1 - step
            exon_cdna[exon] = before
            before += ends[exon] - starts[exon]
        length[row] = before


@njit(cache=True, nogil=True)
def cdna_at(offsets, starts, ends, exon_cdna, strand, row, position):  # type: ignore[no-untyped-def]
    """cDNA position of a base of the contig, -1 where it lies in no exon of the transcript."""
    for exon in range(offsets[row], offsets[row + 1]):
        if starts[exon] <= position < ends[exon]:
            return exon_cdna[exon] + (position - starts[exon] if strand[row] > 0 else ends[exon] - 1 - position)
    return -1


@njit(cache=True, nogil=True)
def lay_coding(offsets, starts, ends, exon_cdna, strand, cds_start, cds_end, coding_start, coding_end):  # type: ignore[no-untyped-def]
    """Fill the coding region in cDNA, -1 and -1 for a transcript without CDS (`cds_start` -1)."""
    for row in range(strand.shape[0]):
        coding_start[row] = coding_end[row] = -1
        if cds_start[row] >= 0:
            left = cdna_at(offsets, starts, ends, exon_cdna, strand, row, cds_start[row])
            right = cdna_at(offsets, starts, ends, exon_cdna, strand, row, cds_end[row] - 1)
            coding_start[row], coding_end[row] = min(left, right), max(left, right) + 1


@njit(cache=True, nogil=True)
def splice(offsets, starts, ends, strand, base, sequence, base_offsets, bases):  # type: ignore[no-untyped-def]
    """Fill `bases` with the sequence on the transcript's strand of each transcript that has room in it (`base_offsets`).

    `base`: where the transcript's contig begins in `sequence`, -1: unknown, all N.
    """
    for row in range(strand.shape[0]):
        out, behind = base_offsets[row], base_offsets[row + 1]
        if out == behind:
            continue
        if base[row] < 0:
            bases[out:behind] = _N
            continue
        low, high = offsets[row], offsets[row + 1]
        for step in range(high - low):
            exon = low + step if strand[row] > 0 else high - 1 - step
            for at in range(ends[exon] - starts[exon]):
                if strand[row] > 0:
                    bases[out] = sequence[base[row] + starts[exon] + at]
                else:
                    bases[out] = COMPLEMENT[sequence[base[row] + ends[exon] - 1 - at]]
                out += 1


@njit(cache=True, nogil=True)
def _may_be_tga(bases, at):  # type: ignore[no-untyped-def]
    return bases[at] in (_T, _N) and bases[at + 1] in (_G, _N) and bases[at + 2] in (_A, _N)


@njit(cache=True, nogil=True)
def _place_told(bases, zero, first, whole, begin, pad, told, low, high, sec):  # type: ignore[no-untyped-def]
    """Append the residues of `told[low:high]` to `sec`, ascending; return how many statements were refused."""
    refused, since = 0, len(sec)
    for at in range(low, high):
        place = told[at] - begin + pad
        inside = told[at] >= 0 and place >= 3 * first and place % 3 == 0 and place // 3 < whole
        if not inside or not _may_be_tga(bases, zero + place):
            refused += 1
            continue
        where = len(sec)
        sec.append(np.int32(place // 3))
        while where > since and sec[where - 1] > sec[where]:
            sec[where - 1], sec[where] = sec[where], sec[where - 1]
            where -= 1
    return refused


@njit(cache=True, nogil=True)
def _judge_codons(bases, zero, first, whole, over, code, marked, since, sec, bits):  # type: ignore[no-untyped-def]
    """Status bits of one coding sequence whose residue 0 begins at `bases[zero]`; appends to `sec` where TGA is `marked` as such."""
    marked = marked and len(sec) == since
    for number in range(first, whole):
        at = zero + 3 * number
        found = residue(code, bases[at], bases[at + 1], bases[at + 2])
        last = number == whole - 1 and not over
        if number == 0 and not bits & _START_INCOMPLETE and found != UNKNOWN:
            start = bases[at] == _A and bases[at + 1] == _T and bases[at + 2] == _G
            bits |= 0 if start else _START_NOT_ATG
        read = False
        for other in range(since, len(sec)):
            read |= sec[other] == number
        if marked and not last and found == STOP and _may_be_tga(bases, at):
            sec.append(np.int32(number))
            read = True
        stop = found == STOP and not read
        if last and not stop and found != UNKNOWN:
            bits |= _END_INCOMPLETE
        if stop and not last:
            bits |= _STOP_INSIDE
    return bits


@njit(cache=True, nogil=True)
def judge(coding_start, coding_end, coded, pad, code, base_offsets, bases, told_offsets, told, marked, status, sec_offsets):  # type: ignore[no-untyped-def]
    """Fill `status` (which comes with the bits that the file says) and `sec_offsets`; return (residues of `sec`, statements refused).

    `coded`: bases in the file's CDS parts. `told`: cDNA positions of the first base of each selenocysteine codon that the file names,
    -1 for a place in no exon; `marked`: the file says that there is selenocysteine but not where, so each TGA in frame is one.
    A statement is refused where the place is not in frame or its codon is known not to be TGA. Residues count from 0, `pad` included.
    """
    sec = [np.int32(0) for _ in range(0)]
    refused = 0
    for row in range(status.shape[0]):
        sec_offsets[row] = len(sec)
        begin, end = coding_start[row], coding_end[row]
        if begin < 0:
            continue
        bits = np.int64(status[row])
        low = base_offsets[row]
        for at in range(low, base_offsets[row + 1]):
            if bases[at] == _N:
                bits |= _UNKNOWN_BASES
                break
        if coded[row] != end - begin:
            bits |= _CODING_GAPPED
        if pad[row]:
            bits |= _START_INCOMPLETE
        length = end - begin + pad[row]
        whole, over = length // 3, length % 3
        if over:
            bits |= _END_INCOMPLETE
        first = 1 if pad[row] else 0  # residue 0 of a padded CDS has unknown bases
        zero = low + begin - pad[row]
        refused += _place_told(bases, zero, first, whole, begin, pad[row], told, told_offsets[row], told_offsets[row + 1], sec)
        status[row] = _judge_codons(bases, zero, first, whole, over, code[row], marked[row], sec_offsets[row], sec, bits)
    sec_offsets[status.shape[0]] = len(sec)
    out = np.empty(len(sec), dtype=np.int32)
    for at in range(len(sec)):
        out[at] = sec[at]
    return out, refused
