"""Allele-keyed packs: sorted 64-bit allele ids beside columns of values, memory-mapped, found by binary search.

An id is ordered by place, so a chunk's alleles lie in one stretch of a pack, and the search gallops forward through it. The ids of long
alleles are hashes: a pack keeps their REF and ALT, and a hit counts only where these agree too. Never keyed by position: two ALTs of one
place are two rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from processors.knowledge.pack import Pack
from processors.knowledge.strings import string_buffers
from schemas.identity import is_long

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


class Spelled(Protocol):
    """REF and ALT of n alleles as Arrow binary columns (offsets of n + 1, and bytes)."""

    @property
    def ref_offsets(self) -> I32: ...
    @property
    def ref_bytes(self) -> U8: ...
    @property
    def alt_offsets(self) -> I32: ...
    @property
    def alt_bytes(self) -> U8: ...


@dataclass(frozen=True)
class Spelling:
    ref_offsets: I32
    ref_bytes: U8
    alt_offsets: I32
    alt_bytes: U8


def spelling_of(rows: pa.RecordBatch) -> Spelling:
    """The columns `ref` and `alt` of a chunk, sharing its memory."""
    return Spelling(*string_buffers(rows.column("ref")), *string_buffers(rows.column("alt")))


@dataclass(frozen=True)
class AlleleIndex:
    """The key part of a pack: `find` gives row numbers."""

    pack: Pack

    @cached_property
    def keys(self) -> U64:
        return np.asarray(self.pack.array("keys"))

    @cached_property
    def _long(self) -> tuple[I64, I64, U8]:
        return tuple(np.asarray(self.pack.array(name)) for name in ("long_rows", "long_offsets", "long_data"))  # type: ignore[return-value]

    def find(self, ids: U64, spelled: Spelled) -> I64:
        """Row of each allele, -1 where the pack does not hold it. Fast where `ids` nearly ascend, right in any order."""
        rows = np.empty(len(ids), dtype=np.int64)
        if len(ids) == 0:
            return rows
        keys = self.keys
        low = int(np.searchsorted(keys, ids.min()))
        high = int(np.searchsorted(keys, ids.max(), side="right"))
        _find(keys[low:high], ids, low, rows)
        suspects = np.flatnonzero(is_long(ids) & (rows >= 0))
        if len(suspects):
            _verify(
                suspects, rows, *self._long, spelled.ref_offsets, spelled.ref_bytes, spelled.alt_offsets, spelled.alt_bytes
            )  # fmt: skip
        return rows


def index_arrays(ids: U64, spelled: Spelled, preference: tuple[npt.NDArray[Any], ...], tally: Counter[str]) -> tuple[I64, dict[str, Any]]:
    """(chosen rows in key order, arrays of the key part) for n alleles, in any order.

    Of several rows with one allele the first by `preference` (columns, most important first, ascending) is kept; the others are counted as
    `duplicate`. A long allele whose hash another allele of the place already has is counted as `hash_collision` and left out.
    """
    order = np.lexsort((*reversed(preference), ids))
    sorted_ids = ids[order]
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = sorted_ids[1:] != sorted_ids[:-1]
    for place in np.flatnonzero(~first & is_long(sorted_ids)):
        leader = place
        while not first[leader]:
            leader -= 1
        same = _text(spelled, int(order[place])) == _text(spelled, int(order[leader]))
        tally["duplicate" if same else "hash_collision"] += 1
    tally["duplicate"] += int((~first & ~is_long(sorted_ids)).sum())
    chosen = order[first]
    keys = sorted_ids[first]
    long_rows = np.flatnonzero(is_long(keys)).astype(np.int64)
    texts = [_text(spelled, int(chosen[row])) for row in long_rows]
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    data = np.frombuffer(b"".join(texts), dtype=np.uint8)
    return chosen, {"keys": keys, "long_rows": long_rows, "long_offsets": offsets, "long_data": data}


def _text(spelled: Spelled, row: int) -> bytes:
    ref = spelled.ref_bytes[spelled.ref_offsets[row] : spelled.ref_offsets[row + 1]].tobytes()
    alt = spelled.alt_bytes[spelled.alt_offsets[row] : spelled.alt_offsets[row + 1]].tobytes()
    return ref + b">" + alt


@njit(cache=True, nogil=True)
def _find(keys, ids, base, rows):  # type: ignore[no-untyped-def]
    """Gallop forward from the last hit; an id that goes back starts anew."""
    n = keys.shape[0]
    at = 0
    for i in range(ids.shape[0]):
        wanted = ids[i]
        if i > 0 and wanted < ids[i - 1]:
            at = 0
        low, step = at, 1
        while low + step < n and keys[low + step] < wanted:
            low += step
            step *= 2
        high = min(low + step, n)
        while low < high:
            middle = (low + high) // 2
            if keys[middle] < wanted:
                low = middle + 1
            else:
                high = middle
        at = low
        rows[i] = base + low if low < n and keys[low] == wanted else -1


@njit(cache=True, nogil=True)
def _verify(  # type: ignore[no-untyped-def]
    suspects, rows, long_rows, long_offsets, long_data, ref_offsets, ref_bytes, alt_offsets, alt_bytes
):
    for i in suspects:
        place = np.searchsorted(long_rows, rows[i])
        at, end = long_offsets[place], long_offsets[place + 1]
        r0, r1, a0, a1 = ref_offsets[i], ref_offsets[i + 1], alt_offsets[i], alt_offsets[i + 1]
        same = end - at == (r1 - r0) + 1 + (a1 - a0) and long_data[at + (r1 - r0)] == 62
        j = r0
        while same and j < r1:
            same = long_data[at + j - r0] == ref_bytes[j]
            j += 1
        j = a0
        while same and j < a1:
            same = long_data[at + (r1 - r0) + 1 + j - a0] == alt_bytes[j]
            j += 1
        if not same:
            rows[i] = -1
