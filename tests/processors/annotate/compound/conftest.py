"""A made world for compounds: one contig with clean genes on both strands, and call sets written line by line."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Transcripts
from processors.resources import Resources
from schemas.plan import Plan

LENGTH = 60_000
EXONS = (100, 70, 101, 85, 130)
"""Bases of the exons of each gene; 30 of the first are 5' UTR, 36 of the last 3' UTR: two of the borders split codons."""
STEP = 5_800
STOPS = ("TAA", "TAG", "TGA")

Line = tuple[int, str, str, Sequence[str]]
"""(1-based position, REF, ALT, a genotype for each sample, with its phase set behind a colon where it has one)."""


@dataclass(frozen=True)
class Made:
    """Where a gene's coding bases lie: `places[i]` is the 0-based contig position of coding base i; `text` is the coding sequence."""

    name: str
    forward: bool
    places: tuple[int, ...]
    text: str


@dataclass(frozen=True, repr=False)
class Genes:
    """The world. `sequence` is contig `one`."""

    resources: Resources
    sequence: str
    genes: tuple[Made, ...]
    folder: Path

    def substitution(self, gene: Made, at: int, base: str) -> tuple[int, str, str]:
        """(position, REF, ALT) that makes coding base `at` (0-based) of a gene `base`."""
        place = gene.places[at]
        return place + 1, self.sequence[place], base if gene.forward else _complement(base)

    def deletion(self, gene: Made, at: int, size: int) -> tuple[int, str, str]:
        """The same for coding bases [at, at + size) gone."""
        low = min(gene.places[at], gene.places[at + size - 1])
        return low, self.sequence[low - 1 : low + size], self.sequence[low - 1]

    def insertion(self, gene: Made, at: int, bases: str) -> tuple[int, str, str]:
        """The same for bases put before coding base `at`."""
        place = gene.places[at] - 1 if gene.forward else gene.places[at]
        return place + 1, self.sequence[place], self.sequence[place] + (bases if gene.forward else _complement(bases[::-1]))

    def other(self, gene: Made, at: int, turn: int = 1) -> str:
        """A base that coding base `at` is not."""
        return "ACGT"[("ACGT".index(gene.text[at]) + turn) % 4]

    def write(self, lines: Sequence[Line], name: str = "calls.vcf", *, ordered: bool = True) -> Path:
        """A VCF."""
        samples = [f"s{number}" for number in range(len(lines[0][3]))] if lines else ["s0"]
        text = ["##fileformat=VCFv4.2", f"##contig=<ID=one,length={LENGTH}>"]
        text.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]))
        for position, ref, alt, calls in sorted(lines, key=lambda line: line[0]) if ordered else lines:
            full = [call if ":" in call else f"{call}:." for call in calls]
            text.append("\t".join(["one", str(position), ".", ref, alt, ".", "PASS", ".", "GT:PS", *full]))
        path = self.folder / name
        path.write_text("\n".join(text) + "\n")
        return path


def _complement(text: str) -> str:
    return text.translate(str.maketrans("ACGT", "TGCA"))


def _gene(rng: random.Random, number: int, bases: list[str]) -> tuple[Made, list[tuple[int, int]]]:
    """One gene laid into `bases`: a clean reading frame, spliced into exons with introns of 150 bases and more."""
    forward = number % 2 == 0
    start = 600 + number * STEP
    exons, at = [], start
    for size in EXONS if forward else EXONS[::-1]:
        exons.append((at, at + size))
        at += size + 150 + rng.randrange(600)
    spliced = [place for low, high in exons for place in range(low, high)]
    if not forward:
        spliced.reverse()
    coding = spliced[30 : len(spliced) - 36]
    codons = ["ATG"]
    while len(codons) < len(coding) // 3 - 1:
        codon = "".join(rng.choice("ACGT") for _ in range(3))
        if codon not in STOPS:
            codons.append(codon)
    text = "".join([*codons, "TAA"])
    for place, base in zip(coding, text, strict=True):
        bases[place] = base if forward else _complement(base)
    return Made(f"T{number}", forward, tuple(coding), text), exons


@pytest.fixture(scope="session")
def genes(tmp_path_factory: pytest.TempPathFactory) -> Genes:
    folder = tmp_path_factory.mktemp("compound")
    rng = random.Random(11)
    bases = [rng.choice("ACGT") for _ in range(LENGTH)]
    made, models = [], ["##gff-version 3"]
    for number in range(10):
        gene, exons = _gene(rng, number, bases)
        made.append(gene)
        strand = "+" if gene.forward else "-"
        low, high = exons[0][0] + 1, exons[-1][1]
        cds_low, cds_high = min(gene.places), max(gene.places) + 1
        models.append(
            f"one\t.\tgene\t{low}\t{high}\t.\t{strand}\t.\tID=gene:G{number};Name=S{number};gene_id=G{number};biotype=protein_coding"
        )
        models.append(
            f"one\t.\tmRNA\t{low}\t{high}\t.\t{strand}\t.\tID=transcript:T{number};Parent=gene:G{number};biotype=protein_coding;"
            f"transcript_id=T{number};version=1;tag=Ensembl_canonical"
        )
        models += [f"one\t.\texon\t{a + 1}\t{b}\t.\t{strand}\t.\tParent=transcript:T{number}" for a, b in exons]
        parts = [(max(a, cds_low), min(b, cds_high)) for a, b in exons]
        done = 0
        for a, b in parts if gene.forward else parts[::-1]:
            models.append(
                f"one\t.\tCDS\t{a + 1}\t{b}\t.\t{strand}\t{-done % 3}\tID=CDS:P{number};Parent=transcript:T{number};protein_id=P{number}"
            )
            done += b - a
    sequence = "".join(bases)
    (folder / "one.fa").write_text(f">one\n{sequence}\n")
    (folder / "one.gff3").write_text("\n".join(models) + "\n")
    genome = Genome(build_genome(folder / "one.fa", folder / "packs", "toy", "1"))
    pack = build_transcripts(folder / "one.gff3", folder / "packs", genome.table, name="toy", version="1", genome=genome)
    resources = Resources(plan=Plan("toy", ()), genome=genome, transcripts=Transcripts(pack), clinvar=None, model=None)
    return Genes(resources, sequence, tuple(made), folder)
