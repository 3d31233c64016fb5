"""Annotate once: rows of alleles that were called before under the same key, kept in a bounded arena of one process.

The key is what everything that the rows depend on has in common (`Plan.annotation_key` and the options), the allele's id and its spelling.
A cache saves computing, never rows: what comes out is the same to the bit with and without it. It holds two generations. Alleles enter
the young one, also those met again in the old; when the young one is full it becomes the old, and what was old is forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate.rows import Rows, empty_rows

_ROW_BYTES = 40
_SLOT_BYTES = 24
_ROWS_PER_SLOT = 2
"""An allele has about five rows (Ensembl, human), and at most two thirds of the slots are taken."""
_FREE, _YOUNG, _OLD = np.uint8(0), np.uint8(1), np.uint8(2)


class _Generation(NamedTuple):
    """Open addressing: `first[slot]` is -1 for a free slot, else the first of `counts[slot]` rows of the allele (id, spelling, key)."""

    ids: npt.NDArray[np.uint64]
    spellings: npt.NDArray[np.uint32]
    keys: npt.NDArray[np.uint32]
    first: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    used: npt.NDArray[np.int64]  # [alleles, rows]
    rows: Rows


def _generation(size: int) -> _Generation:
    rows = max(size // (_ROW_BYTES + _SLOT_BYTES // _ROWS_PER_SLOT), 64)
    slots = 1 << max((rows // _ROWS_PER_SLOT).bit_length() - 1, 5)
    return _Generation(
        np.empty(slots, dtype=np.uint64), np.empty(slots, dtype=np.uint32), np.empty(slots, dtype=np.uint32),
        np.full(slots, -1, dtype=np.int32), np.empty(slots, dtype=np.int32), np.zeros(2, dtype=np.int64), empty_rows(1, rows),
    )  # fmt: skip


@dataclass
class Tally:
    """What a cache did since it was made."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    bytes: int = 0


