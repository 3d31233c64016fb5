"""The arrays of a transcript pack as one value that kernels take.

For Python it is an object with an array a field; for kernels a pointer to a structure of them. A named tuple of thirty arrays would be
handed over field by field at every call of a kernel: slower to run, and ten times slower to compile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.experimental import structref


@structref.register
class LayoutType(types.StructRef):  # type: ignore[misc]
    """What kernels see of a Layout."""

    @property
    def mangling_args(self) -> tuple[str, tuple[Any, ...]]:
        """A short name in symbols instead of all fields, which every kernel's symbol would repeat."""
        return f"Layout{hashlib.blake2b(self.name.encode(), digest_size=8).hexdigest()}", ()


class Layout(structref.StructRefProxy):  # type: ignore[misc]
    """The arrays that kernels read; all of them are plain, contiguous and read-only.

    *cDNA* positions count the bases of the spliced transcript from its 5' end, 0-based. The *coding region* is [coding_start,
    coding_end) in cDNA; a CDS that begins inside a codon is read as if `pad` unknown bases came before it.
    """

    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    strand: npt.NDArray[np.int8]
    gene: npt.NDArray[np.uint32]
    cds_start: npt.NDArray[np.int32]  # -1: no CDS
    cds_end: npt.NDArray[np.int32]
    phase: npt.NDArray[np.uint8]
    decay: npt.NDArray[np.uint8]  # 1: nonsense_mediated_decay
    exon_offsets: npt.NDArray[np.int64]  # n + 1, into the two below
    exon_starts: npt.NDArray[np.int32]  # ascending within a transcript
    exon_ends: npt.NDArray[np.int32]
    exon_cdna: npt.NDArray[np.int32]  # cDNA position of the 5'-most base of each exon
    length: npt.NDArray[np.int32]  # bases of the spliced transcript
    coding_start: npt.NDArray[np.int32]  # cDNA; -1: no CDS
    coding_end: npt.NDArray[np.int32]  # cDNA, behind the last coding base (a stop codon is part of the coding region)
    pad: npt.NDArray[np.uint8]  # 0 to 2 unknown bases before the coding region: (3 - phase) % 3
    code: npt.NDArray[np.uint8]  # genetic code: row of `annotate.codons.CODES`
    status: npt.NDArray[np.uint16]  # Status bits
    tags: npt.NDArray[np.uint16]  # Tag bits
    base_offsets: npt.NDArray[np.int64]  # n + 1, into `bases`; no bases are kept of a transcript without CDS
    bases: npt.NDArray[np.uint8]  # spliced sequence on the transcript's strand, ASCII, N unknown
    sec_offsets: npt.NDArray[np.int64]  # n + 1, into `sec`
    sec: npt.NDArray[np.int32]  # 0-based residue numbers (pad counted) that are read as selenocysteine
    mature_offsets: npt.NDArray[np.int64]  # n + 1, into the two below
    mature_starts: npt.NDArray[np.int32]  # mature miRNA on the contig, 0-based half-open
    mature_ends: npt.NDArray[np.int32]
    bin_base: npt.NDArray[np.int64]  # of each contig, into bin_offsets; n_contigs + 1
    bin_offsets: npt.NDArray[np.int64]
    bin_rows: npt.NDArray[np.uint32]  # transcript rows, ascending within a bin

    def __new__(cls, *arrays: npt.NDArray[Any]) -> Layout:
        self = _handle(arrays)
        for name, array in zip(FIELDS, arrays, strict=True):
            setattr(self, name, array)
        return cast(Layout, self)

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Layout:
        """Layout of arrays by name; all of FIELDS, others are left aside."""
        return cls(*(arrays[name] for name in FIELDS))


FIELDS: tuple[str, ...] = tuple(Layout.__annotations__)

structref.define_proxy(Layout, LayoutType, list(FIELDS))


@njit(cache=True)
def _handle(arrays):  # type: ignore[no-untyped-def]
    return Layout(*arrays)
