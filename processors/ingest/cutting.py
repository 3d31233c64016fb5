"""Where a chunk ends: by the plan's rule, moved to where no coding transcript spans the cut when such a place is near.

The cut depends on the rows from the chunk's first to the first one that breaks the rule, and on nothing else: not on how the source was
read, nor on what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from processors.ingest.rows import Alleles, Faults
from schemas.plan import CuttingRule

NEAR = 4
"""A cut moves back by at most a 1/NEAR of its chunk's rows; where a coding span is longer, the cut stays inside it."""
FAULT_ROWS = 8_192
FAULT_SIZE = 2 * 1024 * 1024
"""Bounds of a fault chunk, in rows and in bytes of site texts and sample lists: half of a 4 MiB message before compression."""

Spans = npt.NDArray[np.int64]
"""int64[m, 2]: merged, sorted, 0-based half-open coding spans of a contig."""

R = TypeVar("R", Alleles, Faults)


@dataclass(frozen=True)
class Cut(Generic[R]):
    """A finished chunk's rows. `trigger` is the record that ended it: chunks of both kinds are numbered in that order."""

    trigger: int
    rows: R


class Rule(Protocol[R]):
    """How many rows a chunk may take, and where its cut goes."""

    def limit(self, rows: R) -> int:
        """How many of `rows`, from the first, fit one chunk (at least one)."""
        ...

    def place(self, rows: R, limit: int) -> int:
        """Where to cut rows of which `limit` fit, and more exist."""
        ...

    def concat(self, parts: Sequence[R]) -> R: ...


@dataclass(frozen=True)
class AlleleRule:
    """The plan's cutting rule on one contig, with the contig's coding spans (None: the cut is not moved)."""

    rule: CuttingRule
    spans: Spans | None = None

    def limit(self, rows: Alleles) -> int:
        fits = min(
            self.rule.alleles,
            int(np.searchsorted(rows.calls.offsets[1:], self.rule.cells, side="right")),
            int(np.searchsorted(rows.sizes(), self.rule.size, side="right")),
        )
        return max(1, fits)

    def place(self, rows: Alleles, limit: int) -> int:
        if self.spans is None or len(self.spans) == 0:
            return limit
        low = max(1, limit - limit // NEAR)
        starts = rows.start[low - 1 : limit + 1]
        span = np.searchsorted(self.spans[:, 0], starts, side="right") - 1
        inside = (span >= 0) & (starts < self.spans[span, 1])
        free = ~inside[1:] | ~inside[:-1] | (span[1:] != span[:-1])
        places = np.flatnonzero(free)
        return low + int(places[-1]) if len(places) else limit

    def concat(self, parts: Sequence[Alleles]) -> Alleles:
        return Alleles.concat(parts)


@dataclass(frozen=True)
class FaultRule:
    """Fault chunks end by rows and bytes alone."""

    def limit(self, rows: Faults) -> int:
        return max(1, min(FAULT_ROWS, int(np.searchsorted(rows.sizes(), FAULT_SIZE, side="right"))))

    def place(self, rows: Faults, limit: int) -> int:
        return limit

    def concat(self, parts: Sequence[Faults]) -> Faults:
        return Faults.concat(parts)


class Cutter(Generic[R]):
    """Gathers rows and gives them back as chunks."""

    def __init__(self, rule: Rule[R]) -> None:
        self._rule: Rule[R] = rule
        self._parts: list[R] = []

    def add(self, rows: R) -> list[Cut[R]]:
        """Take rows; the chunks that they complete."""
        if len(rows) == 0:
            return []
        self._parts.append(rows)
        held = self._rule.concat(self._parts)
        cuts: list[Cut[R]] = []
        while True:
            limit = self._rule.limit(held)
            if limit >= len(held):
                break
            place = self._rule.place(held, limit)
            cuts.append(Cut(int(held.record[limit]), held.slice(0, place)))
            held = held.slice(place, len(held))
        self._parts = [held]
        return cuts

    def flush(self, trigger: int) -> list[Cut[R]]:
        """What is left, as a last chunk."""
        parts, self._parts = self._parts, []
        return [Cut(trigger, parts[0])] if parts and len(parts[0]) else []
