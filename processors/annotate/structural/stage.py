"""Structural alleles called: what each overlaps, picked and gathered, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from processors.annotate.pick import PickOrder, key_of
from processors.annotate.structural.genes import Lists, fusions, gene_lists, junctions
from processors.annotate.structural.kinds import Direction, Kind
from processors.annotate.structural.overlap import Queries, count_rows, fill_rows
from processors.annotate.structural.places import Places, places_of
from processors.annotate.structural.sites import Sites, sites_of_faults
from processors.annotate.terms import INTERGENIC
from processors.knowledge.layout import Layout
from schemas.assembly import ContigTable
from schemas.chunks import NONE, Chunk

if TYPE_CHECKING:
    from processors.resources import Resources

BATCH_ROWS = 262_144
"""Rows (an allele and a transcript) that are in memory together, but for a single allele that has more: 13 MiB."""
_NONE = np.uint32(NONE)
_INTERGENIC = np.uint64(INTERGENIC)


@dataclass(frozen=True)
class Called:
    """Records [first, last) of some Sites with their transcripts: ROW `rows`, of record i those from `offsets[i]` (int64) on.

    `pick` is a row of the transcript pack (NONE: no transcript in reach), `terms` those of the picked row, `gene` its gene.
    """

    first: int
    last: int
    rows: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]
    pick: npt.NDArray[np.uint32]
    pick_row: npt.NDArray[np.int64]
    gene: npt.NDArray[np.uint32]
    terms: npt.NDArray[np.uint64]
    genes: Lists
    broken: Lists
    fusions: Lists


@dataclass(frozen=True)
class Structural:
    """The structural alleles of a chunk of faults or a block of a file, placed on a build. Calling them takes the rest."""

    sites: Sites
    places: Places
    table: ContigTable
    layout: Layout
    order: PickOrder
    upstream: int
    downstream: int

    @classmethod
    def of(cls, sites: Sites, resources: Resources) -> Structural:
        """As a plan's genome, gene models and options have it."""
        table, options = resources.genome.table, resources.options
        layout = resources.transcripts.layout
        return cls(sites, places_of(sites, table), table, layout, resources.pick_order, options.upstream, options.downstream)

    def __len__(self) -> int:
        return len(self.sites)

    def slice(self, a: int, b: int) -> Structural:
        return replace(self, sites=self.sites.slice(a, b), places=self.places.slice(a, b))

    def row_counts(self) -> npt.NDArray[np.int64]:
        """Rows that each record will have."""
        queries, first = self._queries
        return np.diff(count_rows(self.layout, queries, self.upstream, self.downstream)[first])

    def call(self) -> Iterator[Called]:
        """Every record, in order, in batches of about BATCH_ROWS; one that has no place has no rows."""
        queries, first = self._queries
        offsets = count_rows(self.layout, queries, self.upstream, self.downstream)[first]
        a = 0
        while a < len(self):
            b = max(int(np.searchsorted(offsets, offsets[a] + BATCH_ROWS, side="right")) - 1, a + 1)
            mine = queries.slice(int(first[a]), int(first[b]))
            rows = fill_rows(self.layout, mine, self.upstream, self.downstream, int(offsets[b] - offsets[a]))
            yield _gather(self.layout, self.order, self.places, a, b, rows, offsets[a : b + 1] - offsets[a])
            a = b

    @property
    def _queries(self) -> tuple[Queries, npt.NDArray[np.int64]]:
        """What to look at, and where the queries of each record begin (n + 1)."""
        queries, record = _queries(self.places)
        return queries, np.searchsorted(record, np.arange(len(self) + 1))


def annotate_faults(chunk: Chunk, resources: Resources) -> Structural:
    """The structural alleles of a chunk of faults. Raises nothing that a record could cause: what is wrong with one is its `problem`."""
    return Structural.of(sites_of_faults(chunk.rows), resources)


