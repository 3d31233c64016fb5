"""Kernels that read INFO and FILTER of many records at once. `text` is uint8, a span [a, b) of it; a record has one row an ALT.

Keys are looked up in one pass over a record's INFO, whatever their number: `keys` is a table of names sorted by their bytes
(`key_table`), and `find_keys` gives the span of each key's value. What is read from those spans stays with the ALT it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.ingest.scan import float_value

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

BAD = -2.0
"""A text that is no number, in the place of a value."""


def key_table(names: Sequence[str]) -> tuple[I32, U8, npt.NDArray[np.int64]]:
    """(offsets, bytes) of the names sorted by bytes, and of each sorted one its place in `names`."""
    encoded = [name.encode() for name in names]
    order = sorted(range(len(names)), key=encoded.__getitem__)
    offsets = np.zeros(len(names) + 1, dtype=np.int32)
    np.cumsum([len(encoded[place]) for place in order], out=offsets[1:])
    return offsets, np.frombuffer(b"".join(encoded[place] for place in order), dtype=np.uint8), np.array(order, dtype=np.int64)


def find_values(text: U8, info: I32, names: Sequence[str]) -> I32:
    """int32[names, n, 2]: span of each key's value; (-1, -1) where the record lacks it, empty for a flag that is set."""
    out = np.full((len(names), len(info), 2), -1, dtype=np.int32)
    if names:
        _find_keys(text, info, *key_table(names), out)
    return out


def numbers(text: U8, spans: I32, alt: I32 | None) -> npt.NDArray[np.float64]:
    """Values of a key as float64: NaN where missing or `.`, BAD for text that is no number. `alt`: places in a list by ALT (Number=A);
    None: one value a record (Number=1)."""
    out = np.empty(len(spans), dtype=np.float64)
    _numbers(text, spans, alt if alt is not None else np.zeros(len(spans), dtype=np.int32), out)
    return out


def word_codes(text: U8, spans: I32, alt: I32 | None, vocabulary: Sequence[str]) -> I32:
    """Place of each value in a vocabulary; -1 where missing (`.`, `NA`), -2 for a word that is not in it. `alt` as in `numbers`."""
    out = np.empty(len(spans), dtype=np.int32)
    _word_codes(text, spans, alt if alt is not None else np.zeros(len(spans), dtype=np.int32), *key_table(vocabulary), out)
    return out


def present(spans: I32) -> npt.NDArray[np.bool_]:
    """Whether the record has the key (a flag, or any value)."""
    return np.asarray(spans[:, 0] >= 0)


def filter_failed(text: U8, spans: I32) -> npt.NDArray[np.bool_]:
    """True unless FILTER is PASS, `.` or empty."""
    out = np.empty(len(spans), dtype=np.bool_)
    _filter_failed(text, spans, out)
    return out


def filter_bits(text: U8, spans: I32, names: Sequence[str]) -> tuple[npt.NDArray[np.uint32], int]:
    """(bit k for FILTER `names[k]`, first row with another word than these, PASS and `.`; -1 where none)."""
    out = np.zeros(len(spans), dtype=np.uint32)
    offsets, data, order = key_table(names)
    return out, int(_filter_bits(text, spans, offsets, data, order, out))


@njit(cache=True, nogil=True)
def _key_at(text, a, b, offsets, data):  # type: ignore[no-untyped-def]
    """Place of text[a:b] in the sorted table, -1 where it has none."""
    low, high = 0, offsets.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        at, end = offsets[middle], offsets[middle + 1]
        j = 0
        while at + j < end and a + j < b and data[at + j] == text[a + j]:
            j += 1
        if at + j == end and a + j == b:
            return middle
        less = a + j < b and (at + j == end or data[at + j] < text[a + j])
        if less:
            low = middle + 1
        else:
            high = middle
    return -1


@njit(cache=True, nogil=True)
def _find_keys(text, info, offsets, data, order, out):  # type: ignore[no-untyped-def]
    for i in range(info.shape[0]):
        if i > 0 and info[i, 0] == info[i - 1, 0]:  # another ALT of the same record
            for k in range(out.shape[0]):
                out[k, i, 0] = out[k, i - 1, 0]
                out[k, i, 1] = out[k, i - 1, 1]
            continue
        at, end = info[i, 0], info[i, 1]
        while at < end:
            name_end = at
            while name_end < end and text[name_end] != 61 and text[name_end] != 59:
                name_end += 1
            stop = name_end
            while stop < end and text[stop] != 59:
                stop += 1
            found = _key_at(text, at, name_end, offsets, data)
            if found >= 0 and out[order[found], i, 0] < 0:
                out[order[found], i, 0] = min(name_end + 1, stop)
                out[order[found], i, 1] = stop
            at = stop + 1


@njit(cache=True, nogil=True)
def _place(text, a, b, alt):  # type: ignore[no-untyped-def]
    """Span of the alt-th value of a list by commas; (-1, -1) where it is shorter."""
    seen = 0
    stop = a
    while True:
        while stop < b and text[stop] != 44:
            stop += 1
        if seen == alt:
            return a, stop
        if stop >= b:
            return -1, -1
        seen += 1
        stop += 1
        a = stop


@njit(cache=True, nogil=True)
def _numbers(text, spans, alt, out):  # type: ignore[no-untyped-def]
    for i in range(spans.shape[0]):
        out[i] = np.nan
        if spans[i, 0] < 0:
            continue
        a, b = _place(text, spans[i, 0], spans[i, 1], alt[i])
        if a < 0 or a == b or (b - a == 1 and text[a] == 46):
            continue
        if (b - a == 3) and (text[a] | 32) == 110 and (text[a + 1] | 32) == 97 and (text[a + 2] | 32) == 110:  # nan
            continue
        valid, value = float_value(text, a, b)
        out[i] = value if valid else BAD


@njit(cache=True, nogil=True)
def _filter_failed(text, spans, out):  # type: ignore[no-untyped-def]
    for i in range(spans.shape[0]):
        a, b = spans[i, 0], spans[i, 1]
        fine = b == a or (b - a == 1 and text[a] == 46)
        if b - a == 4:
            fine = text[a] == 80 and text[a + 1] == 65 and text[a + 2] == 83 and text[a + 3] == 83
        out[i] = not fine


@njit(cache=True, nogil=True)
def _filter_bits(text, spans, offsets, data, order, out):  # type: ignore[no-untyped-def]
    for i in range(spans.shape[0]):
        at, end = spans[i, 0], spans[i, 1]
        while at < end:
            stop = at
            while stop < end and text[stop] != 59:
                stop += 1
            found = _key_at(text, at, stop, offsets, data)
            plain = (stop - at == 1 and text[at] == 46) or (
                stop - at == 4 and text[at] == 80 and text[at + 1] == 65 and text[at + 2] == 83 and text[at + 3] == 83
            )
            if found >= 0:
                out[i] |= np.uint32(1) << np.uint32(order[found])
            elif not plain:
                return i
            at = stop + 1
    return -1


@njit(cache=True, nogil=True)
def _word_codes(text, spans, alt, offsets, data, order, out):  # type: ignore[no-untyped-def]
    for i in range(spans.shape[0]):
        out[i] = -1
        if spans[i, 0] < 0:
            continue
        a, b = _place(text, spans[i, 0], spans[i, 1], alt[i])
        if a < 0 or a == b or (b - a == 1 and text[a] == 46) or (b - a == 2 and text[a] == 78 and text[a + 1] == 65):
            continue
        found = _key_at(text, a, b, offsets, data)
        out[i] = order[found] if found >= 0 else -2
