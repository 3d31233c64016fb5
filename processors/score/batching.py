"""The micro-batcher: rows of several chunks, run together in a few fixed shapes.

A device compiles and allocates for each new shape; so a batch is padded to one of the buckets, and every bucket is run once at the start.
Padding never changes a row's score: the model treats rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.score.session import Session

BUCKETS = (64, 256, 1024, 4096, 16_384)
"""Rows of a batch; the last is the largest batch."""


@dataclass(frozen=True)
class Batcher:
    """`session` over `features` columns, in `buckets` of ascending size."""

    session: Session
    features: int
    buckets: tuple[int, ...] = BUCKETS

    def warm_up(self) -> None:
        """Run every bucket once."""
        for rows in self.buckets:
            self.session.run(np.zeros((rows, self.features), dtype=np.float32))

    def run(self, parts: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        """Scores of the rows of each part, in its order. Parts are float32[n, features]; they share batches."""
        total = sum(len(part) for part in parts)
        scores = np.empty(total, dtype=np.float32)
        if total:
            matrix = parts[0] if len(parts) == 1 else np.concatenate(parts)
            for at in range(0, total, self.buckets[-1]):
                piece = matrix[at : at + self.buckets[-1]]
                scores[at : at + len(piece)] = self._padded(piece)
        ends = np.cumsum([len(part) for part in parts])
        return [scores[end - len(part) : end] for part, end in zip(parts, ends, strict=True)]

    def _padded(self, piece: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        rows = next(bucket for bucket in self.buckets if bucket >= len(piece))
        if rows == len(piece):
            return self.session.run(np.ascontiguousarray(piece))
        padded = np.zeros((rows, self.features), dtype=np.float32)
        padded[: len(piece)] = piece
        return self.session.run(padded)[: len(piece)]
