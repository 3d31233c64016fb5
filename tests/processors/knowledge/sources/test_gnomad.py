"""gnomAD's files as released, and short ones in its spelling of v2, v3 and v4: counts, groups, filters, flags, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from math import exp, lgamma, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.knowledge.allele_pack import AllelePack
from processors.knowledge.filtering_frequency import filtering_frequency
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.source import Request, build_source, open_source
from processors.knowledge.sources.refused import SourceRefused
from schemas.chunks import Answer
from tests.processors.knowledge.test_lookup import spelled

COUNTS = "AC A,AN 1,AF A,nhomalt A,AC_afr A,AN_afr 1,AF_afr A,AC_nfe A,AN_nfe 1,AF_nfe A,lcr 0,segdup 0"
V4 = COUNTS + ",grpmax A,AF_grpmax A,AN_grpmax A,fafmax_faf95_max A,fafmax_faf95_max_gen_anc A,AC_XY A,non_par 0"
V4_EXOMES = V4 + ",fail_interval_qc 0"
V4_GENOMES = V4 + ",AC_ami A,AF_ami A"
V3 = COUNTS + ",popmax A,AF_popmax A,faf95-afr A,faf95-nfe A,AC-XX A,AC_XY A,nonpar 0,AC_ami A"
V2 = COUNTS + ",popmax A,AF_popmax A,AN_popmax A,faf95 A,faf95_afr A,faf95_nfe A,AC_male A,nonpar 0,rf_tp_probability 1"
JOINT = "AC_joint A,AN_joint 1,AF_joint A,AF_joint_afr A,AN_joint_afr 1,grpmax_joint A,fafmax_faf95_max_joint A,AC_exomes A,AC_joint_XY A"
ROW = "AC=2;AN=100;AF=0.02;nhomalt=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome of an autosome and of X, on a build whose pseudo-autosomal regions are not known."""
    folder = tmp_path_factory.mktemp("gnomad")
    (folder / "g.fa").write_text(">1\n" + "ACGTACGTAC" * 10 + "\n>X\n" + "ACGTACGTAC" * 10 + "\n")
    build_genome(folder / "g.fa", folder / "packs", "own", "1")
    return folder


def built(folder: Path, keys: str, *rows: str, kind: str = "gnomad_exomes", name: str = "x.vcf", **options: str) -> AllelePack:
    head = "".join(f'##INFO=<ID={key.split()[0]},Number={key.split()[1]},Type=Float,Description="x">\n' for key in keys.split(","))
    source = folder / name
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    source.write_text("##fileformat=VCFv4.2\n" + head + columns + "".join(f"{row}\n" for row in rows))
    genome = Genome(build_genome(folder / "g.fa", folder / "packs", "own", "1"))
    found: AllelePack = open_source(build_source(Request(kind, (source,), folder / "packs", "own", "1", genome, options=options)))
    return found


def details(pack: AllelePack, *allele: tuple[int, str, str]) -> list[dict[str, Any]]:
    return [pack.details(int(row)) for row in pack.query(*spelled(list(allele))).row]


def test_each_alt_gets_its_own_values_and_the_group_of_its_filtering_frequency(folder: Path) -> None:
    row = (
        "chr1\t1\t.\tA\tC,G\t.\tPASS\tAC=2,30;AN=100;AF=0.02,0.3;nhomalt=0,4;AF_afr=0.1,0.4;AN_afr=40;AF_nfe=0,.;AN_nfe=60;"
        "grpmax=afr,nfe;AF_grpmax=0.1,0.4;AN_grpmax=40,60;fafmax_faf95_max=0.005,.;fafmax_faf95_max_gen_anc=afr,.;lcr"
    )
    first, second = details(built(folder, V4_EXOMES, row), (0, "A", "C"), (0, "A", "G"))
    assert (first["AF"], first["AC"], first["AN"], first["homozygotes"]) == (0.02, 2, 100, 0)
    assert (first["FAF95"], first["FAF95_group"], first["grpmax"], first["AN_grpmax"]) == (0.005, "afr", "afr", 40)
    assert (second["AF"], second["AC"], second["AN"], second["homozygotes"]) == (0.3, 30, 100, 4)
    assert (second["FAF95"], second["FAF95_group"], second["grpmax"], second["AN_grpmax"]) == (None, None, "nfe", 60)
    assert (second["AF_afr"], second["AF_nfe"], second["AN_nfe"], second["flags"]) == (0.4, None, 60, ["lcr"])


@pytest.mark.parametrize(
    ("keys", "kind", "info"),
    [
        (V2, "gnomad_genomes", "popmax=afr;AF_popmax=0.2;faf95=0.001;faf95_afr=0.15;faf95_nfe=0.01"),
        (V3, "gnomad_genomes", "popmax=afr;AF_popmax=0.2;faf95-afr=0.15;faf95-nfe=0.01"),
        (V4_GENOMES, "gnomad_genomes", "grpmax=afr;AF_grpmax=0.2;fafmax_faf95_max=0.15;fafmax_faf95_max_gen_anc=afr"),
    ],
)
def test_every_release_spells_the_same_differently(folder: Path, keys: str, kind: str, info: str) -> None:
    pack = built(folder, keys, f"1\t1\t.\tA\tC\t.\tPASS\t{ROW};{info}", kind=kind)
    (found,) = details(pack, (0, "A", "C"))
    assert (found["FAF95"], found["FAF95_group"], found["grpmax"], found["AF_grpmax"]) == (0.15, "afr", "afr", 0.2)


