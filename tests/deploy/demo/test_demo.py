"""The demo's world is what it claims to be: genes that translate, a family that inherits, the same bytes from the same seed."""

from __future__ import annotations

import gzip
import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cyvcf2 import VCF

from deploy.local.demo.changes import coding_positions, residue
from deploy.local.demo.family import Family, make_family
from deploy.local.demo.genome import COMPLEMENT, SyntheticGenome, make_genome
from deploy.local.demo.make import make_demo
from deploy.local.demo.sites import draw_sites

SMALL = {"contigs": (1_500_000, 700_000), "sites": 8_000}


@pytest.fixture(scope="module")
def genome() -> SyntheticGenome:
    return make_genome(np.random.default_rng(3), "Demo1", (3_000_000, 1_000_000))


@pytest.fixture(scope="module")
def family(genome: SyntheticGenome) -> Family:
    rng = np.random.default_rng(4)
    return make_family(rng, genome, draw_sites(rng, genome, 12_000))


def test_every_isoform_runs_from_atg_to_a_stop_without_one_between(genome: SyntheticGenome) -> None:
    isoforms = 0
    for gene in genome.genes:
        for transcript in gene.transcripts:
            if transcript.cds is None:
                continue
            low, high = transcript.cds
            places = np.concatenate([np.arange(max(a, low), min(b, high)) for a, b in transcript.exons if a < high and b > low])
            bases = genome.contigs[gene.contig]
            sense = bases[places] if gene.strand == 1 else COMPLEMENT[bases[places[::-1]]]
            text = sense.tobytes()
            protein = "".join(residue(text[k : k + 3]) for k in range(0, len(text), 3))
            assert len(text) % 3 == 0
            assert protein[0] == "M"
            assert protein.index("*") == len(protein) - 1
            isoforms += 1
    assert isoforms > 40


def test_every_intron_of_a_canonical_transcript_is_gt_to_ag(genome: SyntheticGenome) -> None:
    strands = set()
    for gene in genome.genes:
        bases = genome.contigs[gene.contig]
        exons = gene.transcripts[0].exons
        for (_, left), (right, _) in pairwise(exons):
            intron = bases[left:right] if gene.strand == 1 else COMPLEMENT[bases[left:right][::-1]]
            assert (intron[:2].tobytes(), intron[-2:].tobytes()) == (b"GT", b"AG")
            strands.add(gene.strand)
    assert strands == {1, -1}


def test_the_child_inherits_one_allele_of_each_parent_but_for_what_is_new(family: Family) -> None:
    father, mother, child = (family.haplotypes[name] for name in ("father", "mother", "child"))
    paternal = (child[:, :1] == father).any(axis=1)
    maternal = (child[:, 1:] == mother).any(axis=1)
    new = int((~(paternal & maternal)).sum())
    assert 40 <= new <= 60
    assert len(child) > 10_000


def test_stories_change_the_coding_sequence_of_their_gene(genome: SyntheticGenome, family: Family) -> None:
    genes = {gene.symbol: gene for gene in genome.genes}
    assert len(family.stories) >= 8
    for story in family.stories:
        assert set(range(story.site[1], story.site[1] + len(story.site[2]))) & set(coding_positions(genes[story.gene]).tolist())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    def digests(folder: Path, seed: int) -> list[str]:
        make_demo(folder, seed=seed, **SMALL)  # type: ignore[arg-type]
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir()) if path.name != "made.json"]

    first = digests(tmp_path / "a", 1)
    assert first == digests(tmp_path / "b", 1)
    assert all(a != b for a, b in zip(first[:1], digests(tmp_path / "c", 2)[:1], strict=True))


def test_files_are_readable_vcf_whose_ref_is_the_genomes_but_for_the_records_made_wrong(tmp_path: Path) -> None:
    files = make_demo(tmp_path, **SMALL)  # type: ignore[arg-type]
    contigs = {part.split("\n", 1)[0]: part.split("\n", 1)[1].replace("\n", "") for part in files.fasta.read_text()[1:].split(">")}
    for name, path in files.people.items():
        wrong, stars, symbolic, records = 0, 0, 0, 0
        reader = VCF(str(path))
        assert reader.samples == [name]
        for record in reader:
            records += 1
            wrong += contigs[record.CHROM][record.start : record.start + len(record.REF)] != record.REF
            stars += "*" in record.ALT
            symbolic += any(alt.startswith("<") for alt in record.ALT)
        assert wrong == 8
        assert stars > 10
        assert symbolic == 24
        assert records > 1_500
        with gzip.open(path, "rt") as lines:
            places = [(int(line.split("\t")[0]), int(line.split("\t")[1])) for line in lines if not line.startswith("#")]
        assert places == sorted(places)
