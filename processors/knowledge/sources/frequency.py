"""Allele frequencies from a sites VCF (gnomAD, 1000 Genomes, a laboratory's own): import, query, meta.

A source declares its floor: the frequency below which it does not list alleles (0: it lists all it saw). "Absent" is claimed only where
the source says that it covers the site (a BED of covered regions) and has no floor; everywhere else the answer is "unknown". A record
that failed the source's filter answers "unknown" too. Two records of one allele: the greater frequency, which can only make an allele
look less rare.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.ingest.scan import float_value
from processors.knowledge.genome import Genome
from processors.knowledge.lookup import AlleleIndex, Spelled, index_arrays
from processors.knowledge.pack import Pack, write_pack
from processors.knowledge.source import Looked
from processors.knowledge.sources.alleles import Collector
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.sites import open_sites
from schemas.assembly import ContigTable
from schemas.chunks import NONE, Answer

KIND = "frequency"


@dataclass(frozen=True)
class Declaration:
    """What a person knows of a frequency source and the file does not say."""

    field: str = "AF"  # INFO key, Number=A
    floor: float = 0.0  # allele frequency below which alleles are not listed
    covered: Path | None = None  # BED of the regions that the source covers
    licence: str = "unknown"  # open, research, commercial, unknown
    date: str = ""  # ISO date of the release


def build(source: Path, root: Path, genome: Genome, *, name: str, version: str, declared: Declaration | None = None) -> Pack:
    """Compile a sites VCF into a pack below `root`. Raises SourceRefused."""
    declared = declared or Declaration()
    sites = open_sites(source, genome)
    collected = Collector()
    values: list[npt.NDArray[np.float32]] = []
    filtered: list[npt.NDArray[np.bool_]] = []
    key = np.frombuffer(declared.field.encode(), dtype=np.uint8)
    for block in sites.blocks():
        value = np.empty(len(block.ids), dtype=np.float32)
        written = block.written
        _info_values(written.text, written.info, written.alt, key, value)
        keep = ~np.isnan(value)
        bad = keep & ~((value >= 0) & (value <= 1))
        if bool(bad.any()):
            first = int(np.flatnonzero(bad)[0])
            raise SourceRefused(f"{source}: data record {written.record[first] + 1}: {declared.field}={value[first]} is no frequency")
        sites.tally["no_frequency"] += int((~keep).sum())
        collected.add(block, np.flatnonzero(keep))
        values.append(value[keep])
        filtered.append(_failed(written.text, written.filter)[keep])
    sites.require_alleles()
    if len(collected) == 0:
        raise SourceRefused(f"{source}: no allele has INFO/{declared.field}; name the right field, or use a file with frequencies")
    frequency, failed = np.concatenate(values), np.concatenate(filtered)
    ids, spelled = collected.joined()
    chosen, arrays = index_arrays(ids, spelled, (-frequency,), sites.tally)
    arrays |= {"frequency": frequency[chosen], "filtered": failed[chosen]}
    if declared.covered is not None:
        arrays |= _covered(declared.covered, genome.table)
    extra = {
        "source": source.name,
        "sha256": sites.sha256,
        "field": declared.field,
        "floor": declared.floor,
        "licence": declared.licence,
        "date": declared.date,
        "covered_regions": declared.covered is not None,
        "counts": _counts(sites.tally),
        "duplicates": "the greater frequency",
    }
    return write_pack(root, kind=KIND, name=name, version=version, build=genome.table.build, arrays=arrays, rows=len(chosen), extra=extra)


def open_pack(pack: Pack) -> Frequency:
    """The pack as an AlleleSource."""
    return Frequency(pack)


@dataclass(frozen=True)
class Frequency:
    """A loaded pack."""

    pack: Pack

    @cached_property
    def index(self) -> AlleleIndex:
        return AlleleIndex(self.pack)

    @cached_property
    def frequency(self) -> npt.NDArray[np.float32]:
        return np.asarray(self.pack.array("frequency"))

    @cached_property
    def _filtered(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.pack.array("filtered"))

    @property
    def floor(self) -> float:
        return float(self.pack.extra["floor"])

    @property
    def default(self) -> Answer:
        """Outside covered regions nobody can tell."""
        return Answer.UNKNOWN

    def query(self, ids: npt.NDArray[np.uint64], spelled: Spelled) -> Looked:
        """Answer, frequency and row of each allele, see `source.AlleleSource`."""
        found = self.index.find(ids, spelled)
        answer = np.full(len(ids), Answer.UNKNOWN, dtype=np.uint8)
        value = np.full(len(ids), np.nan, dtype=np.float32)
        hit = np.flatnonzero(found >= 0)
        usable = hit[~self._filtered[found[hit]]]
        answer[usable] = Answer.FOUND
        value[usable] = self.frequency[found[usable]]
        if self.pack.extra["covered_regions"] and self.floor == 0:
            linear = (ids >> np.uint64(32)).astype(np.int64)
            starts, ends = np.asarray(self.pack.array("covered_starts")), np.asarray(self.pack.array("covered_ends"))
            region = np.searchsorted(starts, linear, side="right") - 1
            inside = (region >= 0) & (linear < ends[np.maximum(region, 0)])
            answer[(found < 0) & inside] = Answer.ABSENT
        return Looked(answer, value, np.where(found >= 0, found, NONE).astype(np.uint32))

    def details(self, row: int) -> dict[str, Any]:
        """Frequency of a row, and whether its record failed the source's filter."""
        return {"frequency": float(self.frequency[row]), "filtered": bool(self._filtered[row])}

    def meta(self) -> dict[str, Any]:
        """Name, version, digest and origin, as `explain` shows them beside a value."""
        extra = self.pack.extra
        return {
            "source": self.pack.name,
            "version": self.pack.version,
            "digest": self.pack.digest,
            "rows": self.pack.rows,
            **{key: extra[key] for key in ("field", "floor", "licence", "date", "covered_regions", "counts", "sha256")},
        }


