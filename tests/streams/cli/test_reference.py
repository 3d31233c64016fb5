"""`riverseq reference`: what a person sees of a genome and gene models that are not perfect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processors.annotate.options import Options
from processors.knowledge.pack import active_packs
from processors.resources import Resources, plan_for
from streams.cli.app import run
from tests.processors.knowledge.toy import gff3

GENOME = "CC" + "ATGGCT" + "GTAAGT" + "GAATAA" + "GG"
PARTS = (("exon", 1, 8, "."), ("exon", 15, 22, "."), ("CDS", 3, 8, "0"), ("CDS", 15, 20, "0"))


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    (tmp_path / "g.fa").write_text(f">A\n{GENOME}\n")
    odd = gff3("U.1", *PARTS[:2], ("CDS", 4, 8, "0")) + gff3("V.1", ("exon", 1, 99, ".")) + gff3("W.1", ("exon", 1, 9, "."), contig="B")
    (tmp_path / "m.gff3").write_text(gff3("NM_1.1", *PARTS) + odd)
    (tmp_path / "own.fa").write_text(">NM_1.1\nCCATGGTTGAATAAGG\n")
    (tmp_path / "mane.txt").write_text("#RefSeq_nuc\tEnsembl_nuc\tMANE_status\nNM_1.1\tENST1.1\tMANE Select\n")
    files = [f"--fasta={tmp_path / 'g.fa'}", f"--transcripts={tmp_path / 'm.gff3'}"]
    return ["reference", "add", "toy", *files, f"--mane={tmp_path / 'mane.txt'}", f"--mrna={tmp_path / 'own.fa'}"]


def test_what_was_left_out_is_said_in_words_when_added_and_when_listed(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state", str(tmp_path / "state")]
    assert run([*line, *state]) == 0
    added = capsys.readouterr().out
    assert run(["reference", "list", *state]) == 0
    listed = capsys.readouterr().out
    for shown in (added, listed):
        assert "1 transcripts left out: they reach beyond their contig" in shown
        assert "1 transcripts left out: their contig is none of the build's" in shown
        assert "contigs of the file that toy does not have: B" in shown
        assert "1 CDS whose length is not a multiple of three" in shown
        assert "1 transcripts whose own sequence differs from the genome" in shown
        assert "1 transcripts in MANE on GRCh38, sequence not verified on this build: not tagged" in shown


def test_the_counts_are_in_the_json_of_both(line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ["--state", str(tmp_path / "state")]
    assert run([*line, "--json", *state]) == 0
    added = json.loads(capsys.readouterr().out)
    assert run(["reference", "list", "--json", *state]) == 0
    listed = json.loads(capsys.readouterr().out)
    for packs in (added, listed):
        counted = next(pack["warnings"] for pack in packs if pack["kind"] == "transcripts")
        assert (counted["beyond_contig_end"], counted["contig_not_of_build"], counted["mane_not_verified"]) == (1, 1, 1)


@pytest.mark.parametrize(("option", "text", "said"), [
    ("--mane", "a\tb\n", "give MANE's summary table"), ("--transcripts", "1\t2\n", "2 columns instead of 9"),
])  # fmt: skip
def test_a_wrong_file_is_one_line(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, text: str, said: str
) -> None:
    (tmp_path / "wrong").write_text(text)
    assert run([*line, f"{option}={tmp_path / 'wrong'}", "--state", str(tmp_path / "state")]) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) == 1


def test_a_table_that_does_not_exist_is_wrong_use(line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*line, "--mane=nothing.txt", "--state", str(tmp_path / "state")]) == 2
    assert "--mane nothing.txt: does not exist" in capsys.readouterr().err


def test_choices_of_a_build_enter_the_plan_of_its_next_sample_and_no_other_key(line: list[str], tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "state")]
    packs = tmp_path / "state" / "packs"
    assert run([*line, *state]) == 0
    before = plan_for(packs, "toy")
    assert run(["reference", "options", "toy", "--distance", "200,30", "--pick-order", "rank,length", *state]) == 0
    after = plan_for(packs, "toy")
    assert before.plan_id != after.plan_id
    assert before.annotation_key != after.annotation_key
    assert before.lookup_key == after.lookup_key
    chosen = Resources.load(after, packs, "cpu").options
    assert (chosen.upstream, chosen.downstream, [criterion.value for criterion in chosen.order]) == (200, 30, ["rank", "length"])
    assert run(["reference", "options", "toy", "--default", *state]) == 0
    assert Resources.load(plan_for(packs, "toy"), packs, "cpu").options == Options()


@pytest.mark.parametrize(("options", "said"), [
    (["--distance", "far"], "give bases as N"), (["--pick-order", "beauty"], "--pick-order"),
    (["--default", "--distance", "1"], "--default"),
])  # fmt: skip
def test_choices_that_cannot_be_followed_are_wrong_use(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    state = ["--state", str(tmp_path / "state")]
    assert run([*line, *state]) == 0
    capsys.readouterr()
    assert run(["reference", "options", "toy", *options, *state]) == 2
    assert said in capsys.readouterr().err
    assert "options" not in active_packs(tmp_path / "state" / "packs", "toy")
