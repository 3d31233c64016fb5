"""A family of three: haplotypes drawn from a population's sites, a child that inherits with crossovers, and a few stories put in.

Haplotypes are uint8 arrays of shape (sites, 2) that hold 0 (reference), 1 (`alt`) or 2 (`second`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.local.demo.changes import Effect, find_change
from deploy.local.demo.genome import SyntheticGenome
from deploy.local.demo.sites import Sites, merge, place_sites

Haplotypes = npt.NDArray[np.uint8]

MEMBERS = ("father", "mother", "child")
DE_NOVO = 45  # new mutations of a child (Jónsson et al. 2017, doi:10.1038/nature24018: about 70 in a genome of 3 Gb)
RECESSIVE, COMPOUND, DOMINANT = 3, 3, 4
"""Genes of each story: both parents carry one change; each parent carries another; a change that is new in the child."""


@dataclass(frozen=True)
class Story:
    """A change put in on purpose. `members` are those who carry it."""

    gene: str
    site: tuple[str, int, str, str]  # contig, 0-based start, ref, alt
    effect: Effect
    inheritance: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """All sites of the population and the stories, and each member's haplotypes over them (child: paternal, maternal)."""

    sites: Sites
    haplotypes: dict[str, Haplotypes]
    stories: tuple[Story, ...]


def make_family(rng: np.random.Generator, genome: SyntheticGenome, population: Sites) -> Family:
    """Draw the parents, let the child inherit, add new mutations and stories."""
    stories = _stories(rng, genome)
    fresh = _de_novo(rng, genome, {story.site[:2] for story in stories})
    extra = place_sites(genome, [story.site for story in stories] + fresh)
    sites, put_in = merge(population, extra)
    parents = {name: _draw(rng, sites) for name in MEMBERS[:2]}
    for haplotypes in parents.values():
        haplotypes[put_in] = 0
    row = {(int(contig), int(start)): k for k, (contig, start) in enumerate(zip(sites.contig.tolist(), sites.start.tolist(), strict=True))}
    names = list(genome.contigs)
    for story in stories:
        for name in set(story.members) & set(parents):
            parents[name][row[names.index(story.site[0]), story.site[1]], 0] = 1
    child = np.stack([_gamete(rng, sites, parents["father"]), _gamete(rng, sites, parents["mother"])], axis=1)
    for story in stories:
        place = row[names.index(story.site[0]), story.site[1]]
        child[place] = ["father" in story.members, "mother" in story.members]
        if story.members == ("child",):
            child[place] = [0, 1]
    for contig, start, *_ in fresh:
        child[row[names.index(contig), start]] = rng.permutation(np.array([0, 1], dtype=np.uint8))
    return Family(sites, {**parents, "child": child}, stories)


def _draw(rng: np.random.Generator, sites: Sites) -> Haplotypes:
    draws = rng.random((len(sites), 2))
    first = sites.frequency[:, :1]
    carried = np.where(draws < first, 1, np.where(draws < first + sites.frequency[:, 1:], 2, 0))
    return carried.astype(np.uint8)


def _gamete(rng: np.random.Generator, sites: Sites, parent: Haplotypes) -> npt.NDArray[np.uint8]:
    """One haplotype of a parent, changed over at one or two places of each contig."""
    strand = np.zeros(len(sites), dtype=np.int64)
    for contig in np.unique(sites.contig):
        rows = np.nonzero(sites.contig == contig)[0]
        cuts = np.sort(rng.integers(0, len(rows), int(rng.integers(1, 3))))
        strand[rows] = (np.searchsorted(cuts, np.arange(len(rows)), side="right") + int(rng.integers(0, 2))) % 2
    return np.asarray(parent[np.arange(len(sites)), strand])


def _de_novo(rng: np.random.Generator, genome: SyntheticGenome, taken: set[tuple[str, int]]) -> list[tuple[str, int, str, str]]:
    rows: dict[tuple[str, int], tuple[str, int, str, str]] = {}
    names = list(genome.contigs)
    while len(rows) < DE_NOVO:
        name = names[int(rng.integers(0, len(names)))]
        bases = genome.contigs[name]
        start = int(rng.integers(1_000, len(bases) - 1_000))
        if (name, start) in taken:
            continue
        ref = chr(bases[start])
        rows[name, start] = (name, start, ref, str(rng.choice([b for b in "ACGT" if b != ref])))
    return list(rows.values())


def _stories(rng: np.random.Generator, genome: SyntheticGenome) -> tuple[Story, ...]:
    coding = [gene for gene in genome.genes if gene.biotype == "protein_coding"]
    order = iter(rng.permutation(len(coding)))
    stories: list[Story] = []

    def tell(inheritance: str, wanted: list[tuple[Effect, tuple[str, ...]]]) -> None:
        for number in order:
            gene = coding[number]
            found = [find_change(rng, gene, genome.contigs[gene.contig], effect) for effect, _ in wanted]
            starts = [change[0] for change in found if change is not None]
            if len(starts) < len(wanted) or len(set(starts)) < len(wanted):
                continue
            for change, (effect, members) in zip(found, wanted, strict=True):
                if change is not None:
                    stories.append(Story(gene.symbol, (gene.contig, *change), effect, inheritance, members))
            return

    severe = (Effect.STOP, Effect.FRAMESHIFT, Effect.MISSENSE)
    for k in range(RECESSIVE):
        tell("recessive", [(severe[k % 3], ("father", "mother", "child"))])
    for k in range(COMPOUND):
        tell("compound", [(severe[k % 3], ("father", "child")), (Effect.MISSENSE, ("mother", "child"))])
    for k in range(DOMINANT):
        tell("de novo", [(severe[k % 3], ("child",))])
    return tuple(stories)
