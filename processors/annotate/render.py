"""From codes to names: the one place where consequence terms, transcripts and genes become text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from processors.annotate import terms
from processors.knowledge.transcripts import Transcripts
from schemas.chunks import NONE


def render_terms(bits: npt.NDArray[np.uint64]) -> pa.Array[Any]:
    """Comma-separated Sequence Ontology terms of each bit set, most severe first, as a string column."""
    distinct, inverse = np.unique(bits, return_inverse=True)
    texts = pa.array([",".join(terms.names_of(int(value))) for value in distinct], type=pa.string())
    return texts.take(pa.array(inverse.reshape(-1)))


def render_impacts(bits: npt.NDArray[np.uint64]) -> pa.Array[Any]:
    """VEP's impact of each bit set, as a string column."""
    names = pa.array([impact.name for impact in terms.Impact], type=pa.string())
    return names.take(pa.array(terms.impacts(bits).astype(np.int64) - 1))


@dataclass(frozen=True)
class Names:
    """Names of one transcript pack. A row number NONE gives `missing`."""

    transcripts: Transcripts
    missing: str = ""

    def transcript(self, rows: npt.NDArray[np.uint32]) -> pa.Array[Any]:
        return self.transcripts.name.take(rows, self.missing)

    def gene_id(self, genes: npt.NDArray[np.uint32]) -> pa.Array[Any]:
        return self.transcripts.gene_id.take(genes, self.missing)

    def gene_symbol(self, genes: npt.NDArray[np.uint32]) -> pa.Array[Any]:
        """Symbol; `missing` also where the file gives none."""
        symbols = self.transcripts.gene_symbol.take(genes, self.missing)
        return pa.compute.if_else(pa.compute.equal(symbols, ""), self.missing, symbols) if self.missing else symbols

    @cached_property
    def _biotypes(self) -> pa.Array[Any]:
        return pa.array(self.transcripts.biotypes, type=pa.string())

    def biotype(self, rows: npt.NDArray[np.uint32]) -> pa.Array[Any]:
        if len(self.transcripts) == 0:
            return pa.array([self.missing] * len(rows), type=pa.string())
        outside = rows == NONE
        codes = self.transcripts.biotype[np.where(outside, 0, rows)]
        return pa.compute.if_else(pa.array(outside), self.missing, self._biotypes.take(pa.array(codes)))

    def number(self, rows: npt.NDArray[np.uint32], numbers: npt.NDArray[np.uint16], introns: bool = False) -> pa.Array[Any]:
        """`3/10`: exon (or intron) number and count; `missing` where there is none."""
        counts = self.transcripts.exon_count[rows] - (1 if introns else 0)
        text = pa.compute.binary_join_element_wise(
            pa.array(numbers).cast(pa.string()), pa.array(counts).cast(pa.string()), pa.scalar("/", pa.string())
        )
        return pa.compute.if_else(pa.array(numbers == 0), self.missing, text)
