"""Kernels that write p. names, as VEP 115 spells them.

A name is made at the 3'-most place on the transcript's strand, from the residues of the codons touched, compared with what stands there
after the change: what both begin and end with is dropped, an insertion or deletion of residues moves to the protein's end, and a run that
repeats what comes before it is a duplication. A shift of the reading frame is named at its first changed residue with the distance to the
next stop, which counts the changed residue as 1; a first changed residue that is a stop is a substitution by it. Whether a start or a stop
is lost, or a stop retained, is not judged again here: the row's terms say it, at the left-aligned place.

VEP's own ways are kept: `Met1_?2` where a change reaches beyond the start codon; `LysLeu12=` for several unchanged residues;
`Ter5delinsTer`; no extension in a delins that takes the stop away; no name for an insertion beside the stop. One is not: VEP writes `Ter`
for a residue that cannot be known (N in the codon, an incomplete last codon), and that is `p.?` here.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate import terms
from processors.annotate.codons import MET, STOP, THREE, UNKNOWN
from processors.annotate.hgvs.nucleotide import known
from processors.annotate.hgvs.reading import (
    base_at,
    changed_residue,
    changed_size,
    next_stop,
    place,
    place_of_base,
    protein_size,
    reading,
    reference_residue,
    substituted,
)
from processors.annotate.project import exon_at_or_after
from processors.annotate.text import literal, put, put_byte, put_number

_START_LOST = np.uint64(terms.mask("start_lost"))
_STOP_LOST = np.uint64(terms.mask("stop_lost"))
_STOP_RETAINED = np.uint64(terms.mask("stop_retained_variant"))
_ZERO = np.uint64(0)

_SUBSTITUTION, _DELETION, _INSERTION, _DUPLICATION, _DELINS, _SHIFT, _START = range(7)
_COLON, _OPEN, _CLOSE, _UNDER, _EQUAL, _ASK, _DOT, _ONE = 58, 40, 41, 95, 61, 63, 46, 49
_P, _DEL, _INS, _DUP, _DELINS_TEXT, _FS, _EXT = (literal(text) for text in ("p.", "del", "ins", "dup", "delins", "fs", "ext"))

PARENTHESES, STAR, ONE_LETTER, VEP = 1, 2, 4, 8
"""Bits of the style."""


@njit(cache=True, nogil=True)
def put_residue(found, style, out, at):  # type: ignore[no-untyped-def]
    if found == STOP and style & STAR:
        return put_byte(out, at, STOP)
    if style & ONE_LETTER and found != STOP:
        return put_byte(out, at, found)
    return put(out, at, THREE[found])


@njit(cache=True, nogil=True)
def _put_stop_after(word, distance, style, out, at):  # type: ignore[no-untyped-def]
    """`fsTer5`, `extTer?`; distance 0: no stop follows."""
    at = put_residue(np.uint8(STOP), style, out, put(out, at, word))
    return put_number(out, at, distance) if distance > 0 else put_byte(out, at, _ASK)


@njit(cache=True, nogil=True)
def _put_span(first, start, last, end, style, out, at):  # type: ignore[no-untyped-def]
    """`Arg12`, or `Arg12_Cys14`; numbers 1-based."""
    at = put_number(out, put_residue(first, style, out, at), start)
    if end != start:
        at = put_byte(out, at, _UNDER)
        at = put_number(out, put_residue(last, style, out, at), end)
    return at


@njit(cache=True, nogil=True)
def touches_coding(t, row, s, e):  # type: ignore[no-untyped-def]
    """Whether an event (or a base beside an insertion) meets an exon within the extent of the coding sequence's reach."""
    low, high = (s - 1, e + 1) if s == e else (s, e)
    if low >= t.cds_end[row] or high <= t.cds_start[row]:
        return False
    exon = exon_at_or_after(t, row, low)
    return exon < t.exon_offsets[row + 1] and t.exon_starts[exon] < high


@njit(cache=True, nogil=True)
def _partial(t, row, s, e):  # type: ignore[no-untyped-def]
    """Whether an event begins in an incomplete last codon."""
    start, _ = place(t, row, s, e)
    left = np.int64(t.coding_end[row]) - t.coding_start[row] + t.pad[row] - start // 3 * 3
    return start >= 0 and 0 < left < 3


@njit(cache=True, nogil=True)
def _starts_otherwise(r):  # type: ignore[no-untyped-def]
    """Whether translation starts at CTG or TTG, read as methionine."""
    first = base_at(r, np.int64(0))
    return (first in (67, 84)) and base_at(r, np.int64(1)) == 84 and base_at(r, np.int64(2)) == 71


