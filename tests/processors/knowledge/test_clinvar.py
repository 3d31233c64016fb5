"""ClinVar in each generation of its VCF, and what is refused."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from processors.ingest.errors import SourceError
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources import clinvar
from processors.knowledge.sources.clinvar_terms import Significance, UnknownTermError, parse_codes, parse_text
from processors.knowledge.sources.refused import SourceRefused

SEQUENCE = "ACGTACGTAC" * 20


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    (tmp_path / "g.fa").write_text(f">c\n{SEQUENCE}\n")
    return Genome(build_genome(tmp_path / "g.fa", tmp_path / "packs", "own", "1"))


def compiled(source: Path, tmp_path: Path, genome: Genome, version: str = "2026-01") -> Pack:
    return clinvar.build(Request("clinvar", (source,), tmp_path / "packs", genome.table.build, version, genome))


def built(tmp_path: Path, genome: Genome, *rows: str) -> Pack:
    source = tmp_path / "clinvar.vcf"
    source.write_text("##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(f"{row}\n" for row in rows))
    return compiled(source, tmp_path, genome)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Pathogenic", Significance.PATHOGENIC),
        ("Pathogenic/Likely_pathogenic|risk_factor", Significance.PATHOGENIC_OR_LIKELY),
        ("Pathogenic/Likely_pathogenic/Pathogenic,_low_penetrance", Significance.PATHOGENIC_OR_LIKELY),
        ("Pathogenic,_low_penetrance", Significance.PATHOGENIC_LOW_PENETRANCE),
        ("Likely_risk_allele", Significance.LIKELY_RISK),
        ("Conflicting_interpretations_of_pathogenicity,_other", Significance.CONFLICTING),
        ("Conflicting_classifications_of_pathogenicity|association", Significance.CONFLICTING),
        ("Benign/Likely_benign|other", Significance.BENIGN_OR_LIKELY),
        ("Pathogenic,_risk_factor", Significance.PATHOGENIC),
        ("drug_response|not_provided", Significance.DRUG_RESPONSE),
        ("no_classifications_from_unflagged_records", Significance.NO_CLASSIFICATION),
    ],
)
def test_words_of_2017_to_today_have_their_meaning(text: str, wanted: Significance) -> None:
    assert parse_text(text)[0] is wanted


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [
        ("5", Significance.PATHOGENIC),
        ("5|4", Significance.PATHOGENIC_OR_LIKELY),
        ("2|3|2", Significance.BENIGN_OR_LIKELY),
        ("5|1", Significance.PATHOGENIC),
        ("5|0", Significance.CONFLICTING),
        ("3|0", Significance.CONFLICTING),
        ("255|5", Significance.PATHOGENIC),
        ("1|6", Significance.DRUG_RESPONSE),
        ("1", Significance.NOT_PROVIDED),
    ],
)
def test_numbers_of_the_old_files_are_joined_over_conditions(codes: str, wanted: Significance) -> None:
    assert parse_codes(codes)[0] is wanted


def test_other_beside_pathogenic_is_kept_as_a_doubt() -> None:
    assert parse_codes("255|5")[1] >> Significance.OTHER & 1


@pytest.mark.parametrize("word", ["Pathogenicity_unclear", "Benign/Maybe", "8"])
def test_a_word_without_a_meaning_is_named(word: str) -> None:
    with pytest.raises(UnknownTermError, match=word.split("/", maxsplit=1)[-1]):
        parse_text(word)


def test_an_unknown_word_stops_the_build_and_is_named(tmp_path: Path, genome: Genome) -> None:
    with pytest.raises(SourceRefused, match="data record 2: `Novel_term`"):
        built(tmp_path, genome, "c\t1\t1\tA\tC\t.\t.\tCLNSIG=Benign", "c\t2\t2\tC\tT\t.\t.\tCLNSIG=Novel_term")
    with pytest.raises(SourceRefused, match="`five_stars`"):
        built(tmp_path, genome, "c\t1\t1\tA\tC\t.\t.\tCLNSIG=Benign;CLNREVSTAT=five_stars")


def test_each_generation_is_read_by_allele(tmp_path: Path, genome: Genome) -> None:
    pack = built(
        tmp_path,
        genome,
        "c\t1\trs1\tA\tC,G\t.\t.\tCLNALLE=2,1;CLNSIG=5|5,2;CLNDBN=x|y,z",
        "c\t5\trs2\tA\tT\t.\t.\tCLNSIGCODE=4;CLNSIG=Likely_pathogenic;CLNDBN=w",
        "c\t6\t777\tC\tT\t.\t.\tCLNSIG=Pathogenic;CLNREVSTAT=reviewed_by_expert_panel;CLNDN=v",
        "c\t7\t9\tG\t<DEL>\t.\t.\tCLNSIG=Pathogenic",
    )
    found = clinvar.ClinVar(pack)
    assert found.significance.tolist() == [
        Significance.BENIGN,
        Significance.PATHOGENIC,
        Significance.LIKELY_PATHOGENIC,
        Significance.PATHOGENIC,
    ]
    assert found.stars.tolist() == [255, 255, 255, 3]
    assert [found.record[row] for row in range(4)] == ["rs1", "rs1", "rs2", "777"]
    assert [found.conditions[row] for row in range(4)] == ["z", "x|y", "w", "v"]
    assert pack.extra["counts"]["symbolic"] == 1
    assert len(pack.extra["sha256"]) == 64


def test_of_two_records_of_an_allele_the_one_with_more_stars_counts(tmp_path: Path, genome: Genome) -> None:
    one, two = "CLNSIG=Pathogenic;CLNREVSTAT=reviewed_by_expert_panel", "CLNSIG=Benign;CLNREVSTAT=criteria_provided,_single_submitter"
    pack = built(tmp_path, genome, f"c\t1\t1\tA\tC\t.\t.\t{one}", f"c\t1\t2\tA\tC\t.\t.\t{two}")
    assert clinvar.ClinVar(pack).significance.tolist() == [Significance.PATHOGENIC]
    assert pack.extra["counts"]["duplicate"] == 1


def test_an_unnormalised_indel_is_keyed_as_a_samples_would_be(tmp_path: Path, genome: Genome) -> None:
    padded = clinvar.ClinVar(built(tmp_path, genome, "c\t1\t1\tACGTAC\tAC\t.\t.\tCLNSIG=Benign"))
    shifted = clinvar.ClinVar(built(tmp_path, genome, "c\t3\t1\tGTACG\tG\t.\t.\tCLNSIG=Benign"))
    assert np.array_equal(padded.index.keys, shifted.index.keys)


def test_a_source_without_an_allele_on_the_build_is_refused(tmp_path: Path, genome: Genome) -> None:
    with pytest.raises(SourceRefused, match="no allele of it lies on own"):
        built(tmp_path, genome, "zz\t1\t1\tA\tC\t.\t.\tCLNSIG=Benign")
    with pytest.raises(SourceRefused, match="no allele of it lies on own"):
        built(tmp_path, genome)


def test_a_source_of_another_build_is_refused_by_its_refs(tmp_path: Path, genome: Genome) -> None:
    wrong = [
        f"c\t{k}\t1\t{'CGTA'['ACGT'.index(SEQUENCE[k - 1])]}\tN\t.\t.\tCLNSIG=Benign".replace("\tN\t", f"\t{SEQUENCE[k - 1]}\t")
        for k in range(1, 9)
    ]
    with pytest.raises(SourceRefused, match="contradicts own in 8 of 8"):
        built(tmp_path, genome, *wrong)


def test_an_empty_or_cut_file_is_refused(tmp_path: Path, genome: Genome) -> None:
    for text in ("", "##fileformat=VCFv4.2\n"):
        (tmp_path / "x.vcf").write_text(text)
        with pytest.raises(SourceError):
            compiled(tmp_path / "x.vcf", tmp_path, genome)


@pytest.mark.real_data
@pytest.mark.parametrize(("release", "rows"), [("2014-06-04.original", 49_786), ("2016-01-04", 94_948), ("2017-04-04", 224_300)])
def test_real_releases_of_each_generation_are_read_whole(real_data: Path, tmp_path: Path, release: str, rows: int) -> None:
    (tmp_path / "unknown.fa").write_text(">21\n" + "N" * 48_129_894 + "A\n")
    genome = Genome(build_genome(tmp_path / "unknown.fa", tmp_path / "packs", "GRCh37", "1"))
    source = real_data / f"grch37/clinvar_{release}.GRCh37.vcf.gz"
    pack = compiled(source, tmp_path, genome, release[:10])
    counts = pack.extra["counts"]
    assert pack.rows == rows
    left_out = ("alt_without_classification", "somatic_only", "duplicate")
    assert pack.rows == counts["alleles"] - sum(counts.get(reason, 0) for reason in left_out)
    assert (counts.get("somatic_only", 0) > 35_000) == release.startswith("2014")  # `CLNORIGIN=2`, most of them of melanomas
    with gzip.open(source, "rt") as lines:
        codes = [set(found[1].split("|")) for line in lines if (found := re.search(r"CLNSIGCODE=([^;\s]+)", line))]
    if codes:
        kinds = np.bincount(clinvar.ClinVar(pack).significance, minlength=25)
        assert kinds[[6, 7, 8]].sum() == sum(bool(some & {"4", "5"}) and not some & {"0", "2", "3"} for some in codes)
        assert kinds[[1, 2, 3]].sum() == sum(bool(some & {"2", "3"}) and not some & {"0", "4", "5"} for some in codes)
