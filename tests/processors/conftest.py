"""A small world for the stages: a seeded genome, gene models on both strands, ClinVar-like and frequency VCFs, the bundled model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import activate
from processors.knowledge.source import Request
from processors.knowledge.sources import clinvar, frequency
from processors.knowledge.transcript_build import build_transcripts
from processors.resources import Resources, plan_for
from processors.score.models import bundled_model_pack

BUILD = "small"
LENGTH = 120_000


@dataclass(frozen=True)
class World:
    """Where everything lies; `sequence` is contig `chrA`, `sites` (position 1-based, ref, alt) are the sample's."""

    folder: Path
    packs: Path
    sequence: str
    sites: list[tuple[int, str, str]]

    def genome(self) -> Genome:
        return Resources.load(plan_for(self.packs, BUILD), self.packs, "cpu").genome

    def resources(self) -> Resources:
        return Resources.load(plan_for(self.packs, BUILD), self.packs, "cpu")

    def vcf(self, name: str, rows: list[str], info: str = "") -> Path:
        """A VCF of some lines without the eighth column's text where they have none."""
        path = self.folder / name
        path.write_text("\n".join(["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO", *rows]) + "\n" + info)
        return path


def gene_models() -> str:
    """GFF3 of ten genes, each with a coding and a non-coding transcript, strands alternating."""
    lines = ["##gff-version 3"]
    for number in range(10):
        start, strand = 2_000 + number * 11_000, "+-"[number % 2]
        exons = [(start + k * 1_500, start + k * 1_500 + 200 + 30 * k) for k in range(4)]
        gene = f"G{number}"
        lines.append(
            f"chrA\t.\tgene\t{exons[0][0]}\t{exons[-1][1]}\t.\t{strand}\t.\tID=gene:{gene};Name=S{number};gene_id={gene};biotype=protein_coding"
        )
        for name, kind, kept in ((f"T{number}A", "protein_coding", exons), (f"T{number}B", "lncRNA", exons[1:3])):
            tag = ";tag=Ensembl_canonical" if name.endswith("A") else ""
            lines.append(
                f"chrA\t.\tmRNA\t{kept[0][0]}\t{kept[-1][1]}\t.\t{strand}\t.\t"
                f"ID=transcript:{name};Parent=gene:{gene};biotype={kind};transcript_id={name};version=1{tag}"
            )
            lines += [f"chrA\t.\texon\t{a}\t{b}\t.\t{strand}\t.\tParent=transcript:{name}" for a, b in kept]
            if kind == "protein_coding":
                spans = [(a + 60, b) if k == 0 else (a, b - 40) if k == 3 else (a, b) for k, (a, b) in enumerate(kept)]
                lines += [f"chrA\t.\tCDS\t{a}\t{b}\t.\t{strand}\t0\tParent=transcript:{name}" for a, b in spans]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("small")
    packs = folder / "packs"
    rng = np.random.default_rng(7)
    sequence = "".join("ACGT"[k] for k in rng.integers(0, 4, LENGTH))
    (folder / "genome.fa").write_text(">chrA\n" + "\n".join(sequence[k : k + 60] for k in range(0, LENGTH, 60)) + "\n")
    (folder / "genes.gff3").write_text(gene_models())
    sites: list[tuple[int, str, str]] = []
    for position in sorted(rng.choice(LENGTH - 200, 1_500, replace=False).tolist()):
        base = sequence[position]
        other = "ACGT"[("ACGT".index(base) + 1 + int(rng.integers(0, 3))) % 4]
        kind = int(rng.integers(0, 10))
        if kind == 0:
            sites.append((position + 1, sequence[position : position + 3], base))
        elif kind == 1:
            sites.append((position + 1, base, base + other + "G"))
        elif kind == 2:
            sites.append((position + 1, base, base + other * 14))
        else:
            sites.append((position + 1, base, other))
    world = World(folder, packs, sequence, sites)
    genome = build_genome(folder / "genome.fa", packs, BUILD, "1")
    table = Genome(genome).table
    words = ("Pathogenic", "Benign", "Likely_pathogenic|other", "Conflicting_classifications_of_pathogenicity", "Uncertain_significance")
    known = world.vcf(
        "clinvar.vcf",
        [
            f"A\t{p}\tv{k}\t{r}\t{a}\t.\t.\tCLNSIG={words[k % 5]};CLNREVSTAT=criteria_provided,_single_submitter;CLNDN=disease_{k}"
            for k, (p, r, a) in enumerate(sites)
            if k % 3 == 0
        ],
    )
    common = world.vcf(
        "common.vcf", [f"chrA\t{p}\t.\t{r}\t{a}\t.\tPASS\tAF={0.2 / (1 + k % 400):.6f}" for k, (p, r, a) in enumerate(sites) if k % 2]
    )
    for pack in (
        genome,
        build_transcripts(folder / "genes.gff3", packs, table, name="genes", version="1", genome=Genome(genome)),
        clinvar.build(Request("clinvar", (known,), packs, BUILD, "2026-01", Genome(genome))),
        frequency.build(Request("frequency", (common,), packs, BUILD, "1", Genome(genome), "common")),
        bundled_model_pack(packs),
    ):
        activate(packs, pack)
    return world
