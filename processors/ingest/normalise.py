"""Trim and left-align alleles against the genome (Tan, Abecasis, Kang 2015, "Unified representation of genetic variants").

Every allele comes out upper-case, parsimonious (no shared last base, no shared first base beyond one) and as far left as it goes.
Two stated departures, both where the reference cannot tell: an unknown base (N, or a contig without sequence) stops the shift, and
the allele then keeps its last known base as its anchor, so REF never gains an N; at the first base of a contig an indel is anchored by
the base behind it, as VCF asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.ingest.faults import Fault
from processors.knowledge.genome import Genome, ref_state
from processors.knowledge.strings import read_only
from schemas.chunks import Flag

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_BAD_REF, _OUTSIDE = int(Fault.BAD_REF), int(Fault.OUTSIDE_CONTIG)
_TRIMMED, _SHIFTED = int(Flag.TRIMMED), int(Flag.SHIFTED)
_REF_UNKNOWN, _SHIFT_STOPPED = int(Flag.REF_UNKNOWN), int(Flag.SHIFT_STOPPED)
_N = 78


@dataclass(frozen=True)
class Normalised:
    """n alleles: 0-based `starts` of REF, REF and ALT as Arrow binary columns (n + 1 offsets and bytes), Flag bits, Fault codes.

    An allele with a fault has an empty REF and ALT.
    """

    starts: I32
    ref_offsets: I32
    ref_bytes: U8
    alt_offsets: I32
    alt_bytes: U8
    flags: npt.NDArray[np.uint32]
    faults: U8


def normalise(genome: Genome, text: U8, contigs: I32, positions: I32, refs: I32, alts: I32) -> Normalised:
    """Normalise n alleles given as spans of `text` (letters A, C, G, T in either case, REF and ALT different).

    `contigs` are indexes of the genome's table, `positions` 0-based, `refs` and `alts` int32[n, 2] spans. Faults: bad_ref where REF
    contradicts a known base, outside_contig where it does not lie on its contig.
    """
    count = len(contigs)
    out = Normalised(
        starts=np.zeros(count, dtype=np.int32),
        ref_offsets=np.zeros(count + 1, dtype=np.int32),
        ref_bytes=np.empty(int((refs[:, 1] - refs[:, 0]).sum()), dtype=np.uint8),
        alt_offsets=np.zeros(count + 1, dtype=np.int32),
        alt_bytes=np.empty(int((alts[:, 1] - alts[:, 0]).sum()), dtype=np.uint8),
        flags=np.zeros(count, dtype=np.uint32),
        faults=np.zeros(count, dtype=np.uint8),
    )
    used_ref, used_alt = _normalise(
        genome.sequence, genome.sequence_offsets, genome.lengths, read_only(text), contigs, positions, refs, alts,
        out.starts, out.ref_offsets, out.ref_bytes, out.alt_offsets, out.alt_bytes, out.flags, out.faults,
    )  # fmt: skip
    return Normalised(
        out.starts, out.ref_offsets, out.ref_bytes[:used_ref], out.alt_offsets, out.alt_bytes[:used_alt], out.flags, out.faults
    )


@njit(cache=True, nogil=True)
def _at(genome, base, place, text, first, index):  # type: ignore[no-untyped-def]
    """Base `index` of the contig up to `place`, followed by the longer allele `text[first:]`."""
    if index < place:
        return genome[base + index]
    return text[first + index - place] & 0xDF


@njit(cache=True, nogil=True)
def _normalise(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915
    genome, bases, lengths, text, contigs, positions, refs, alts, starts, ref_offsets, ref_bytes, alt_offsets, alt_bytes, flags, faults
):
    scratch = np.empty(16, dtype=np.uint8)
    at_ref, at_alt = 0, 0
    for i in range(contigs.shape[0]):
        r0, r1, a0, a1 = refs[i, 0], refs[i, 1], alts[i, 0], alts[i, 1]
        r, a = r1 - r0, a1 - a0
        contig = contigs[i]
        base, length, start = bases[contig], lengths[contig], np.int64(positions[i])
        if scratch.shape[0] < r:
            scratch = np.empty(2 * r, dtype=np.uint8)
        for j in range(r):
            scratch[j] = text[r0 + j] & 0xDF
        state = ref_state(genome, base, length, start, scratch, 0, r)
        if state >= 2:
            faults[i] = _OUTSIDE if state == 3 else _BAD_REF
            ref_offsets[i + 1] = at_ref
            alt_offsets[i + 1] = at_alt
            continue
        flag = 0
        shorter = min(r, a)
        suffix = 0
        while suffix < shorter and (text[r1 - 1 - suffix] ^ text[a1 - 1 - suffix]) & 0xDF == 0:
            suffix += 1
        first_ref, first_alt = at_ref, at_alt
        if suffix < shorter:
            prefix = 0
            while prefix < shorter - suffix - 1 and (text[r0 + prefix] ^ text[a0 + prefix]) & 0xDF == 0:
                prefix += 1
            for j in range(r0 + prefix, r1 - suffix):
                ref_bytes[at_ref] = text[j] & 0xDF
                at_ref += 1
            for j in range(a0 + prefix, a1 - suffix):
                alt_bytes[at_alt] = text[j] & 0xDF
                at_alt += 1
            start += prefix
        else:
            # a pure indel of `size` bases at `start`: rotate it left while the base before it equals its last one
            longer = r0 if r > a else a0
            size = abs(r - a)
            place = start
            shift = 0
            anchored = False
            while place - 1 - shift >= 0:
                before = genome[base + place - 1 - shift] if base >= 0 else np.uint8(_N)
                if before == _N:
                    flag |= _SHIFT_STOPPED
                    break
                if before != _at(genome, base, place, text, longer, place - 1 - shift + size):
                    anchored = True
                    break
                shift += 1
            # the longer allele, and the one base that both share: before it where that is known, else behind it
            begin = place - shift - 1 if anchored else place - shift
            shared = begin if anchored else begin + size
            if r > a:
                for j in range(begin, begin + size + 1):
                    ref_bytes[at_ref] = _at(genome, base, place, text, longer, j)
                    at_ref += 1
                alt_bytes[at_alt] = _at(genome, base, place, text, longer, shared)
                at_alt += 1
            else:
                ref_bytes[at_ref] = _at(genome, base, place, text, longer, shared)
                at_ref += 1
                for j in range(begin, begin + size + 1):
                    alt_bytes[at_alt] = _at(genome, base, place, text, longer, j)
                    at_alt += 1
            start = begin
            if begin < place:
                flag |= _SHIFTED
        if at_ref - first_ref < r or at_alt - first_alt < a:
            flag |= _TRIMMED
        if state == 1:
            if base < 0:
                flag |= _REF_UNKNOWN
            else:
                for j in range(at_ref - first_ref):
                    if genome[base + start + j] == _N:
                        flag |= _REF_UNKNOWN
                        break
        starts[i] = start
        ref_offsets[i + 1] = at_ref
        alt_offsets[i + 1] = at_alt
        flags[i] = flag
    return at_ref, at_alt
