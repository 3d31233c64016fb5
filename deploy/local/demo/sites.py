"""Variants of a synthetic population: places, alleles and frequencies, as columns.

Places are 0-based starts of REF on one contig each, sorted by contig and place. Alleles are as a caller writes them: indels with the
base before, not left-aligned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.local.demo.genome import BASES, SyntheticGenome

SPACING = 12  # bases between two sites at least, so that a deletion reaches no neighbour
LONGEST_INDEL = 9
_TRANSITION = np.arange(256, dtype=np.uint8)
_TRANSITION[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.frombuffer(b"GTAC", dtype=np.uint8)
_TRANSVERSION = np.arange(256, dtype=np.uint8)
_TRANSVERSION[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.frombuffer(b"CATG", dtype=np.uint8)


@dataclass(frozen=True)
class Sites:
    """n sites. `second` is the other ALT of a multi-allelic site, else ``; `frequencies` has shape (n, 2), of `alt` and `second`."""

    contig: npt.NDArray[np.int32]  # index into the genome's contigs
    start: npt.NDArray[np.int64]
    ref: list[str]
    alt: list[str]
    second: list[str]
    frequency: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start)


def draw_sites(
    rng: np.random.Generator,
    genome: SyntheticGenome,
    count: int,
    *,
    rarest: float = 0.004,
    commonest: float = 0.95,
    indels: float = 0.13,
    multiallelic: float = 0.01,
) -> Sites:
    """About `count` sites over all contigs; frequencies follow 1/f from `rarest` to `commonest`."""
    sizes = np.array([len(bases) for bases in genome.contigs.values()], dtype=np.float64)
    contigs, starts, refs, alts, seconds = [], [], [], [], []
    for number, (bases, share) in enumerate(zip(genome.contigs.values(), sizes / sizes.sum(), strict=True)):
        wanted = round(count * share)
        places = np.sort(rng.integers(1_000, len(bases) - 1_000, wanted + wanted // 2))
        places = places[np.concatenate(([True], np.diff(places) >= SPACING))]
        places = np.sort(rng.permutation(places)[:wanted])
        ref, alt, second = _alleles(rng, bases, places, indels, multiallelic)
        contigs.append(np.full(len(places), number, dtype=np.int32))
        starts.append(places)
        refs += ref
        alts += alt
        seconds += second
    total = sum(len(places) for places in starts)
    first = np.exp(rng.uniform(np.log(rarest), np.log(commonest), total))
    frequency = np.stack([first, np.zeros(total)], axis=1)
    double = np.array([bool(text) for text in seconds])
    frequency[double] = np.stack([first[double] * 0.6, first[double] * 0.3 + 0.02], axis=1)
    return Sites(np.concatenate(contigs), np.concatenate(starts), refs, alts, seconds, frequency)


def _alleles(
    rng: np.random.Generator, bases: npt.NDArray[np.uint8], places: npt.NDArray[np.int64], indels: float, multiallelic: float
) -> tuple[list[str], list[str], list[str]]:
    n = len(places)
    kind = rng.random(n)
    at = bases[places]
    transition = rng.random(n) < 0.67
    other = np.where(transition, _TRANSITION[at], _TRANSVERSION[at])
    third = np.where(transition, _TRANSVERSION[at], _TRANSITION[at])
    ref = list(at.tobytes().decode())
    alt = list(other.tobytes().decode())
    second = [""] * n
    lengths = np.minimum(rng.geometric(0.45, n), LONGEST_INDEL)
    inserted = BASES[rng.integers(0, 4, (n, LONGEST_INDEL))]
    for i in np.nonzero(kind < indels / 2)[0]:
        alt[i] = ref[i] + inserted[i, : lengths[i]].tobytes().decode()
    for i in np.nonzero((kind >= indels / 2) & (kind < indels))[0]:
        alt[i] = ref[i]
        ref[i] = bases[places[i] : places[i] + 1 + lengths[i]].tobytes().decode()
    for i in np.nonzero((kind >= indels) & (kind < indels + multiallelic))[0]:
        second[i] = chr(third[i])
    return ref, alt, second


def place_sites(genome: SyntheticGenome, rows: Sequence[tuple[str, int, str, str]], frequency: float = 0.0) -> Sites:
    """Sites at given places: (contig name, 0-based start, ref, alt)."""
    names = list(genome.contigs)
    return Sites(
        np.array([names.index(row[0]) for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype=np.int64),
        [row[2] for row in rows],
        [row[3] for row in rows],
        [""] * len(rows),
        np.tile(np.array([[frequency, 0.0]]), (len(rows), 1)),
    )


def merge(first: Sites, second: Sites) -> tuple[Sites, npt.NDArray[np.bool_]]:
    """Both in order of place, and a mask that is true at the rows of `second`; where they share a place, `second` wins."""
    taken = set(zip(second.contig.tolist(), second.start.tolist(), strict=True))
    kept = np.array([pair not in taken for pair in zip(first.contig.tolist(), first.start.tolist(), strict=True)], dtype=bool)
    contig = np.concatenate([first.contig[kept], second.contig])
    start = np.concatenate([first.start[kept], second.start])
    order = np.lexsort((start, contig))
    mine = np.concatenate([np.zeros(int(kept.sum()), dtype=bool), np.ones(len(second), dtype=bool)])[order]
    places = order.tolist()

    def both(a: list[str], b: list[str]) -> list[str]:
        joined = [text for text, keep in zip(a, kept, strict=True) if keep] + b
        return [joined[k] for k in places]

    frequency = np.concatenate([first.frequency[kept], second.frequency])[order]
    return Sites(
        contig[order], start[order], both(first.ref, second.ref), both(first.alt, second.alt), both(first.second, second.second), frequency
    ), mine
