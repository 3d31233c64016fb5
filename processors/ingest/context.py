"""Rows that travel with a later chunk: what a chunk must know of its predecessors, so that compounds never depend on where it was cut.

A coding span is called with the first chunk behind whose rows it ends, `SLACK` bases behind: left-alignment may move a row back across
records that came before it. Rows of earlier chunks in the coding exons of spans that are not called yet are kept, and go along.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.ingest.rows import Alleles
from schemas.chunks import END_OF_CONTIG

SLACK = 1_000
"""Bases by which a later row may lie before one that came earlier. Left-alignment goes as far as a repeat; more is `late`."""
CONTEXT_ROWS = 16_384
CONTEXT_SIZE = 1024 * 1024
"""Bounds of the context of a chunk in rows, and in bytes as the cutting rule counts them; beyond, the oldest rows are left out, and the
chunk says from where on its context is complete. A genome's needs some hundred rows; a wide cohort may meet the second."""

Spans = npt.NDArray[np.int64]
_NOTHING: Spans = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class Window:
    """What a chunk's header says (`schemas.chunks.ChunkHeader`), and its context rows."""

    window: tuple[int, int]
    complete_from: int
    late: int
    context: Alleles | None


class ContextKeeper:
    """The rows of one contig that later chunks need. `spans`: its coding spans; `exons`: its coding bases, both merged and sorted.

    Without them nothing is kept, and every chunk says that it does not know what came before.
    """

    def __init__(self, spans: Spans | None, exons: Spans | None) -> None:
        self._blind = spans is None or exons is None
        self._spans = _NOTHING if spans is None else spans
        self._exons = _NOTHING if exons is None else exons
        self._kept: Alleles | None = None
        self._reach = -1
        self._above = -1
        self._complete_from = 0

    def next(self, rows: Alleles, *, last: bool) -> Window:
        """Window and context of the next chunk, whose own rows these are; `last`: the contig ends with it."""
        above, context = self._above, self._kept
        coding = self._coding(rows)
        late = int(np.count_nonzero(coding & (self._span_ends(rows) <= above)))
        self._reach = max(self._reach, int(rows.start.max()))
        upto = END_OF_CONTIG if last else max(above, self._reach - SLACK)
        window = Window((above, upto), self._complete_from, late, context)
        self._above = upto
        self._keep(rows, coding)
        if self._blind:
            self._complete_from = self._reach + 1
        return window

    def _keep(self, rows: Alleles, coding: npt.NDArray[np.bool_]) -> None:
        parts = [rows.take(np.flatnonzero(coding & (self._span_ends(rows) > self._above)))]
        if self._kept is not None:
            parts.insert(0, self._kept.take(np.flatnonzero(self._span_ends(self._kept) > self._above)))
        held = Alleles.concat(parts)
        sizes = held.sizes()
        total = int(sizes[-1]) if len(held) else 0
        first = max(0, len(held) - CONTEXT_ROWS, int(np.searchsorted(sizes, total - CONTEXT_SIZE)) + 1 if total > CONTEXT_SIZE else 0)
        if first:
            self._complete_from = max(self._complete_from, int(held.start[:first].max()) + 1)
            held = held.slice(first, len(held))
        self._kept = held if len(held) else None

    def _coding(self, rows: Alleles) -> npt.NDArray[np.bool_]:
        """Rows that touch a coding base, or stand beside one."""
        if len(self._exons) == 0:
            return np.zeros(len(rows), dtype=np.bool_)
        low = rows.start.astype(np.int64)
        high = low + np.diff(rows.ref.offsets)
        at = np.searchsorted(self._exons[:, 1], low, side="left")  # the first exon that ends at or behind the row's start
        found = np.minimum(at, len(self._exons) - 1)
        return np.asarray((at < len(self._exons)) & (self._exons[found, 0] <= high), dtype=np.bool_)

    def _span_ends(self, rows: Alleles) -> npt.NDArray[np.int64]:
        """End of the last coding span that begins at or before the end of each row; -1 for none."""
        if len(self._spans) == 0:
            return np.full(len(rows), -1, dtype=np.int64)
        high = rows.start.astype(np.int64) + np.diff(rows.ref.offsets)
        at = np.searchsorted(self._spans[:, 0], high, side="right") - 1
        return np.where(at >= 0, self._spans[np.maximum(at, 0), 1], -1)
