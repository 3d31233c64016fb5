"""Columns of a plan's sources, one a kind: what each has of an allele, as text; null where it has nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.knowledge.allele_pack import AllelePack
from processors.knowledge.sources.clinvar_terms import STARS_UNKNOWN
from processors.resources import Resources
from schemas.chunks import NONE, Answer

STARS = "clinvar_stars"
_TAKEN = frozenset({"clinvar", "frequency"})
"""Kinds that have a column of their own: `frequency` is the greatest that any source has."""


@dataclass(frozen=True)
class SourceColumns:
    """What the sources of a plan have of a chunk's alleles."""

    resources: Resources

    @property
    def names(self) -> tuple[str, ...]:
        """`clinvar_stars` where ClinVar is loaded, and the kind of every other source keyed by allele: `gnomad_exomes`, `user.NAME`."""
        stars = (STARS,) if self.resources.clinvar is not None else ()
        return (*stars, *(kind for kind in self._places if kind not in _TAKEN))

    def texts(self, name: str, batch: pa.RecordBatch) -> pa.Array[Any]:
        """One string an allele of a chunk with LOOKUP_FIELDS: the source's main value; of one without, its first column (dbSNP: rs)."""
        if name == STARS:
            return self._stars(batch)
        place = self._places[name]
        looked = batch.column("looked_up")
        inner = looked.flatten()
        mine = np.flatnonzero((inner.field("source").to_numpy() == place) & (inner.field("answer").to_numpy() == Answer.FOUND))
        allele = np.repeat(np.arange(len(looked)), looked.value_lengths().to_numpy())[mine]
        values, rows = (inner.field(field).to_numpy()[mine] for field in ("value", "row"))
        source = self.resources.allele_sources[place]
        if isinstance(source, AllelePack) and not source.main:
            found = source.texts(source.columns[0], rows) if source.columns else pa.array(["1"] * len(rows), pa.string())
        else:
            found = pa.array(values, mask=np.isnan(values)).cast(pa.string())
        at = np.full(len(looked), len(found), dtype=np.int64)
        at[allele] = np.arange(len(allele))
        return pa.concat_arrays([found, pa.nulls(1, pa.string())]).take(pa.array(at))

    @property
    def _places(self) -> Mapping[str, int]:
        return {source.pack.kind: place for place, source in enumerate(self.resources.allele_sources)}

    def _stars(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """Null where ClinVar does not hold the allele or the file gives no review status."""
        rows = batch.column("clinvar_id").to_numpy()
        stars: npt.NDArray[np.uint8] = np.full(len(rows), STARS_UNKNOWN, dtype=np.uint8)
        held = np.flatnonzero(rows != NONE)
        if self.resources.clinvar is not None:
            stars[held] = self.resources.clinvar.stars[rows[held]]
        return pa.array(stars, mask=stars == STARS_UNKNOWN).cast(pa.string())
