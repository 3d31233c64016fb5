"""Which alleles one sample carries on one haplotype, as far as its genotypes say.

A *block* is a set of heterozygous genotypes whose haplotypes are in one order: a phase set (PS), all that is phased without PS on the
contig, or one unphased record, which at least says which of its ALTs exclude each other. Homozygous and hemizygous alleles belong to
every block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from processors.annotate.compound.clusters import Cluster, Part, clusters_of, meets
from schemas.compounds import Phase


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
    """Clusters of one sample and transcript, from its parts by position. Deterministic: in the order of blocks, then haplotypes."""
    blocks = sorted({one.block for one in carried if one.block is not None})
    common = {id(one.part) for one in carried if one.block is None}
    seen: dict[tuple[tuple[str, int] | None, Cluster], tuple[int, bool]] = {}
    views: list[tuple[str, int] | None] = [*blocks] if blocks else [None]
    for block in views:
        own = [one for one in carried if one.block is not None and one.block == block]
        others = [one.part for one in carried if one.block is not None and one.block != block]
        ploidy = max(one.ploidy for one in own or carried)
        for haplotype in range(ploidy):
            mine = {id(one.part) for one in own if one.haplotypes >> haplotype & 1}
            here = [one.part for one in carried if one.block is None or id(one.part) in mine]
            for cluster in clusters_of(here):
                foreign = any(meets(cluster, part) for part in others)
                homozygous = all(id(part) in common for part in cluster.parts)
                if homozygous and foreign:
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
