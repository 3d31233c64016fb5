"""Rows of alleles × transcripts as arrays, as kernels fill them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.chunks import TRANSCRIPT


class Rows(NamedTuple):
    """Rows of n alleles × transcripts: `offsets` (n + 1) into the rest, the fields of `schemas.chunks.TRANSCRIPT`."""

    offsets: npt.NDArray[np.int32]
    transcript: npt.NDArray[np.uint32]
    terms: npt.NDArray[np.uint64]
    exon: npt.NDArray[np.uint16]
    intron: npt.NDArray[np.uint16]
    distance: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int32]
    residue: npt.NDArray[np.int32]
    ref_aa: npt.NDArray[np.uint8]
    alt_aa: npt.NDArray[np.uint8]
    effect: npt.NDArray[np.uint32]
    lost: npt.NDArray[np.uint16]


def empty_rows(alleles: int, rows: int) -> Rows:
    """Room for some rows of some alleles; `offsets` are 0."""
    fields: list[Any] = [np.empty(rows, dtype=field.type.to_pandas_dtype()) for field in TRANSCRIPT]
    return Rows(np.zeros(alleles + 1, dtype=np.int32), *fields)
