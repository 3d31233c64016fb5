"""Structural alleles of a file as rows of a table: one an allele and transcript, with region terms, never with a change of bases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.annotate.columns import Column, Table
from processors.annotate.hgvs.names import Alleles
from processors.annotate.hgvs.style import Style
from processors.annotate.render import Renderer, TranscriptRows
from processors.annotate.structural.kinds import Problem
from processors.annotate.structural.names import genomic_names, ranges
from processors.annotate.structural.sites import sites_of_records
from processors.annotate.structural.stage import BATCH_ROWS, Called, Structural
from processors.annotate.terms import INTERGENIC
from processors.ingest.faults import Fault
from processors.knowledge.sources.sites import Written
from processors.resources import Resources
from schemas.chunks import NONE

RENDERED = ("gene", "symbol", "transcript", "biotype", "consequence", "impact", "distance", "mane")
"""Columns that are rendered as those of any other row."""


@dataclass(frozen=True)
class StructuralRows:
    """The structural alleles of a block. `site` says which rows of the block they are, ascending."""

    found: Structural
    site: npt.NDArray[np.int64]

    @classmethod
    def of(cls, written: Written, resources: Resources) -> StructuralRows:
        found = Structural.of(sites_of_records(written), resources)
        return cls(found, found.sites.row)

    def pieces(self, record: npt.NDArray[np.int64], first: int, behind: int) -> Iterator[tuple[int, int]]:
        """The rows [first, behind) of the block in pieces of whole records that hold BATCH_ROWS structural rows, or one record."""
        a, b = (int(place) for place in np.searchsorted(self.site, (first, behind)))
        begins = np.append(np.searchsorted(record, record[self.site[a:b]], side="left"), behind)
        total = np.concatenate([[0], np.cumsum(self.found.slice(a, b).row_counts())])
        low, k = first, 0
        while total[-1] - total[k] > BATCH_ROWS:
            j = max(int(np.searchsorted(total, total[k] + BATCH_ROWS, side="right")) - 1, k + 1)
            if begins[j] == begins[k]:
                j = int(np.searchsorted(begins, begins[k], side="right"))
            border = int(begins[j])
            if border >= behind:
                break
            yield low, border
            low, k = border, int(np.searchsorted(begins, border, side="left"))
        yield low, behind

    def within(self, first: int, behind: int) -> StructuralRows:
        a, b = (int(place) for place in np.searchsorted(self.site, (first, behind)))
        return StructuralRows(self.found.slice(a, b), self.site[a:b])


class StructuralTabler:
    """Makes the columns of structural alleles. `missing` is written where there is nothing to say."""

    def __init__(self, resources: Resources, renderer: Renderer, columns: tuple[str, ...], style: Style, missing: str) -> None:
        self._resources = resources
        self._renderer = renderer
        self._columns = columns
        self._style = style
        self._missing = missing
        self._blank = Table.of([missing], lasting=True)
        exons = np.asarray(resources.transcripts.exon_count)
        self._counts = {"exon": np.append(exons, 0), "intron": np.append(exons - 1, 0)}

    def tables(self, written: Written, here: StructuralRows) -> Iterator[tuple[npt.NDArray[np.int64], TranscriptRows, dict[str, Column]]]:
        """(row of the block, codes, columns) of every placed allele; the columns but those of the file itself and the pick. Codes count the
        alleles of `here`.

        An allele without a place has no row here: its reason is told by `problems`.
        """
        names = genomic_names(here.found.places, self._resources.genome, with_accession=self._style.genomic_accession)
        hgvsg = Table.of_arrow(names, self._missing)
        for called in here.found.call():
            placed = here.found.places.called[called.first : called.last]
            rows, at = _rows(called, placed)
            if len(rows) == 0:
                continue
            allele = rows.allele
            wanted = [name for name in RENDERED if name in self._columns]
            columns = self._renderer.columns(_NOWHERE, np.zeros(0, dtype=np.uint32), rows, wanted)
            for name in self._columns:
                if name in ("exon", "intron"):
                    columns[name] = self._range(name, called, at, rows.transcript)
                elif name == "hgvsg":
                    columns[name] = Column(allele, hgvsg)
                elif name == "flags":
                    columns[name] = self._flags(here, written, allele, called, at)
                elif name not in columns:
                    columns[name] = Column(np.zeros(len(rows), dtype=np.int32), self._blank)
            yield here.site[allele], rows, columns

    def problems(self, written: Written, here: StructuralRows) -> tuple[npt.NDArray[np.int64], list[str]]:
        """(row of the block, flags) of the alleles without a place."""
        lost = np.flatnonzero(~here.found.places.called)
        site = here.site[lost]
        reasons = zip(written.fault[site].tolist(), here.found.places.problem[lost].tolist(), strict=True)
        return site, [f"{Fault(code).reason},{Problem(problem).reason}" for code, problem in reasons]

    def _range(self, name: str, called: Called, at: npt.NDArray[np.int64], transcript: npt.NDArray[np.uint32]) -> Column:
        first, last = (np.where(at >= 0, _field(called, f"{name}_{end}", at), 0).astype(np.uint16) for end in ("first", "last"))
        counts = self._counts[name]
        index, texts = ranges(first, last, counts[np.minimum(transcript, len(counts) - 1)], self._missing)
        return Column(index, Table.of(texts))

    def _flags(
        self, here: StructuralRows, written: Written, allele: npt.NDArray[np.int32], called: Called, at: npt.NDArray[np.int64]
    ) -> Column:
        """`symbolic` or `breakend`, what is wrong, `inexact`, and `mate` for a transcript at the mate's place."""
        places = here.found.places
        mate = np.where(at >= 0, _field(called, "place", at), 0).astype(np.int64)
        key = (written.fault[here.site[allele]].astype(np.int64) << 16) | (places.problem[allele].astype(np.int64) << 8)
        key |= (~places.exact[allele]).astype(np.int64) << 1 | mate
        kinds, index = np.unique(key, return_inverse=True)
        texts = []
        for kind in kinds.tolist():
            parts = [Fault(kind >> 16).reason, Problem(kind >> 8 & 0xFF).reason, "inexact" if kind & 2 else "", "mate" if kind & 1 else ""]
            texts.append(",".join(part for part in parts if part))
        return Column(index.reshape(-1).astype(np.int32), Table.of(texts))


