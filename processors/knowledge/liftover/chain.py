"""UCSC chain files: which stretches of one build stand where in another.

Format: UCSC Genome Browser, "Chain Format". Coordinates are 0-based half-open; those of a minus-strand target count from the other end of
the contig in the file, and from its start here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from isal import igzip

from schemas.assembly import ContigTable

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]


class ChainRefused(ValueError):
    """A chain file that cannot be used; the message names file, line and what to do."""


class Lifted(NamedTuple):
    """Where n spans stand in the target build. `block`: -1 none; `contig` -2: a contig that the target's table does not have."""

    block: I32
    contig: I32
    start: I64
    reverse: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Chains:
    """Ungapped blocks of all chains, sorted by source contig and start; no source base is in two of them.

    `first` has one entry a source contig and one more: its blocks are `[first[c], first[c + 1])`. A block `[start, end)` of the source
    stands at `[to, to + end - start)` of the target's contig `contig`, reverse-complemented where `reverse` is set.
    """

    source: ContigTable
    target: ContigTable
    first: I64
    start: I64
    end: I64
    contig: I32
    to: I64
    reverse: npt.NDArray[np.bool_]
    chain: I32

    def lift(self, contigs: I32, starts: I64, ends: I64) -> Lifted:
        """Spans `[start, end)` (not empty) that lie within one block; see `spans_gap` for those that do not."""
        at = self._block(contigs, starts)
        safe = np.maximum(at, 0)
        inside = (at >= 0) & (ends <= self.end[safe])
        offset = starts - self.start[safe]
        length = ends - starts
        size = self.end[safe] - self.start[safe]
        place = np.where(self.reverse[safe], self.to[safe] + size - offset - length, self.to[safe] + offset)
        return Lifted(
            np.where(inside, at, -1).astype(np.int32),
            np.where(inside, self.contig[safe], -1).astype(np.int32),
            np.where(inside, place, -1),
            self.reverse[safe] & inside,
        )

    def spans_gap(self, contigs: I32, starts: I64, ends: I64) -> npt.NDArray[np.bool_]:
        """Spans that begin or end in a chain, but not in one block of it."""
        return np.asarray((self._block(contigs, starts) >= 0) | (self._block(contigs, ends - 1) >= 0), dtype=np.bool_)

    def _block(self, contigs: I32, places: I64) -> I64:
        """Number of the block that holds each base, -1: none."""
        found = np.full(len(places), -1, dtype=np.int64)
        for contig in np.unique(contigs[contigs >= 0]):
            rows = np.flatnonzero(contigs == contig)
            low, high = self.first[contig], self.first[contig + 1]
            at = low + np.searchsorted(self.start[low:high], places[rows], side="right") - 1
            held = (at >= low) & (places[rows] < self.end[np.maximum(at, 0)])
            found[rows] = np.where(held, at, -1)
        return found


def read_chains(path: Path, source: ContigTable, target: ContigTable) -> Chains:
    """The chains of a file (plain or gzip) between contigs of `source` and of `target`, under any of their names.

    Where two chains cover a source base the one with the greater score keeps it. Raises ChainRefused where a contig has another length
    than the build's (a chain file of other builds, or the wrong way round), or a line cannot be read.
    """
    blocks: list[tuple[int, int, int, int, int, bool, int]] = []
    scores: list[int] = []
    used = 0
    try:
        for chain, (head, pieces) in enumerate(_records(path)):
            scores.append(head.score)
            contig = source.resolve(head.name)
            other = target.resolve(head.other)
            if contig is None:
                continue
            _same_length(path, head.line, head.name, head.size, source, contig)
            if other is not None:
                _same_length(path, head.line, head.other, head.other_size, target, other)
                used += 1
            for start, size, to in pieces:
                place = head.other_size - to - size if head.reverse else to
                blocks.append((contig, start, start + size, -2 if other is None else other, place, head.reverse, chain))
    except (OSError, EOFError) as error:
        raise ChainRefused(f"{path}: cannot be read ({error}); fetch it again") from error
    if not used:
        raise ChainRefused(f"{path}: no chain of it leads from {source.build} to {target.build}; give the chain file for that direction")
    kept = _without_overlaps(blocks, scores)
    columns = [np.array(column) for column in zip(*kept, strict=True)]
    contigs = columns[0].astype(np.int64)
    first = np.searchsorted(contigs, np.arange(len(source.contigs) + 1))
    return Chains(
        source, target, first.astype(np.int64), columns[1].astype(np.int64), columns[2].astype(np.int64), columns[3].astype(np.int32),
        columns[4].astype(np.int64), columns[5].astype(np.bool_), columns[6].astype(np.int32),
    )  # fmt: skip


