"""`annotate` on structural records: a row a transcript with region terms, a reason where there is no place, and nothing about bases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from processors.annotate.structural import stage
from processors.output import structural
from processors.output.table import COLUMNS, Group, Picking
from processors.pipeline import Choices, annotate_file, resources_from_files
from tests.processors.test_pipeline import rows_of

if TYPE_CHECKING:
    from tests.processors.conftest import World

BASES = ("hgvsc", "hgvsp", "cdna_position", "cds_position", "protein_position", "amino_acids", "codons")


def annotated(world: World, folder: Path, lines: list[str], choices: Choices = Choices()) -> list[dict[str, str]]:  # noqa: B008
    source = world.vcf("structural.vcf", lines)
    done = annotate_file(source, folder / "out.tsv", world.resources(), choices=choices)
    found = rows_of(folder / "out.tsv")
    assert done.rows == len(found)
    return found


def line(world: World, position: int, name: str, alt: str, info: str = ".") -> str:
    base = world.sequence[position - 1]
    return f"chrA\t{position}\t{name}\t{base}\t{alt if alt[0] == '<' else alt.replace('N', base)}\t.\t.\t{info}"


def test_a_structural_record_has_a_row_a_transcript_and_nothing_about_bases(small_world: World, tmp_path: Path) -> None:
    found = annotated(
        small_world,
        tmp_path,
        [
            line(small_world, 1_000, "gone", "<DEL>", "SVTYPE=DEL;END=7000"),
            line(small_world, 3_500, "part", "<DEL>", "SVTYPE=DEL;END=5100;CIPOS=-5,5"),
            line(small_world, 60_000, "put", "<INS:ME:ALU>", "SVLEN=300"),
            line(small_world, 70_000, "join", "N[chrA:3600[", "SVTYPE=BND;MATEID=x"),
            line(small_world, 90_000, "none", "<DEL>"),
            line(small_world, 90_001, "any", "<NON_REF>"),
            line(small_world, 90_002, "lone", "N."),
        ],
    )
    by_name = {name: [row for row in found if row["id"] == name] for name in ("gone", "part", "put", "join", "none", "any", "lone")}
    assert {row["transcript"]: (row["consequence"], row["exon"]) for row in by_name["gone"] if row["distance"] == "."} == {
        "T0A.1": ("transcript_ablation", "1-4/4"),
        "T0B.1": ("transcript_ablation", "1-2/2"),
    }
    part = {row["transcript"]: row for row in by_name["part"] if row["distance"] == "."}
    assert part["T0A.1"]["consequence"] == "feature_truncation,coding_sequence_variant,intron_variant"
    assert (part["T0A.1"]["exon"], part["T0A.1"]["intron"], part["T0A.1"]["impact"]) == ("2-3/4", "2/3", "HIGH")
    assert part["T0A.1"]["flags"] == "symbolic,inexact"
    assert {row["hgvsg"] for row in by_name["part"]} == {"."}
    assert {row["flags"] for row in by_name["put"]} == {"symbolic"}
    assert {row["flags"] for row in by_name["join"]} == {"breakend", "breakend,mate"}
    assert {row["consequence"] for row in by_name["join"] if row["flags"] == "breakend,mate" and row["transcript"] == "T0A.1"} == {
        "feature_truncation,coding_sequence_variant"
    }
    assert [(row["consequence"], row["flags"]) for row in by_name["none"]] == [(".", "symbolic,structural_without_end")]
    assert [(row["consequence"], row["flags"]) for row in by_name["any"]] == [(".", "symbolic")]
    assert {row["flags"] for row in by_name["lone"]} == {"breakend"}
    assert {row[name] for row in found for name in BASES} == {"."}
    for name in ("gone", "part", "put", "join", "lone"):
        assert sum(row["pick"] == "1" for row in by_name[name]) == 1
    assert {row["pick"] for row in by_name["none"]} == {"0"}


def test_only_exact_ends_are_named_on_the_genome_at_the_last_place_that_reads_the_same(small_world: World, tmp_path: Path) -> None:
    letters = small_world.sequence
    start, end = 5_000, 5_100
    while letters[start] == letters[end]:
        start, end = start + 1, end + 1
    told = "SVTYPE=X;END={}"
    found = annotated(
        small_world,
        tmp_path,
        [
            line(small_world, 5_000, "del", "<DEL>", told.format(5_100)),
            line(small_world, 5_000, "dup", "<DUP:TANDEM>", told.format(5_100)),
            line(small_world, 5_000, "inv", "<INV>", told.format(5_100)),
            line(small_world, 5_000, "where", "<DUP>", told.format(5_100)),
            line(small_world, 5_000, "about", "<DEL>", told.format(5_100) + ";IMPRECISE"),
            line(small_world, 5_000, "cn0", "<CN0>", told.format(5_100) + ";CIEND=0,0"),
        ],
    )
    names = {name: {row["hgvsg"] for row in found if row["id"] == name} for name in ("del", "dup", "inv", "where", "about", "cn0")}
    shifted = f"chrA:g.{start + 1}_{end}"
    assert names == {
        "del": {f"{shifted}del"}, "dup": {f"{shifted}dup"}, "inv": {"chrA:g.5001_5100inv"}, "where": {"."}, "about": {"."},
        "cn0": {f"{shifted}del"},
    }  # fmt: skip


def test_rows_do_not_depend_on_how_a_block_is_cut(small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    for k, (position, ref, alt) in enumerate(small_world.sites[:300]):
        lines.append(f"chrA\t{position}\tv{k}\t{ref}\t{alt}\t.\t.\t.")
        if k % 3 == 0:
            base, kind = ref[0], ("<DEL>,<DUP>", "<CN0>", f"{ref[0]}]chrA:50000]", "<DEL>,<NON_REF>,T")[k % 4]
            lines.append(f"chrA\t{position}\ts{k}\t{base}\t{kind.replace(',T', ',' + ('T' if base != 'T' else 'C'))}\t.\t.\tEND=119000")
    whole = annotated(small_world, tmp_path, lines)
    for rows in (40, 7):
        monkeypatch.setattr(stage, "BATCH_ROWS", rows)
        monkeypatch.setattr(structural, "BATCH_ROWS", rows)
        assert annotated(small_world, tmp_path, lines) == whole
    reduced = annotated(small_world, tmp_path, lines, Choices(picking=Picking(Group.ALLELE, reduce=True)))
    placed = [row for row in whole if row["pick"] == "1"]
    assert [row for row in reduced if row["pick"] == "1"] == placed
    some = Choices(columns=("id", "consequence"))
    assert [tuple(row.values()) for row in annotated(small_world, tmp_path, lines, some)] == [
        (row["id"], row["consequence"]) for row in whole
    ]


@pytest.mark.real_data
def test_real_structural_records_are_all_called_or_have_a_reason(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "vep_truth"
    resources = resources_from_files(
        folder / "ref.GRCh37.fa.gz", folder / "genes.GRCh37.gff3.gz", "hg19", tmp_path / "packs", provider="cpu"
    )
    for name, symbols, reason in (
        ("HG02102.1000G.chr21.GRCh37.vcf.gz", 39, "symbolic"),
        ("NA12878.PlatinumGenomes.chr21.hg19.vcf.gz", 14, "symbolic,structural_without_end"),
    ):
        annotate_file(real_data / "samples" / name, tmp_path / "out.tsv", resources, choices=Choices(columns=COLUMNS))
        found = [row for row in rows_of(tmp_path / "out.tsv") if row["alt"].startswith("<")]
        assert len({(row["pos"], row["alt"]) for row in found}) == symbols
        assert all(row["flags"].startswith(reason) for row in found)
        assert all((row["consequence"] == ".") == ("without_end" in row["flags"]) for row in found)
