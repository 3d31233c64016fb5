"""From a source to batches of parsed records: blocks of text, whole lines of which go through the line kernel.

A batch's arrays are views into buffers that the next batch overwrites: whoever wants to keep something copies it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.ingest import layout, lines
from processors.ingest.errors import LineTooLong, SourceError, TooManyFilters
from processors.ingest.faults import MAX_PLOIDY
from processors.ingest.scan import intern
from processors.ingest.source import Source
from processors.knowledge.strings import read_only

U8 = npt.NDArray[np.uint8]

BLOCK = 4 * 1024 * 1024
"""Bytes of text parsed at a time; a longer line makes the buffer grow."""
MAX_LINE = 256 * 1024 * 1024
_RECORDS = 32_768
_CALLS = 65_536
_MAX_FILTERS = 32_767  # a chunk's FILTER column is a dictionary of int16


class Names:
    """Distinct texts numbered in the order in which they came, filled by the kernel `scan.intern`."""

    def __init__(self) -> None:
        self.slots = np.full(256, -1, dtype=np.int32)
        self.offsets = np.zeros(257, dtype=np.int32)
        self.names = np.zeros(4096, dtype=np.uint8)
        self.count = np.zeros(1, dtype=np.int32)

    def __len__(self) -> int:
        return int(self.count[0])

    def text(self, number: int) -> str:
        return self.names[self.offsets[number] : self.offsets[number + 1]].tobytes().decode(errors="replace")

    def grow(self) -> None:
        """Make room for twice as many names; numbers stay."""
        known = [self.names[self.offsets[n] : self.offsets[n + 1]].copy() for n in range(len(self))]
        size = 2 * len(self.slots)
        self.slots = np.full(size, -1, dtype=np.int32)
        self.offsets = np.zeros(size + 1, dtype=np.int32)
        self.names = np.zeros(4 * len(self.names), dtype=np.uint8)
        self.count = np.zeros(1, dtype=np.int32)
        for name in known:
            intern(name, 0, len(name), self.slots, self.offsets, self.names, self.count)


@dataclass(frozen=True)
class Batch:
    """Parsed lines: `text` uint8 that all spans refer to, and rows of layout.RECORD, ALLELE and CALL. `first` numbers the first record."""

    text: U8
    first: int
    records: npt.NDArray[Any]
    alleles: npt.NDArray[Any]
    calls: npt.NDArray[Any]


class Parser:
    """Parses the records of one source for the chosen samples, and counts what it sees."""

    def __init__(self, columns: Sequence[int], chosen: int) -> None:
        """`columns[i]`: place of the file's i-th sample among the `chosen` ones, -1 where it was not asked for."""
        self._columns = np.array(columns, dtype=np.int32)
        self._records = np.zeros(_RECORDS, dtype=layout.RECORD)
        self._alleles = np.zeros(_RECORDS + 2 * layout.MAX_ALTS, dtype=layout.ALLELE)
        self._calls = np.zeros(max(_CALLS, 2 * MAX_PLOIDY * chosen), dtype=layout.CALL)
        self._samples = np.zeros(chosen, dtype=layout.SAMPLE)
        self._gts = np.zeros((chosen, MAX_PLOIDY), dtype=np.int16)
        self._spans = np.zeros((layout.MAX_ALTS + 1, 2), dtype=np.int32)
        self._keys = np.zeros(6, dtype=np.int32)
        self._carriers = np.zeros(chosen, dtype=np.int32)
        self.contigs = Names()
        self.filters = Names()
        self.tally = np.zeros(chosen, dtype=layout.TALLY)
        self.depth_bins = np.zeros((chosen, layout.HISTOGRAM_BINS), dtype=np.int64)
        self.quality_bins = np.zeros((chosen, layout.HISTOGRAM_BINS), dtype=np.int64)
        self._uncarried = np.zeros(1, dtype=np.int64)
        self.records = 0

    @property
    def uncarried(self) -> int:
        """ALTs of variant records that none of the chosen samples carries."""
        return int(self._uncarried[0])

    def batches(self, source: Source, begun: bytes, block: int = BLOCK) -> Iterator[Batch]:
        """Parse a source to its end; `begun` is text already taken from it. Raises SourceError."""
        size = max(block, len(begun))
        buffer = np.empty(size, dtype=np.uint8)
        filled = len(begun)
        buffer[:filled] = np.frombuffer(begun, dtype=np.uint8)
        while True:
            try:
                filled += source.fill(buffer.data[filled:])
            except SourceError as error:
                yield from self._parse(source, buffer, _behind_last_line(buffer, filled))
                raise error.at_record(self.records) from error
            final = source.ended
            stop = filled if final else _behind_last_line(buffer, filled)
            if stop == 0 and not final and filled == len(buffer):
                if len(buffer) >= MAX_LINE:
                    raise LineTooLong(
                        source.path, f"a line is longer than {MAX_LINE:,} bytes", offset=source.offset - filled, record=self.records
                    )
                buffer = np.concatenate([buffer, np.empty_like(buffer)])
                continue
            yield from self._parse(source, buffer, stop)
            if final:
                return
            rest = filled - stop
            buffer[:rest] = buffer[stop:filled].copy()
            filled = rest

    def _parse(self, source: Source, text: U8, stop: int) -> Iterator[Batch]:
        at = 0
        while at < stop:
            before, readable = at, read_only(text)
            contigs, filters = self.contigs, self.filters
            at, records, alleles, calls, status = lines.parse_lines(
                readable, at, stop, self._columns, self._records, self._alleles, self._calls, self._samples, self._gts, self._spans,
                self._keys, self._carriers, contigs.slots, contigs.offsets, contigs.names, contigs.count, filters.slots,
                filters.offsets, filters.names, filters.count, self.tally, self.depth_bins, self.quality_bins, self._uncarried,
            )  # fmt: skip
            if records:
                first = self.records
                self.records += records
                yield Batch(text, first, self._records[:records], self._alleles[:alleles], self._calls[:calls])
            if status == lines.CONTIGS_FULL:
                contigs.grow()
            elif status == lines.FILTERS_FULL:
                if len(filters) >= _MAX_FILTERS:
                    raise TooManyFilters(source.path, f"more than {_MAX_FILTERS:,} distinct FILTER values", record=self.records)
                filters.grow()
            elif status == lines.OUT_OF_ROOM and at == before and not records:
                self._calls = np.zeros(2 * len(self._calls), dtype=layout.CALL)


def _behind_last_line(buffer: U8, filled: int) -> int:
    """Place behind the last line feed of `buffer[:filled]`, 0 where it has none."""
    step = 65_536
    high = filled
    while high > 0:
        low = max(0, high - step)
        found = np.flatnonzero(buffer[low:high] == 10)
        if len(found):
            return low + int(found[-1]) + 1
        high = low
    return 0
