"""Kernels for the columns of one line: ALTs and what is wrong with them, INFO's END, FORMAT's keys, one sample's values."""

from __future__ import annotations

import numpy as np
from numba import njit

from processors.ingest.faults import MAX_ALLELE_BASES, Fault
from processors.ingest.scan import count_value, depths_valid, genotype, phase_set_value

_MAX_ALLELE_BASES = MAX_ALLELE_BASES
_STAR, _SYMBOLIC, _BREAKEND = int(Fault.STAR_ALLELE), int(Fault.SYMBOLIC), int(Fault.BREAKEND)
_OVERLONG, _UNKNOWN_BASE = int(Fault.OVERLONG), int(Fault.UNKNOWN_BASE)
_INVALID_BASE, _ALT_IS_REF = int(Fault.INVALID_BASE), int(Fault.ALT_IS_REF)
_EMPTY_ALLELE, _TOO_MANY_ALTS = int(Fault.EMPTY_ALLELE), int(Fault.TOO_MANY_ALTS)
_BAD_GENOTYPE, _GENOTYPE_INDEX, _BAD_NUMBER = int(Fault.BAD_GENOTYPE), int(Fault.GENOTYPE_INDEX), int(Fault.BAD_NUMBER)


@njit(cache=True, nogil=True)
def _bases_fault(buf, a, b):  # type: ignore[no-untyped-def]
    """Fault of a run of letters as a sequence, 0 for A, C, G, T in either case."""
    if b - a > _MAX_ALLELE_BASES:
        return _OVERLONG
    fault = 0
    for i in range(a, b):
        c = buf[i] & 0xDF
        if c == 78:
            fault = max(fault, _UNKNOWN_BASE)
        elif c not in (65, 67, 71, 84):
            fault = _INVALID_BASE
    return fault


@njit(cache=True, nogil=True)
def alt_fault(buf, r0, r1, a0, a1):  # type: ignore[no-untyped-def]
    """Fault of one ALT beside its REF."""
    if a1 - a0 == 1 and buf[a0] == 42:
        return _STAR
    if buf[a0] == 60:
        return _SYMBOLIC
    if buf[a0] == 46 or buf[a1 - 1] == 46:
        return _BREAKEND
    for i in range(a0, a1):
        if buf[i] == 91 or buf[i] == 93:
            return _BREAKEND
    fault = _bases_fault(buf, r0, r1)
    if fault == 0:
        fault = _bases_fault(buf, a0, a1)
    if fault == 0 and r1 - r0 == a1 - a0:
        same = True
        for i in range(r1 - r0):
            if (buf[r0 + i] ^ buf[a0 + i]) & 0xDF:
                same = False
                break
        if same:
            return _ALT_IS_REF
    return fault


@njit(cache=True, nogil=True)
def placeholder(buf, a, b):  # type: ignore[no-untyped-def]
    """True for the ALTs that only say "any other allele": `<NON_REF>` (GATK), `<*>` (VCF 4.2), `<X>` (older bcftools)."""
    n = b - a
    if n < 3 or buf[a] != 60 or buf[b - 1] != 62:
        return False
    if n == 3:
        return buf[a + 1] == 42 or buf[a + 1] == 88
    return n == 9 and buf[a + 1] == 78 and buf[a + 2] == 79 and buf[a + 3] == 78 and buf[a + 4] == 95 and buf[a + 5] == 82


@njit(cache=True, nogil=True)
def block_end(buf, a, b):  # type: ignore[no-untyped-def]
    """INFO's END (1-based, inclusive), -1 where there is none."""
    i = np.int64(a)
    while i + 4 < b:
        if (i == a or buf[i - 1] == 59) and buf[i] == 69 and buf[i + 1] == 78 and buf[i + 2] == 68 and buf[i + 3] == 61:
            stop = i + 4
            while stop < b and buf[stop] != 59:
                stop += 1
            valid, value = count_value(buf, i + 4, stop)
            return value if valid else np.int64(-1)
        i += 1
    return np.int64(-1)


@njit(cache=True, nogil=True)
def format_keys(buf, a, b, keys):  # type: ignore[no-untyped-def]
    """Column numbers of GT, DP, AD, GQ, PS within FORMAT in `keys` int32[5] (-1: absent), the highest of them in `keys[5]`."""
    keys[:] = -1
    number, first = 0, a
    for i in range(a, b + 1):
        if i == b or buf[i] == 58:
            if i - first == 2:
                x, y = buf[first], buf[first + 1]
                if x == 71 and y == 84:
                    keys[0] = number
                elif x == 68 and y == 80:
                    keys[1] = number
                elif x == 65 and y == 68:
                    keys[2] = number
                elif x == 71 and y == 81:
                    keys[3] = number
                elif x == 80 and y == 83:
                    keys[4] = number
            number += 1
            first = i + 1
    for k in range(5):
        keys[5] = max(keys[5], keys[k])


@njit(cache=True, nogil=True)
def sample_column(buf, a, b, keys, alts, sample, gt):  # type: ignore[no-untyped-def]  # noqa: PLR0911, PLR0912
    """Read one sample's column into its scratch row; the Fault of the record, 0 for none."""
    sample.depth = -1
    sample.quality = -1
    sample.phase_set = -1
    sample.ad = 0
    sample.ad_end = 0
    sample.gt_end = -1
    number, first = 0, a
    i = a
    while True:
        if i == b or buf[i] == 58:
            if number == keys[0]:
                sample.gt = first
                sample.gt_end = i
            elif number == keys[1]:
                valid, value = count_value(buf, first, i)
                if not valid:
                    return _BAD_NUMBER
                sample.depth = value
            elif number == keys[2]:
                sample.ad = first
                sample.ad_end = i
            elif number == keys[3]:
                valid, value = count_value(buf, first, i)
                if not valid:
                    return _BAD_NUMBER
                sample.quality = value
            elif number == keys[4]:
                sample.phase_set = phase_set_value(buf, first, i)
            if i == b or number == keys[5]:
                break
            number += 1
            first = i + 1
        i += 1
    if sample.gt_end < 0:
        return _BAD_GENOTYPE
    state, ploidy, missing, phased, highest = genotype(buf, sample.gt, sample.gt_end, alts, gt)
    if state == 1:
        return _BAD_GENOTYPE
    if state == 2:
        return _GENOTYPE_INDEX
    sample.ploidy = ploidy
    sample.missing = missing
    sample.phased = phased
    sample.highest = highest
    if highest > 0 and not depths_valid(buf, np.int64(sample.ad), np.int64(sample.ad_end)):
        return _BAD_NUMBER
    return 0


@njit(cache=True, nogil=True)
def split_alts(buf, a, b, spans):  # type: ignore[no-untyped-def]
    """(fault, number) of ALTs; `spans` int32[MAX_ALTS + 1, 2] gets their places from row 1 on."""
    if b == a + 1 and buf[a] == 46:
        return 0, 0
    number, first = 0, a
    for i in range(a, b + 1):
        if i == b or buf[i] == 44:
            if i == first or (i == first + 1 and buf[first] == 46):
                return _EMPTY_ALLELE, 0
            if number + 1 >= spans.shape[0]:
                return _TOO_MANY_ALTS, 0
            number += 1
            spans[number, 0] = first
            spans[number, 1] = i
            first = i + 1
    return 0, number
