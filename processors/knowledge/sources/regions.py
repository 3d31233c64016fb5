"""Region-keyed packs: stretches of contigs with what is said of them (low complexity, segmental duplications, callability, any BED).

Rows lie sorted by start, then end, in linear coordinates of the build's contig table, 0-based half-open; overlapping ones stay apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.ingest.faults import Fault
from processors.knowledge.allele_columns import Column, ColumnReader, strings_of
from processors.knowledge.kinds import Keyed, Licence
from processors.knowledge.pack import Pack, PackError, write_pack
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.table_cut import Cells, contigs_of
from processors.knowledge.sources.table_text import read_positions
from processors.knowledge.strings import StringTable
from schemas.assembly import ContigTable

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Regions:
    """n regions of a block: linear half-open spans, and which rows of the block they are."""

    starts: I64
    ends: I64
    rows: I64


def regions_of(cells: Cells, table: ContigTable, tally: Counter[str], *, one_based: bool) -> Regions:
    """Places of a block with the roles `contig`, `start`, `end`. `one_based`: both ends are 1-based and belong to the region.

    A contig that the build lacks is counted by reason, an empty region as `empty_region`. Raises SourceRefused for a place that is no
    number, ends before it starts, or ends behind its contig: a file of another build.
    """
    starts, ends = np.empty(len(cells), dtype=np.int64), np.empty(len(cells), dtype=np.int64)
    for role, out in (("start", starts), ("end", ends)):
        read_positions(cells.text, cells.spans[role], out)
        if bool((out < 0).any()):
            raise cells.refuse(role, int(np.flatnonzero(out < 0)[0]), "is no position")
    starts -= one_based
    if bool((ends < starts).any()):
        raise cells.refuse("end", int(np.flatnonzero(ends < starts)[0]), "lies before the start")
    contig = contigs_of(table, cells.text, cells.spans["contig"])
    for code, count in enumerate(np.bincount(np.maximum(-contig, 0)).tolist()):
        if code and count:
            tally[Fault(code).reason] += count
    known, contig = contig >= 0, np.maximum(contig, 0)
    lengths = np.array([one.length for one in table.contigs], dtype=np.int64)
    offsets = np.array([one.offset for one in table.contigs], dtype=np.int64)
    beyond = np.flatnonzero(known & (ends > lengths[contig]))
    if len(beyond):
        length = table.contigs[contig[beyond[0]]].length
        raise cells.refuse("end", int(beyond[0]), f"lies behind the contig ({length:,} bases in {table.build}); is this another build?")
    tally["empty_region"] += int((known & (starts == ends)).sum())
    rows = np.flatnonzero(known & (starts < ends))
    shift = offsets[contig[rows]]
    return Regions(starts[rows] + shift, ends[rows] + shift, rows)


def write_region_pack(
    request: Request,
    columns: Sequence[Column],
    blocks: Iterable[tuple[Regions, Mapping[str, Any]]],
    *,
    main: str = "",
    tally: Counter[str],
    sha256: Callable[[], str],
    extra: Mapping[str, Any],
) -> Pack:
    """Write the pack of some regions with the values of their columns (dtypes of `allele_columns`, without `code` and `flags`).

    Raises SourceRefused where no region lies on the build.
    """
    if request.genome is None:
        raise PackError(f"{request.kind} is keyed by region: a genome of {request.build} is needed")
    table = request.genome.table
    parts = list(blocks)
    starts = np.concatenate([part.starts for part, _ in parts] or [np.zeros(0, dtype=np.int64)])
    ends = np.concatenate([part.ends for part, _ in parts] or [np.zeros(0, dtype=np.int64)])
    if len(starts) == 0:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(tally.items()) if count)
        raise SourceRefused(f"{request.files[0]}: none of its regions lies on {table.build} ({reasons or 'no region'})")
    order = np.lexsort((ends, starts))
    arrays: dict[str, npt.NDArray[Any]] = {"starts": starts[order], "ends": ends[order], "reach": np.maximum.accumulate(ends[order])}
    for column in columns:
        stored = [column.stored(values[column.name]) for _, values in parts]
        if column.dtype == "text":
            texts = pa.concat_arrays([part.arrow() for part in stored if isinstance(part, StringTable)])
            ordered = strings_of(texts.take(pa.array(order)))
            arrays |= {f"{column.name}_offsets": ordered.offsets, f"{column.name}_data": ordered.data}
        else:
            arrays[column.name] = np.concatenate([np.asarray(part) for part in stored])[order]
    tally["regions"] += len(order)
    said: dict[str, Any] = {
        "keyed": Keyed.REGION,
        "source": ", ".join(path.name for path in request.files),
        "sha256": sha256(),
        "licence": request.licence or Licence.UNKNOWN,
        "date": request.date,
        "counts": {reason: count for reason, count in sorted(tally.items()) if count},
        "columns": {column.name: column.manifest() for column in columns},
        "order": [column.name for column in columns],
        "main": main,
        "contigs": [[contig.name, contig.offset] for contig in table.contigs],
        **extra,
    }
    name = request.name or request.kind.removeprefix("user.")
    return write_pack(
        request.root, kind=request.kind, name=name, version=request.version, build=table.build, arrays=arrays, rows=len(order), extra=said
    )


@dataclass(frozen=True)
class RegionPack:
    """A loaded pack, a RegionSource."""

    pack: Pack

    def __post_init__(self) -> None:
        if self.pack.extra.get("keyed") != Keyed.REGION:
            raise PackError(f"{self.pack.path}: is not keyed by region; build it again with this version")

    @cached_property
    def starts(self) -> I64:
        return np.asarray(self.pack.array("starts"))

    @cached_property
    def ends(self) -> I64:
        return np.asarray(self.pack.array("ends"))

    @cached_property
    def _reach(self) -> I64:
        """Greatest end of all rows up to each: the first row whose reach lies behind a place ends behind it itself."""
        return np.asarray(self.pack.array("reach"))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._readers)

    def column(self, name: str) -> npt.NDArray[Any]:
        """A numeric column's stored array, one value a row."""
        return self._readers[name].values

    def query(self, linear: I64, ends: I64) -> I64:
        """First row (by start, then end) that overlaps each half-open span in linear coordinates, int64[n], -1: none.

        An empty span (an insertion's place) overlaps where it lies strictly within a region.
        """
        row = np.searchsorted(self._reach, linear, side="right")
        held = np.minimum(row, len(self.starts) - 1)
        return np.where((row < len(self.starts)) & (self.starts[held] < ends), row, -1).astype(np.int64)

    def overlapping(self, linear: int, end: int) -> I64:
        """All rows that overlap a half-open span, in order."""
        first, last = int(np.searchsorted(self._reach, linear, side="right")), int(np.searchsorted(self.starts, end, side="left"))
        rows = np.arange(first, max(last, first), dtype=np.int64)
        return rows[self.ends[rows] > linear]

    def details(self, row: int) -> dict[str, Any]:
        """Contig, 1-based closed start and end, and the columns."""
        if not 0 <= row < self.pack.rows:
            raise PackError(f"{self.pack.path}: has no row {row}")
        contigs = self.pack.extra["contigs"]
        place = int(np.searchsorted([offset for _, offset in contigs], self.starts[row], side="right")) - 1
        name, offset = contigs[place]
        said = {"contig": name, "start": int(self.starts[row]) - offset + 1, "end": int(self.ends[row]) - offset}
        return {**said, **{column: reader[row] for column, reader in self._readers.items()}}

    def meta(self) -> dict[str, Any]:
        """What stands beside a value as its provenance."""
        pack = self.pack
        return {
            "kind": pack.kind,
            "source": pack.name,
            "version": pack.version,
            "build": pack.build,
            "digest": pack.digest,
            "rows": pack.rows,
            **{key: value for key, value in pack.extra.items() if key not in ("columns", "source", "contigs")},
            "file": pack.extra["source"],
        }

    @cached_property
    def _readers(self) -> dict[str, ColumnReader]:
        return {name: ColumnReader(self.pack, name) for name in self.pack.extra["order"]}
