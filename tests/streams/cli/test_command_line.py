"""The command line as people and scripts meet it: exit codes, one clear line for every mistake, help with examples."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from streams.cli.app import build_app, hoist_state, run
from streams.cli.failures import expected_names
from streams.cli.query import parse_variant

COMMANDS = (
    "up", "down", "submit", "status", "query", "subscribe", "quarantine list", "quarantine show", "quarantine replay",
    "quarantine acknowledge", "replay", "cancel", "delete", "reference add", "reference list", "knowledge build", "knowledge list",
    "knowledge release", "knowledge rollback", "knowledge pause", "knowledge resume", "knowledge status", "knowledge diff",
    "knowledge verify", "reanalysis",
    "models list", "annotate", "doctor", "version", "rebuild", "demo", "explain",
)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RIVERSEQ_STATE", "RIVERSEQ_KAFKA", "RIVERSEQ_CLICKHOUSE", "RIVERSEQ_ROOTS", "RIVERSEQ_PACKS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "state"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_contract_is_there_and_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert f"riverseq {command}" in capsys.readouterr().out.split("Usage:", 1)[1].split("\n", 2)[2].replace("\n", " ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("submit", "FILE"),
        ("submit a.vcf", "--build"),
        ("submit a.vcf --build GRCh38 --priority soon", "soon"),
        ("statsu", "status"),
        ("query", "give either SQL"),
        ("query --variant 21-x-G-A", "CHROM-POS-REF-ALT"),
        ("query SELECT --format xml", "xml"),
        ("annotate nothing.vcf --build GRCh38 -o out.tsv", "does not exist"),
        ("reference add GRCh38 --fasta nothing.fa --transcripts nothing.gff3", "does not exist"),
        ("knowledge build gnomad x.vcf --build GRCh38 --version 1", "gnomad"),
        ("quarantine show -1", "-1"),
        ("up --ports 5-1", "FIRST-LAST"),
        ("up --root nowhere-at-all", "is no folder"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(line: str, said: str, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*line.split(), "--state", str(state)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert said in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("line", ["status", "subscribe", "query SELECT", "quarantine list", "cancel S", "replay S", "delete S --yes"])
def test_without_anything_running_the_one_line_says_how_to_start(line: str, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*line.split(), "--state", str(state)]) == 1
    shown = capsys.readouterr().err
    assert "riverseq up" in shown
    assert len(shown.strip().splitlines()) == 1


def test_the_state_folder_may_be_named_anywhere() -> None:
    assert hoist_state(["status", "S", "--state", "x", "--json"]) == ["--state", "x", "status", "S", "--json"]
    assert hoist_state(["--state=x", "status"]) == ["--state=x", "status"]
    assert hoist_state(["query", "--", "--state"]) == ["query", "--", "--state"]


def test_lists_of_an_empty_installation_are_empty_json(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("reference", "knowledge", "models"):
        assert run([command, "list", "--json", "--state", str(state)]) == 0
        assert json.loads(capsys.readouterr().out) == []


def test_version_names_everything_that_can_make_two_installations_differ(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version", "--json", "--state", str(state)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"riverseq", "identities", "chunk schema", "event schemas", "migrations", "stages", "libraries", "packs"} <= found.keys()


def test_a_variant_is_written_1_based_and_read_0_based() -> None:
    assert parse_variant("21-45989090-G-A") == ("21", 45_989_089, "G", "A")
    assert parse_variant("chr21:45989090-g-a") == ("chr21", 45_989_089, "G", "A")


def test_every_error_that_is_shown_as_one_line_still_exists() -> None:
    for name in expected_names():
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), Exception), name


def test_the_app_can_be_built_twice() -> None:
    assert build_app() is not build_app()
