"""Reading the sites of a VCF or BCF, samples or not: one row an ALT, normalised exactly as a sample's alleles are.

What cannot be normalised is counted by reason. REF is checked against the genome; a file that contradicts it, or none of whose alleles
lies on it, is refused: a source of another build must never answer "absent" for everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.ingest.contigs import ContigResolver
from processors.ingest.faults import Fault
from processors.ingest.normalise import Normalised, normalise
from processors.ingest.source import Source, SourceHeader, take_header
from processors.knowledge.bgzf_ranges import Range, RangeSource
from processors.knowledge.genome import Genome
from processors.knowledge.sites_text import allele_faults, changes, count_alts, expand, split, take
from processors.knowledge.sources.refused import RecordRefused, SourceRefused
from schemas.chunks import Flag
from schemas.identity import allele_ids

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_BLOCK = 8 * 1024 * 1024
_COLUMNS = 8
MAX_CONTRADICTION = 0.01
"""Share of checkable REFs that may contradict the genome before the file is taken for one of another build."""
MIN_CONTRADICTIONS = 5
"""Below this many, contradictions are single bad records and are only counted."""


@dataclass(frozen=True)
class Written:
    """All n alleles of a block as the file writes them: int32[n, 2] spans into `text`, and why some cannot be used.

    `record` counts data lines of the file from 0, `alt` ALTs of a record from 0, `alts` how many it has; `line_end` is the place behind the
    record's line, without its line feed; `contig` is an index of the
    genome's table, -1 for none; `fault` is a `Fault` code, 0 for none.
    """

    text: U8
    record: I64
    alt: I32
    alts: I32
    contig: I32
    chrom: I32
    position: I32
    name: I32
    ref: I32
    alt_text: I32
    filter: I32
    info: I32
    line_end: I32
    fault: U8

    def select(self, rows: I64) -> Written:
        values: dict[str, Any] = {key: value[rows] for key, value in self.__dict__.items() if key != "text"}
        return Written(text=self.text, **values)


@dataclass(frozen=True)
class Sites:
    """The usable alleles of a block, m of its n: `good` says which rows of `all` they are, `written` is what the file says of them."""

    all: Written
    good: I64
    written: Written
    ids: npt.NDArray[np.uint64]
    alleles: Normalised


@dataclass
class SitesFile:
    """A file being read. After the last block `tally` is complete (`records`, `alleles`, `unsorted` records, and faults by reason), and so
    is `sha256`. `first_place`, `last_place`: linear 1-based position of the first and last record on the build; -1 for none."""

    path: Path
    genome: Genome
    source: Source | RangeSource
    header: SourceHeader
    begun: bytes
    resolver: ContigResolver
    tally: Counter[str] = field(default_factory=Counter)
    sha256: str = ""
    first_place: int = -1
    last_place: int = -1

    @property
    def fraction(self) -> float:
        """Share of the file read so far, 0 to 1."""
        return self.source.fraction

    def blocks(self) -> Iterator[Sites]:
        """Raises SourceRefused for a malformed line or a contradicted build, ingest.errors.SourceError for a damaged file."""
        record = 0
        try:
            for text in self._texts():
                lines = _lines(text)
                if len(lines) == 0:
                    continue
                spans = np.empty((len(lines), _COLUMNS, 2), dtype=np.int32)
                bad = split(text, lines, spans)
                if bad >= 0:
                    raise RecordRefused(self.path, record + bad, " has fewer than 8 columns; is this a VCF?")
                block = self._block(text, spans, lines[:, 1], record)
                record += len(lines)
                self.tally["records"] = record
                judge_build(str(self.path), self.genome, self.tally)
                yield block
            self.sha256 = self.source.digest()
        finally:
            self.close()

    def close(self) -> None:
        self.source.close()

    def __enter__(self) -> SitesFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def require_alleles(self) -> None:
        """See the function `require_alleles`."""
        require_alleles(str(self.path), self.genome, self.tally)

    def _texts(self) -> Iterator[U8]:
        """Blocks of whole lines."""
        rest = self.begun
        buffer = bytearray(_BLOCK)
        while True:
            count = self.source.fill(memoryview(buffer))
            if count == 0:
                break
            block = rest + bytes(memoryview(buffer)[:count])
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if end:
                yield np.frombuffer(block[:end], dtype=np.uint8)
        if rest:
            yield np.frombuffer(rest + b"\n", dtype=np.uint8)

    def _block(self, text: U8, spans: I32, ends: I64, first: int) -> Sites:
        # contiguous, as a column of a block of one record is: kernels are compiled for one layout
        names, places, written = (np.ascontiguousarray(spans[:, column]) for column in (0, 1, 4))
        counts = count_alts(text, written)
        total = int(counts.sum())
        line = np.repeat(np.arange(len(spans), dtype=np.int64), counts)
        alts = np.empty((total, 2), dtype=np.int32)
        positions = np.empty(len(spans), dtype=np.int64)
        expand(text, places, written, positions, alts)
        refs = np.ascontiguousarray(spans[line, 3])
        fault = np.empty(total, dtype=np.uint8)
        allele_faults(text, refs, alts, fault)
        contigs = self._contigs(text, names)
        self._order(contigs, positions)
        contig = contigs[line]
        fault = np.where(contig < 0, (-contig).astype(np.uint8), fault)
        fault[positions[line] < 1] = Fault.BAD_POSITION
        usable = np.flatnonzero(fault == 0)
        found = normalise(
            self.genome,
            text,
            np.ascontiguousarray(contig[usable]),
            (positions[line[usable]] - 1).astype(np.int32),
            refs[usable],
            alts[usable],
        )
        fault[usable] = found.faults
        kept = np.flatnonzero(found.faults == 0)
        good, found = usable[kept], select_alleles(found, kept)
        everything = Written(
            text=text, record=first + line, alt=(np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)).astype(np.int32),
            alts=counts[line].astype(np.int32), contig=np.maximum(contig, -1), chrom=spans[line, 0], position=spans[line, 1],
            name=spans[line, 2], ref=refs, alt_text=alts, filter=spans[line, 6], info=spans[line, 7],
            line_end=ends[line].astype(np.int32), fault=fault,
        )  # fmt: skip
        self._count(fault, found)
        offsets = np.array([one.offset for one in self.genome.table.contigs], dtype=np.int64)
        linear = offsets[contig[good]] + found.starts
        ids = allele_ids(linear, found.ref_offsets, found.ref_bytes, found.alt_offsets, found.alt_bytes)
        return Sites(everything, good, everything.select(good), ids, found)

    def _order(self, contigs: I32, positions: I64) -> None:
        """Count records that lie before the one in front of them, on the contigs of the build."""
        offsets = np.array([one.offset for one in self.genome.table.contigs], dtype=np.int64)
        placed = (contigs >= 0) & (positions > 0)
        places = offsets[contigs[placed]] + positions[placed]
        if len(places) == 0:
            return
        self.tally["unsorted"] += int((places[1:] < places[:-1]).sum()) + int(self.last_place > int(places[0]))
        if self.first_place < 0:
            self.first_place = int(places[0])
        self.last_place = int(places[-1])

    def _contigs(self, text: U8, names: I32) -> I32:
        """Index of each line's contig, or minus its Fault code. Names come in runs."""
        change = np.flatnonzero(changes(text, names))
        indexes = np.empty(len(change), dtype=np.int32)
        for i, line in enumerate(change):
            found = self.resolver.resolve(text[names[line, 0] : names[line, 1]].tobytes().decode(errors="replace"))
            indexes[i] = -int(found) if isinstance(found, Fault) else found
        return np.repeat(indexes, np.diff(np.append(change, len(names))))

    def _count(self, fault: U8, found: Normalised) -> None:
        for code, count in zip(*(values.tolist() for values in np.unique(fault, return_counts=True)), strict=True):
            if code:
                self.tally[Fault(code).reason] += count
        self.tally["alleles"] += len(found.starts)
        self.tally["ref_unknown"] += int(((found.flags & np.uint32(int(Flag.REF_UNKNOWN))) != 0).sum())


