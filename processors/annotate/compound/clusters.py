"""Which parts of one haplotype are called together: those whose codons meet, and all that a shift of the frame holds together."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.compounds import CompoundFlag, CompoundKind


@dataclass(frozen=True)
class Part:
    """One allele in one transcript, in coding positions (`compound.parts`); `alt`: the bases it puts there, on the transcript's strand."""

    allele: int
    start: int
    end: int
    alt: bytes
    crosses: bool = False

    @property
    def shift(self) -> int:
        return len(self.alt) - (self.end - self.start)

    @property
    def shifts(self) -> bool:
        """Whether it puts the reading frame off; nothing is claimed of one that crosses a border."""
        return self.shift % 3 != 0 and not self.crosses

    @property
    def first(self) -> int:
        """First codon touched."""
        return self.start // 3

    @property
    def last(self) -> int:
        """Last codon touched; before `first` where whole codons are inserted between two."""
        if self.end > self.start:
            return (self.end - 1) // 3
        return self.first - 1 if self.start % 3 == 0 and self.shift % 3 == 0 else self.first


@dataclass(frozen=True)
class Cluster:
    """Parts by position, touching codons [first, last]. Of a SHIFTED one the last codon is that of its last part."""

    kind: CompoundKind
    parts: tuple[Part, ...]
    first: int
    last: int
    flags: CompoundFlag


def clusters_of(parts: list[Part]) -> list[Cluster]:
    """Clusters of two parts and more, of the parts of one haplotype by position. The same change twice counts once."""
    parts = _distinct(parts)
    result: list[Cluster] = []
    at = 0
    while at < len(parts):
        first, last, shift, frame = parts[at].first, parts[at].last, 0, False
        behind = at
        while behind < len(parts) and (behind == at or shift % 3 != 0 or parts[behind].first <= last):
            last = max(last, parts[behind].last)
            if parts[behind].shifts:
                shift, frame = shift + parts[behind].shift, True
            behind += 1
        if behind - at > 1:
            here = tuple(parts[at:behind])
            kind = CompoundKind.SHIFTED if shift % 3 else CompoundKind.RESCUE if frame else CompoundKind.CODON
            result.append(Cluster(kind, here, first, last, _flags(here)))
        at = behind
    return result


def _distinct(parts: list[Part]) -> list[Part]:
    kept: dict[tuple[int, int, bytes], Part] = {}
    for part in parts:
        kept.setdefault((part.start, part.end, part.alt), part)
    return list(kept.values())


def _flags(parts: tuple[Part, ...]) -> CompoundFlag:
    flags = CompoundFlag(0)
    reach = -1
    inserted = -1
    for part in parts:
        if part.crosses:
            flags |= CompoundFlag.BORDER
        if part.start < reach or (part.start == part.end == inserted):
            flags |= CompoundFlag.OVERLAP
        reach = max(reach, part.end)
        inserted = part.start if part.start == part.end else inserted
    return flags
