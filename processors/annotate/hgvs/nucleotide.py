"""Kernels that write g., m., c. and n. names.

`t` is a `knowledge.transcripts.Layout`; positions are 0-based half-open on the contig until they are written. `spans`, `up` and `down` are
those of `shift.shifted`. What VEP departs from the nomenclature in is said at `style.Style.vep`.

One change, in this order (HGVS, DNA recommendations): deletion; substitution of one base; inversion; duplication; insertion; deletion-
insertion. A duplicated copy may lie across the border of an exon, since the rule works on the genome; it lies within the transcript. A
name whose place lies or moves beyond an end of the transcript does not exist.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.annotate.codons import COMPLEMENT
from processors.annotate.project import anchor_of
from processors.annotate.text import literal, put, put_byte, put_number
from processors.knowledge.transcripts import Status

NONE, SUBSTITUTION, DELETION, INSERTION, DUPLICATION, DELINS, INVERSION, IDENTITY = range(8)

_DEL, _INS, _DUP, _DELINS, _INV = literal("del"), literal("ins"), literal("dup"), literal("delins"), literal("inv")
_COLON, _OPEN, _CLOSE, _DOT, _UNDER, _GREATER, _STAR, _MINUS, _PLUS, _EQUAL = 58, 40, 41, 46, 95, 62, 42, 45, 43, 61
_C, _G, _M, _N = 99, 103, 109, 110
_DIFFERS = int(Status.DIFFERS_FROM_GENOME)


@njit(cache=True, nogil=True)
def inserted(alt_bytes, low, high, turn, forward, j):  # type: ignore[no-untyped-def]
    """Base j of the inserted run on the strand of the reading, after moving `turn` steps in that strand's 3' direction."""
    size = high - low
    if forward:
        return alt_bytes[low + (j + turn) % size]
    return COMPLEMENT[alt_bytes[low + (size - 1 - j - turn) % size]]


@njit(cache=True, nogil=True)
def known(alt_bytes, low, high):  # type: ignore[no-untyped-def]
    for i in range(low, high):  # noqa: SIM110 -- a kernel has no generator expressions
        if alt_bytes[i] not in (65, 67, 71, 84):
            return False
    return True


@njit(cache=True, nogil=True)
def _is_inverse(sequence, base, s, e, alt_bytes, a0):  # type: ignore[no-untyped-def]
    for j in range(e - s):  # noqa: SIM110
        if COMPLEMENT[sequence[base + e - 1 - j]] != alt_bytes[a0 + j]:
            return False
    return True


@njit(cache=True, nogil=True)
def _is_same(sequence, base, s, e, alt_bytes, a0):  # type: ignore[no-untyped-def]
    for j in range(e - s):  # noqa: SIM110
        if sequence[base + s + j] != alt_bytes[a0 + j]:
            return False
    return True


@njit(cache=True, nogil=True)
def describe(  # type: ignore[no-untyped-def]  # noqa: PLR0911, PLR0912
    sequence, base, low, high, s, e, alt_bytes, a0, a1, k, forward
):
    """(kind of change, first and last position that the name quotes on the contig, ascending) of an event within [low, high).

    An insertion quotes the bases on its two sides. `k`: steps of the event to its 3'-most place on the strand.
    """
    size = a1 - a0
    if s < e:
        if s < low or e > high:
            return NONE, s, e
        if size == 0:
            s, e = (s + k, e + k) if forward else (s - k, e - k)
            return (DELETION if s >= low and e <= high else NONE), s, e - 1
        if size == e - s:
            if base >= 0 and _is_same(sequence, base, s, e, alt_bytes, a0):
                return NONE, s, e - 1
            if size == 1:
                return SUBSTITUTION, s, s
            if base >= 0 and _is_inverse(sequence, base, s, e, alt_bytes, a0):
                return INVERSION, s, e - 1
        return DELINS, s, e - 1
    if size == 0 or s <= low or s >= high:
        return NONE, s, s
    at = s + k if forward else s - k
    if at < low or at > high:
        return NONE, at, at
    copy = at - size if forward else at
    if base >= 0 and copy >= low and copy + size <= high:
        same = True
        if k < size:
            for j in range(size):
                x = sequence[base + copy + j] if forward else COMPLEMENT[sequence[base + copy + size - 1 - j]]
                if x != inserted(alt_bytes, a0, a1, k, forward, j):
                    same = False
                    break
        if same:
            return DUPLICATION, copy, copy + size - 1
    if at in (low, high):
        return NONE, at, at
    return INSERTION, at - 1, at


@njit(cache=True, nogil=True)
def put_position(t, row, cdna, offset, pad, vep, out, at):  # type: ignore[no-untyped-def]
    """Write a place of a transcript: c. where it has a coding sequence, else n."""
    first, behind = np.int64(t.coding_start[row]), np.int64(t.coding_end[row])
    if first < 0:
        at = put_number(out, at, cdna + 1)
    elif cdna >= behind:
        at = put_byte(out, at, _STAR)
        at = put_number(out, at, cdna - behind + 1)
    elif vep and offset != 0 and cdna == behind - 1:
        at = put_byte(out, at, _STAR)
        return put_number(out, at, offset)
    elif cdna < first:
        at = put_number(out, at, cdna - first)
    else:
        at = put_number(out, at, cdna - first + 1 + pad)
    if offset > 0:
        at = put_byte(out, at, _PLUS)
    if offset != 0:
        at = put_number(out, at, offset)
    return at


@njit(cache=True, nogil=True)
def _put_change(kind, reference, alt_bytes, a0, a1, k, forward, out, at):  # type: ignore[no-untyped-def]
    if kind == SUBSTITUTION:
        at = put_byte(out, at, reference)
        at = put_byte(out, at, _GREATER)
        return put_byte(out, at, inserted(alt_bytes, a0, a1, np.int64(0), forward, np.int64(0)))
    if kind == DELETION:
        return put(out, at, _DEL)
    if kind == DUPLICATION:
        return put(out, at, _DUP)
    if kind == INVERSION:
        return put(out, at, _INV)
    if kind == IDENTITY:
        return put_byte(out, at, _EQUAL)
    at = put(out, at, _INS if kind == INSERTION else _DELINS)
    turn = k if kind == INSERTION else np.int64(0)
    for j in range(a1 - a0):
        at = put_byte(out, at, inserted(alt_bytes, a0, a1, turn, forward, j))
    return at


@njit(cache=True, nogil=True)
def write_genomic(  # type: ignore[no-untyped-def]
    sequence, base, length, spans, up, alt_bytes, accession, mitochondrial, offsets, out
):
    """g. (or m.) of each allele; `offsets` int64[n + 1] and `out` are filled, an empty text stands for no name."""
    at = 0
    offsets[0] = 0
    for i in range(spans.shape[0]):
        s, e, a0, a1 = spans[i, 0], spans[i, 1], spans[i, 2], spans[i, 3]
        k, forward = np.int64(up[i]), np.bool_(True)
        if known(alt_bytes, a0, a1):
            kind, first, last = describe(sequence, base, np.int64(0), length, s, e, alt_bytes, a0, a1, k, forward)
            if kind != NONE:
                at = put(out, at, accession)
                at = put_byte(out, at, _COLON)
                at = put_byte(out, at, _M if mitochondrial else _G)
                at = put_byte(out, at, _DOT)
                at = put_number(out, at, first + 1)
                if last != first:
                    at = put_byte(out, at, _UNDER)
                    at = put_number(out, at, last + 1)
                reference = sequence[base + first] if base >= 0 else np.uint8(78)
                at = _put_change(kind, reference, alt_bytes, a0, a1, k, forward, out, at)
        offsets[i + 1] = at


@njit(cache=True, nogil=True)
def _reference(t, row, sequence, base, position, cdna, offset, forward):  # type: ignore[no-untyped-def]
    """Base of the transcript at a position: its own where its sequence is known and differs from the genome's."""
    if offset == 0 and t.status[row] & _DIFFERS != 0 and t.base_offsets[row + 1] - t.base_offsets[row] > cdna:
        return t.bases[t.base_offsets[row] + cdna]
    if base < 0:
        return np.uint8(78)
    return sequence[base + position] if forward else COMPLEMENT[sequence[base + position]]


