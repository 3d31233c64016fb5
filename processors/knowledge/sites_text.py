"""Kernels that cut the text of site records into spans. `text` is uint8, a span [a, b) of it."""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.ingest.faults import MAX_ALLELE_BASES, Fault

_STAR, _SYMBOLIC, _BREAKEND, _OVERLONG = int(Fault.STAR_ALLELE), int(Fault.SYMBOLIC), int(Fault.BREAKEND), int(Fault.OVERLONG)
_UNKNOWN_BASE, _INVALID_BASE = int(Fault.UNKNOWN_BASE), int(Fault.INVALID_BASE)
_SAME, _EMPTY = int(Fault.ALT_IS_REF), int(Fault.EMPTY_ALLELE)


@njit(cache=True, nogil=True)
def take(offsets, data, rows):  # type: ignore[no-untyped-def]
    out = np.zeros(rows.shape[0] + 1, dtype=np.int32)
    for i in range(rows.shape[0]):
        out[i + 1] = out[i] + offsets[rows[i] + 1] - offsets[rows[i]]
    values = np.empty(out[-1], dtype=np.uint8)
    for i in range(rows.shape[0]):
        values[out[i] : out[i + 1]] = data[offsets[rows[i]] : offsets[rows[i] + 1]]
    return out, values


@njit(cache=True, nogil=True)
def split(text, lines, spans):  # type: ignore[no-untyped-def]
    """Spans of the first eight columns of each line; the first line with fewer, -1 where there is none."""
    for i in range(lines.shape[0]):
        a, end = lines[i, 0], lines[i, 1]
        if text[end - 1] == 13:
            end -= 1
        column = 0
        at = a
        while at <= end and column < 8:
            if at == end or text[at] == 9:
                spans[i, column, 0] = a
                spans[i, column, 1] = at
                column += 1
                a = at + 1
            at += 1
        if column < 8:
            return i
    return -1


@njit(cache=True, nogil=True)
def count_alts(text, alts):  # type: ignore[no-untyped-def]
    out = np.ones(alts.shape[0], dtype=np.int64)
    for i in range(alts.shape[0]):
        for at in range(alts[i, 0], alts[i, 1]):
            if text[at] == 44:
                out[i] += 1
    return out


@njit(cache=True, nogil=True)
def expand(text, position_spans, alts, positions, out):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(alts.shape[0]):
        value = np.int64(0)
        for at in range(position_spans[i, 0], position_spans[i, 1]):
            digit = text[at] - 48
            if digit > 9 or value > 1 << 40:
                value = np.int64(-1)
                break
            value = value * 10 + digit
        positions[i] = value
        a = alts[i, 0]
        for at in range(alts[i, 0], alts[i, 1] + 1):
            if at == alts[i, 1] or text[at] == 44:
                out[n, 0] = a
                out[n, 1] = at
                n += 1
                a = at + 1


@njit(cache=True, nogil=True)
def changes(text, names):  # type: ignore[no-untyped-def]
    out = np.ones(names.shape[0], dtype=np.bool_)
    for i in range(1, names.shape[0]):
        a, b, c, d = names[i - 1, 0], names[i - 1, 1], names[i, 0], names[i, 1]
        same = b - a == d - c
        j = 0
        while same and j < b - a:
            same = text[a + j] == text[c + j]
            j += 1
        out[i] = not same
    return out


@njit(cache=True, nogil=True)
def _letters_fault(text, a, b):  # type: ignore[no-untyped-def]
    """UNKNOWN_BASE for an N, INVALID_BASE for a letter that is no base, else 0."""
    code = 0
    for at in range(a, b):
        base = text[at] & 0xDF
        if base == 78:
            code = _UNKNOWN_BASE
        elif base not in (65, 67, 71, 84):
            return _INVALID_BASE
    return code


@njit(cache=True, nogil=True)
def _kind_fault(text, a, b):  # type: ignore[no-untyped-def]
    """Fault of an ALT that is no sequence: `*`, symbolic or `.`, a breakend."""
    if b - a == 1 and text[a] == 42:
        return _STAR
    if text[a] == 60 or (b - a == 1 and text[a] == 46):
        return _SYMBOLIC
    if text[a] == 46 or text[b - 1] == 46:
        return _BREAKEND
    for at in range(a, b):
        if text[at] in (91, 93):
            return _BREAKEND
    return 0


@njit(cache=True, nogil=True)
def allele_faults(text, refs, alts, out):  # type: ignore[no-untyped-def]
    """Fault code of each allele that cannot be normalised, 0 for the others."""
    for i in range(refs.shape[0]):
        r0, r1, a0, a1 = refs[i, 0], refs[i, 1], alts[i, 0], alts[i, 1]
        if r1 == r0 or a1 == a0:
            out[i] = _EMPTY
            continue
        code = _kind_fault(text, a0, a1)
        if code == 0 and (r1 - r0 > MAX_ALLELE_BASES or a1 - a0 > MAX_ALLELE_BASES):
            code = _OVERLONG
        if code == 0:
            code = max(_letters_fault(text, r0, r1), _letters_fault(text, a0, a1))
        if code == 0 and r1 - r0 == a1 - a0:
            same = True
            for j in range(r1 - r0):
                if (text[r0 + j] ^ text[a0 + j]) & 0xDF:
                    same = False
                    break
            code = _SAME if same else 0
        out[i] = code


@njit(cache=True, nogil=True)
def gather(text, spans):  # type: ignore[no-untyped-def]
    """(offsets int32[n + 1], bytes) of n spans."""
    offsets = np.zeros(spans.shape[0] + 1, dtype=np.int32)
    for i in range(spans.shape[0]):
        offsets[i + 1] = offsets[i] + spans[i, 1] - spans[i, 0]
    data = np.empty(max(offsets[-1], 1), dtype=np.uint8)
    for i in range(spans.shape[0]):
        data[offsets[i] : offsets[i + 1]] = text[spans[i, 0] : spans[i, 1]]
    return offsets, data
