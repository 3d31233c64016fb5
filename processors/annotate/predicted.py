"""Predicted effects of each row of allele × transcript, for criteria that read more than its terms: `effect` and `lost`.

A second pass behind the consequences: it looks only at rows whose terms can matter. What it judges:

- a new stop (stop gained, frameshift, an exon skipped): the altered transcript is read on to it, and the rules of decay are asked where
  it stands (`annotate.predicted_reading`); no stop before the transcript ends: NONSTOP, for a lost stop too;
- a lost start: the next in-frame methionine;
- a lost splice site: the exon beside it is taken for skipped (an exon whose both ends are in the event too; of a deletion that holds
  whole introns and ends in exons, the exons are taken for joined), and the transcript without it is read; a site that reads the same is
  not lost, and the row is judged by what the same allele does beside it (`annotate.predicted_splice`);
- `lost`: residues from the first changed one to the end (a new stop, or a frame without one), before the next start (a lost start; all
  where there is none), or taken out (in frame), as a share of the protein in 1/10,000, rounded up;
- MODEL_DOUBTFUL where the transcript's status bears on any of that.

The PVS1 tree: Abou Tayoun 2018. Effects are those of the left-aligned place, but for SPLICE_UNCHANGED rows; where the 3'-most place has
other terms the row is SHIFT_SENSITIVE (`annotate.predicted_shift`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate import terms as term
from processors.annotate.predicted_reading import WHOLE, decay, next_start, read_on, replaced, share
from processors.annotate.predicted_shift import terms_at_last, turned
from processors.annotate.predicted_splice import edges, exonic, placed_aside, skipped, steps, survey
from processors.annotate.sequence import protein_length
from processors.knowledge.genome import Genome
from processors.knowledge.layout import Layout
from processors.knowledge.strings import writable
from processors.knowledge.transcripts import Status
from schemas.chunks import Effect

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_SITES = np.uint64(term.SPLICE_DONOR | term.SPLICE_ACCEPTOR)
_ABLATION = np.uint64(term.ABLATION)
_NEW_STOP = np.uint64(term.mask("stop_gained", "frameshift_variant"))
_STOP_LOST = np.uint64(term.mask("stop_lost"))
_START_LOST = np.uint64(term.mask("start_lost"))
_IN_FRAME = np.uint64(term.mask("inframe_insertion", "inframe_deletion", "protein_altering_variant"))
_READ = _NEW_STOP | _STOP_LOST | _START_LOST | _IN_FRAME
_NEAR_EDGE = np.uint64(
    term.SPLICE_REGION | term.SPLICE_DONOR | term.SPLICE_ACCEPTOR | term.SPLICE_DONOR_5TH_BASE | term.SPLICE_DONOR_REGION
)
_PROTEIN = np.uint64(term.PROTEIN_EFFECTS | term.CODING_SEQUENCE)
_LOOK = _SITES | _ABLATION | _READ | _NEAR_EDGE | _PROTEIN

_SHAKY = np.uint16(Status.UNKNOWN_BASES | Status.CODING_GAPPED | Status.PHASE_BROKEN | Status.DIFFERS_FROM_GENOME | Status.STOP_INSIDE)
_START_INCOMPLETE, _END_INCOMPLETE = np.uint16(Status.START_INCOMPLETE), np.uint16(Status.END_INCOMPLETE)
_NOT_ATG = np.uint16(Status.START_NOT_ATG)

_UNCHANGED = np.uint32(Effect.SPLICE_UNCHANGED)
_IN, _OUT = np.uint32(Effect.SPLICE_IN_FRAME), np.uint32(Effect.SPLICE_OUT_OF_FRAME)
_HOLDS_START, _HOLDS_STOP = np.uint32(Effect.SPLICE_START), np.uint32(Effect.SPLICE_STOP)
_NEXT_START, _NONSTOP = np.uint32(Effect.NEXT_START), np.uint32(Effect.NONSTOP)
_STOP_BITS = np.uint32(Effect.NMD | Effect.NMD_ESCAPE | Effect.NONSTOP)
_DOUBTFUL, _SHIFT_SENSITIVE = np.uint32(Effect.MODEL_DOUBTFUL), np.uint32(Effect.SHIFT_SENSITIVE)
_NOTHING, _NO_TERMS = np.uint32(0), np.uint64(0)


def predict(
    layout: Layout,
    genome: Genome,
    contig: int,
    start: I32,
    end: I32,
    alt: U8,
    alt_from: I64,
    alt_to: I64,
    offsets: I32,
    transcript: npt.NDArray[np.uint32],
    terms: U64,
    effect: npt.NDArray[np.uint32],
    lost: npt.NDArray[np.uint16],
) -> None:
    """Fill `effect` and `lost` of the rows of n alleles on one contig.

    Allele i replaces [start, end) of the contig by `alt[alt_from:alt_to]` (`annotate.regions`); its rows are `offsets[i]` to
    `offsets[i + 1]`, with the `transcript` and `terms` that `call_consequences` found. (`alt` is copied: the bases of a moved insertion are
    an array that can be written, and so kernels are compiled for one kind of array only.)
    """
    sequence, base, length = genome.sequence, np.int64(genome.sequence_offsets[contig]), np.int64(genome.lengths[contig])
    _predict(layout, sequence, base, length, start, end, writable(alt), alt_from, alt_to, offsets, transcript, terms, effect, lost)
    last = terms_at_3prime(layout, genome, contig, start, end, alt, alt_from, alt_to, offsets, transcript, terms)
    effect[last != terms] |= _SHIFT_SENSITIVE


def terms_at_3prime(
    layout: Layout,
    genome: Genome,
    contig: int,
    start: I32,
    end: I32,
    alt: U8,
    alt_from: I64,
    alt_to: I64,
    offsets: I32,
    transcript: npt.NDArray[np.uint32],
    terms: U64,
) -> U64:
    """Terms of each row at the 3'-most place on its transcript; they are not stored, this finds them again. Arrays as in `predict`."""
    sequence, base, length = genome.sequence, np.int64(genome.sequence_offsets[contig]), np.int64(genome.lengths[contig])
    out = np.empty(len(terms), dtype=np.uint64)
    terms_at_last(layout, sequence, base, length, start, end, writable(alt), alt_from, alt_to, offsets, transcript, terms, out)
    return out


