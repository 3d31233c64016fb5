"""Which alleles one sample carries on one haplotype, as far as its genotypes say.

A *block* is a set of heterozygous genotypes whose haplotypes are in one order: a phase set (PS), all that is phased without PS on the
contig, or one unphased record, which at least says which of its ALTs exclude each other. Homozygous and hemizygous alleles belong to
every block.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from processors.annotate.compound.clusters import Cluster, Part, clusters_of
from schemas.compounds import CompoundFlag, CompoundKind, Phase

MOST_BLOCKS = 256
"""Blocks of one stretch of one sample and transcript that are looked at, since each is laid over the whole; phase sets before unphased
records. The alleles of the others are linked in one row that is not called (`CompoundFlag.LEFT_OUT`). No real sample comes near."""


@dataclass(frozen=True)
class Carried:
    """A part and the genotype that carries it. `block` is None for homozygous and hemizygous, else see `block_of`."""

    part: Part
    haplotypes: int  # bit h: the h-th allele of GT
    ploidy: int
    block: tuple[str, int] | None


@dataclass(frozen=True)
class Found:
    """A cluster that a sample carries. `haplotypes` in the order of its block; `phase_set` -1: none."""

    cluster: Cluster
    haplotypes: int
    phase: Phase
    phase_set: int
    neighbour_unphased: bool


def block_of(*, haplotypes: int, ploidy: int, phased: bool, phase_set: int, record: int) -> tuple[str, int] | None:
    """Block of one genotype."""
    if haplotypes == (1 << ploidy) - 1:
        return None
    if phased:
        return ("set", phase_set)
    return ("record", record)


def found_in(carried: list[Carried]) -> Iterator[Found]:
    """Clusters of one sample and transcript, from its parts by position. Deterministic: by place, then blocks, then haplotypes."""
    for island in _islands(carried):
        yield from _found_in_island(island)


def read_of(found: Iterable[tuple[Found, Cluster]], carried: list[Carried]) -> Iterator[Found]:
    """Clusters as far as they are read, each once: what stands behind a new stop no longer tells several from each other, nor their phase.

    `found`: what `found_in` gives of `carried`, each with the cluster that is read of it.
    """
    common = {one.part.allele for one in carried if one.block is None}
    haploid = all(one.ploidy == 1 for one in carried)
    seen: dict[tuple[Phase, int, Cluster], Found] = {}
    for one, cluster in found:
        narrowed = replace(one, cluster=cluster)
        if cluster != one.cluster and all(part.allele in common for part in cluster.parts):
            narrowed = replace(narrowed, phase=Phase.HEMIZYGOUS if haploid else Phase.HOMOZYGOUS, phase_set=-1)
        key = (narrowed.phase, narrowed.phase_set, cluster)
        if key in seen:
            before = seen[key]
            flagged = before.neighbour_unphased or narrowed.neighbour_unphased
            narrowed = replace(before, haplotypes=before.haplotypes | narrowed.haplotypes, neighbour_unphased=flagged)
        seen[key] = narrowed
    yield from seen.values()


def _islands(carried: list[Carried]) -> Iterator[list[Carried]]:
    """Stretches of two parts and more that cannot meet each other, whoever stands with whom. From the first shift on all is one."""
    at = 0
    while at < len(carried):
        last, shifted, behind = carried[at].part.last, carried[at].part.shifts, at + 1
        while behind < len(carried) and (shifted or carried[behind].part.first <= last):
            last, shifted = max(last, carried[behind].part.last), shifted or carried[behind].part.shifts
            behind += 1
        if behind - at > 1:
            yield carried[at:behind]
        at = behind


def _found_in_island(carried: list[Carried]) -> Iterator[Found]:
    common = {id(one.part) for one in carried if one.block is None}
    blocks, left_out = _blocks(carried, alone=bool(common))
    seen: dict[tuple[tuple[str, int] | None, Cluster], tuple[int, bool]] = {}
    views: list[tuple[str, int] | None] = [*blocks] if blocks else [None]
    for block in views:
        own = [one for one in carried if one.block is not None and one.block == block]
        others = _Places([one.part for one in carried if one.block is not None and one.block != block])
        ploidy = max(one.ploidy for one in own or carried)
        for haplotype in range(ploidy):
            mine = {id(one.part) for one in own if one.haplotypes >> haplotype & 1}
            here = [one.part for one in carried if one.block is None or id(one.part) in mine]
            for cluster in clusters_of(here):
                foreign = others.meet(cluster)
                homozygous = all(id(part) in common for part in cluster.parts)
                if homozygous and foreign and blocks and not left_out:
                    continue  # the block of that neighbour tells what stands together
                key = (None if homozygous else block, cluster)
                bits, flagged = seen.get(key, (0, False))
                seen[key] = (bits | 1 << haplotype, flagged or foreign)
    for (where, cluster), (bits, flagged) in seen.items():
        if where is None:
            haploid = all(one.ploidy == 1 for one in carried)
            yield Found(cluster, bits, Phase.HEMIZYGOUS if haploid else Phase.HOMOZYGOUS, -1, flagged)
        elif where[0] == "set":
            yield Found(cluster, bits, Phase.PHASED, where[1], flagged)
        else:
            yield Found(cluster, bits, Phase.CARRIED, -1, flagged)
    if left_out:
        yield _linked([one for one in carried if one.block is None or one.block in left_out])


def _blocks(carried: list[Carried], *, alone: bool) -> tuple[list[tuple[str, int]], frozenset[tuple[str, int]]]:
    """(blocks to look at, blocks beyond MOST_BLOCKS). A block of one allele carries nothing together, unless `alone` it meets others that
    stand on every haplotype.
    """
    sizes = Counter(one.block for one in carried if one.block is not None)
    blocks = sorted((block for block, size in sizes.items() if alone or size > 1), key=lambda block: (block[0] != "set", block[1]))
    return blocks[:MOST_BLOCKS], frozenset(blocks[MOST_BLOCKS:])


def _linked(carried: list[Carried]) -> Found:
    """Alleles that may stand together, not called."""
    parts = tuple(one.part for one in carried)
    cluster = Cluster(CompoundKind.CODON, parts, parts[0].first, max(part.last for part in parts), CompoundFlag.LEFT_OUT)
    phased = any(one.block is not None and one.block[0] == "set" for one in carried)
    return Found(cluster, 0, Phase.PHASED if phased else Phase.CARRIED, -1, neighbour_unphased=True)


class _Places:
    """Codons that parts by position touch, asked whether a cluster's are among them."""

    def __init__(self, parts: list[Part]) -> None:
        self._first = [part.first for part in parts]
        self._reach = list(accumulate((part.last for part in parts), max))

    def meet(self, cluster: Cluster) -> bool:
        at = bisect_right(self._first, cluster.last)
        return at > 0 and self._reach[at - 1] >= cluster.first
