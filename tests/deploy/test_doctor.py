"""Doctor: each fault is found by its own check, with a remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local import doctor
from deploy.local.doctor import Check, checks
from deploy.local.jars import jars_folder, kafka_jars
from deploy.local.state import open_state


def examined(state: Path, environment: Mapping[str, str] | None = None) -> dict[str, Check]:
    found = checks(state, environment)
    assert all(check.detail for check in found)
    assert all(check.ok != bool(check.remedy) for check in found)
    return {check.name: check for check in found}


def one(name: str, state: Path, environment: Mapping[str, str] | None = None) -> Check:
    (check,) = checks(state, environment, only=(name,))
    assert check.name == name
    assert check.ok != bool(check.remedy)
    return check


def test_a_machine_that_runs_the_tests_is_sound(tmp_path: Path) -> None:
    kafka_jars()
    found = examined(tmp_path / "state")
    assert list(found) == [
        "python", "java", "kafka", "librdkafka", "chdb", "htslib", "onnxruntime", "provider", "disk", "memory", "ports", "state",
    ]  # fmt: skip
    software = ("python", "java", "kafka", "librdkafka", "chdb", "htslib", "onnxruntime", "state")
    assert {name: found[name].detail for name in software if not found[name].ok} == {}
    assert not (tmp_path / "state").exists()


def test_the_provider_named_is_that_of_a_real_session(tmp_path: Path) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    assert one("provider", tmp_path, os.environ | {"RIVERSEQ_PROVIDER": "auto"}).detail.endswith(" CPUExecutionProvider")
    asked = one("provider", tmp_path, os.environ | {"RIVERSEQ_PROVIDER": "cuda"})
    assert not asked.ok
    assert "RIVERSEQ_PROVIDER=cuda" in asked.detail


def test_missing_and_damaged_jars_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka_jars()
    good = jars_folder()
    monkeypatch.setenv("RIVERSEQ_CACHE", str(tmp_path / "cache"))
    missing = one("kafka", tmp_path)
    assert not missing.ok
    assert "riverseq up" in missing.remedy
    shutil.copytree(good, jars_folder())
    (jars_folder() / "re2j-1.8.jar").write_bytes(b"PK")
    damaged = one("kafka", tmp_path)
    assert not damaged.ok
    assert "re2j-1.8.jar" in damaged.detail


def test_a_state_folder_of_a_newer_version_and_a_stranger_are_found(tmp_path: Path) -> None:
    root = open_state(tmp_path / "newer", create=True).root
    (root / "version").write_text("99\n")
    assert "state format 99" in one("state", root).detail
    (tmp_path / "stranger").mkdir()
    assert not one("state", tmp_path / "stranger").ok


def test_two_onnxruntime_packages_over_each_other_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "packages_distributions", lambda: {"onnxruntime": ["onnxruntime", "onnxruntime-gpu", "onnxruntime-gpu"]})
    found = one("onnxruntime", tmp_path)
    assert found.detail == "onnxruntime and onnxruntime-gpu are installed over each other"
    assert "pip uninstall onnxruntime onnxruntime-gpu" in found.remedy


def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MINIMUM_DISK", 2**60)
    assert not one("disk", tmp_path / "not" / "there" / "yet").ok
