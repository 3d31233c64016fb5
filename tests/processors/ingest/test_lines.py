"""What a line becomes: genotypes, depths, filters, and each kind of fault, typed and kept."""

from __future__ import annotations

from typing import Any

import pytest

from processors.ingest.faults import DETAIL, Fault


def _line(
    rest: str = "", *, chrom: str = "one", pos: str = "1", ref: str = "A", alt: str = "C", form: str = "GT", call: str = "0/1"
) -> str:
    return f"{chrom} {pos} . {ref} {alt} . . {rest or '.'} {form} {call}"


def test_a_call_keeps_haplotypes_depths_quality_and_phase(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf(["one 1 . A C,G 12.5 q10;lowDP . GT:DP:AD:GQ:PS:PL 2|1:30:3,10,17:14.79:77:0,1,2"]))
    first, second = outcome.rows
    assert (first["alt"], first["alt_index"], second["alt"], second["alt_index"]) == ("C", 1, "G", 2)
    assert first["calls"] == [
        {
            "sample": 0, "haplotypes": 0b10, "ploidy": 2, "other_alts": 1, "missing": 0, "phased": True, "phase_set": 77, "depth": 30,
            "quality": 14, "depth_ref": 3, "depth_alt": 10,
        }
    ]  # fmt: skip
    assert second["calls"][0]["haplotypes"] == 0b01
    assert second["calls"][0]["depth_alt"] == 17
    assert (first["qual"], first["filter"]) == (12.5, "q10;lowDP")


@pytest.mark.parametrize(
    ("gt", "haplotypes", "ploidy", "missing", "phased"),
    [
        ("1", 0b1, 1, 0, False),
        ("1/1", 0b11, 2, 0, False),
        ("0|1", 0b10, 2, 0, True),
        ("./1", 0b10, 2, 1, False),
        ("/0|1", 0b10, 2, 0, False),
        ("|1|0", 0b01, 2, 0, True),
        ("0/0/1", 0b100, 3, 0, False),
        ("1/1/1/1/1/1/1/1", 0xFF, 8, 0, False),
    ],
)
def test_genotypes(run: Any, write_vcf: Any, gt: str, haplotypes: int, ploidy: int, missing: int, phased: bool) -> None:
    (row,) = run(write_vcf([_line(call=gt)])).rows
    (call,) = row["calls"]
    assert (call["haplotypes"], call["ploidy"], call["missing"], call["phased"]) == (haplotypes, ploidy, missing, phased)


@pytest.mark.parametrize("gt", ["0/0", "./.", ".", "0", "0|0"])
def test_a_sample_without_the_alt_leaves_no_row(run: Any, write_vcf: Any, gt: str) -> None:
    outcome = run(write_vcf([_line(call=gt)]))
    assert outcome.rows == outcome.faults == []
    assert (outcome.manifest.uncarried, outcome.manifest.samples[0].variants_in) == (1, 0)


def test_values_that_are_not_given_are_minus_one_or_nan(run: Any, write_vcf: Any) -> None:
    (row,) = run(write_vcf([_line(form="GT:DP:AD:GQ:PS", call="0/1:.:.")])).rows
    call = row["calls"][0]
    assert [call[name] for name in ("depth", "quality", "depth_ref", "depth_alt", "phase_set")] == [-1] * 5
    assert row["qual"] is None
    assert row["filter"] == "."


def test_depths_of_another_number_of_alleles_are_not_given(run: Any, write_vcf: Any) -> None:
    (row,) = run(write_vcf([_line(form="GT:AD", call="0/1:7")])).rows
    assert (row["calls"][0]["depth_ref"], row["calls"][0]["depth_alt"]) == (-1, -1)


