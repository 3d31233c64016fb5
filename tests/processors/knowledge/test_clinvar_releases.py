"""What a ClinVar record says in the format of 2024, in variant_summary, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.ingest.errors import SourceError
from processors.knowledge.pack import Pack, list_packs
from processors.knowledge.sources.clinvar import ClinVar
from processors.knowledge.sources.clinvar_terms import STARS_UNKNOWN, Significance
from processors.knowledge.sources.refused import SourceRefused
from tests.processors.knowledge.releases import DATA, NEW, OLD, compiled, summary_file


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return compiled(tmp_path_factory.mktemp("new"), NEW, version="2024-06")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return compiled(tmp_path_factory.mktemp("old"), OLD, version="2023-12")


def said(pack: Pack, record: int | str) -> dict[str, Any]:
    source = ClinVar(pack)
    return next(found for row in range(pack.rows) if (found := source.details(row))["record"] == str(record))


def test_a_conflict_is_told_with_its_tally(old: Pack, new: Pack) -> None:
    for pack in (old, new):
        found = said(pack, 104)
        assert found["conflict"] == "yes"
        assert found["submissions"] == {"Pathogenic": 1, "Uncertain_significance": 2}
        assert set(found["terms"]) == {"Conflicting_classifications_of_pathogenicity", "other"}
        assert found["stars"] == 1
    assert said(new, 101)["conflict"] == "no"
    assert said(new, 101)["submissions"] == {}


def test_conditions_have_their_ids(new: Pack) -> None:
    assert said(new, 109)["conditions"] == [
        {"name": "Rare disease A", "ids": ["MONDO:MONDO:0000001", "MedGen:C0000001"]},
        {"name": "Rare disease C", "ids": ["MedGen:C0000003"]},
    ]
    assert said(new, 109)["genes"] == ["TOY:1"]
    assert said(new, 109)["consequences"] == ["missense_variant"]


def test_low_penetrance_and_risk_are_no_plain_pathogenic(new: Pack) -> None:
    assert said(new, 111)["significance"] == "Pathogenic,_low_penetrance"
    assert said(new, 111)["low_penetrance"]
    assert said(new, 112)["risk"]
    assert not said(new, 101)["risk"]


def test_flagged_submissions_do_not_count(new: Pack) -> None:
    found = said(new, 115)
    assert found["flagged"]
    assert (found["significance"], found["stars"]) == ("no_classification", 0)


def test_somatic_is_never_read_as_germline(old: Pack, new: Pack) -> None:
    assert new.extra["counts"]["somatic_only"] == 1  # 114 has ONC alone
    assert old.extra["counts"]["somatic_only"] == 1  # 122 is of somatic origin, in a file that does not keep the two apart
    assert said(new, 113)["significance"] == "Uncertain_significance"
    assert not {"114", "122"} & {ClinVar(pack).record[row] for pack in (old, new) for row in range(pack.rows)}
    words = [word for field in new.extra["words"].values() for word in field]
    assert not [word for word in words if "ncogenic" in word or "Tier" in word]


def test_dates_and_digests_are_the_files_own(new: Pack) -> None:
    assert new.extra["date"] == "2024-06-30"
    assert (new.extra["keyed"], new.extra["licence"]) == ("allele", "open")
    assert len(new.extra["sha256"]) == 64
    assert set(ClinVar(new).details(0)) == set(new.extra["columns"])


def test_an_unknown_word_stops_the_release_before_a_pack_exists(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"clinvar_unknown_word.vcf: data record 2: `Pathogenic_for_some`"):
        compiled(tmp_path, DATA / "clinvar_unknown_word.vcf")
    assert [pack.kind for pack in list_packs(tmp_path / "packs")] == ["genome"]


@pytest.mark.parametrize(
    ("old_text", "word"),
    [
        ("CLNREVSTAT=reviewed_by_expert_panel", "reviewed_by_robot"),
        ("CLNSIGCONF=Pathogenic(1)", "Patho(1)"),
    ],
)
def test_drift_of_any_field_is_named_with_its_record(tmp_path: Path, old_text: str, word: str) -> None:
    path = tmp_path / "drift.vcf"
    path.write_text(OLD.read_text().replace(old_text, f"{old_text.partition('=')[0]}={word}"))
    with pytest.raises(SourceRefused, match=rf"data record \d+: `{word.partition('(')[0]}"):
        compiled(tmp_path, path)


def test_a_cut_release_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(NEW.read_bytes())
    (tmp_path / "cut.vcf.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.vcf").write_bytes(NEW.read_bytes()[:-30])
    table = summary_file(tmp_path).read_bytes()
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(table)[:-60])
    (tmp_path / "cut.txt").write_bytes(table[:-40] + b"\n")
    for name in ("cut.vcf.gz", "cut.vcf", "cut.txt.gz", "cut.txt"):
        with pytest.raises((SourceError, SourceRefused)):
            compiled(tmp_path, tmp_path / name)
    assert [pack.kind for pack in list_packs(tmp_path / "packs")] == ["genome"]


def test_variant_summary_says_what_the_vcf_says(tmp_path: Path, new: Pack) -> None:
    pack = compiled(tmp_path, summary_file(tmp_path), version="2024-06")
    mine, theirs = ClinVar(pack), ClinVar(new)
    assert pack.rows == 5
    counts = pack.extra["counts"]
    assert (counts["somatic_only"], counts["no_vcf_position"]) == (1, 1)
    for row in range(pack.rows):
        record = mine.record[row]
        other = next(k for k in range(new.rows) if theirs.record[k] == record)
        assert mine.index.keys[row] == theirs.index.keys[other]
        assert (mine.significance[row], mine.stars[row]) == (theirs.significance[other], theirs.stars[other])
    found = said(pack, 101)
    assert found["conditions"] == [
        {"name": "Rare disease A", "ids": ["MONDO:MONDO:0000001", "MedGen:C0000001"], "accession": "RCV000000101"},
        {"name": "Rare disease Z", "ids": ["MedGen:C0000009"], "accession": "RCV000000201"},
    ]
    assert (found["last_evaluated"], found["submitters"]) == ("2024-06-01", 4)
    assert found["scvs"] == ["SCV000000101", "SCV000000102"]
    assert said(pack, 106)["last_evaluated"] is None
    assert said(pack, 103)["terms"] == ["Likely_benign", "other"]


def test_only_rows_of_the_asked_build_are_read(tmp_path: Path) -> None:
    pack = compiled(tmp_path, summary_file(tmp_path))
    assert pack.extra["counts"]["records"] == 5
    path = summary_file(tmp_path, toy="GRCh39")
    with pytest.raises(SourceRefused, match=r"no row of toy .*GRCh37 1, GRCh39 7"):
        compiled(tmp_path, path)


def test_words_of_variant_summary_that_drift_are_named_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="line 5: `Likely_fine`"):
        compiled(tmp_path, summary_file(tmp_path, Likely__benign="Likely fine"))


def test_a_summary_without_vcf_columns_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="lacks PositionVCF"):
        compiled(tmp_path, summary_file(tmp_path, PositionVCF="Place"))


def test_a_summary_beside_the_vcf_adds_accessions_by_condition(tmp_path: Path, new: Pack) -> None:
    pack = compiled(tmp_path, summary_file(tmp_path), NEW, version="2024-06")
    assert pack.rows == new.rows
    for name in ("keys", "significance", "stars", "terms", "conflict"):
        assert np.array_equal(pack.array(name), new.array(name)), name
    assert [one["accession"] for one in said(pack, 101)["conditions"]] == ["RCV000000101", "RCV000000201"]
    assert said(pack, 112) == said(new, 112)  # the summary does not have it
    assert pack.extra["counts"]["not_in_summary"] > 0


def test_vcf_and_summary_of_two_releases_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.vcf"
    path.write_text(NEW.read_text())
    table = summary_file(tmp_path)
    lines = table.read_text().splitlines()
    again = [lines[0], *[line.replace("\t101\t", "\t101\t") for line in lines[1:]]]
    for number in range(101, 113):
        again.append(lines[1].replace("10101", f"{10000 + number}", 1).replace("Pathogenic", "Benign"))
    table.write_text("\n".join(again) + "\n")
    with pytest.raises(SourceRefused, match="give files of one release"):
        compiled(tmp_path, path, table)


def test_old_review_words_by_condition_give_stars_and_conditions_their_own_class(tmp_path: Path) -> None:
    path = tmp_path / "old.vcf"
    path.write_text(
        "##fileformat=VCFv4.0\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "1\t30\trs1\tC\tA,T\t.\t.\tCLNALLE=2;CLNSIG=5|2;CLNDBN=x|y;CLNREVSTAT=single|mult;CLNACC=RCV1.1|RCV2.1;CLNORIGIN=1;"
        "CLNDSDB=MedGen:OMIM|MedGen;CLNDSDBID=C1:600|C2\n"
        "1\t31\trs2\tG\tA\t.\t.\tCLNALLE=1;CLNSIG=5;CLNDBN=z;CLNORIGIN=2\n"
    )
    pack = compiled(tmp_path, path)
    assert pack.rows == 1
    assert pack.extra["counts"]["somatic_only"] == 1
    assert said(pack, "rs1")["conditions"] == [
        {"name": "x", "ids": ["MedGen:C1", "OMIM:600"], "significance": "Pathogenic", "stars": 1, "accession": "RCV1.1"},
        {"name": "y", "ids": ["MedGen:C2"], "significance": "Benign", "stars": 2, "accession": "RCV2.1"},
    ]
    assert ClinVar(pack).stars.tolist() == [2]
    assert ClinVar(pack).significance.tolist() == [Significance.CONFLICTING]
    assert STARS_UNKNOWN not in ClinVar(pack).stars
