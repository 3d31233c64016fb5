"""Kernels that cut rows of a tab- or comma-separated table into spans and read their values. `text` is uint8, a span [a, b) of it."""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.ingest.scan import float_value

NO_POSITION = -2
BAD_POSITION = -1
_MOST = 1 << 31


@njit(cache=True, nogil=True)
def split_columns(text, lines, delimiter, place, columns, spans):  # type: ignore[no-untyped-def]
    """Spans of the wanted cells of each line: `place` int64[columns] is a cell's place in `spans` int32[n, wanted, 2], -1 where unwanted.

    A cell may stand in double quotes where the delimiter is a comma; quotes are no part of its span. Returns the first line that does not
    have `columns` cells, -1 where there is none.
    """
    for i in range(lines.shape[0]):
        at, end = lines[i, 0], lines[i, 1]
        if end > at and text[end - 1] == 13:
            end -= 1
        column = 0
        while True:
            a = at
            b = a
            if delimiter == 44 and a < end and text[a] == 34:
                a += 1
                b = a
                while b < end and (text[b] != 34 or (b + 1 < end and text[b + 1] == 34)):
                    b += 2 if text[b] == 34 else 1
                if b >= end:
                    return i
                at = b + 1
            else:
                while b < end and text[b] != delimiter:
                    b += 1
                at = b
            if column < columns and place[column] >= 0:
                spans[i, place[column], 0] = a
                spans[i, place[column], 1] = b
            column += 1
            if at >= end:
                break
            if text[at] != delimiter:
                return i
            at += 1
        if column != columns:
            return i
    return -1


@njit(cache=True, nogil=True)
def missing(text, a, b):  # type: ignore[no-untyped-def]
    """True for what tables write where there is no value: nothing, `.`, `-`, NA, nan in either case."""
    if b <= a:
        return True
    if b - a == 1:
        return text[a] == 46 or text[a] == 45
    c, d = text[a] | 32, text[a + 1] | 32
    if b - a == 2:
        return c == 110 and d == 97
    return b - a == 3 and c == 110 and d == 97 and text[a + 2] | 32 == 110


@njit(cache=True, nogil=True)
def read_positions(text, spans, out):  # type: ignore[no-untyped-def]
    """Whole numbers from 0 up; NO_POSITION for a missing one, BAD_POSITION for what is none."""
    for i in range(spans.shape[0]):
        a, b = spans[i, 0], spans[i, 1]
        if missing(text, a, b):
            out[i] = NO_POSITION
            continue
        value = 0
        for at in range(a, b):
            if not 48 <= text[at] <= 57 or value >= _MOST:
                value = BAD_POSITION
                break
            value = value * 10 + text[at] - 48
        out[i] = value if value < _MOST else BAD_POSITION


@njit(cache=True, nogil=True)
def read_numbers(text, spans, out):  # type: ignore[no-untyped-def]
    """float32 values, NaN where missing; the first row that is no number, -1 where there is none."""
    for i in range(spans.shape[0]):
        a, b = spans[i, 0], spans[i, 1]
        out[i] = float("nan")
        if missing(text, a, b):
            continue
        valid, value = float_value(text, a, b)
        if not valid:
            return i
        out[i] = value
    return -1


@njit(cache=True, nogil=True)
def read_lists(text, spans, mark, least, out, counts):  # type: ignore[no-untyped-def]
    """Of each list of numbers (parted by `mark`) the greatest, or the least, and how many values it has; missing ones are passed over.

    The first row that holds what is no number, -1 where there is none.
    """
    for i in range(spans.shape[0]):
        a, end = spans[i, 0], spans[i, 1]
        out[i] = float("nan")
        counts[i] = 0
        while a <= end:
            b = a
            while b < end and text[b] != mark:
                b += 1
            if not missing(text, a, b):
                valid, value = float_value(text, a, b)
                if not valid:
                    return i
                if counts[i] == 0 or (value < out[i] if least else value > out[i]):
                    out[i] = value
                if counts[i] < 254:
                    counts[i] += 1
            a = b + 1
    return -1


@njit(cache=True, nogil=True)
def first_words(text, spans, mark, out):  # type: ignore[no-untyped-def]
    """Spans of lists cut to one word where all of their words are the same; empty for a missing value."""
    for i in range(spans.shape[0]):
        a, end = spans[i, 0], spans[i, 1]
        b = a
        while b < end and text[b] != mark:
            b += 1
        same, at = True, b
        while same and at < end:
            same = end - at >= 1 + b - a and (end - at == 1 + b - a or text[at + 1 + b - a] == mark)
            j = 0
            while same and j < b - a:
                same = text[at + 1 + j] == text[a + j]
                j += 1
            at += 1 + b - a
        last = b if same else end
        out[i, 0] = a
        out[i, 1] = a if missing(text, a, last) else last


@njit(cache=True, nogil=True)
def listed_spans(text, spans, places, out):  # type: ignore[no-untyped-def]
    """Spans of the `places`-th values of lists by commas, the whole where the place is -1; empty where there is none."""
    for i in range(spans.shape[0]):
        a, end = spans[i, 0], spans[i, 1]
        out[i, 0], out[i, 1] = 0, 0
        if a < 0:
            continue
        b, seen = end, np.int64(0)
        if places[i] >= 0:
            b = a
            while b < end and text[b] != 44:
                b += 1
            while seen < places[i] and b < end:
                a = b + 1
                b = a
                while b < end and text[b] != 44:
                    b += 1
                seen += 1
            if seen < places[i]:
                continue
        out[i, 0], out[i, 1] = a, b