def _queries(places: Places) -> tuple[Queries, npt.NDArray[np.int64]]:
    """What to look at, and of which record each is; a record's own place comes before its mate's."""
    own, mates = np.flatnonzero(places.called), np.flatnonzero(places.mate_contig >= 0)
    record = np.concatenate([own, mates])
    place = np.concatenate([np.zeros(len(own), dtype=np.uint8), np.ones(len(mates), dtype=np.uint8)])
    order = np.lexsort((place, record))
    mate = places.mate_start[mates]
    queries = Queries(
        np.concatenate([places.contig[own], places.mate_contig[mates]])[order],
        np.concatenate([places.start[own], mate])[order],
        np.concatenate([places.end[own], mate])[order],
        places.direction[record[order]],
        place[order],
    )
    return queries, record[order]


@njit(cache=True, nogil=True)
def _pick(rows, offsets, keys, shift, out):  # type: ignore[no-untyped-def]
    """The row of each record that speaks for it, -1 for none."""
    for i in range(out.shape[0]):
        out[i] = -1
        best = np.uint64(0xFFFFFFFFFFFFFFFF)
        for j in range(offsets[i], offsets[i + 1]):
            key = key_of(keys, shift, rows[j].transcript, rows[j].terms)
            if key < best:
                best, out[i] = key, j


def _gather(
    layout: Layout,
    order: PickOrder,
    places: Places,
    a: int,
    b: int,
    rows: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64],
) -> Called:
    n = b - a
    picked = np.empty(n, dtype=np.int64)
    _pick(rows, offsets, order.keys, order.shift, picked)
    some = picked >= 0
    pick = np.full(n, _NONE, dtype=np.uint32)
    terms = np.full(n, _INTERGENIC, dtype=np.uint64)
    gene = np.full(n, _NONE, dtype=np.uint32)
    pick[some], terms[some] = rows["transcript"][picked[some]], rows["terms"][picked[some]]
    gene[some] = layout.gene[pick[some]]
    genes, broken = gene_lists(layout, rows, np.repeat(np.arange(n), np.diff(offsets)), n)
    joints = junctions(places.kind[a:b], places.direction[a:b], places.side[a:b], places.mate_side[a:b])
    return Called(a, b, rows, offsets, pick, picked, gene, terms, genes, broken, fusions(layout, rows, offsets, joints))


def structural_ids(places: Places, table: ContigTable) -> pa.Array[Any]:
    """A name of each allele that tells alleles apart whose calls differ; empty where there is no place.

    `deletion:1:738637-742073` is of a span, 1-based; `breakend:2:321681>13:123456<` names the base before each break, and which side of
    it is kept: `>` what comes before, `<` what comes behind, `.` not told.
    """
    names = pa.array([*(one.name for one in table.contigs), ""], pa.string())

    def joined(*parts: Any) -> pa.Array[Any]:
        return pc.binary_join_element_wise(*parts, pa.scalar("", pa.string()))

    def number(values: npt.NDArray[np.int32]) -> pa.Array[Any]:
        return pa.array(values).cast(pa.string())

    def where(contig: npt.NDArray[np.int32]) -> pa.Array[Any]:
        return names.take(pa.array(np.where(contig >= 0, contig, len(names) - 1)))

    marks = pa.array([".", ">", "<"])
    labels = pa.array([kind.label for kind in Kind] + [f"{Kind.COPY_NUMBER.label}_{way.name.lower()}" for way in Direction])
    counted = (places.kind == Kind.COPY_NUMBER) & (places.direction != Direction.NONE)
    label = labels.take(pa.array(np.where(counted, len(Kind) + places.direction, places.kind).astype(np.int64)))
    spans = joined(label, ":", where(places.contig), ":", number(places.start + 1), "-", number(places.end))
    own = joined(label, ":", where(places.contig), ":", number(places.start), marks.take(pa.array(places.side)))
    mate = joined(where(places.mate_contig), ":", number(places.mate_start), marks.take(pa.array(places.mate_side)))
    breaks = joined(own, pc.if_else(pa.array(places.mate_contig >= 0), mate, ""))
    ids = pc.if_else(pa.array(places.kind == Kind.BREAKEND), breaks, spans)
    return pc.if_else(pa.array(places.called), ids, "")
