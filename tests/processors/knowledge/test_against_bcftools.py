"""Lookups against `bcftools annotate` on the same real files, both after `bcftools norm`: multi-allelics, indels, `chr` styles."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import activate
from processors.knowledge.source import Request
from processors.knowledge.sources import clinvar, frequency
from processors.knowledge.transcript_build import build_transcripts
from processors.pipeline import annotate_file
from processors.resources import Resources, plan_for

pytestmark = [pytest.mark.real_data, pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")]
CLINVAR = "clinvar_2017-04-04.chr21.lifted_GRCh38.vcf.gz"
FREQUENCY = "1000G_phase3_AF.chr21.lifted_GRCh38.vcf.gz"


def bcftools(*words: str | Path) -> str:
    done = subprocess.run(["bcftools", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


def normalised(source: Path, target: Path, fasta: Path, names: Path) -> Path:
    """Split, trimmed, left-aligned, contig `21`, indexed. Without their ids: records are compared by allele."""
    renamed = target.with_suffix(".renamed.vcf")
    bcftools("annotate", "--rename-chrs", names, "-x", "ID", source, "-o", renamed)
    bcftools("norm", "-m-any", "-f", fasta, "-c", "w", renamed, "-Oz", "-o", target)
    bcftools("index", "-t", target)
    return target


def trimmed(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Without what REF and ALT share, one base kept."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def test_clinvar_and_frequencies_agree_with_bcftools_on_every_allele(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "chr21_GRCh38"
    fasta = folder / "chr21.GRCh38.known.fa.gz"
    sample = real_data / "samples/NA12878.PlatinumGenomes.chr21.GRCh38.vcf.gz"
    names = tmp_path / "names"
    names.write_text("chr21 21\n")
    one = normalised(sample, tmp_path / "sample.vcf.gz", fasta, names)
    for number, (source, column) in enumerate(((CLINVAR, "INFO/CLNSIGCODE"), (FREQUENCY, "INFO/AF"))):
        known = normalised(folder / source, tmp_path / f"source{number}.vcf.gz", fasta, names)
        two = tmp_path / f"annotated{number}.vcf.gz"
        bcftools("annotate", "-a", known, "-c", column, one, "-Oz", "-o", two)
        bcftools("index", "-t", two)
        one = two
    theirs: dict[tuple[str, ...], tuple[str, str]] = {}
    for line in bcftools("query", "-f", "%CHROM\t%POS\t%REF\t%ALT\t%CLNSIGCODE\t%AF\n", one).splitlines():
        *allele, code, value = line.split("\t")
        # of several records of one allele (the file has some) bcftools annotates one only
        if (code, value) != (".", ".") or tuple(allele) not in theirs:
            theirs[tuple(allele)] = (code, value)

    packs = tmp_path / "packs"
    genome = build_genome(fasta, packs, "GRCh38", "1")
    loaded = Genome(genome)
    for pack in (
        genome,
        build_transcripts(folder / "chr21.GRCh38.ensembl.gff3.gz", packs, loaded.table, name="e", version="1"),
        clinvar.build(Request("clinvar", (folder / CLINVAR,), packs, loaded.table.build, "2017-04-04", loaded)),
        frequency.build(Request("frequency", (folder / FREQUENCY,), packs, loaded.table.build, "3", loaded, "1000G")),
    ):
        activate(packs, pack)
    # the sample as it came (`chr21`, several ALTs a record), and as bcftools rewrote it: our keys must make the two one
    resources = Resources.load(plan_for(packs, "GRCh38"), packs, "cpu")
    answers = {}
    for name, path in (("as_it_came", sample), ("rewritten", one)):
        annotate_file(path, tmp_path / f"{name}.tsv", resources)
        with (tmp_path / f"{name}.tsv").open() as handle:
            rows = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
            answers[name] = [
                (r["chrom"], r["pos"], r["ref"], r["alt"], r["clinvar_answer"], r["frequency_answer"], r["frequency"])
                for r in rows
                if r["pick"] == "1"
            ]
    ours = {row[:4]: row[4:] for row in answers["rewritten"]}
    assert ours.keys() == theirs.keys()
    different = [
        (allele, theirs[allele], ours[allele])
        for allele in ours
        if (ours[allele][0] == "found") != (theirs[allele][0] != ".")
        or (ours[allele][1] == "found") != (theirs[allele][1] != ".")
        or (ours[allele][1] == "found" and abs(float(ours[allele][2]) - float(theirs[allele][1])) > 1e-6)
    ]
    # bcftools leaves a record alone whose REF lies on N, so padded alleles there meet nothing; trimmed by hand they meet what we met
    by_hand = {}
    bases = loaded.bases(20)
    assert bases is not None
    for chrom, position, ref, alt, value in (
        line.split("\t") for line in bcftools("query", "-f", "%CHROM\t%POS\t%REF\t%ALT\t%AF\n", tmp_path / "source1.vcf.gz").splitlines()
    ):
        by_hand[(chrom, *trimmed(int(position), ref, alt))] = float(value)
    for (chrom, position, ref, alt), their, our in different:
        short = trimmed(int(position), ref, alt)
        assert 78 in bases[int(position) - 1 : int(position) - 1 + len(ref)], (position, ref, alt, their, our)
        assert their[1] == "."
        assert our[1] == "found"
        assert abs(by_hand[(chrom, *short)] - float(our[2])) < 1e-6
    assert len(different) < 0.002 * len(ours)
    found = sum(value[1] != "." for value in theirs.values())
    assert found > 30_000, found

    def counted(name: str) -> tuple[int, int]:
        return sum(row[4] == "found" for row in answers[name]), sum(row[5] == "found" for row in answers[name])

    assert counted("as_it_came") == counted("rewritten")