@dataclass
class AnnotationCache:
    """At most about `size` bytes of rows. Threads may share it: they hold its lock while rows are copied, not while they are computed."""

    size: int
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._young, self._old = _generation(self.size // 2), _generation(0)
        self._weigh()

    def rows(
        self,
        key: str,
        ids: npt.NDArray[np.uint64],
        spellings: npt.NDArray[np.uint32],
        compute: Callable[[npt.NDArray[np.int64]], Rows],
    ) -> Rows:
        """Rows of n alleles under a key, those that are not held from `compute`, which is given their numbers (ascending)."""
        n = len(ids)
        where, first, count = np.empty(n, dtype=np.uint8), np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
        with self._lock:
            number = np.uint32(self._numbers.setdefault(key, len(self._numbers)))
            young, old = self._young, self._old
            # generations are only added to, so what is found in one stays there for as long as it is referred to
            _look_up(young, old, ids, spellings, number, where, first, count)
        missing = np.flatnonzero(where == _FREE)
        fresh = compute(missing) if len(missing) else empty_rows(0, 0)
        offsets = np.zeros(n + 1, dtype=np.int32)
        count[missing] = np.diff(fresh.offsets)
        np.cumsum(count, out=offsets[1:])
        found = empty_rows(n, int(offsets[-1]))
        found.offsets[:] = offsets
        _assemble(young.rows, old.rows, fresh, where, first, found)
        with self._lock:
            self.tally.hits += n - len(missing)
            self.tally.misses += len(missing)
            self._keep(ids, spellings, number, where, found)
        return found

    def taken(self) -> Tally:
        """What was done since the last call; `bytes` as it is now."""
        with self._lock:
            now, self.tally = self.tally, Tally(bytes=self.tally.bytes)
            return now

    def _keep(self, ids: Any, spellings: Any, number: np.uint32, where: Any, found: Rows) -> None:
        at = 0
        while at < len(ids):
            before = at
            at = int(_insert(self._young, ids, spellings, number, where, found, at))
            if at < len(ids):
                if at == before and self._young.used[0] == 0:
                    at += 1  # one allele with more rows than a generation holds
                    continue
                self.tally.evictions += int(self._old.used[0])
                self._young, self._old = _generation(self.size // 2), self._young
                self._weigh()

    def _weigh(self) -> None:
        self.tally.bytes = sum(array.nbytes for part in (self._young, self._old) for array in (*part[:-1], *part.rows))


@njit(cache=True, nogil=True)
def _slot(ids, spellings, keys, first, allele, spelling, key):  # type: ignore[no-untyped-def]
    """Slot of an allele, or the free one where it would go."""
    mask = np.uint64(ids.shape[0] - 1)
    mixed = allele ^ (np.uint64(spelling) << np.uint64(32)) ^ (np.uint64(key) * np.uint64(0x9E3779B97F4A7C15))
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(29)
    slot = mixed & mask
    while first[slot] >= 0 and (ids[slot] != allele or spellings[slot] != spelling or keys[slot] != key):
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _look_up(young, old, ids, spellings, key, where, first, count):  # type: ignore[no-untyped-def]
    for i in range(ids.shape[0]):
        where[i] = _FREE
        slot = _slot(young.ids, young.spellings, young.keys, young.first, ids[i], spellings[i], key)
        if young.first[slot] >= 0:
            where[i], first[i], count[i] = _YOUNG, young.first[slot], young.counts[slot]
            continue
        slot = _slot(old.ids, old.spellings, old.keys, old.first, ids[i], spellings[i], key)
        if old.first[slot] >= 0:
            where[i], first[i], count[i] = _OLD, old.first[slot], old.counts[slot]


@njit(cache=True, nogil=True)
def _copy(source, i, target, j):  # type: ignore[no-untyped-def]
    target.transcript[j] = source.transcript[i]
    target.terms[j] = source.terms[i]
    target.exon[j] = source.exon[i]
    target.intron[j] = source.intron[i]
    target.distance[j] = source.distance[i]
    target.position[j] = source.position[i]
    target.offset[j] = source.offset[i]
    target.residue[j] = source.residue[i]
    target.ref_aa[j] = source.ref_aa[i]
    target.alt_aa[j] = source.alt_aa[i]
    target.effect[j] = source.effect[i]
    target.lost[j] = source.lost[i]


@njit(cache=True, nogil=True)
def _assemble(young, old, fresh, where, first, found):  # type: ignore[no-untyped-def]
    computed = 0
    for i in range(where.shape[0]):
        low, high = found.offsets[i], found.offsets[i + 1]
        if where[i] == _YOUNG:
            for j in range(high - low):
                _copy(young, first[i] + j, found, low + j)
        elif where[i] == _OLD:
            for j in range(high - low):
                _copy(old, first[i] + j, found, low + j)
        else:
            for j in range(high - low):
                _copy(fresh, fresh.offsets[computed] + j, found, low + j)
            computed += 1


@njit(cache=True, nogil=True)
def _insert(young, ids, spellings, key, where, found, begin):  # type: ignore[no-untyped-def]
    """Keep the alleles from `begin` on that are not in the young generation; the first for which it has no room."""
    slots, room = young.ids.shape[0], young.rows.transcript.shape[0]
    for i in range(begin, ids.shape[0]):
        if where[i] == _YOUNG:
            continue
        slot = _slot(young.ids, young.spellings, young.keys, young.first, ids[i], spellings[i], key)
        if young.first[slot] >= 0:
            continue
        low, high = found.offsets[i], found.offsets[i + 1]
        if young.used[1] + (high - low) > room or 3 * (young.used[0] + 1) > 2 * slots:
            return i
        young.ids[slot], young.spellings[slot], young.keys[slot] = ids[i], spellings[i], key
        young.first[slot], young.counts[slot] = young.used[1], high - low
        for j in range(high - low):
            _copy(found, low + j, young.rows, young.used[1] + j)
        young.used[0] += 1
        young.used[1] += high - low
    return ids.shape[0]