def _counts(tally: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(tally.items()) if count}


def _covered(bed: Path, table: ContigTable) -> dict[str, npt.NDArray[np.int64]]:
    """Merged linear intervals of a BED file, sorted."""
    rows: list[tuple[int, int]] = []
    for number, line in enumerate(bed.read_text().splitlines(), 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        columns = line.split("\t")
        contig = table.resolve(columns[0])
        if len(columns) < 3 or not (columns[1].isdigit() and columns[2].isdigit()):
            raise SourceRefused(f"{bed}:{number}: is no BED line (contig, start, end by tabs)")
        if contig is not None:
            offset = table.contigs[contig].offset
            rows.append((offset + int(columns[1]), offset + int(columns[2])))
    if not rows:
        raise SourceRefused(f"{bed}: none of its regions lies on {table.build}")
    merged: list[list[int]] = []
    for start, end in sorted(rows):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    both = np.array(merged, dtype=np.int64)
    return {"covered_starts": both[:, 0].copy(), "covered_ends": both[:, 1].copy()}


def _failed(text: npt.NDArray[np.uint8], spans: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    out = np.empty(len(spans), dtype=np.bool_)
    _filter_failed(text, spans, out)
    return out


@njit(cache=True, nogil=True)
def _filter_failed(text, spans, out):  # type: ignore[no-untyped-def]
    """True unless FILTER is PASS, `.` or empty."""
    for i in range(spans.shape[0]):
        a, b = spans[i, 0], spans[i, 1]
        fine = b == a or (b - a == 1 and text[a] == 46)
        if b - a == 4:
            fine = text[a] == 80 and text[a + 1] == 65 and text[a + 2] == 83 and text[a + 3] == 83
        out[i] = not fine


@njit(cache=True, nogil=True)
def _info_values(text, info, alt, key, out):  # type: ignore[no-untyped-def]
    """The ALT's own value of a Number=A key; NaN where the key is missing or the value is `.`."""
    k = key.shape[0]
    for i in range(info.shape[0]):
        out[i] = np.nan
        at, end = info[i, 0], info[i, 1]
        while at < end:
            stop = at
            while stop < end and text[stop] != 59:
                stop += 1
            if stop - at > k and text[at + k] == 61:
                same = True
                for j in range(k):
                    if text[at + j] != key[j]:
                        same = False
                        break
                if same:
                    a = at + k + 1
                    seen = 0
                    b = a
                    while b < stop and text[b] != 44:
                        b += 1
                    while seen < alt[i] and b < stop:
                        a = b + 1
                        b = a
                        while b < stop and text[b] != 44:
                            b += 1
                        seen += 1
                    if seen == alt[i]:
                        valid, value = float_value(text, a, b)
                        out[i] = value if valid else -1.0
                    break
            at = stop + 1
