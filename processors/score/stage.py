"""The score stage: rows of several chunks through one model, in shared batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.score.features import features_of
from schemas.chunks import SCORE_FIELDS, Chunk, Scored

if TYPE_CHECKING:
    from processors.resources import Resources


def score(chunks: Sequence[Chunk], resources: Resources) -> list[Chunk]:
    """The chunks, in their order, with SCORE_FIELDS appended. A row's score does not depend on which chunks share its batch."""
    if resources.model is None:
        return [_append(chunk, np.full(chunk.rows.num_rows, Scored.NO_MODEL, dtype=np.uint8), _nothing(chunk)) for chunk in chunks]
    found = [features_of(chunk.rows, resources.transcripts.layout, _bases(chunk, resources)) for chunk in chunks]
    results = resources.model.batcher.run([part.matrix for part in found])
    scored: list[Chunk] = []
    for chunk, part, values in zip(chunks, found, results, strict=True):
        state = np.full(chunk.rows.num_rows, Scored.NOT_APPLICABLE, dtype=np.uint8)
        column = _nothing(chunk)
        finite = np.isfinite(values)
        state[part.rows] = np.where(finite, Scored.SCORED, Scored.FAILED)
        column[part.rows] = np.where(finite, values, np.nan)
        scored.append(_append(chunk, state, column))
    return scored


def _bases(chunk: Chunk, resources: Resources) -> npt.NDArray[np.uint8] | None:
    """The contig's bases; none for the mitochondrion, whose genetic code is another than the features'."""
    return None if chunk.header.contig == "MT" else resources.bases(chunk.header.contig)


def _nothing(chunk: Chunk) -> npt.NDArray[np.float32]:
    return np.full(chunk.rows.num_rows, np.nan, dtype=np.float32)


def _append(chunk: Chunk, state: npt.NDArray[np.uint8], column: npt.NDArray[np.float32]) -> Chunk:
    return chunk.append(SCORE_FIELDS, [pa.array(state), pa.array(column, from_pandas=False)])
