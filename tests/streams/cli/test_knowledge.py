"""`riverseq knowledge` where nothing runs: packs are built, judged, listed and checked, and take effect at the next start."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processors.knowledge.kinds import KINDS
from processors.knowledge.pack import active_packs
from streams.cli.app import run
from streams.cli.knowledge_kinds import FILES
from tests.processors.knowledge.toy import gff3

GENOME = "CC" + "ATGGCT" + "GTAAGT" + "GAATAA" + "GG"
HEAD = '##fileformat=VCFv4.1\n##INFO=<ID=CLNSIG,Number=.,Type=String,Description="x">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'
Cli = Callable[..., int]


def clinvar(path: Path, *rows: tuple[int, str, str, str], compressed: bool = False) -> Path:
    text = HEAD + "".join(f"A\t{pos}\t{number}\t{ref}\t{alt}\t.\t.\tCLNSIG={sig}\n" for number, (pos, ref, alt, sig) in enumerate(rows, 1))
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    return path


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`riverseq` on a state folder with the toy genome, where nothing runs."""
    for name in ("STATE", "KAFKA", "CLICKHOUSE", "ROOTS", "PACKS", "PROFILE"):
        monkeypatch.delenv(f"RIVERSEQ_{name}", raising=False)
    (tmp_path / "g.fa").write_text(f">A\n{GENOME}\n")
    (tmp_path / "m.gff3").write_text(gff3("NM_1.1", ("exon", 1, 8, "."), ("exon", 15, 22, "."), ("CDS", 3, 8, "0"), ("CDS", 15, 20, "0")))
    state = ["--state", str(tmp_path / "state")]
    assert run(["reference", "add", "toy", f"--fasta={tmp_path / 'g.fa'}", f"--transcripts={tmp_path / 'm.gff3'}", *state]) == 0
    return lambda *words: run([*map(str, words), *state])


def build(cli: Cli, file: Path, version: str, *more: str) -> int:
    return cli("knowledge", "build", "clinvar", file, "--build", "toy", "--version", version, *more)