@njit(cache=True, nogil=True)
def _follows(r, number, protein, stop_quoted):  # type: ignore[no-untyped-def]
    """Residue of the protein, and its stop where the change quotes it; 0 behind."""
    if number == 0 and _starts_otherwise(r):
        return np.uint8(MET)
    if number < protein:
        return reference_residue(r, number)
    return np.uint8(STOP) if number == protein and stop_quoted else np.uint8(0)


@njit(cache=True, nogil=True)
def _put_shift(  # type: ignore[no-untyped-def]  # noqa: PLR0911
    r, ref, end, start_lost, stop_lost, style, out, at
):
    """A change of the reading frame. `ref`: clipped residues, `end`: their last number, for what VEP does with a lost start."""
    first = r.start // 3
    protein, readable = protein_size(r), changed_size(r) // 3
    if first >= readable:
        at = _put_span(ref[0], first + 1, ref[-1], max(end, first + 1), style, out, at)
        at = put(out, at, _DEL)
        return _put_stop_after(_EXT, np.int64(0), style, out, at) if stop_lost else at
    number = first
    old = new = np.uint8(UNKNOWN)
    while number < readable:
        old = _follows(r, number, protein, True)
        new = changed_residue(r, number)
        if old != new or new in (STOP, UNKNOWN):
            break
        number += 1
    if UNKNOWN in (old, new):
        return put_byte(out, at, _ASK)
    if start_lost:
        at = put_number(out, put_residue(old, style, out, at), number + 1)
        if end != number + 1:
            return put_number(out, put_byte(out, put_byte(out, at, _UNDER), _ASK), end)
        return put_byte(out, at, _ASK)
    at = put_number(out, put_residue(old, style, out, at), number + 1)
    if old == STOP and new == STOP:
        return put_byte(out, at, _EQUAL)
    at = put_residue(new, style, out, at)
    if new == STOP:
        return at
    stop = next_stop(r, number) if number > 0 else -1
    if old == STOP and not style & VEP:
        return _put_stop_after(_EXT, max(stop - number, 0), style, out, at)
    return _put_stop_after(_FS, stop - number + 1 if stop >= 0 else 0, style, out, at)


@njit(cache=True, nogil=True)
def _clip(ref, n_ref, alt, n_alt):  # type: ignore[no-untyped-def]
    """(residues shared in front, behind) of two runs; (-1, -1) where both reach a stop together."""
    front = 0
    while front < n_ref and front < n_alt and ref[front] == alt[front]:
        if ref[front] == STOP:
            return -1, -1
        front += 1
    back = 0
    while back < n_ref - front and back < n_alt - front and ref[n_ref - 1 - back] == alt[n_alt - 1 - back]:
        back += 1
    return front, back


@njit(cache=True, nogil=True)
def _steps(r, run, number, protein, stop_quoted):  # type: ignore[no-untyped-def]
    """Residues that a run moves towards the protein's end, when residue `number` follows it. The last one is not looked at, as in VEP."""
    total = protein + (1 if stop_quoted else 0)
    if total <= number + 1:
        return 0
    size = run.shape[0]
    k = 0
    while number + k + size <= total:
        if run[k % size] == STOP or run[k % size] != _follows(r, number + k, protein, stop_quoted):
            break
        k += 1
    return k