def judge_build(name: str, genome: Genome, tally: Counter[str]) -> None:
    """Raises SourceRefused where what was read so far contradicts the genome more often than single bad records can."""
    wrong = tally[Fault.BAD_REF.reason]
    checkable = wrong + tally["alleles"] - tally["ref_unknown"]
    if wrong >= MIN_CONTRADICTIONS and wrong > MAX_CONTRADICTION * checkable:
        raise SourceRefused(
            f"{name}: REF contradicts {genome.table.build} in {wrong:,} of {checkable:,} alleles that can be checked so far; "
            "is this file of another build?"
        )


def require_alleles(name: str, genome: Genome, tally: Counter[str]) -> None:
    """Raises SourceRefused where none of the alleles lies on the build: such a file would answer "absent" for everything."""
    if tally["alleles"] == 0:
        reasons = (f"{reason} {count:,}" for reason, count in sorted(tally.items()) if count and reason not in ("records", "alleles"))
        left_out = ", ".join([f"{tally['records']:,} records", *reasons])
        raise SourceRefused(f"{name}: no allele of it lies on {genome.table.build} ({left_out})")


def open_sites(path: Path, genome: Genome, span: Range | None = None) -> SitesFile:
    """A VCF or BCF, its header read; with `span` only those of its lines are given, their records counted from the span's first.

    Raises ingest.errors.SourceError where it is none, SourceRefused where it names another build.
    """
    source = Source(path)
    try:
        header, begun = take_header(source)
        build = genome.table.build
        if header.build_hint and header.build_hint != build:
            raise SourceRefused(f"{path}: its header names {header.build_hint}, asked for is {build}; give the file of {build}")
    except BaseException:
        source.close()
        raise
    resolver = ContigResolver(genome.table, header.contigs)
    if span is None:
        return SitesFile(path, genome, source, header, begun, resolver)
    source.close()
    return SitesFile(path, genome, RangeSource(path, span), header, b"", resolver)


def select_alleles(found: Normalised, rows: I64) -> Normalised:
    """Some rows of normalised alleles."""
    ref_offsets, ref_bytes = take(found.ref_offsets, found.ref_bytes, rows)
    alt_offsets, alt_bytes = take(found.alt_offsets, found.alt_bytes, rows)
    return Normalised(found.starts[rows], ref_offsets, ref_bytes, alt_offsets, alt_bytes, found.flags[rows], found.faults[rows])


def _lines(text: U8) -> I64:
    """Starts and ends (int64[n, 2]) of the data lines."""
    ends = np.flatnonzero(text == 10)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    data = (text[starts] != 35) & (ends > starts)
    return np.stack([starts[data], ends[data]], axis=1)
