"""Input of the benchmark, from a seed: a genome, its genes and knowledge, and files of one sample each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.local.demo.genome import SyntheticGenome, make_genome, write_fasta, write_gff3
from deploy.local.demo.knowledge import clinvar_vcf, frequency_vcf
from deploy.local.demo.records import person_vcf
from deploy.local.demo.sites import Sites, draw_sites
from deploy.local.demo.vcf import write_bgzf

BUILD = "Bench1"
SEED = 7
CONTIGS = (20_000_000,) * 6  # bases
HOMOZYGOUS = 0.4  # share of a genome's variants (about 2 of 5)


@dataclass(frozen=True)
class BenchFiles:
    """Where everything lies; `samples` maps name → VCF, `records` counts the records of each."""

    fasta: Path
    transcripts: Path
    clinvar: Path
    frequency: Path
    samples: dict[str, Path]
    records: dict[str, int]


def make_data(
    folder: Path, variants: int, repeats: int, repeat_variants: int, tell: Callable[[str], None], contigs: tuple[int, ...] = CONTIGS
) -> BenchFiles:
    """One sample `whole` of `variants` records, and `repeats` samples of `repeat_variants`; found again where they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {"whole": variants, "warm": 20_000} | {f"repeat{number:02d}": repeat_variants for number in range(1, repeats + 1)}
    files = BenchFiles(
        folder / "genome.fa",
        folder / "genes.gff3",
        folder / "clinvar.vcf.gz",
        folder / "frequency.vcf.gz",
        {name: folder / f"{name}.vcf.gz" for name in sizes},
        {},
    )
    stamp = folder / "made.json"
    wanted = {"seed": SEED, "contigs": contigs, "sizes": sizes, "format": 1}
    if stamp.exists():
        known = json.loads(stamp.read_text())
        if known["wanted"] == json.loads(json.dumps(wanted)):
            return BenchFiles(files.fasta, files.transcripts, files.clinvar, files.frequency, files.samples, known["records"])
        stamp.unlink()
    rng = np.random.default_rng(SEED)
    tell(f"a genome of {sum(contigs) / 1e6:g} Mb")
    genome = make_genome(rng, BUILD, contigs)
    write_fasta(genome, files.fasta)
    write_gff3(genome, files.transcripts)
    tell(f"{variants:,} variants")
    sites = draw_sites(rng, genome, variants)
    records = {name: _write_sample(rng, genome, sites, name, count, files.samples[name]) for name, count in sizes.items()}
    tell("knowledge")
    write_bgzf(files.frequency, frequency_vcf(rng, genome, sites))
    write_bgzf(files.clinvar, clinvar_vcf(rng, genome, sites, (), per_gene=40))
    stamp.write_text(json.dumps({"wanted": wanted, "records": records}))
    return BenchFiles(files.fasta, files.transcripts, files.clinvar, files.frequency, files.samples, records)


def _write_sample(rng: np.random.Generator, genome: SyntheticGenome, sites: Sites, name: str, count: int, path: Path) -> int:
    """A sample that carries a random `count` of the sites (all where there are no more); the number of records."""
    n = len(sites)
    carried = np.zeros(n, dtype=bool)
    carried[rng.permutation(n)[:count]] = True
    haplotypes = np.zeros((n, 2), dtype=np.uint8)
    haplotypes[carried, 1] = 1
    haplotypes[carried, 0] = rng.random(int(carried.sum())) < HOMOZYGOUS
    double = carried & np.array([bool(text) for text in sites.second])
    haplotypes[double] = (1, 2)
    write_bgzf(path, person_vcf(rng, genome, name, sites, haplotypes, phased=False))
    return int(carried.sum())
