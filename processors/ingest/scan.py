"""Kernels that read numbers, names and genotypes straight from bytes. `buf` is uint8 text, `[a, b)` a span of it."""

from __future__ import annotations

import numpy as np
from numba import njit

_BIG = 2**31 - 1


@njit(cache=True, nogil=True)
def count_value(buf, a, b):  # type: ignore[no-untyped-def]
    """(valid, value) of a non-negative number; `.` and an empty field are -1, a fraction is cut off (GQ is a float in some callers)."""
    if b <= a or (b == a + 1 and buf[a] == 46):
        return True, -1
    value = np.int64(0)
    i = a
    while i < b and 48 <= buf[i] <= 57:
        value = value * 10 + (buf[i] - 48)
        if value > _BIG:
            return False, -1
        i += 1
    if i == a:
        return False, -1
    if i < b:
        if buf[i] != 46:
            return False, -1
        i += 1
        while i < b:
            if not 48 <= buf[i] <= 57:
                return False, -1
            i += 1
    return True, value


@njit(cache=True, nogil=True)
def float_value(buf, a, b):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """(valid, value) of a decimal number with an optional exponent; `.` is NaN. Correct to float32 precision."""
    if b == a + 1 and buf[a] == 46:
        return True, np.nan
    i = a
    negative = False
    if i < b and (buf[i] == 45 or buf[i] == 43):
        negative = buf[i] == 45
        i += 1
    mantissa, digits, scale, seen = np.int64(0), 0, 0, False
    dot = False
    while i < b:
        c = buf[i]
        if 48 <= c <= 57:
            seen = True
            if digits < 17:
                mantissa = mantissa * 10 + (c - 48)
                if mantissa > 0:
                    digits += 1
                if dot:
                    scale -= 1
            elif not dot:
                scale += 1
        elif c == 46 and not dot:
            dot = True
        else:
            break
        i += 1
    if not seen:
        # htslib accepts inf and nan as QUAL; no caller means a number by them
        return False, np.nan
    if i < b:
        if buf[i] != 101 and buf[i] != 69:
            return False, np.nan
        i += 1
        down = False
        if i < b and (buf[i] == 45 or buf[i] == 43):
            down = buf[i] == 45
            i += 1
        if i >= b:
            return False, np.nan
        exponent = 0
        while i < b:
            if not 48 <= buf[i] <= 57 or exponent > 9999:
                return False, np.nan
            exponent = exponent * 10 + (buf[i] - 48)
            i += 1
        scale += -exponent if down else exponent
    value = float(mantissa)
    if scale < -340:
        value = 0.0
    elif scale < 0:
        value = value / 10.0 ** (-scale) if scale >= -300 else value / 10.0**300 / 10.0 ** (-scale - 300)
    elif scale > 0:
        value = value * 10.0 ** min(scale, 308)
    return True, -value if negative else value


@njit(cache=True, nogil=True)
def text_hash(buf, a, b):  # type: ignore[no-untyped-def]
    """FNV-1a, 64 bits."""
    h = np.uint64(0xCBF29CE484222325)
    for i in range(a, b):
        h = (h ^ np.uint64(buf[i])) * np.uint64(0x100000001B3)
    return h


@njit(cache=True, nogil=True)
def phase_set_value(buf, a, b):  # type: ignore[no-untyped-def]
    """A phase set's number; names (GIAB writes `PATMAT`) become a 31-bit hash, so that equal sets stay equal."""
    valid, value = count_value(buf, a, b)
    if valid:
        return value
    return np.int64(text_hash(buf, a, b) & np.uint64(0x7FFFFFFF))


@njit(cache=True, nogil=True)
def same_text(x, a, b, y, c, d):  # type: ignore[no-untyped-def]
    """True where two spans hold the same bytes."""
    if b - a != d - c:
        return False
    for i in range(b - a):  # noqa: SIM110
        if x[a + i] != y[c + i]:
            return False
    return True


