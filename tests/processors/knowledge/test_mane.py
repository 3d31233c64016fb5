"""MANE is a statement about two versioned transcripts on GRCh38, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from processors.knowledge.gff import Gene, GeneModelError, GeneModels, Model
from processors.knowledge.mane import read_mane
from processors.knowledge.transcript_build import pack_models
from processors.knowledge.transcripts import Tag, Transcripts
from schemas.assembly import contig_table

TABLE = (
    "#NCBI_GeneID\tEnsembl_Gene\tsymbol\tRefSeq_nuc\tRefSeq_prot\tEnsembl_nuc\tEnsembl_prot\tMANE_status\n"
    "GeneID:1\tENSG1.1\tA\tNM_1.4\tNP_1.2\tENST1.8\tENSP1.2\tMANE Select\n"
    "GeneID:1\tENSG1.1\tA\tNM_2.1\tNP_2.1\tENST2.3\tENSP2.3\tMANE Plus Clinical\n"
)


def packed(folder: Path, build: str, names: list[str], table: str | None = TABLE, tags: str = "") -> Transcripts:
    models = [
        Model(name, "1", 1, Gene("G", "S", ""), "lncRNA", frozenset(tags.split()), 0, False, [(10 * k, 10 * k + 9)], [], 0)
        for k, name in enumerate(names)
    ]
    path = folder / "mane.txt"
    path.write_text(table or "")
    mane = read_mane(path) if table is not None else None
    found = GeneModels(models, Counter())
    return Transcripts(pack_models(found, folder, contig_table(build), name="m", version="1", source="s", sha256="", mane=mane))


def test_both_sets_are_tagged_by_name_and_version_and_know_their_partner(tmp_path: Path) -> None:
    found = packed(tmp_path, "GRCh38", ["ENST1.8", "ENST2.3", "ENST9.1", "NM_1.4", "NM_2.1"])
    assert found.tags.tolist() == [
        Tag.MANE_SELECT, Tag.MANE_PLUS_CLINICAL, 0, Tag.MANE_SELECT, Tag.MANE_PLUS_CLINICAL,
    ]  # fmt: skip
    assert found.mane_partner.arrow().to_pylist() == ["NM_1.4", "NM_2.1", "", "ENST1.8", "ENST2.3"]
    assert not found.pack.extra["warnings"]
    assert found.pack.extra["mane"]["source"] == "mane.txt"


@pytest.mark.parametrize("told", ["", "MANE_Select"])
def test_another_version_is_no_mane_select_and_counted(tmp_path: Path, told: str) -> None:
    found = packed(tmp_path, "GRCh38", ["ENST1.7", "ENST1"], tags=told)
    assert found.tags.tolist() == [Tag.MANE_UNVERIFIED] * 2
    assert found.mane_partner.arrow().to_pylist() == ["NM_1.4"] * 2
    assert found.pack.extra["warnings"]["mane_version_differs"] == 1
    assert found.pack.extra["warnings"]["mane_version_unknown"] == 1


@pytest.mark.parametrize("table", [TABLE, None])
def test_no_transcript_of_grch37_is_mane_whatever_the_file_says(tmp_path: Path, table: str | None) -> None:
    found = packed(tmp_path, "GRCh37", ["ENST1.8", "ENST1"], table, tags="MANE_Select basic")
    assert found.tags.tolist() == [Tag.MANE_UNVERIFIED | Tag.BASIC] * 2
    assert found.pack.extra["warnings"]["mane_not_verified"] == 2


def test_the_files_own_tag_stands_on_grch38_where_no_table_is_given(tmp_path: Path) -> None:
    assert packed(tmp_path, "GRCh38", ["ENST1.8"], None, tags="MANE_Select").tags.tolist() == [Tag.MANE_SELECT]


@pytest.mark.parametrize(
    ("table", "words"), [("", "no columns"), ("a\tb\n", "no columns"), (TABLE.replace("Plus Clinical", "Plus"), ":3: not a row")]
)
def test_a_file_that_is_no_mane_table_is_refused(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(GeneModelError, match=words):
        packed(tmp_path, "GRCh38", ["ENST1.8"], table)


@pytest.mark.real_data
def test_the_real_table_pairs_every_row_both_ways(real_data: Path) -> None:
    mane = read_mane(real_data / "genes" / "MANE.GRCh38.v1.4.summary.txt.gz")
    assert mane.pairs["ENST00000380152.8"] == ("NM_000059.4", Tag.MANE_SELECT)
    assert mane.pairs["NM_000059.4"] == ("ENST00000380152.8", Tag.MANE_SELECT)
    assert all(mane.pairs[partner][0] == name for name, (partner, _) in mane.pairs.items())
    assert sum(tag == Tag.MANE_PLUS_CLINICAL for _, tag in mane.pairs.values()) > 100
