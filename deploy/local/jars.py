"""The broker's jars: resolved once from Maven coordinates, checked against a committed list, kept in a cache.

`kafka.lock` names each jar with its SHA-256. Only what stands there gets on the class path, so neither a repository that changed
nor a dependency that resolves differently tomorrow can put other code into the broker.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from deploy.local.errors import LocalError

KAFKA_VERSION = "4.4.0"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!"
"""The closing `!` keeps log4j's own managed versions out: with them kafka-clients silently becomes 3.9.1."""

_ATTEMPTS = 3


class JarsUnavailable(LocalError):
    """The jars are not in the cache and could not be fetched."""


class JarMismatch(LocalError):
    """A jar is not the one that kafka.lock names."""


@dataclass(frozen=True)
class Jars:
    """Verified jars; `classpath` is what `java -cp` takes."""

    folder: Path
    names: tuple[str, ...]

    @property
    def classpath(self) -> str:
        return os.pathsep.join(str(self.folder / name) for name in self.names)


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where things that can be fetched again lie: RIVERSEQ_CACHE, else XDG_CACHE_HOME/riverseq, else ~/.cache/riverseq."""
    env = os.environ if environment is None else environment
    if env.get("RIVERSEQ_CACHE"):
        return Path(env["RIVERSEQ_CACHE"])
    base = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else Path.home() / ".cache"
    return base / "riverseq"


def locked() -> dict[str, str]:
    """Jar file name → SHA-256 (hex), from kafka.lock."""
    lines = files("deploy.local").joinpath("kafka.lock").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: digest for digest, name in rows}


def jars_folder(cache: Path | None = None) -> Path:
    """Folder of the jars in the cache, whether or not it is there yet."""
    return (cache or cache_folder()) / f"kafka-{KAFKA_VERSION}"


def kafka_jars(cache: Path | None = None) -> Jars:
    """The verified jars, fetched first if the cache has none (45 MB; 20 s on a fast line). Offline from the second time on.

    Raises `JarsUnavailable` or `JarMismatch`.
    """
    lock = locked()
    folder = jars_folder(cache)
    if not folder.is_dir():
        _fetch(folder, lock)
    verify(folder, lock)
    return Jars(folder, tuple(sorted(lock)))


def verify(folder: Path, lock: Mapping[str, str], remedy: str = "") -> None:
    """Compare every locked jar in `folder` with its digest (45 MB: 0.1 s). Raises `JarMismatch` naming the first that differs."""
    remedy = remedy or f"remove {folder} and start again, it is fetched anew"
    for name, expected in sorted(lock.items()):
        path = folder / name
        if not path.is_file():
            raise JarMismatch(f"{path}: missing; {remedy}")
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        if found != expected:
            raise JarMismatch(f"{path}: SHA-256 {found} is not {expected} of kafka.lock; {remedy}")


def resolve() -> dict[str, Path]:
    """Jar file name → path, as Maven resolves `COORDINATES` now (network). Raises `JarsUnavailable` after three attempts."""
    import jgo

    folder = Path(tempfile.mkdtemp(prefix="riverseq-jars-"))
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            environment = jgo.build(COORDINATES, cache_dir=folder)
            return {Path(jar).name: Path(jar) for jar in environment.all_jars}
        # jgo lets through whatever its HTTP client raises
        except Exception as error:
            if attempt == _ATTEMPTS:
                shutil.rmtree(folder, ignore_errors=True)
                raise JarsUnavailable(
                    f"Apache Kafka {KAFKA_VERSION} could not be fetched from Maven Central: {error}. "
                    f"Check the connection (HTTPS_PROXY is respected), or copy {jars_folder()} from a machine that has it"
                ) from error
            time.sleep(2.0 * attempt)
    raise AssertionError("unreachable")


def _fetch(folder: Path, lock: Mapping[str, str]) -> None:
    found = resolve()
    extra, missing = sorted(found.keys() - lock.keys()), sorted(lock.keys() - found.keys())
    if extra or missing:
        raise JarMismatch(f"Maven resolves other jars than kafka.lock names: missing {missing}, unexpected {extra}; nothing was installed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        for name, path in found.items():
            shutil.copyfile(path, draft / name)
        verify(draft, lock, "remove it from Maven's local repository (~/.m2/repository) and start again; nothing was installed")
        draft.chmod(0o755)
        try:
            draft.rename(folder)
        except OSError:
            # another process was quicker; what it put there is verified by the caller
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(_resolved_root(found), ignore_errors=True)


def _resolved_root(found: Mapping[str, Path]) -> Path:
    path = next(iter(found.values()))
    return next(p for p in path.parents if p.name.startswith("riverseq-jars-"))


def lock_text(found: Mapping[str, Path]) -> str:
    """kafka.lock for a resolution: run `python -m deploy.local.jars > deploy/local/kafka.lock` after changing `COORDINATES`."""
    rows = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}" for name, path in sorted(found.items())]
    return "\n".join([f"# {COORDINATES}", *rows, ""])


if __name__ == "__main__":
    import sys

    resolved = resolve()
    sys.stdout.write(lock_text(resolved))
    shutil.rmtree(_resolved_root(resolved), ignore_errors=True)
