"""Quality figures of a sample, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from processors.ingest.quality import MIN_X_CALLS, Sex
from processors.knowledge.genome import Genome, build_genome
from schemas.chunks import Flag


@pytest.fixture
def grch38(tmp_path: Path) -> Genome:
    (tmp_path / "x.fa").write_text(">chrUn_small\nACGTACGT\n")
    return Genome(build_genome(tmp_path / "x.fa", tmp_path / "packs", "GRCh38", "1"))


def _figures(run: Any, write_vcf: Any, genome: Genome, lines: list[str]) -> dict[str, float]:
    figures: dict[str, float] = run(write_vcf(lines, contigs=""), genome=genome).manifest.samples[0].quality
    return figures


def test_counts_ratios_and_rates(run: Any, write_vcf: Any, grch38: Genome) -> None:
    figures = _figures(run, write_vcf, grch38, [
        "1 100 . A G . . . GT:DP:GQ:AD 0/1:40:50:20,20",
        "1 200 . C T . . . GT:DP:GQ:AD 1/1:20:60:1,19",
        "1 300 . A T . . . GT:DP:GQ:AD 0/1:40:99:30,10",
        "1 400 . A AT . . . GT:DP:GQ 0/1:10:10",
        "1 500 . AT A . . . GT 1/1",
        "1 600 . AT GC . . . GT 0/1",
        "1 700 . A C . . . GT:DP 0/0:90",
        "1 800 . A C . . . GT ./.",
    ])  # fmt: skip
    expected = {
        "snv": 3, "transitions": 2, "ti_tv": 2, "insertions": 1, "deletions": 1, "complex": 1, "het": 4, "hom": 2, "het_hom": 2,
        "call_rate": 7 / 8, "depth_mean": 40, "depth_median": 40, "quality_mean": 219 / 4, "quality_median": 50,
        "contamination_signal": 1 / 20, "het_balance_mean": (0.5 + 0.25) / 2, "het_balance_deviation": 0.125,
        "het_balance_outliers": 0, "sex": Sex.NOT_ASSESSABLE,
    }  # fmt: skip
    assert {name: figures[name] for name in expected} == pytest.approx(expected)


def test_a_figure_without_a_basis_is_left_out(run: Any, write_vcf: Any, grch38: Genome) -> None:
    figures = _figures(run, write_vcf, grch38, ["1 100 . A G . . . GT 0/1"])
    assert not {"ti_tv", "het_hom", "depth_mean", "depth_median", "covered_bases", "contamination_signal"} & set(figures)


@pytest.mark.parametrize(
    ("het", "hom", "sex"),
    [
        (0, MIN_X_CALLS - 1, Sex.NOT_ASSESSABLE),
        (2, 60, Sex.MALE),
        (60, 40, Sex.FEMALE),
        (20, 80, Sex.UNCERTAIN),
    ],
)
def test_sex_is_told_by_heterozygosity_on_x(run: Any, write_vcf: Any, grch38: Genome, het: int, hom: int, sex: Sex) -> None:
    lines = [f"X {3_000_000 + 10 * n} . A G . . . GT {'0/1' if n < het else '1/1'}" for n in range(het + hom)]
    assert _figures(run, write_vcf, grch38, lines)["sex"] == sex


def test_calls_on_x_that_the_sex_does_not_allow_are_counted(run: Any, write_vcf: Any, grch38: Genome) -> None:
    def figure(gts: list[str]) -> float:
        lines = [f"X {3_000_000 + 10 * n} . A G . . . GT {gt}" for n, gt in enumerate(gts)]
        return _figures(run, write_vcf, grch38, lines)["sex_contradictions"]

    assert figure(["1"] * 60 + ["0/1"] * 3) == 3  # a male's
    assert figure(["0/1"] * 60 + ["1/1"] * 30 + ["1"] * 4) == 4  # a female's


def test_pseudo_autosomal_calls_do_not_tell_the_sex(run: Any, write_vcf: Any, grch38: Genome) -> None:
    lines = [f"X {20_000 + 10 * n} . A G . . . GT 0/1" for n in range(100)]
    assert _figures(run, write_vcf, grch38, lines)["sex"] == Sex.NOT_ASSESSABLE


@pytest.mark.parametrize(
    ("place", "gt", "contradiction"),
    [
        ("1 100", "1", True),
        ("X 20000", "1", True),  # pseudo-autosomal
        ("X 10000", "1", False),  # one base before PAR1
        ("X 10001", "1", True),
        ("X 2781479", "1", True),
        ("X 2781480", "1", False),
        ("X 3000000", "1", False),
        ("Y 5000000", "0/1", True),
        ("Y 5000000", "1/1", False),
        ("MT 100", "1", False),
        ("1 100", "0/1", False),
    ],
)
def test_ploidy_that_contradicts_every_sex_is_flagged_and_lands(
    run: Any, write_vcf: Any, grch38: Genome, place: str, gt: str, contradiction: bool
) -> None:
    outcome = run(write_vcf([f"{place} . A G . . . GT {gt}"], contigs=""), genome=grch38)
    assert bool(outcome.rows[0]["flags"] & Flag.PLOIDY) is contradiction
    assert outcome.manifest.samples[0].quality["ploidy_contradictions"] == contradiction