def test_named_phase_sets_stay_equal_and_apart(run: Any, write_vcf: Any) -> None:
    lines = [_line(pos=pos, ref=ref, alt="N" if ref == "N" else "C", form="GT:PS", call=f"0|1:{name}") for pos, ref, name in
             (("1", "A", "PATMAT"), ("5", "A", "PATMAT"), ("13", "T", "other"))]  # fmt: skip
    sets = [row["calls"][0]["phase_set"] for row in run(write_vcf(lines)).rows]
    assert sets[0] == sets[1] != sets[2]
    assert min(sets) >= 0


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("1e-13", 1e-13), ("123.456", 123.456), ("2.5E+3", 2500.0), (".5", 0.5)])
def test_quality_is_read_as_any_float(run: Any, write_vcf: Any, text: str, value: float) -> None:
    (row,) = run(write_vcf([f"one 1 . A C {text} PASS . GT 0/1"])).rows
    assert row["qual"] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("line", "reason", "alt_index"),
    [
        (_line(alt="*"), Fault.STAR_ALLELE, 1),
        (_line(alt="<DEL>"), Fault.SYMBOLIC, 1),
        (_line(alt="<*>"), Fault.SYMBOLIC, 1),
        (_line(alt="A]two:5]"), Fault.BREAKEND, 1),
        (_line(alt="[two:5[A"), Fault.BREAKEND, 1),
        (_line(alt="A."), Fault.BREAKEND, 1),
        (_line(alt="A" + "C" * 10_000), Fault.OVERLONG, 1),
        (_line(alt="N"), Fault.UNKNOWN_BASE, 1),
        (_line(ref="AN"), Fault.UNKNOWN_BASE, 1),
        (_line(alt="R"), Fault.INVALID_BASE, 1),
        (_line(alt="a"), Fault.ALT_IS_REF, 1),
        (_line(ref="G"), Fault.BAD_REF, 1),
        (_line(pos="46", ref="AC"), Fault.OUTSIDE_CONTIG, 1),
        (_line(pos="900"), Fault.OUTSIDE_CONTIG, 1),
        (_line(call="1/0/0/0/0/0/0/0/0"), Fault.PLOIDY_TOO_HIGH, 1),
        (_line(chrom="three"), Fault.UNKNOWN_CONTIG, 1),
        ("one 1 . A C . .", Fault.MISSING_COLUMNS, 0),
        ("one 1 . A C . . . GT", Fault.MISSING_COLUMNS, 0),
        (_line(call="0/1 0/1"), Fault.SAMPLE_COLUMNS, 0),
        (_line(pos="0"), Fault.BAD_POSITION, 0),
        (_line(pos="x1"), Fault.BAD_POSITION, 0),
        (_line(pos="99999999999"), Fault.BAD_POSITION, 0),
        (_line(ref="."), Fault.EMPTY_ALLELE, 0),
        (_line(alt="C,,G"), Fault.EMPTY_ALLELE, 0),
        ("one 1 . A C x . . GT 0/1", Fault.BAD_QUALITY, 0),
        (_line(form="DP", call="3"), Fault.NO_GENOTYPE, 0),
        (_line(call="0/x"), Fault.BAD_GENOTYPE, 0),
        (_line(call="0/"), Fault.BAD_GENOTYPE, 0),
        (_line(call="0/2"), Fault.GENOTYPE_INDEX, 0),
        (_line(form="GT:DP", call="0/1:many"), Fault.BAD_NUMBER, 0),
        (_line(form="GT:AD", call="0/1:3,x"), Fault.BAD_NUMBER, 0),
        (_line(alt=",".join(["C"] * 5000)), Fault.TOO_MANY_ALTS, 0),
    ],
)
def test_a_fault_is_typed_kept_and_counted(run: Any, write_vcf: Any, line: str, reason: Fault, alt_index: int) -> None:
    good = _line(chrom="two", pos="5", ref="C", alt="T")
    outcome = run(write_vcf([_line(), line, good]))
    assert outcome.reasons() == [(1, alt_index, reason.reason)]
    assert outcome.alleles() == [("one", 1, "A", "C"), ("two", 5, "C", "T")]
    (sample,) = outcome.manifest.samples
    assert (sample.variants_in, sample.landed, sample.quarantined) == (3, 2, {reason.reason: 1})
    (fault,) = outcome.faults
    assert fault["detail"] == DETAIL[reason]
    assert fault["site"].startswith(line.split(maxsplit=1)[0] + "\t")
    assert fault["samples"] == [0]


def test_every_fault_has_a_detail() -> None:
    assert set(DETAIL) == set(Fault) - {Fault.NONE}


def test_one_bad_alt_does_not_take_its_neighbours_along(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf(["one 1 . A C,*,<NON_REF> . . . GT 1/2"]))
    assert outcome.alleles() == [("one", 1, "A", "C")]
    assert outcome.reasons() == [(0, 2, "star_allele")]
    assert outcome.manifest.uncarried == 1


def test_a_malformed_record_counts_once_for_every_sample(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf(["one 1 . A C . . . GT 0/1 0/0 0/9"], samples=("a", "b", "c")))
    assert outcome.faults[0]["samples"] == [0, 1, 2]
    assert [sample.quarantined for sample in outcome.manifest.samples] == [{"genotype_index": 1}] * 3


def test_only_the_sample_of_too_high_ploidy_is_a_fault(run: Any, write_vcf: Any) -> None:
    outcome = run(write_vcf(["one 1 . A C . . . GT 0/1 0/0/0/0/0/0/0/0/1"], samples=("a", "b")))
    assert [call["sample"] for call in outcome.rows[0]["calls"]] == [0]
    assert outcome.faults[0]["samples"] == [1]


def test_reference_blocks_are_coverage_not_variants(run: Any, write_vcf: Any) -> None:
    lines = [
        "one 1 . A <NON_REF> . . END=4 GT:DP 0/0:30",
        "one 5 . A <*> . . . GT:DP 0/0:10",
        "one 6 . C . . . DP=3;END=10 GT:DP 0/0:20",
        "one 13 . T C,<NON_REF> . . . GT:DP 0/1:30",
    ]
    outcome = run(write_vcf(lines))
    assert (outcome.manifest.records, outcome.manifest.reference_blocks, outcome.manifest.uncarried) == (4, 3, 1)
    assert outcome.manifest.samples[0].variants_in == 1
    assert outcome.manifest.samples[0].quality["covered_bases"] == 10
    assert outcome.manifest.samples[0].quality["covered_depth_mean"] == (4 * 30 + 10 + 5 * 20) / 10


def test_windows_line_ends_and_blank_lines_change_nothing(run: Any, write_vcf: Any, tmp_path: Any) -> None:
    path = write_vcf([_line(), _line(chrom="two", pos="5", ref="C", alt="T")])
    odd = tmp_path / "odd.vcf"
    odd.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert run(odd).raw == run(path).raw


def test_a_site_that_is_no_utf8_is_kept_readable(run: Any, write_vcf: Any) -> None:
    path = write_vcf([_line(alt="*")])
    path.write_bytes(path.read_bytes().replace(b"one\t1\t.\t", b"one\t1\tr\xff\xc3s\t"))
    assert run(path).faults[0]["site"].startswith("one\t1\tr��s\tA")
