"""The 3' rule: how far an insertion or deletion moves along the reference without changing what it makes of it.

An *event* is [start, end) on the contig, 0-based half-open, with the inserted bases; start == end is an insertion. Only a pure insertion
or deletion moves. Moving by k turns a run of L inserted bases round: base j of the moved run is base (j + k) % L of the first one when it
moves up the contig, (j - k) % L when it moves down (den Dunnen 2016; Tan 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

_A, _C, _G, _T = 65, 67, 71, 84


@njit(cache=True, nogil=True)
def _known(base):  # type: ignore[no-untyped-def]
    return base in (_A, _C, _G, _T)


@njit(cache=True, nogil=True)
def steps_up(sequence, base, length, at, bases, low, high):  # type: ignore[no-untyped-def]
    """Bases that the run `bases[low:high]` moves up the contig, when the first base behind it is at contig position `at`.

    `at` is an insertion's place, or the end of a deletion. Stops at the first base that is not known.
    """
    size = high - low
    if base < 0 or size <= 0:
        return np.int64(0)
    k = np.int64(0)
    turn = np.int64(0)
    while at + k < length:
        here = sequence[base + at + k]
        if here != bases[low + turn] or not _known(here):
            break
        k += 1
        turn += 1
        if turn == size:
            turn -= size
    return k


@njit(cache=True, nogil=True)
def steps_down(sequence, base, length, at, bases, low, high):  # type: ignore[no-untyped-def]
    """The same down the contig, when the first base before the run is at contig position `at` - 1 (`at`: the event's start)."""
    size = high - low
    if base < 0 or size <= 0:
        return np.int64(0)
    k = np.int64(0)
    turn = np.int64(size - 1)
    while at - 1 - k >= 0:
        here = sequence[base + at - 1 - k]
        if here != bases[low + turn] or not _known(here):
            break
        k += 1
        turn -= 1
        if turn < 0:
            turn = size - 1
    return k


@njit(cache=True, nogil=True)
def trim(start, ref_bytes, r0, r1, alt_bytes, a0, a1):  # type: ignore[no-untyped-def]
    """(start, r0, r1, a0, a1) of an allele without what REF and ALT share, first at the front, then at the back."""
    while r0 < r1 and a0 < a1 and ref_bytes[r0] == alt_bytes[a0]:
        r0 += 1
        a0 += 1
        start += 1
    while r0 < r1 and a0 < a1 and ref_bytes[r1 - 1] == alt_bytes[a1 - 1]:
        r1 -= 1
        a1 -= 1
    return np.int64(start), np.int64(r0), np.int64(r1), np.int64(a0), np.int64(a1)


@njit(cache=True, nogil=True)
def _shift_all(sequence, base, length, start, ref_offsets, ref_bytes, alt_offsets, alt_bytes, spans, up, down):  # type: ignore[no-untyped-def]
    for i in range(start.shape[0]):
        s, r0, r1, a0, a1 = trim(start[i], ref_bytes, ref_offsets[i], ref_offsets[i + 1], alt_bytes, alt_offsets[i], alt_offsets[i + 1])
        e = s + r1 - r0
        spans[i, 0], spans[i, 1], spans[i, 2], spans[i, 3] = s, e, a0, a1
        up[i] = down[i] = 0
        if s == e and a1 > a0:
            up[i] = steps_up(sequence, base, length, s, alt_bytes, a0, a1)
            down[i] = steps_down(sequence, base, length, s, alt_bytes, a0, a1)
        elif a1 == a0 and e > s:
            up[i] = steps_up(sequence, base, length, e, ref_bytes, r0, r1)
            down[i] = steps_down(sequence, base, length, s, ref_bytes, r0, r1)


def shifted(
    sequence: npt.NDArray[np.uint8],
    base: int,
    length: int,
    start: npt.NDArray[np.int32],
    ref_offsets: npt.NDArray[Any],
    ref_bytes: npt.NDArray[np.uint8],
    alt_offsets: npt.NDArray[Any],
    alt_bytes: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """(spans, up, down) of n alleles of one contig.

    `sequence`, `base`, `length`: `Genome.sequence`, the contig's offset in it (-1: none) and its bases. `start` int32[n] is the place of
    REF; offsets are n + 1 places into the bytes (`knowledge.strings.string_buffers`).

    `spans` int64[n, 4]: start and end of the event, and where its inserted bases begin and end in `alt_bytes`. `up`, `down` int32[n]: the
    steps to its last place up and down the contig, 0 for what does not move. The 3'-most place is `start + up` on a transcript of the plus
    strand and `start - down` on one of the minus strand; a name stops at the transcript's end, as VEP's does, so compare with that.
    """
    n = len(start)
    spans = np.empty((n, 4), dtype=np.int64)
    up, down = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    _shift_all(sequence, base, length, start, ref_offsets, ref_bytes, alt_offsets, alt_bytes, spans, up, down)
    return spans, up, down
