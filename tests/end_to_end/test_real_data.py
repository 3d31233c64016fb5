"""Real call sets, end to end through Kafka into ClickHouse; every file of the shared samples is accounted for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.real_data]

PLATINUM = "samples/NA12878.PlatinumGenomes.chr21.GRCh38.vcf.gz"
QUICK = ("HG002_HG003_HG004.trio.chr1-2.GRCh37.vcf.gz", "NA12878.chr20_snippet.GRCh37.g.vcf.gz", "manuel.Pfeiffer_exome.GRCh37.vcf.gz")
LONG = (
    "1000G_phase1.1092samples.chr1_head.GRCh37.vcf.gz",
    "HG02102.1000G.chr21.GRCh37.vcf.gz",
    "NA12878.NIST2.19_indels.wholegenome.GRCh37.vcf.gz",
    "NA12878.NIST_GATK.chr21.hg19.vcf.gz",
    "NA12878.PlatinumGenomes.chr21.hg19.vcf.gz",
)


@pytest.fixture(scope="module")
def real_stack(start_stack: Callable[..., Any], real_data: Path) -> Any:
    """A stack with the chr21 reference, genes and knowledge of GRCh38, and the GRCh37 reference of the VEP truth set."""
    stack = start_stack([real_data])
    chr21 = real_data / "chr21_GRCh38"
    stack.run(
        "reference", "add", "GRCh38",
        "--fasta", chr21 / "chr21.GRCh38.known.fa.gz", "--transcripts", chr21 / "chr21.GRCh38.ensembl.gff3.gz",
    )  # fmt: skip
    clinvar, frequency = "clinvar_2017-04-04.chr21.lifted_GRCh38.vcf.gz", "1000G_phase3_AF.chr21.lifted_GRCh38.vcf.gz"
    stack.run("knowledge", "build", "clinvar", chr21 / clinvar, "--build", "GRCh38", "--version", "2017-04-04")
    stack.run("knowledge", "build", "frequency", chr21 / frequency, "--build", "GRCh38", "--version", "phase3")
    truth = real_data / "vep_truth"
    stack.run("reference", "add", "GRCh37", "--fasta", truth / "ref.GRCh37.fa.gz", "--transcripts", truth / "genes.GRCh37.gff3.gz")
    return stack


@pytest.fixture(scope="module")
def platinum(real_stack: Any, real_data: Path) -> dict[str, Any]:
    """NA12878's chromosome 21, published."""
    state: dict[str, Any] = real_stack.json("submit", real_data / PLATINUM, "--build", "GRCh38", "--wait")
    return state


def test_platinum_na12878_is_published_whole(platinum: dict[str, Any], real_data: Path, units: Callable[[Path, str], int]) -> None:
    assert platinum["state"] == "published"
    assert platinum["variants_in"] == platinum["landed"] + platinum["quarantined"]
    assert platinum["variants_in"] == units(real_data / PLATINUM, "NA12878")


def test_its_clinvar_records_are_found_as_a_plain_join_finds_them(platinum: dict[str, Any], real_stack: Any, real_data: Path) -> None:
    def alleles(path: Path) -> set[tuple[str, str, str]]:
        with gzip.open(path, "rt") as lines:
            fields = [line.split("\t", 5)[1:5] for line in lines if not line.startswith("#")]
        return {(position, ref, alt) for position, _, ref, alts in fields for alt in alts.split(",")}

    clinvar = alleles(real_data / "chr21_GRCh38/clinvar_2017-04-04.chr21.lifted_GRCh38.vcf.gz")
    expected = {key for key in alleles(real_data / PLATINUM) & clinvar if len(key[1]) == len(key[2]) == 1}
    rows = real_stack.rows(
        "SELECT DISTINCT toString(position), ref, alt FROM variant"
        " WHERE build = 'GRCh38' AND clinvar_answer = 'found' AND length(ref) = 1 AND length(alt) = 1"
    )
    assert len(expected) > 50
    assert set(rows) == expected


@pytest.mark.parametrize("file", [*QUICK, *(pytest.param(file, marks=pytest.mark.soak) for file in LONG)])
def test_every_variant_of_a_real_file_is_accounted_for(
    file: str, real_stack: Any, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = real_data / "samples" / file
    states = real_stack.json("submit", path, "--build", "GRCh37", "--wait")
    states = states if isinstance(states, list) else [states]
    for state in states:
        assert state["state"] == "published", state
        assert state["variants_in"] == state["landed"] + state["quarantined"]
    total = {key: sum(state[key] for state in states) for key in ("variants_in", "landed", "quarantined")}
    with capsys.disabled():
        print(f"\n{file}: {len(states)} samples, in {total['variants_in']:,} = landed {total['landed']:,} + {total['quarantined']:,}")