def test_hemizygotes_are_told_on_x_outside_the_pseudo_autosomal_regions_alone(folder: Path) -> None:
    pack = built(folder, V4_EXOMES, f"1\t1\t.\tA\tC\t.\tPASS\t{ROW};AC_XY=1", f"X\t1\t.\tA\tC\t.\tPASS\t{ROW};AC_XY=1;non_par")
    assert [row["hemizygotes"] for row in details(pack, (0, "A", "C"), (100, "A", "C"))] == [None, 1]
    assert details(pack, (100, "A", "C"))[0]["flags"] == ["non_par"]


def test_hemizygotes_end_at_the_borders_of_the_pseudo_autosomal_regions(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">own\nACGT\n")
    genome = Genome(build_genome(tmp_path / "g.fa", tmp_path, "GRCh38", "1"))
    places = [
        ("chrX", 10_000),
        ("chrX", 10_001),
        ("chrX", 2_781_479),
        ("chrX", 2_781_480),
        ("chrY", 57_217_415),
        ("chrY", 57_217_416),
        ("chr1", 9),
    ]
    head = "".join(f'##INFO=<ID={key[:-2]},Number={key[-1]},Type=Float,Description="x">\n' for key in V4_EXOMES.split(","))
    rows = "".join(f"{contig}\t{place}\t.\tA\tC\t.\tPASS\t{ROW};AC_XY=1\n" for contig, place in places)
    source = tmp_path / "x.vcf"
    source.write_text("##fileformat=VCFv4.2\n" + head + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + rows)
    pack: AllelePack = open_source(build_source(Request("gnomad_exomes", (source,), tmp_path, "GRCh38", "1", genome)))
    offsets = {f"chr{one.name}": one.offset for one in genome.table.contigs}
    found = details(pack, *((offsets[contig] + place - 1, "A", "C") for contig, place in places))
    assert [row["hemizygotes"] for row in found] == [1, None, None, 1, None, 1, None]


def test_a_record_that_failed_a_filter_is_unknown_and_gives_way_to_one_that_passed(folder: Path) -> None:
    pack = built(
        folder, V4_EXOMES, "1\t1\t.\tA\tC\t.\tAC0;AS_VQSR\tAC=0;AN=90;AF=0", "1\t2\t.\tC\tT\t.\tRF\tAC=50;AN=100;AF=0.5",
        "1\t2\t.\tC\tT\t.\tPASS\tAC=1;AN=100;AF=0.01",
    )  # fmt: skip
    answer, value, _ = pack.query(*spelled([(0, "A", "C"), (1, "C", "T"), (4, "A", "C")]))
    assert answer.tolist() == [Answer.UNKNOWN, Answer.FOUND, Answer.UNKNOWN]
    assert value[1] == np.float32(0.01)
    assert details(pack, (0, "A", "C"))[0]["filter"] == ["AC0", "AS_VQSR"]
    assert pack.pack.extra["counts"]["duplicate"] == 1
    assert pack.pack.extra["maxima"] == {"AN": 100}


def test_the_joint_file_is_read_by_its_own_keys(folder: Path) -> None:
    info = "AC_joint=3;AN_joint=50;AF_joint=0.06;AF_joint_afr=0.1;AN_joint_afr=20;grpmax_joint=afr;fafmax_faf95_max_joint=0.01;AC_exomes=1"
    pack = built(folder, JOINT, f"1\t1\t.\tA\tC\t.\tEXOMES_FILTERED\t{info}", f"1\t2\t.\tC\tG\t.\tPASS\t{info}", kind="gnomad_joint")
    failed, passed = details(pack, (0, "A", "C"), (1, "C", "G"))
    assert (passed["AF"], passed["AC"], passed["AF_afr"], passed["FAF95"], passed["grpmax"]) == (0.06, 3, 0.1, 0.01, "afr")
    assert (failed["filter"], failed["filtered"]) == (["EXOMES_FILTERED"], True)


