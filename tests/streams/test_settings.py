"""Settings: environment over state folder over defaults, and one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.settings import NotRunning, Settings, SettingsError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "KAFKA", "CLICKHOUSE", "ROOTS", "PACKS", "PARTITIONS", "INSTALLATION_KEY"):
        monkeypatch.delenv(f"RIVERSEQ_{name}", raising=False)


def _state(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text(json.dumps({"kafka": "127.0.0.1:9", "clickhouse": "http://127.0.0.1:8"}))
    (tmp_path / "secrets.json").write_text(json.dumps({"clickhouse": {"writer": "a/b@c"}, "installation_key": "00ff"}))
    return tmp_path


def test_a_running_state_folder_gives_the_addresses(tmp_path: Path) -> None:
    settings = Settings.load(_state(tmp_path))
    assert settings.kafka_servers() == "127.0.0.1:9"
    assert settings.clickhouse_dsn("writer") == "http://writer:a%2Fb%40c@127.0.0.1:8/riverseq"
    assert settings.key_of_people() == b"\x00\xff"
    assert settings.packs_folder() == tmp_path / "packs"


def test_the_environment_wins_over_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIVERSEQ_STATE", str(_state(tmp_path)))
    monkeypatch.setenv("RIVERSEQ_KAFKA", "elsewhere:1")
    monkeypatch.setenv("RIVERSEQ_CLICKHOUSE", "https://me:secret@elsewhere:2")
    settings = Settings.load()
    assert settings.kafka_servers() == "elsewhere:1"
    assert settings.clickhouse_dsn("reader") == "https://me:secret@elsewhere:2/riverseq"


def test_nothing_running_says_how_to_start(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path)
    for ask in (settings.kafka_servers, lambda: settings.clickhouse_dsn("reader"), settings.key_of_people):
        with pytest.raises(NotRunning, match="riverseq up"):
            ask()


def test_a_role_without_a_password_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="role reader"):
        Settings.load(_state(tmp_path)).clickhouse_dsn("reader")


def test_a_malformed_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIVERSEQ_PARTITIONS", "many")
    with pytest.raises(SettingsError, match=r"RIVERSEQ_PARTITIONS.*many"):
        Settings.load()
    monkeypatch.setenv("RIVERSEQ_PARTITIONS", "4")
    monkeypatch.setenv("RIVERSEQ_ROOTS", "/data")
    with pytest.raises(SettingsError, match=r"roots.*JSON"):
        Settings.load()


def test_a_cut_run_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"kafka": ')
    with pytest.raises(SettingsError, match=r"run\.json"):
        Settings.load(tmp_path)


def test_a_link_out_of_the_roots_is_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "x.vcf").touch()
    (inside / "x.vcf").symlink_to(outside / "x.vcf")
    (inside / "y.vcf").touch()
    monkeypatch.setenv("RIVERSEQ_ROOTS", json.dumps([str(inside)]))
    settings = Settings.load(tmp_path)
    assert settings.allows(inside / "y.vcf")
    assert not settings.allows(inside / "x.vcf")
    assert not settings.allows(inside / ".." / "out" / "x.vcf")
    assert not settings.allows(Path(f"{inside}-other/y.vcf"))


def test_the_installation_key_is_not_shown(tmp_path: Path) -> None:
    assert "00ff" not in repr(Settings.load(_state(tmp_path)))
