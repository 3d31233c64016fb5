"""Collecting the alleles of a source, block by block, until they are sorted into a pack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from processors.ingest.normalise import Normalised
from processors.knowledge.lookup import Spelling
from processors.knowledge.sources.sites import Sites, select_alleles


class Collector:
    """Ids and spellings of the alleles that a source keeps."""

    def __init__(self) -> None:
        self._ids: list[npt.NDArray[np.uint64]] = []
        self._parts: list[Normalised] = []

    def __len__(self) -> int:
        return sum(len(ids) for ids in self._ids)

    def add(self, block: Sites, rows: npt.NDArray[np.int64]) -> None:
        """Keep some rows of a block."""
        self._ids.append(block.ids[rows])
        self._parts.append(select_alleles(block.alleles, rows))

    def joined(self) -> tuple[npt.NDArray[np.uint64], Spelling]:
        parts = self._parts
        return np.concatenate(self._ids), Spelling(
            _offsets([part.ref_offsets for part in parts]),
            np.concatenate([part.ref_bytes for part in parts]),
            _offsets([part.alt_offsets for part in parts]),
            np.concatenate([part.alt_bytes for part in parts]),
        )


def _offsets(parts: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    lengths = np.concatenate([np.diff(part) for part in parts])
    out = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=out[1:])
    return out