@pytest.mark.parametrize(
    ("keys", "kind", "words"),
    [
        (V4_EXOMES, "gnomad_genomes", "is gnomAD exomes, asked for is genomes; build it as gnomad_exomes"),
        (V4_GENOMES, "gnomad_exomes", "is gnomAD genomes"),
        (JOINT, "gnomad_exomes", "is gnomAD joint"),
        (V2, "gnomad_exomes", "is gnomAD genomes"),
        (V4_GENOMES, "gnomad_joint", "is gnomAD genomes, asked for is joint"),
        ("AN 1,fail_interval_qc 0", "gnomad_exomes", "no INFO/AF, AC; is this a gnomAD sites VCF"),
    ],
)
def test_another_data_type_is_refused_by_its_header(folder: Path, keys: str, kind: str, words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        built(folder, keys, f"1\t1\t.\tA\tC\t.\tPASS\t{ROW}", kind=kind)


def test_where_the_header_cannot_tell_the_name_of_the_file_does(folder: Path) -> None:
    with pytest.raises(SourceRefused, match="is gnomAD genomes"):
        built(folder, V4, f"1\t1\t.\tA\tC\t.\tPASS\t{ROW}", name="gnomad.genomes.v4.1.sites.vcf")
    assert built(folder, V4, f"1\t1\t.\tA\tC\t.\tPASS\t{ROW}", name="slice.vcf").pack.rows == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1\t1\t.\tA\tC\t.\tPASS\tAC=2;AN=100;AF=1.2", "data record 1: AF=1.2 is no frequency"),
        ("1\t1\t.\tA\tC\t.\tPASS\tAC=-2;AN=100;AF=0.1", "data record 1: AC=-2 is no count"),
        ("1\t1\t.\tA\tC\t.\tPASS\tAC=200;AN=100;AF=0.1", "data record 1: AC=200 is more than AN"),
        ("1\t1\t.\tA\tC\t.\tNEW\tAC=2;AN=100;AF=0.1", "data record 1: FILTER=NEW is not in gnomAD's vocabulary"),
        (f"1\t1\t.\tA\tC\t.\tPASS\t{ROW};grpmax=xyz", "data record 1: grpmax=xyz names no group"),
        ("1\t1\t.\tA\tC\t.\tPASS\tAC=2;AN=100;AF=.", "no allele has a frequency"),
    ],
)
def test_a_value_or_word_that_cannot_be_is_refused_with_its_record(folder: Path, row: str, words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        built(folder, V4_EXOMES, row)


def test_an_option_that_gnomad_does_not_have_is_refused(folder: Path) -> None:
    with pytest.raises(SourceRefused, match="has no option 'field'; it has populations, covered, floor"):
        built(folder, V4_EXOMES, f"1\t1\t.\tA\tC\t.\tPASS\t{ROW}", field="AF")


def test_groups_can_be_left_out(folder: Path) -> None:
    pack = built(folder, V4_EXOMES, f"1\t1\t.\tA\tC\t.\tPASS\t{ROW};AF_afr=0.1", populations="none")
    assert "AF_afr" not in pack.columns
    assert "FAF95" in pack.columns


@pytest.mark.parametrize(("count", "number"), [(1, 100), (3, 80_360), (43, 100_000), (20_000, 1_000_000)])
def test_a_filtering_frequency_is_the_greatest_that_makes_so_many_alleles_unlikely(count: int, number: int) -> None:
    mean = filtering_frequency(count, number) * number
    below = sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count))
    assert below == pytest.approx(0.95, abs=2e-4)
    assert filtering_frequency(0, number) == 0


@pytest.mark.real_data
@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
@pytest.mark.parametrize(
    ("kind", "name", "build", "faf", "group"),
    [
        ("gnomad_exomes", "gnomad-exomes.grch38_v4.0.PCSK9.vcf.gz", "GRCh38", "fafmax_faf95_max", "grpmax"),
        ("gnomad_genomes", "gnomad-genomes.grch38_v4.0.PCSK9.vcf.gz", "GRCh38", "fafmax_faf95_max", "grpmax"),
        ("gnomad_exomes", "gnomad-exomes.grch37_v2.1.PCSK9.vcf.gz", "GRCh37", "", "popmax"),
    ],
)
def test_released_files_say_what_bcftools_reads_in_them(
    real_data: Path, tmp_path: Path, kind: str, name: str, build: str, faf: str, group: str
) -> None:
    (tmp_path / "g.fa").write_text(">own\n" + "ACGT" * 20 + "\n")  # none of the build's contigs: every REF is unknown there
    genome = Genome(build_genome(tmp_path / "g.fa", tmp_path, build, "1"))
    source = real_data / "gnomad_format" / name
    pack: AllelePack = open_source(build_source(Request(kind, (source,), tmp_path, build, "1", genome)))
    keys = ["AF", "AC", "AN", "nhomalt", "AF_nfe", "AN_afr", f"AF_{group}", group, *([faf] if faf else [])]
    form = "%POS\\t%REF\\t%ALT\\t%FILTER\\t" + "\\t".join(f"%{key}" for key in keys) + "\\n"
    lines = subprocess.run(["bcftools", "query", "-f", form, source], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) > 20
    for line in lines:
        position, ref, alt, filters, *values = line.split("\t")
        if len(ref) != len(alt):  # may be spelled otherwise here; indels are compared in test_against_bcftools
            continue
        (row,) = pack.query(*spelled([(int(position) - 1, ref, alt)])).row
        said = pack.details(int(row))
        ours = [
            said[key] for key in ("AF", "AC", "AN", "homozygotes", "AF_nfe", "AN_afr", "AF_grpmax", "grpmax", *(["FAF95"] if faf else []))
        ]
        assert said["filter"] == ([] if filters == "PASS" else filters.split(";"))
        for our, their in zip(ours, values, strict=True):
            assert our == their or (our is None and their == ".") or float(our) == pytest.approx(float(their), rel=1e-6), (line, said)