_NOWHERE = Alleles.of(-1, pa.array([], pa.int32()), pa.array([], pa.string()), pa.array([], pa.string()))
"""No allele: the names of RENDERED are of the transcript."""


def _field(called: Called, name: str, at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A field of some rows; 0 where there are none at all."""
    values: npt.NDArray[np.int64] = called.rows[name][at].astype(np.int64) if len(called.rows) else np.zeros(len(at), dtype=np.int64)
    return values


def _rows(called: Called, placed: npt.NDArray[np.bool_]) -> tuple[TranscriptRows, npt.NDArray[np.int64]]:
    """(rows, which of `called.rows` each is or -1): those of each placed record, or one without a transcript where none is in reach."""
    counts = np.diff(called.offsets)
    shown = np.where(placed, np.maximum(counts, 1), 0)
    allele = np.repeat(np.arange(called.first, called.last, dtype=np.int32), shown)
    at = np.full(len(allele), -1, dtype=np.int64)
    at[np.repeat(counts > 0, shown)] = np.arange(len(called.rows))
    there = at >= 0
    values: dict[str, npt.NDArray[Any]] = {field.name: np.zeros(len(allele), dtype=np.int32) for field in fields(TranscriptRows)}
    codes: dict[str, npt.NDArray[Any]] = {
        "transcript": np.where(there, _field(called, "transcript", at), NONE).astype(np.uint32),
        "terms": np.where(there, _field(called, "terms", at), INTERGENIC).astype(np.uint64),
        "distance": np.where(there, _field(called, "distance", at), 0).astype(np.int32),
    }
    return TranscriptRows(**{**values, **codes, "allele": allele}), at