@njit(cache=True, nogil=True)
def _put_extension(r, start, style, out, at):  # type: ignore[no-untyped-def]
    stop = next_stop(r, r.start // 3) if start > 1 else -1
    return _put_stop_after(_EXT, max(stop - protein_size(r), 0), style, out, at)


@njit(cache=True, nogil=True)
def _put_inserted(run, k, style, out, at):  # type: ignore[no-untyped-def]
    """The residues of a run moved by k, up to its first stop."""
    for j in range(run.shape[0]):
        found = run[(j + k) % run.shape[0]]
        at = put_residue(found, style, out, at)
        if found == STOP:
            break
    return at


@njit(cache=True, nogil=True)
def _put_in_frame(  # type: ignore[no-untyped-def]  # noqa: PLR0911, PLR0912 -- one branch a kind of change
    r, ref, alt, start, end, stop_quoted, start_lost, stop_lost, style, out, at
):
    """`ref` and `alt`: clipped residues; [start, end]: 1-based numbers of `ref`, end = start - 1 where it is empty. -1: no name."""
    n_ref, n_alt = ref.shape[0], alt.shape[0]
    protein = protein_size(r)
    kind, k = _DELINS, 0
    if n_ref == 0:
        kind = _INSERTION
        k = _steps(r, alt, end, protein, stop_quoted)
        start, end = start + k, end + k
        before = start - 1 - n_alt
        same = before >= 0
        for j in range(n_alt if same else 0):
            found = alt[(j + k) % n_alt]
            same &= found not in (STOP, UNKNOWN) and reference_residue(r, before + j) == found
        if same:
            at = _put_span(reference_residue(r, before), before + 1, reference_residue(r, start - 2), start - 1, style, out, at)
            return put(out, at, _DUP)
        if protein + (1 if stop_quoted else 0) <= end and (style & VEP or end > protein):
            return -1
    elif n_alt == 0:
        kind = _DELETION
        k = _steps(r, ref, end, protein, stop_quoted)
        start, end = start + k, end + k
    elif n_ref == 1 and n_alt == 1:
        kind = _SUBSTITUTION
    if start_lost:
        if kind == _INSERTION:
            at = put_residue(_follows(r, end - 1, protein, True), style, out, at)
            at = put_residue(_follows(r, end, protein, True), style, out, at)
        for j in range(n_ref):
            at = put_residue(ref[(j + k) % n_ref], style, out, at)
        at = put_number(out, at, start)
        if start != end:
            return put_number(out, put_byte(out, put_byte(out, at, _UNDER), _ASK), end)
        return put_byte(out, at, _ASK)
    for j in range(n_ref):
        if ref[j] == UNKNOWN:
            return put_byte(out, at, _ASK)
    for j in range(n_alt):
        if alt[j] == STOP:
            break
        if alt[j] == UNKNOWN:
            return put_byte(out, at, _ASK)
    if kind == _SUBSTITUTION:
        at = put_residue(alt[0], style, out, put_number(out, put_residue(ref[0], style, out, at), start))
        return _put_extension(r, start, style, out, at) if stop_lost else at
    if kind == _INSERTION:
        before = end
        at = _put_span(_follows(r, before - 1, protein, True), before, _follows(r, before, protein, True), before + 1, style, out, at)
        return _put_inserted(alt, k, style, out, put(out, at, _INS))
    at = _put_span(ref[k % n_ref], start, ref[(n_ref - 1 + k) % n_ref], end, style, out, at)
    if kind == _DELETION:
        at = put(out, at, _DEL)
        return _put_extension(r, start, style, out, at) if stop_lost else at
    return _put_inserted(alt, np.int64(0), style, out, put(out, at, _DELINS_TEXT))


@njit(cache=True, nogil=True)
def _put_same(ref, number, style, out, at):  # type: ignore[no-untyped-def]
    for j in range(ref.shape[0]):
        if ref[j] == UNKNOWN:
            return put_byte(out, at, _ASK)
    for j in range(ref.shape[0]):
        at = put_residue(ref[j], style, out, at)
    return put_byte(out, put_number(out, at, number), _EQUAL)


@njit(cache=True, nogil=True)
def _put_substitution(r, number, start_lost, stop_lost, style, out, at):  # type: ignore[no-untyped-def]
    """One base for one base: one residue for one residue."""
    old, new = substituted(r)
    if UNKNOWN in (old, new):
        return put_byte(out, at, _ASK)
    at = put_number(out, put_residue(old, style, out, at), number + 1)
    if start_lost:
        return put_byte(out, at, _ASK)
    if old == new:
        return put_byte(out, at, _EQUAL)
    at = put_residue(new, style, out, at)
    return _put_extension(r, number + 1, style, out, at) if stop_lost else at


@njit(cache=True, nogil=True)
def put_change(  # type: ignore[no-untyped-def]
    t, row, sequence, base, s, e, k, alt_bytes, a0, a1, bits, style, mirrored, scratch, out, at
):
    """Write what comes behind `p.`; -1 where there is no name. `scratch` uint8[2, x] holds the residues of both sides."""
    forward = t.strand[row] > 0
    if style & VEP and not touches_coding(t, row, s, e):
        return -1
    moved = k if forward else -k
    first, behind = place(t, row, s + moved, e + moved)
    if first < 0:
        return -1
    size = a1 - a0
    r = reading(t, row, first, behind, alt_bytes, a0, a1, np.int64(k), mirrored, sequence, base)
    low, high = first // 3, (behind + 2) // 3
    start_lost, stop_lost = bits & _START_LOST != _ZERO, bits & _STOP_LOST != _ZERO
    n_ref = high - low
    bases = 3 * n_ref + size - (behind - first)
    n_alt = (bases + 2) // 3
    ref, alt = scratch[0, :n_ref], scratch[1, :n_alt]
    for j in range(n_ref):
        ref[j] = reference_residue(r, low + j)
    for j in range(n_alt):
        alt[j] = changed_residue(r, low + j) if 3 * j + 3 <= bases else UNKNOWN
    if bases % 3 != 0 and n_alt == 2 and alt[0] == STOP:
        n_alt = 1
        alt = alt[:1]
    same = n_ref == n_alt
    for j in range(n_ref if same else 0):
        same &= ref[j] == alt[j]
    front, back = (-1, -1) if same else _clip(ref, n_ref, alt, n_alt)
    whole = front < 0
    front, back = max(front, 0), max(back, 0)
    retained = style & VEP != 0 and bits & _STOP_RETAINED != _ZERO
    in_frame = (size - (behind - first)) % 3 == 0 or retained or _partial(t, row, s, e)
    if retained and bases % 3 != 0 and alt[n_alt - 1] == UNKNOWN:
        alt[n_alt - 1] = STOP  # VEP's word for the rest of a codon
    if not in_frame:
        return _put_shift(r, ref[front : n_ref - back], high - back, start_lost, stop_lost, style, out, at)
    if same and not start_lost:
        return _put_same(ref, low + 1, style, out, at)
    stop_quoted = n_ref > 0 and ref[0] == STOP and not same
    if whole and not same:
        at = _put_span(ref[0], low + 1, ref[-1], high, style, out, at)
        return _put_inserted(alt, np.int64(0), style, out, put(out, at, _DELINS_TEXT))
    return _put_in_frame(
        r, ref[front : n_ref - back], alt[front : n_alt - back], low + 1 + front, high - back,
        stop_quoted, start_lost, stop_lost, style, out, at,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _put_accession(name_offsets, name_data, own_offsets, own_data, row, style, out, at):  # type: ignore[no-untyped-def]
    """Of the protein, else of the transcript. VEP takes a version that it does not know for 1."""
    if name_offsets[row] == name_offsets[row + 1]:
        return put(out, at, own_data[own_offsets[row] : own_offsets[row + 1]])
    versioned = False
    for x in range(name_offsets[row], name_offsets[row + 1]):
        out[at] = name_data[x]
        versioned |= name_data[x] == _DOT
        at += 1
    if style & VEP and not versioned:
        at = put_byte(out, put_byte(out, at, _DOT), _ONE)
    return at


@njit(cache=True, nogil=True)
def write_protein(  # type: ignore[no-untyped-def]
    t,
    name_offsets,
    name_data,
    own_offsets,
    own_data,
    sequence,
    base,
    spans,
    up,
    down,
    alt_bytes,
    index,
    rows,
    bits,
    style,
    scratch,
    offsets,
    out,
):
    """p. of each row; `name_*`, `own_*`: accessions of the proteins and of the transcripts. An empty text stands for no name."""
    at = np.int64(0)
    offsets[0] = 0
    transcripts = t.start.shape[0]
    for j in range(index.shape[0]):
        offsets[j + 1] = at
        row, i = np.int64(rows[j]), index[j]
        if row >= transcripts or t.coding_start[row] < 0:
            continue
        s, e, a0, a1 = spans[i, 0], spans[i, 1], spans[i, 2], spans[i, 3]
        if e + 1 < t.cds_start[row] or s > t.cds_end[row] + 1 or not known(alt_bytes, a0, a1):
            continue
        begin = at
        at = _put_accession(name_offsets, name_data, own_offsets, own_data, row, style, out, at)
        at = put(out, put_byte(out, at, _COLON), _P)
        k = up[i] if t.strand[row] > 0 else down[i]
        bare = at
        if style & PARENTHESES:
            at = put_byte(out, at, _OPEN)
        mirrored = style & VEP != 0 and t.strand[row] < 0
        if e - s == 1 and a1 - a0 == 1:
            end = np.int64(-1)
            place = place_of_base(t, row, s)
            if place >= 0:
                r = reading(t, row, place, place + 1, alt_bytes, a0, a1, np.int64(0), mirrored, sequence, base)
                lost = bits[j] & _START_LOST != _ZERO, bits[j] & _STOP_LOST != _ZERO
                end = _put_substitution(r, place // 3, lost[0], lost[1], style, out, at)
        else:
            while True:
                end = put_change(t, row, sequence, base, s, e, k, alt_bytes, a0, a1, bits[j], style, mirrored, scratch, out, at)
                if not mirrored or end != at + 1 or out[at] != _ASK:
                    break
                mirrored = not mirrored  # unknown bases where VEP reads, perhaps not where the UTR is
        if end < 0:
            at = begin
        elif end == at + 1 and out[at] == _ASK:
            out[bare] = _ASK
            at = bare + 1
        else:
            at = put_byte(out, end, _CLOSE) if style & PARENTHESES else end
        offsets[j + 1] = at
