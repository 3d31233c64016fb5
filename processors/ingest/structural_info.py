"""What a long record keeps of its text: where INFO does not fit, the entries that place a structural variant come first.

A kept site is cut at some kilobytes. Other tools' annotations can be longer than that, and stand before END or SVLEN.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

KEPT = ("END", "SVLEN", "SVTYPE", "CN", "CIPOS", "CIEND", "IMPRECISE", "MATEID", "CHR2", "END2")
"""INFO keys that say where a structural variant lies and what it is."""

_WORDS = np.frombuffer("".join(KEPT).encode(), dtype=np.uint8)
_BORDERS = np.concatenate([[0], np.cumsum([len(key) for key in KEPT])])


@njit(cache=True, nogil=True)
def _kept(text, a, b):  # type: ignore[no-untyped-def]
    """True where the entry [a, b) of INFO has one of the keys."""
    end = a
    while end < b and text[end] != 61:
        end += 1
    for k in range(_BORDERS.shape[0] - 1):
        if _BORDERS[k + 1] - _BORDERS[k] != end - a:
            continue
        same = True
        for i in range(end - a):
            same &= text[a + i] == _WORDS[_BORDERS[k] + i]
        if same:
            return True
    return False


@njit(cache=True, nogil=True)
def _copy(text, a, b, out, at, stop):  # type: ignore[no-untyped-def]
    """Copy what fits; the place behind it."""
    n = min(b - a, stop - at)
    out[at : at + n] = text[a : a + n]
    return at + n


@njit(cache=True, nogil=True)
def _columns(text, a, b, size, out, at, stop):  # type: ignore[no-untyped-def]
    """Copy the seven columns before INFO, cut; (where INFO begins, the place behind what was copied)."""
    column, start = 0, a
    for j in range(a, b):
        if text[j] == 9:
            # half of the room is ALT's: the mate of a breakend stands behind its inserted bases
            room = size // 2 if column == 4 else size // 16
            at = _copy(text, start, min(j, start + room), out, at, stop)
            at = _copy(text, j, j + 1, out, at, stop)
            column += 1
            start = j + 1
            if column == 7:
                return start, at
    return b, _copy(text, start, b, out, at, stop)


@njit(cache=True, nogil=True)
def _write(text, first, end, size, offsets, out):  # type: ignore[no-untyped-def]
    at = np.int64(0)
    for i in range(first.shape[0]):
        stop = at + size
        if end[i] - first[i] <= size:
            at = _copy(text, first[i], end[i], out, at, stop)
            offsets[i + 1] = at
            continue
        info, at = _columns(text, first[i], end[i], size, out, at, stop)
        begun = at
        for wanted in (True, False):
            start = info
            for j in range(info, end[i] + 1):
                if j < end[i] and text[j] != 59:
                    continue
                if j > start and _kept(text, start, j) == wanted:
                    if begun < at < stop:
                        out[at] = 59
                        at += 1
                    at = _copy(text, start, j, out, at, stop)
                start = j + 1
        offsets[i + 1] = at


def kept_sites(
    text: npt.NDArray[np.uint8], first: npt.NDArray[np.int64], end: npt.NDArray[np.int64], size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """(offsets int64[n + 1], bytes) of CHROM to INFO of n records, at most `size` bytes each.

    A text that fits is as it stands in the file. Of one that does not, ALT is cut at half of `size`, the other columns before INFO at a
    sixteenth, and INFO begins with the entries of KEPT.
    """
    offsets = np.zeros(len(first) + 1, dtype=np.int64)
    out = np.empty(int(np.minimum(end - first, size).sum()), dtype=np.uint8)
    _write(text, first, end, size, offsets, out)
    return offsets, out[: offsets[-1]]