def next_starts(layout: Layout, rows: npt.NDArray[np.int64]) -> I32:
    """1-based residue of the next in-frame methionine behind the first residue of each transcript, 0 where there is none or no CDS.

    Where the allele takes away more than the start codon, `lost` of its row counts from the first behind what is taken.
    """
    return np.array([_next_start(layout, int(row)) for row in rows], dtype=np.int32)


@njit(cache=True, nogil=True)
def _start_gone(t, row, after):  # type: ignore[no-untyped-def]
    """(bits, lost) of a start codon lost with everything up to cDNA `after`."""
    number = next_start(t, row, after)
    if number < 0:
        return _NOTHING, np.int64(WHOLE)
    return _NEXT_START, share(number, protein_length(t, row))


@njit(cache=True, nogil=True)
def _altered(t, row, a, b, alt, lo, hi, new_stop):  # type: ignore[no-untyped-def]
    """(bits, lost) of cDNA [a, b) replaced, a within the coding sequence; decay is asked of a stop other than the own if `new_stop`."""
    moved = (b - a) - (hi - lo)
    whole = protein_length(t, row)
    changed, stop = read_on(t, row, a, b, alt, lo, hi)
    if stop >= 0 and moved % 3 == 0 and stop == t.coding_end[row] - 3 - moved:
        return _NOTHING, share(moved // 3, whole)
    lost = share(whole - changed if changed >= 0 else np.int64(0), whole)
    if stop >= 0:
        return (decay(t, row, a, b, hi - lo, stop) if new_stop else _NOTHING), lost
    if moved % 3 == 0 and t.status[row] & _END_INCOMPLETE:  # the frame is the own one, and its stop is not known
        return _NOTHING, share(moved // 3, whole)
    return _NONSTOP, lost


@njit(cache=True, nogil=True)
def _in_exon(t, row, s, e, alt, lo, hi, bits):  # type: ignore[no-untyped-def]
    """(bits, lost) of an event on spliced bases whose terms are `bits`; none: they are not known, and the event is read."""
    a, b = replaced(t, row, s, e)
    coding_start = np.int64(t.coding_start[row])
    if bits & _START_LOST:
        return _start_gone(t, row, max(b, coding_start + 1))
    if a < coding_start or a >= t.coding_end[row] or (a == b and a == coding_start):
        return _NOTHING, np.int64(0)
    if bits != _NO_TERMS and bits & (_NEW_STOP | _STOP_LOST) == _NO_TERMS:
        return _NOTHING, share(((b - a) - (hi - lo)) // 3, protein_length(t, row))
    return _altered(t, row, a, b, alt, lo, hi, bits == _NO_TERMS or bits & _NEW_STOP != _NO_TERMS)


@njit(cache=True, nogil=True)
def _spliced_out(t, row, a, b, alt, lo, hi):  # type: ignore[no-untyped-def]
    """(bits, lost) of exons that leave the transcript, cDNA [a, b), or of exons joined by a deletion, with inserted bases between."""
    coding_start, coding_end = np.int64(t.coding_start[row]), np.int64(t.coding_end[row])
    incomplete = t.status[row] & _START_INCOMPLETE != 0
    stop_gone = b > coding_end - 3 and t.status[row] & _END_INCOMPLETE == 0
    if min(b, coding_end) <= max(a, coding_start) and not (lo < hi and coding_start < a < coding_end):
        return _NOTHING, np.int64(0)
    bits = _HOLDS_STOP if stop_gone else _NOTHING
    if a < coding_start + (1 if incomplete else 3) and b > coding_start:
        if incomplete:  # where the protein begins is not known: what is seen to be missing
            return bits, share((min(b, coding_end) - coding_start + 2) // 3, protein_length(t, row))
        more, lost = _start_gone(t, row, b)
        return bits | _HOLDS_START | more, lost
    if not stop_gone:
        bits |= _IN if ((b - a) - (hi - lo)) % 3 == 0 else _OUT
    more, lost = _altered(t, row, a, b, alt, lo, hi, np.bool_(True))
    return bits | more, lost


@njit(cache=True, nogil=True)
def _beside(t, row, s, e, alt, lo, hi, k):  # type: ignore[no-untyped-def]
    """(bits, lost) of an event that was moved by k off the splice sites."""
    if not exonic(t, row, s + k, e + k):
        return _NOTHING, np.int64(0)
    bits, lost = edges(t, row, s + k, e + k), np.int64(0)
    if t.coding_start[row] >= 0:
        more, lost = _in_exon(t, row, s + k, e + k, turned(alt, lo, hi, k), np.int64(0), hi - lo, _NO_TERMS)
        bits |= more
    return bits, lost


@njit(cache=True, nogil=True)
def _at_sites(t, row, s, e, alt, lo, hi, sequence, base, length):  # type: ignore[no-untyped-def]
    """(bits, lost) of an event that touches a splice site."""
    touched, whole, same, bits, low_exon, high_exon = survey(t, row, s, e, hi - lo, lo, alt, sequence, base)
    if touched and not same:
        down, up = steps(s, e, hi - lo, lo, alt, sequence, base, length)
        k = placed_aside(t, row, s, e, down, up)
        if k != 0:
            more, lost = _beside(t, row, s, e, alt, lo, hi, k)
            return bits | more | _UNCHANGED, lost
    bits |= edges(t, row, s, e)
    if touched and same:
        return bits | _UNCHANGED, np.int64(0)
    if not touched or t.coding_start[row] < 0:
        return bits, np.int64(0)
    if whole:
        a, b = replaced(t, row, s, e)
        more, lost = _spliced_out(t, row, a, b, alt, lo, hi)
    else:
        a, b = skipped(t, row, low_exon, high_exon)
        more, lost = _spliced_out(t, row, a, b, alt, lo, lo)
    return bits | more, lost


@njit(cache=True, nogil=True)
def _doubtful(status, bits, effect, lost):  # type: ignore[no-untyped-def]
    if status == 0 or bits & (_SITES | _ABLATION | _PROTEIN) == _NO_TERMS:
        return False
    if status & _SHAKY:
        return True
    if status & _START_INCOMPLETE and (lost > 0 or bits & _START_LOST):
        return True
    if status & _END_INCOMPLETE and (lost > 0 or effect & _STOP_BITS):
        return True
    return status & _NOT_ATG != 0 and bits & _START_LOST != 0


@njit(cache=True, nogil=True)
def _predict(  # type: ignore[no-untyped-def]
    t, sequence, base, length, start, end, alt, alt_from, alt_to, offsets, transcript, terms, effect, lost
):
    for i in range(start.shape[0]):
        for j in range(offsets[i], offsets[i + 1]):
            bits = terms[j]
            if bits & _LOOK == _NO_TERMS:
                effect[j] = 0
                lost[j] = 0
                continue
            row = np.int64(transcript[j])
            s, e, lo, hi = np.int64(start[i]), np.int64(end[i]), np.int64(alt_from[i]), np.int64(alt_to[i])
            found, gone = _NOTHING, np.int64(0)
            coding = t.coding_start[row] >= 0
            if bits & _ABLATION:
                gone = np.int64(WHOLE if coding else 0)
            elif bits & _SITES:
                found, gone = _at_sites(t, row, s, e, alt, lo, hi, sequence, base, length)
            else:
                if bits & _NEAR_EDGE:
                    found = edges(t, row, s, e)
                if coding and bits & _READ:
                    more, gone = _in_exon(t, row, s, e, alt, lo, hi, bits)
                    found |= more
            if coding and _doubtful(t.status[row], bits, found, gone):
                found |= _DOUBTFUL
            effect[j] = found
            lost[j] = gone


@njit(cache=True, nogil=True)
def _next_start(t, row):  # type: ignore[no-untyped-def]
    if t.coding_start[row] < 0:
        return np.int64(0)
    return next_start(t, row, np.int64(t.coding_start[row]) + 1) + 1