def listed(cli: Cli, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert cli("knowledge", "list", "--json") == 0
    return {pack["version"]: pack for pack in json.loads(capsys.readouterr().out) if pack["kind"] == "clinvar"}


def test_a_pack_that_is_built_while_nothing_runs_is_active(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(cli, clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic")), "2016-01", "--date", "2016-01-04") == 0
    shown = capsys.readouterr()
    assert "clinvar clinvar 2016-01: 1 rows, 2016-01-04, open" in shown.out
    assert "ClinVar, licence class open" in shown.err
    [pack] = listed(cli, capsys).values()
    assert (pack["active"], pack["date"], pack["licence"], pack["rows"]) == (True, "2016-01-04", "open", 1)


def test_an_older_file_is_built_and_not_used_unless_it_is_meant(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic"))
    assert build(cli, file, "2016-08", "--date", "2016-08-02") == 0
    assert build(cli, file, "2016-01", "--date", "2016-01-04") == 1
    assert "built, not active: clinvar@2016-01 is of 2016-01-04, older than the active clinvar@2016-08" in capsys.readouterr().err
    found = listed(cli, capsys)
    assert (found["2016-01"]["active"], found["2016-08"]["active"]) == (False, True)
    assert build(cli, file, "2016-01", "--date", "2016-01-04", "--older-is-fine") == 0
    assert listed(cli, capsys)["2016-01"]["active"]


def test_a_pack_may_be_built_and_not_used(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(cli, clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic")), "1", "--no-activate") == 0
    assert not listed(cli, capsys)["1"]["active"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("horoscope", "{file}", "--build", "toy", "--version", "1"), "'horoscope' is no kind of knowledge; there are clinvar"),
        (("clinvar", "{file}", "--build", "toy", "--version", "a b"), "--version"),
        (("clinvar", "{file}", "--build", "toy", "--version", "1", "--date", "4 Jan"), "write YYYY-MM-DD"),
        (("clinvar", "{file}", "--build", "toy", "--version", "1", "--licence", "mine"), "--licence 'mine' is not one of"),
        (("clinvar", "{file}", "--build", "toy", "--version", "1", "--option", "floor"), "write KEY=VALUE"),
        (("clinvar", "{file}", "--build", "GRCh38", "--version", "1"), "riverseq reference add GRCh38"),
        (("clinvar", "nothing.vcf", "--build", "toy", "--version", "1"), "does not exist"),
    ],
)
def test_a_build_that_cannot_be_meant_is_one_line(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    file = clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic"))
    capsys.readouterr()
    assert cli("knowledge", "build", *(word.format(file=file) for word in words)) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.strip().splitlines()) == 1


def test_a_truncated_file_leaves_what_was_active(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(cli, clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic")), "1") == 0
    whole = clinvar(tmp_path / "d.vcf.gz", *[(4 + n % 5, GENOME[3 + n % 5], "TGCA"[n % 4], "Benign") for n in range(400)], compressed=True)
    whole.write_bytes(whole.read_bytes()[:-40])
    assert build(cli, whole, "2") == 1
    assert "d.vcf.gz" in capsys.readouterr().err
    assert set(listed(cli, capsys)) == {"1"}


def test_a_file_of_another_build_is_refused_with_examples(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    rows = [(n + 1, other[GENOME[n]], GENOME[n], "Pathogenic") for n in range(len(GENOME))]
    assert build(cli, clinvar(tmp_path / "c.vcf", *rows), "1") == 1
    assert "toy" in capsys.readouterr().err
    assert listed(cli, capsys) == {}


def test_a_commercial_installation_compiles_nothing_that_it_may_not_use(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVERSEQ_PROFILE", "commercial")
    file = clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic"))
    assert build(cli, file, "1", "--licence", "non_commercial") == 2
    assert "which the profile commercial refuses" in capsys.readouterr().err
    assert build(cli, file, "1") == 0


def test_a_damaged_pack_is_named_with_what_is_wrong(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(cli, clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic"), (5, "G", "A", "Benign")), "1") == 0
    capsys.readouterr()
    assert cli("knowledge", "verify") == 0
    assert capsys.readouterr().out.count(": whole") == 4
    keys = active_packs(tmp_path / "state" / "packs", "toy")["clinvar"].path / "keys.npy"
    raw = bytearray(keys.read_bytes())
    raw[-16:-8], raw[-8:] = raw[-8:], raw[-16:-8]
    keys.write_bytes(bytes(raw))
    assert cli("knowledge", "verify", "clinvar@1", "--json") == 1
    [found] = json.loads(capsys.readouterr().out)
    assert found["pack"].startswith("clinvar/clinvar@1-")
    assert any("keys.npy: key 2 is not above the one before" in problem for problem in found["problems"])
    assert any("it was damaged" in problem for problem in found["problems"])
    assert cli("knowledge", "verify", "clinvar@9") == 2


def test_a_pack_with_a_cut_array_or_manifest_is_damaged_not_a_crash(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(cli, clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic")), "1") == 0
    folder = active_packs(tmp_path / "state" / "packs", "toy")["clinvar"].path
    (folder / "keys.npy").write_bytes((folder / "keys.npy").read_bytes()[:20])
    assert cli("knowledge", "verify", "clinvar@1") == 1
    assert "keys.npy: unreadable" in capsys.readouterr().out.replace("\n", " ")
    (folder / "pack.json").write_text("{")
    assert cli("knowledge", "verify", "clinvar@1") == 1
    assert "not a readable pack" in capsys.readouterr().out.replace("\n", " ")


def test_two_packs_are_compared_key_by_key(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = [(4, "T", "C", "Pathogenic"), (5, "G", "A", "Benign"), (6, "G", "A", "Benign"), (7, "C", "T", "Pathogenic")]
    new = [(4, "T", "C", "Uncertain_significance"), (5, "G", "A", "Pathogenic"), (6, "G", "A", "Benign"), (8, "T", "A", "Benign")]
    assert build(cli, clinvar(tmp_path / "a.vcf", *old), "1") == 0
    assert build(cli, clinvar(tmp_path / "b.vcf", *new), "2") == 0
    capsys.readouterr()
    assert cli("knowledge", "diff", "clinvar@1", "clinvar@2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["added"], found["removed"], found["changed"]) == (1, 1, 2)
    assert found["transitions"]["significance: Pathogenic > Uncertain_significance"] == 1
    assert found["transitions"]["significance: Benign > Pathogenic"] == 1
    assert cli("knowledge", "diff", "clinvar@1", "clinvar@2") == 0
    assert "clinvar 1 to 2: 1 added, 1 removed, 2 changed" in capsys.readouterr().out
    assert cli("knowledge", "diff", "clinvar@1", "g@g") == 2
    assert "no keys in common" in capsys.readouterr().err
    assert cli("knowledge", "diff", "clinvar@1", "clinvar@9") == 2


@pytest.mark.parametrize(
    "words",
    [
        ("knowledge", "release", "clinvar", "{file}", "--build", "toy", "--version", "1"),
        ("knowledge", "rollback", "clinvar", "--build", "toy"),
        ("knowledge", "pause"),
        ("knowledge", "resume"),
        ("knowledge", "status"),
        ("reanalysis", "S1", "refuse"),
    ],
)
def test_what_needs_the_control_plane_says_how_to_start_it(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    file = clinvar(tmp_path / "c.vcf", (4, "T", "C", "Pathogenic"))
    capsys.readouterr()
    assert cli(*(word.format(file=file) for word in words)) == 1
    shown = capsys.readouterr().err
    assert "riverseq up" in shown
    assert len(shown.strip().splitlines()) == 1


def test_help_names_every_kind_and_the_file_it_wants(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert FILES.keys() == KINDS.keys()
    assert cli("knowledge", "build", "--help") == 0
    shown = capsys.readouterr().out
    for kind in (*KINDS, "user.NAME"):
        assert kind in shown


def test_a_table_of_ones_own_has_the_licence_and_the_key_of_its_mapping(
    cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVERSEQ_PROFILE", "commercial")
    panel, mapping = tmp_path / "panel.tsv", tmp_path / "panel.toml"
    panel.write_text("symbol\tname\nBRCA1\tbreast\n")
    said = 'keyed = "gene"\n[place]\nsymbol = "symbol"\n[columns.panel]\nfrom = "name"\ntype = "text"\n'
    words = ("knowledge", "build", "user.panel", panel, "--build", "nowhere", "--version", "1", "--option", f"mapping={mapping}")
    mapping.write_text(said)
    assert cli(*words) == 2
    assert "its licence class is unknown, which the profile commercial refuses" in capsys.readouterr().err
    mapping.write_text(f'licence = "open"\n{said}')
    assert cli(*words) == 0  # genes have no places, so no genome of `nowhere` is asked for
    assert "panel, licence class open" in capsys.readouterr().err
    mapping.write_text(f'licence = "open"\n{said}'.replace('"gene"', '"region"').replace("symbol =", "contig ="))
    assert cli(*words) == 2
    assert "riverseq reference add nowhere" in capsys.readouterr().err
