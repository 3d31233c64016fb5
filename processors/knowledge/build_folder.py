"""The folder in which a build goes on after it was killed, and the lock that keeps two builds of the same apart.

`<root>/<kind>/.building-<digest>/` holds what is finished; beside it lies `.building-<digest>.lock`, held while a build is alive. Who
had to wait for the lock finds in it the name of the pack that came of the other's work.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from processors.knowledge.pack import Pack, PackError, read_pack

STALE = 3 * 24 * 3600
"""Seconds after which what a killed build left, and nobody went on with, is removed."""
_PREFIX = ".building-"


@dataclass
class BuildFolder:
    """A held work folder. `made`: the pack that another build of the same made meanwhile; the folder is then not there."""

    path: Path
    made: Pack | None
    _lock: IO[str]

    def finished(self, pack: Pack) -> None:
        """The pack stands: the folder goes, and who waits is told."""
        self.remove()
        self._lock.write(pack.path.name)
        self._lock.flush()

    def remove(self) -> None:
        """Nobody can go on with it."""
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def build_folder(kind_root: Path, digest: str, say: Callable[[str], None]) -> Iterator[BuildFolder]:
    """Hold the work folder of a build; stays on disk, for the next build of the same, unless `finished` was called."""
    kind_root.mkdir(parents=True, exist_ok=True)
    path = kind_root / f"{_PREFIX}{digest}"
    lock = path.with_suffix(".lock")
    while True:
        with lock.open("a+") as handle:
            if not _take(handle):
                say("waiting for another build of the same")
                fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            made = _pack(kind_root / name) if (name := handle.read()) else None
            if made is not None:
                yield BuildFolder(path, made, handle)
                return
            if not _is(handle, lock):
                continue  # its holder finished and removed it: a fresh one
            handle.truncate(0)
            remove_stale(kind_root, keep=path)
            path.mkdir(exist_ok=True)
            os.utime(path)
            held = BuildFolder(path, None, handle)
            try:
                yield held
            finally:
                if not path.exists():
                    lock.unlink(missing_ok=True)
            return


def remove_stale(kind_root: Path, keep: Path | None = None) -> None:
    """Remove work folders that no build holds and none touched for STALE seconds."""
    for folder in kind_root.glob(f"{_PREFIX}*"):
        if folder == keep or not folder.is_dir() or time.time() - folder.stat().st_mtime < STALE:
            continue
        lock = folder.with_suffix(".lock")
        with lock.open("a+") as handle:
            if _take(handle):
                shutil.rmtree(folder, ignore_errors=True)
                lock.unlink(missing_ok=True)


def _take(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(handle: IO[str], lock: Path) -> bool:
    try:
        return os.fstat(handle.fileno()).st_ino == lock.stat().st_ino
    except FileNotFoundError:
        return False


def _pack(path: Path) -> Pack | None:
    try:
        return read_pack(path)
    except PackError:
        return None
