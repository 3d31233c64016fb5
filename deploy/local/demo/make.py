"""All files of the demo, from one seed; the same seed gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.local.demo.family import MEMBERS, Family, make_family
from deploy.local.demo.genome import SyntheticGenome, make_genome, write_fasta, write_gff3
from deploy.local.demo.knowledge import clinvar_vcf, frequency_vcf
from deploy.local.demo.records import odd_records, person_vcf
from deploy.local.demo.sites import draw_sites
from deploy.local.demo.vcf import write_bgzf

BUILD = "Demo1"
SEED = 20_260
CONTIGS = (12_000_000, 9_000_000, 7_000_000, 5_000_000, 3_000_000)  # bases
SITES = 250_000  # of the population; a person carries about a quarter


@dataclass(frozen=True)
class DemoFiles:
    """Where everything lies. `people` maps sample name → VCF."""

    build: str
    fasta: Path
    transcripts: Path
    clinvar: Path
    frequency: Path
    pedigree: Path
    people: dict[str, Path]


def make_demo(
    folder: Path, *, seed: int = SEED, contigs: tuple[int, ...] = CONTIGS, sites: int = SITES, tell: Callable[[str], None] | None = None
) -> DemoFiles:
    """Write the demo's files below `folder`, or find those of the same seed and sizes already there. `tell` hears what is being made."""
    folder.mkdir(parents=True, exist_ok=True)
    files = DemoFiles(
        BUILD,
        folder / "genome.fa",
        folder / "genes.gff3",
        folder / "clinvar.vcf.gz",
        folder / "frequency.vcf.gz",
        folder / "family.ped",
        {name: folder / f"{name}.vcf.gz" for name in MEMBERS},
    )
    stamp = folder / "made.json"
    wanted = json.dumps({"seed": seed, "contigs": contigs, "sites": sites, "format": 1})
    if stamp.exists() and stamp.read_text() == wanted:
        return files
    stamp.unlink(missing_ok=True)
    say = tell or (lambda _text: None)
    rng = np.random.default_rng(seed)
    say(f"a genome of {sum(contigs) / 1e6:g} Mb in {len(contigs)} contigs")
    genome = make_genome(rng, BUILD, contigs)
    write_fasta(genome, files.fasta)
    say(f"{len(genome.genes)} genes with {sum(len(gene.transcripts) for gene in genome.genes)} transcripts")
    write_gff3(genome, files.transcripts)
    say("a family of three")
    family = make_family(rng, genome, draw_sites(rng, genome, sites))
    _write_people(rng, genome, family, files)
    say("what is known of their variants")
    write_bgzf(files.clinvar, clinvar_vcf(rng, genome, family.sites, family.stories))
    write_bgzf(files.frequency, frequency_vcf(rng, genome, family.sites))
    stories = [
        {"gene": s.gene, "variant": f"{s.site[0]}-{s.site[1] + 1}-{s.site[2]}-{s.site[3]}", "effect": s.effect.value,
         "inheritance": s.inheritance, "members": list(s.members)}
        for s in family.stories
    ]  # fmt: skip
    (folder / "stories.json").write_text(json.dumps(stories, indent=1) + "\n")
    stamp.write_text(wanted)
    return files


def _write_people(rng: np.random.Generator, genome: SyntheticGenome, family: Family, files: DemoFiles) -> None:
    for name, path in files.people.items():
        haplotypes = family.haplotypes[name]
        odd = odd_records(rng, genome, family.sites, haplotypes)
        write_bgzf(path, person_vcf(rng, genome, name, family.sites, haplotypes, phased=name == "child", odd=odd))
    rows = ["FAM father 0 0 1 1", "FAM mother 0 0 2 1", "FAM child father mother 1 2"]
    files.pedigree.write_text("".join("\t".join(row.split()) + "\n" for row in rows))
