"""The kernel of structural calling: each span or break against every transcript within reach.

Terms are those that Ensembl VEP's predicates give to a structural variation, at the level of regions: ablation and amplification of a
transcript that lies within a loss or a gain; truncation and elongation where exons are touched; coding sequence, UTR, intron,
polypyrimidine tract of an intron alone, mature miRNA, non-coding, up- and downstream. VEP gives no splice terms here. What it would say
of a reading frame or a codon is a claim on bases, which a symbol does not carry: `coding_sequence_variant` stands in its place. A break
within a transcript truncates it, as VEP has it of breakends.

`t` is a `knowledge.transcripts.Layout`; a span is [s, e), 0-based half-open, s == e a point before base s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate import terms
from processors.annotate.splice import ARTEFACT_INTRON, first_beyond
from processors.annotate.structural.kinds import Direction
from processors.knowledge.layout import Layout
from processors.knowledge.transcripts import BIN_BITS

ROW = np.dtype(
    [
        ("terms", np.uint64),
        ("transcript", np.uint32),
        ("distance", np.int32),  # bases to the transcript for up- and downstream, else 0
        ("overlap", np.int32),  # bases of the transcript's span within the event
        ("exon_first", np.uint16),  # 1-based in transcript order, 0: none touched
        ("exon_last", np.uint16),
        ("exons", np.uint16),  # how many are touched
        ("intron_first", np.uint16),
        ("intron_last", np.uint16),
        ("span_share", np.uint16),  # of the transcript's span, of its spliced bases, of its coding bases: in 1/10,000
        ("exonic_share", np.uint16),
        ("coding_share", np.uint16),
        ("place", np.uint8),  # 0: the event or its own break, 1: the mate's
        ("breaks", np.uint8),  # bit 0: the first end lies inside the transcript, bit 1: the second
    ],
    align=True,
)
WHOLE = 10_000
"""A share of one."""

_ABLATION, _AMPLIFICATION = np.uint64(terms.mask("transcript_ablation")), np.uint64(terms.mask("transcript_amplification"))
_ELONGATION, _TRUNCATION = np.uint64(terms.mask("feature_elongation")), np.uint64(terms.mask("feature_truncation"))
_TRACT, _CODING = np.uint64(terms.mask("splice_polypyrimidine_tract_variant")), np.uint64(terms.mask("coding_sequence_variant"))
_MATURE, _INTRON = np.uint64(terms.mask("mature_miRNA_variant")), np.uint64(terms.mask("intron_variant"))
_UTR5, _UTR3 = np.uint64(terms.mask("5_prime_UTR_variant")), np.uint64(terms.mask("3_prime_UTR_variant"))
_NC_EXON, _NC = np.uint64(terms.mask("non_coding_transcript_exon_variant")), np.uint64(terms.mask("non_coding_transcript_variant"))
_NMD, _CODING_TRANSCRIPT = np.uint64(terms.mask("NMD_transcript_variant")), np.uint64(terms.mask("coding_transcript_variant"))
_UP, _DOWN = np.uint64(terms.mask("upstream_gene_variant")), np.uint64(terms.mask("downstream_gene_variant"))
_ZERO = np.uint64(0)
_LOSS, _GAIN, _INSERTED, _BREAK = int(Direction.LOSS), int(Direction.GAIN), int(Direction.INSERTED), int(Direction.BREAK)


@dataclass(frozen=True)
class Queries:
    """m spans or breaks to look at. `place` 0: an event or its own break, 1: a mate's break."""

    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    direction: npt.NDArray[np.uint8]
    place: npt.NDArray[np.uint8]

    def slice(self, a: int, b: int) -> Queries:
        return Queries(self.contig[a:b], self.start[a:b], self.end[a:b], self.direction[a:b], self.place[a:b])

    def __len__(self) -> int:
        return len(self.contig)


