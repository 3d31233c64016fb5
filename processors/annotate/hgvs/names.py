"""The names of whole columns of alleles."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate.hgvs.style import Style
from processors.knowledge.genome import Genome
from processors.knowledge.strings import string_buffers
from processors.knowledge.transcripts import Transcripts


class Kind(enum.StrEnum):
    """What a name is written on."""

    GENOMIC = "g"  # m. on the mitochondrion
    TRANSCRIPT = "c"  # n. on a transcript without coding sequence
    PROTEIN = "p"


class Alleles(NamedTuple):
    """n alleles of one contig, as a chunk holds them."""

    contig: int  # index in the contig table
    start: npt.NDArray[np.int32]  # of REF, 0-based
    ref_offsets: npt.NDArray[np.int32]  # n + 1, into the bytes
    ref_bytes: npt.NDArray[np.uint8]
    alt_offsets: npt.NDArray[np.int32]
    alt_bytes: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, contig: int, start: pa.Array[Any], ref: pa.Array[Any], alt: pa.Array[Any]) -> Alleles:
        """Of a chunk's columns, sharing their memory."""
        return cls(contig, np.asarray(start, dtype=np.int32), *string_buffers(ref), *string_buffers(alt))


def names(
    kind: Kind,
    alleles: Alleles,
    genome: Genome,
    transcripts: Transcripts,
    index: npt.NDArray[np.int64],
    rows: npt.NDArray[np.uint32],
    terms: npt.NDArray[np.uint64],
    style: Style = Style(),  # noqa: B008
) -> pa.Array[Any]:
    """Large-string column of m names with their accession; null where an allele has none.

    Row j speaks of allele `index[j]` on transcript `rows[j]` (row of the pack; `schemas.chunks.NONE`: no name). `terms[j]` are the terms of
    the row, which the names of proteins depend on (lost and retained starts and stops). For `Kind.GENOMIC` there is one name an allele, and
    the last three arrays are not looked at.
    """
    raise NotImplementedError