class _Head(NamedTuple):
    line: int
    score: int
    name: str
    size: int
    start: int
    other: str
    other_size: int
    reverse: bool
    other_start: int


def _records(path: Path) -> Iterator[tuple[_Head, list[tuple[int, int, int]]]]:
    """(header, [(start, size, place on the target's strand)]) of each chain."""
    opener = igzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as handle:
        head: _Head | None = None
        pieces: list[tuple[int, int, int]] = []
        at = to = number = 0
        for number, line in enumerate(handle, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "chain":
                if head is not None:
                    raise ChainRefused(f"{path}:{number}: the chain of line {head.line} has no last block; is the file whole?")
                head, pieces = _head(path, number, words), []
                at, to = head.start, head.other_start
                continue
            if head is None or len(words) not in (1, 3) or not all(word.isdigit() for word in words):
                raise ChainRefused(f"{path}:{number}: is no chain line: {line.strip()[:60]!r}")
            size = int(words[0])
            pieces.append((at, size, to))
            if len(words) == 1:
                yield head, pieces
                head = None
            else:
                at, to = at + size + int(words[1]), to + size + int(words[2])
        if head is not None:
            raise ChainRefused(f"{path}: ends within the chain of line {head.line}; the file is truncated, fetch it again")


def _head(path: Path, number: int, words: list[str]) -> _Head:
    try:
        _, score, name, size, strand, start, _, other, other_size, other_strand, other_start, _ = words[:12]
        if strand != "+" or other_strand not in "+-":
            raise ValueError("strand")
        return _Head(number, int(score), name, int(size), int(start), other, int(other_size), other_strand == "-", int(other_start))
    except ValueError as error:
        raise ChainRefused(f"{path}:{number}: is no chain header: {' '.join(words)[:80]!r}") from error


def _same_length(path: Path, line: int, name: str, told: int, table: ContigTable, contig: int) -> None:
    length = table.contigs[contig].length
    if told != length:
        raise ChainRefused(
            f"{path}:{line}: {name} has {told:,} bases there, {length:,} in {table.build}; give the chain file for this direction"
        )


def _without_overlaps(
    blocks: list[tuple[int, int, int, int, int, bool, int]], scores: list[int]
) -> list[tuple[int, int, int, int, int, bool, int]]:
    """Blocks by place; of two that share source bases the one of the lower score loses those (in files of UCSC none do)."""
    kept: list[tuple[int, int, int, int, int, bool, int]] = []
    for block in sorted(blocks, key=lambda one: (one[0], one[1], -scores[one[6]])):
        contig, start, end, other, to, reverse, chain = block
        if kept and kept[-1][0] == contig and start < kept[-1][2]:
            last = kept[-1]
            if scores[chain] > scores[last[6]]:  # the earlier one ends where this one begins; what it has behind is given up
                cut = last[2] - start
                kept[-1] = (*last[:2], start, last[3], last[4] + cut if last[5] else last[4], *last[5:])
                if kept[-1][1] == kept[-1][2]:
                    kept.pop()
            else:
                cut = last[2] - start
                if end <= last[2]:
                    continue
                start, to = last[2], to if reverse else to + cut
        kept.append((contig, start, end, other, to, reverse, chain))
    return kept
