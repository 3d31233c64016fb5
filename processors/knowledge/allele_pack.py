"""The one allele-keyed pack: every source that says something of alleles is a parser that gives rows, and this.

Reading is `open_allele_pack(pack)`, an AlleleSource of `knowledge.source`; writing is `write_allele_pack` for rows that come in one
stream, `parallel.build_from_sites` for a VCF that is read in several processes. The first column of interest, `main`, is what lands in
tables and chunks; `details` gives all. An allele that the pack does not hold is answered `default`, ABSENT inside covered regions where the
source has no floor; a record that failed its source's own filter is UNKNOWN: *an absent source is not an absent allele*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.knowledge.allele_columns import MISSING, Column, ColumnReader
from processors.knowledge.allele_parts import Recipe, Rows, write_allele_pack
from processors.knowledge.lookup import AlleleIndex, Spelled
from processors.knowledge.pack import Pack, PackError
from processors.knowledge.source import Looked
from schemas.chunks import NONE, Answer

__all__ = ["AllelePack", "Column", "Recipe", "Rows", "open_allele_pack", "write_allele_pack"]


@dataclass(frozen=True)
class AllelePack:
    """A loaded pack; its arrays are mapped when first asked for."""

    pack: Pack

    @cached_property
    def index(self) -> AlleleIndex:
        return AlleleIndex(self.pack)

    @property
    def default(self) -> Answer:
        """ABSENT or UNKNOWN, see `source.AlleleSource`."""
        return Answer(self.pack.extra["default"])

    @property
    def main(self) -> str:
        """Name of the column that `query` gives; empty where none is a number of interest (NaN is given then)."""
        return str(self.pack.extra["main"])

    @property
    def floor(self) -> float:
        """Value below which the source lists no allele; 0: it lists all."""
        return float(self.pack.extra["floor"])

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, as `details` gives them."""
        return tuple(self._readers)

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column's stored array (numbers, flags, codes), one value a row, see `allele_columns`."""
        return self._readers[name].values

    def texts(self, name: str, rows: npt.NDArray[Any]) -> pa.Array[Any]:
        """A column's values at some rows as strings, null where missing."""
        return self._readers[name].texts(rows)

    def query(self, ids: npt.NDArray[np.uint64], spelled: Spelled) -> Looked:
        """Answers of n alleles, in any order; fast where the ids ascend."""
        found = self.index.find(ids, spelled)
        answer = np.full(len(ids), self.default, dtype=np.uint8)
        value = np.full(len(ids), np.nan, dtype=np.float32)
        hit = np.flatnonzero(found >= 0)
        rows = found[hit]
        answer[hit] = Answer.FOUND
        if self._failed is not None:
            failed = self._failed[rows] != 0
            answer[hit[failed]] = Answer.UNKNOWN
            hit, rows = hit[~failed], rows[~failed]
        if self.main:
            stored = self.column(self.main)[rows]
            missing = np.isnan(stored) if stored.dtype.kind == "f" else stored == MISSING[self._readers[self.main].column.dtype]
            value[hit] = np.where(missing, np.float32(np.nan), stored)
            answer[hit[missing]] = Answer.UNKNOWN  # a row whose main value is missing says nothing
        if self._covered is not None and self.floor == 0:
            starts, ends = self._covered
            place = (ids >> np.uint64(32)).astype(np.int64)
            region = np.searchsorted(starts, place, side="right") - 1
            inside = (region >= 0) & (place < ends[np.maximum(region, 0)])
            answer[(found < 0) & inside] = Answer.ABSENT
        return Looked(answer, value, np.where(found >= 0, found, NONE).astype(np.uint32))

    def details(self, row: int) -> dict[str, Any]:
        """Column → value of a row, JSON; `filtered`: true where the record failed the source's filter."""
        if not 0 <= row < self.pack.rows:
            raise PackError(f"{self.pack.path}: has no row {row}")
        said = {name: reader[row] for name, reader in self._readers.items()}
        if self._failed is not None:
            said["filtered"] = bool(self._failed[row])
        return said

    def meta(self) -> dict[str, Any]:
        """What stands beside a value as its provenance."""
        pack = self.pack
        same = {
            "kind": pack.kind,
            "source": pack.name,
            "version": pack.version,
            "build": pack.build,
            "digest": pack.digest,
            "rows": pack.rows,
        }
        return {
            **same,
            **{key: value for key, value in pack.extra.items() if key not in ("columns", "source")},
            "file": pack.extra["source"],
        }

    @cached_property
    def _readers(self) -> dict[str, ColumnReader]:
        return {name: ColumnReader(self.pack, name) for name in self.pack.extra["order"]}

    @cached_property
    def _failed(self) -> npt.NDArray[np.uint8] | None:
        return np.asarray(self.pack.array("failed")) if self.pack.extra["filtered"] else None

    @cached_property
    def _covered(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
        if not self.pack.extra["covered_regions"]:
            return None
        return np.asarray(self.pack.array("covered_starts")), np.asarray(self.pack.array("covered_ends"))


def open_allele_pack(pack: Pack) -> AllelePack:
    """The pack as an AlleleSource. Raises PackError for one that is not keyed by allele."""
    if pack.extra.get("keyed") != "allele" or "order" not in pack.extra:
        raise PackError(f"{pack.path}: is not keyed by allele; build it again with this version")
    return AllelePack(pack)
