"""Contig tables: names, aliases, lengths and the linear coordinate."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from schemas.assembly import PRIMARY, canonical_build, contig_table


@pytest.mark.parametrize("name", ["21", "chr21", "NC_000021.9"])
def test_a_contig_answers_to_each_of_its_names(name: str) -> None:
    table = contig_table("GRCh38")
    assert table.resolve(name) == PRIMARY.index("21")


def test_an_accession_of_the_other_build_is_not_resolved() -> None:
    assert contig_table("GRCh37").resolve("NC_000021.9") is None


def test_the_mitochondrion_of_hg19_is_never_called_mt() -> None:
    table = contig_table("GRCh37")
    assert table.resolve("chrM", 16_569) == PRIMARY.index("MT")
    assert table.resolve("chrM", 16_571) is None


@pytest.mark.parametrize(
    ("build", "file"),
    [("GRCh37", "grch37/clinvar_2017-04-04.GRCh37.vcf.gz"), ("GRCh38", "vep_truth/input.GRCh38.vcf.gz")],
)
def test_lengths_agree_with_the_headers_of_real_files(build: str, file: str, real_data: Path) -> None:
    table = contig_table(build)
    checked = 0
    with gzip.open(real_data / file, "rt") as lines:
        for line in lines:
            if not line.startswith("##"):
                break
            found = re.match(r"##contig=<ID=([^,>]+),length=(\d+)", line)
            if found:
                number = table.resolve(found[1])
                assert number is not None
                assert table.contigs[number].length == int(found[2]), found[1]
                checked += 1
    assert checked >= 8


def test_a_linear_coordinate_leads_back_to_its_contig() -> None:
    table = contig_table("GRCh38", [("chrUn_KI270302v1", 2274)])
    for contig in table.contigs:
        assert table.locate(contig.offset) == (contig.name, 0)
        assert table.locate(contig.offset + contig.length - 1) == (contig.name, contig.length - 1)


def test_an_extra_contig_that_is_a_primary_one_under_another_name_is_not_added_twice() -> None:
    assert len(contig_table("GRCh38", [("chr1", 248956422)]).contigs) == len(PRIMARY)


def test_a_build_of_ones_own_has_only_its_own_contigs() -> None:
    table = contig_table("toy", [("c1", 1000), ("c2", 500)])
    assert [contig.offset for contig in table.contigs] == [0, 1000]
    assert table.resolve("chrc1") == 0


def test_a_genome_beyond_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="32-bit"):
        contig_table("wheat", [("1A", 2**31), ("1B", 2**31)])


def test_builds_have_their_usual_aliases() -> None:
    assert [canonical_build(name) for name in ("hg19", "b37", "HG38", "toy")] == ["GRCh37", "GRCh37", "GRCh38", "toy"]