@njit(cache=True, nogil=True)
def write_transcript(  # type: ignore[no-untyped-def]  # noqa: PLR0912
    t, name_offsets, name_data, sequence, base, spans, up, down, alt_bytes, index, rows, accession, vep, offsets, out
):
    """c. or n. of each row. `accession`: of the contig, written before intronic names where it is not empty."""
    at = 0
    offsets[0] = 0
    transcripts = t.start.shape[0]
    for j in range(index.shape[0]):
        offsets[j + 1] = at
        row, i = np.int64(rows[j]), index[j]
        if row >= transcripts:
            continue
        s, e, a0, a1 = spans[i, 0], spans[i, 1], spans[i, 2], spans[i, 3]
        forward = t.strand[row] > 0
        k = np.int64(up[i]) if forward else np.int64(down[i])
        kind, low, high = describe(sequence, base, np.int64(t.start[row]), np.int64(t.end[row]), s, e, alt_bytes, a0, a1, k, forward)
        if kind == NONE or not known(alt_bytes, a0, a1):
            continue
        cdna, offset = anchor_of(t, row, low)
        cdna_2, offset_2 = cdna, offset
        if high != low:
            cdna_2, offset_2 = anchor_of(t, row, high)
        named = accession.shape[0] > 0 and (offset != 0 or offset_2 != 0)
        if named:
            at = put(out, at, accession)
            at = put_byte(out, at, _OPEN)
        for x in range(name_offsets[row], name_offsets[row + 1]):
            out[at] = name_data[x]
            at += 1
        if named:
            at = put_byte(out, at, _CLOSE)
        at = put_byte(out, at, _COLON)
        at = put_byte(out, at, _C if t.coding_start[row] >= 0 else _N)
        at = put_byte(out, at, _DOT)
        reference = np.uint8(0)
        pad = np.int64(0)
        if kind == SUBSTITUTION:
            reference = _reference(t, row, sequence, base, low, cdna, offset, forward)
            if reference == inserted(alt_bytes, a0, a1, np.int64(0), forward, np.int64(0)):
                kind = IDENTITY
            if vep and offset == 0 and t.coding_start[row] <= cdna < t.coding_end[row]:
                pad = np.int64(t.pad[row])
        if high == low:
            at = put_position(t, row, cdna, offset, pad, vep, out, at)
        else:
            if not forward:
                cdna, offset, cdna_2, offset_2 = cdna_2, offset_2, cdna, offset
            at = put_position(t, row, cdna, offset, np.int64(0), vep, out, at)
            at = put_byte(out, at, _UNDER)
            at = put_position(t, row, cdna_2, offset_2, np.int64(0), vep, out, at)
        at = _put_change(kind, reference, alt_bytes, a0, a1, k, forward, out, at)
        offsets[j + 1] = at