@njit(cache=True, nogil=True)
def _share(part, whole):  # type: ignore[no-untyped-def]
    """Part of a whole in 1/10,000; 0 and WHOLE only where they are exact."""
    if whole <= 0 or part <= 0:
        return 0
    if part >= whole:
        return WHOLE
    return min(max(np.int64(part) * WHOLE // whole, 1), WHOLE - 1)


@njit(cache=True, nogil=True)
def _exons(t, row, s, e, out):  # type: ignore[no-untyped-def]
    """Fill the exon numbers and shares; (an exon touched, coding bases touched, an exon touched or met at its border)."""
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    count = last - first
    point = s == e
    low_exon, high_exon, exonic, coded, coding, met = -1, -1, np.int64(0), np.int64(0), False, False
    k = first_beyond(t.exon_ends, first, last, s - 1 if point else s)
    while k < last and (t.exon_starts[k] <= e if point else t.exon_starts[k] < e):
        a, b = t.exon_starts[k], t.exon_ends[k]
        met = True
        if not point or a < s < b:
            low_exon = k if low_exon < 0 else low_exon
            high_exon = k
        exonic += min(b, e) - max(a, s)
        if t.cds_start[row] >= 0:
            if point:
                coding |= t.cds_start[row] < s < t.cds_end[row]
            else:
                coded += max(min(b, e, t.cds_end[row]) - max(a, s, t.cds_start[row]), 0)
        k += 1
    if low_exon >= 0:
        one, two = low_exon - first + 1, high_exon - first + 1
        out.exons = two - one + 1
        out.exon_first, out.exon_last = (one, two) if t.strand[row] > 0 else (count + 1 - two, count + 1 - one)
    out.exonic_share = _share(exonic, t.length[row])
    out.coding_share = _share(coded, t.coding_end[row] - t.coding_start[row])
    return low_exon >= 0, coding or coded > 0, met


@njit(cache=True, nogil=True)
def _introns(t, row, s, e, out):  # type: ignore[no-untyped-def]
    """Fill the intron numbers; (intronic beyond the splice sites, in a polypyrimidine tract, in an artefact of the alignment)."""
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    count, forward = last - first - 1, t.strand[row] > 0
    point = s == e
    vs, ve = s + 1, e  # 1-based closed; a point ends before it starts
    low_intron, high_intron, intronic, tract, artefact = -1, -1, False, False, False
    k = max(first_beyond(t.exon_starts, first, last, s - 1) - 1, first)
    while k < last - 1 and t.exon_ends[k] <= e:
        low, high = t.exon_ends[k] + 1, t.exon_starts[k + 1]
        if ve >= low and vs <= high:
            low_intron = k if low_intron < 0 else low_intron
            high_intron = k
            if high - low < ARTEFACT_INTRON:
                artefact = True
        if high - low >= ARTEFACT_INTRON:
            intronic |= (ve >= low + 2 and vs <= high - 2) or (point and (vs == low + 2 or ve == high - 2))
            a, b = min(vs, ve), max(vs, ve)
            tract |= (b >= high - 16 and a <= high - 2) if forward else (b >= low + 2 and a <= low + 16)
        k += 1
    if low_intron >= 0:
        one, two = low_intron - first + 1, high_intron - first + 1
        out.intron_first, out.intron_last = (one, two) if forward else (count + 1 - two, count + 1 - one)
    return intronic, tract, artefact


@njit(cache=True, nogil=True)
def _mature(t, row, s, e):  # type: ignore[no-untyped-def]
    for k in range(t.mature_offsets[row], t.mature_offsets[row + 1]):
        a, b = t.mature_starts[k], t.mature_ends[k]
        if (a < s < b) if s == e else (s < b and e > a):
            return True
    return False


@njit(cache=True, nogil=True)
def _whole(t, row, s, e, direction, out):  # type: ignore[no-untyped-def]
    """Terms of a transcript that lies within the span."""
    count = t.exon_offsets[row + 1] - t.exon_offsets[row]
    out.exon_first, out.exon_last, out.exons = 1, count, count
    if count > 1:
        out.intron_first, out.intron_last = 1, count - 1
    out.span_share, out.exonic_share = WHOLE, WHOLE
    out.coding_share = WHOLE if t.cds_start[row] >= 0 else 0
    if direction == _LOSS:
        return _ABLATION
    if direction == _GAIN:
        return _AMPLIFICATION
    if _mature(t, row, s, e):
        return _MATURE
    if t.cds_start[row] < 0:
        return _NC
    return _NMD if t.decay[row] else _CODING_TRANSCRIPT


@njit(cache=True, nogil=True)
def _part(t, row, s, e, direction, out):  # type: ignore[no-untyped-def]  # noqa: PLR0912 -- one predicate a branch
    """Terms of a transcript of which the span or break touches a part."""
    exon, coding, met = _exons(t, row, s, e, out)
    intronic, tract, artefact = _introns(t, row, s, e, out)
    out.span_share = _share(out.overlap, t.end[row] - t.start[row])
    spliced = met or artefact
    result = _ZERO
    if direction == _BREAK or (direction == _LOSS and spliced):
        result |= _TRUNCATION
    if spliced and (direction == _INSERTED or (direction == _GAIN and s >= t.start[row] and e <= t.end[row])):
        result |= _ELONGATION
    if t.cds_start[row] < 0 and _mature(t, row, s, e):
        return result | _MATURE
    if tract and not met:
        result |= _TRACT
    if t.cds_start[row] >= 0:
        forward, coding_start, coding_end = t.strand[row] > 0, t.cds_start[row], t.cds_end[row]
        if coding or (artefact and s < coding_end and e > coding_start):
            result |= _CODING
        if spliced and (s < coding_start or s == e == coding_start):
            result |= _UTR5 if forward else _UTR3
        if spliced and (e > coding_end or s == e == coding_end):
            result |= _UTR3 if forward else _UTR5
    elif exon:
        result |= _NC_EXON
    if intronic:
        result |= _INTRON
    if t.cds_start[row] < 0:
        result |= _ZERO if exon else _NC
    elif t.decay[row]:
        result |= _NMD
    elif result == _ZERO:
        result |= _CODING_TRANSCRIPT
    return result


@njit(cache=True, nogil=True)
def _count(start, end, strand, bin_base, bin_offsets, bin_rows, contig_rows, upstream, downstream, contig, s, e, offsets):  # type: ignore[no-untyped-def]
    reach = max(upstream, downstream)
    offsets[0] = 0
    total = np.int64(0)
    for i in range(contig.shape[0]):
        j, near, first, last = _candidates(start, bin_base, bin_offsets, contig_rows, contig[i], s[i], e[i], reach)
        for k in range(near + last - first):
            row = bin_rows[j + k] if k < near else first + k - near
            before, after = (upstream, downstream) if strand[row] > 0 else (downstream, upstream)
            if e[i] + before > start[row] and s[i] < end[row] + after:
                total += 1
        offsets[i + 1] = total


@njit(cache=True, nogil=True)
def _candidates(start, bin_base, bin_offsets, contig_rows, contig, s, e, reach):  # type: ignore[no-untyped-def]
    """Transcripts that may reach [s, e): (first place in the bin of its begin, how many there), then rows [first, last) that start later.

    Rows are sorted by start, so what does not touch the first bin is a stretch of them.
    """
    base = bin_base[contig]
    low = min(max(s - reach, 0) >> BIN_BITS, bin_base[contig + 1] - base - 1)
    j = bin_offsets[base + low]
    first = first_beyond(start, contig_rows[contig], contig_rows[contig + 1], ((low + 1) << BIN_BITS) - 1)
    last = first_beyond(start, first, contig_rows[contig + 1], e + reach)
    return j, bin_offsets[base + low + 1] - j, first, last


@njit(cache=True, nogil=True)
def _fill(t, contig_rows, upstream, downstream, contig, start, end, direction, place, rows):  # type: ignore[no-untyped-def]
    starts, ends, strand, bin_rows = t.start, t.end, t.strand, t.bin_rows
    reach = max(upstream, downstream)
    n = 0
    for i in range(contig.shape[0]):
        s, e = start[i], end[i]
        j, near, first, last = _candidates(starts, t.bin_base, t.bin_offsets, contig_rows, contig[i], s, e, reach)
        for k in range(near + last - first):
            row = bin_rows[j + k] if k < near else first + k - near
            low, high = starts[row], ends[row]
            before, after = (upstream, downstream) if strand[row] > 0 else (downstream, upstream)
            if not (e + before > low and s < high + after):
                continue
            out = rows[n]
            n += 1
            out.transcript, out.place, out.distance, out.breaks = row, place[i], 0, 0
            out.exon_first, out.exon_last, out.exons, out.intron_first, out.intron_last = 0, 0, 0, 0, 0
            out.span_share, out.exonic_share, out.coding_share = 0, 0, 0
            out.overlap = max(min(e, high) - max(s, low), 0)
            if e <= low:
                out.terms = _UP if strand[row] > 0 else _DOWN
                out.distance = low - e + (1 if s < e else 0)
            elif s >= high:
                out.terms = _DOWN if strand[row] > 0 else _UP
                out.distance = s - high + (1 if s < e else 0)
            elif s <= low and e >= high:
                out.terms = _whole(t, row, s, e, direction[i], out)
            else:
                out.terms = _part(t, row, s, e, direction[i], out)
                if direction[i] == _BREAK:
                    out.breaks = 2 if place[i] else 1
                elif s == e:
                    out.breaks = 3
                else:
                    out.breaks = (1 if s > low else 0) | (2 if e < high else 0)


def _contig_rows(layout: Layout) -> npt.NDArray[np.int64]:
    """Where the transcripts of each contig begin, n + 1."""
    return np.searchsorted(layout.contig, np.arange(len(layout.bin_base))).astype(np.int64)


def count_rows(layout: Layout, queries: Queries, upstream: int, downstream: int) -> npt.NDArray[np.int64]:
    """int64[m + 1]: where the rows of each query begin, without making them."""
    offsets = np.zeros(len(queries) + 1, dtype=np.int64)
    _count(
        layout.start, layout.end, layout.strand, layout.bin_base, layout.bin_offsets, layout.bin_rows, _contig_rows(layout),
        upstream, downstream, queries.contig, queries.start, queries.end, offsets,
    )  # fmt: skip
    return offsets


def fill_rows(layout: Layout, queries: Queries, upstream: int, downstream: int, total: int) -> npt.NDArray[Any]:
    """ROW[total]: transcripts of each query in the order of the pack; so many bases up- and downstream still count."""
    rows = np.empty(total, dtype=ROW)
    columns = (queries.contig, queries.start, queries.end, queries.direction, queries.place)
    _fill(layout, _contig_rows(layout), upstream, downstream, *columns, rows)
    return rows