@njit(cache=True, nogil=True)
def intern(buf, a, b, slots, offsets, names, count):  # type: ignore[no-untyped-def]
    """Number of a name in a table of names, added if new; -1 where the table is full (`Names.grow`).

    `slots` int32 (a power of two; -1 free) is an open-addressed index, `names[offsets[i]:offsets[i + 1]]` the i-th name, `count[0]` how
    many there are.
    """
    mask = np.uint64(slots.shape[0] - 1)
    h = text_hash(buf, a, b)
    at = (h ^ (h >> np.uint64(32))) & mask
    while slots[at] >= 0:
        known = slots[at]
        if same_text(buf, a, b, names, np.int64(offsets[known]), np.int64(offsets[known + 1])):
            return known
        at = (at + np.uint64(1)) & mask
    number = count[0]
    end = offsets[number] + (b - a)
    if 2 * (number + 1) > slots.shape[0] or end > names.shape[0]:
        return np.int32(-1)
    for i in range(b - a):
        names[offsets[number] + i] = buf[a + i]
    offsets[number + 1] = end
    slots[at] = number
    count[0] = number + 1
    return np.int32(number)


# --- genotypes -------------------------------------------------------------------------------------------------------

GT_OK = 0
GT_UNREADABLE = 1
GT_INDEX = 2


@njit(cache=True, nogil=True)
def genotype(buf, a, b, alts, out):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """(state, ploidy, missing, phased, highest ALT) of a GT; `out` int16[8] gets its first eight alleles, -1 for `.`.

    A leading `/` or `|` (VCF 4.4) is the phasing of the first allele. Phased: two alleles or more, and no `/` between them.
    """
    i = a
    slash = False
    if i < b and (buf[i] == 47 or buf[i] == 124):
        slash = buf[i] == 47
        i += 1
    ploidy, missing = 0, 0
    highest = np.int64(0)
    while True:
        if i >= b:
            return GT_UNREADABLE, 0, 0, False, 0
        value = np.int64(0)
        if buf[i] == 46:
            value = np.int64(-1)
            missing += 1
            i += 1
        else:
            first = i
            while i < b and 48 <= buf[i] <= 57:
                value = value * 10 + (buf[i] - 48)
                if value > alts:
                    return GT_INDEX, 0, 0, False, 0
                i += 1
            if i == first:
                return GT_UNREADABLE, 0, 0, False, 0
        if ploidy < 8:
            out[ploidy] = value
        highest = max(highest, value)
        ploidy += 1
        if ploidy > 255:
            return GT_UNREADABLE, 0, 0, False, 0
        if i == b:
            break
        if buf[i] == 47:
            slash = True
        elif buf[i] != 124:
            return GT_UNREADABLE, 0, 0, False, 0
        i += 1
    return GT_OK, ploidy, missing, ploidy > 1 and not slash, highest


@njit(cache=True, nogil=True)
def carries(buf, a, b, alt):  # type: ignore[no-untyped-def]
    """True where a readable GT of any ploidy holds the ALT."""
    value = 0
    for i in range(a, b + 1):
        if i < b and 48 <= buf[i] <= 57:
            value = value * 10 + (buf[i] - 48)
        else:
            if value == alt:
                return True
            value = 0
    return False


@njit(cache=True, nogil=True)
def depths_valid(buf, a, b):  # type: ignore[no-untyped-def]
    """True where AD is a list of numbers and `.`."""
    first = a
    for i in range(a, b + 1):
        if i == b or buf[i] == 44:
            valid, _ = count_value(buf, first, i)
            if not valid:
                return False
            first = i + 1
    return True


@njit(cache=True, nogil=True)
def depth_of(buf, a, b, alts, wanted):  # type: ignore[no-untyped-def]
    """The AD of allele `wanted`, -1 where it is not given or AD has another number of entries than there are alleles."""
    entries = 1
    for i in range(a, b):
        if buf[i] == 44:
            entries += 1
    if entries != alts + 1:
        return np.int64(-1)
    number, first = 0, a
    for i in range(a, b + 1):
        if i == b or buf[i] == 44:
            if number == wanted:
                _, value = count_value(buf, first, i)
                return value
            number += 1
            first = i + 1
    return np.int64(-1)
