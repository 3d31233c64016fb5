"""Compiles every kernel once into numba's cache, by running the real stages over a small made-up world: `python -m processors.warm`.

A machine compiles a kernel at its first use, for about a minute of processor time in all. Here that is done ahead, on two processes, and
once: several that ask at the same time wait for the first (`ensure`).
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_TOGETHER, _AFTER = ("effects", "names"), ("rest",)
_PACKAGES = ("schemas", "processors")
_ROOT = Path(__file__).resolve().parents[1]


class WarmFailed(RuntimeError):
    """Compiling ahead did not work; the message ends with what the process printed last. Kernels still compile at their first use."""


def ensure(tell: Callable[[str], None] | None = None) -> bool:
    """Compile what is not compiled yet; False where there was nothing to do, which takes milliseconds.

    Of several processes one compiles and the others wait. Raises WarmFailed.
    """
    stamp = _stamp()
    if stamp.exists():
        return False
    with _alone(stamp.parent):
        if stamp.exists():
            return False
        if tell is not None:
            tell("compiling kernels, once: about a minute")
        _compile()
        for older in stamp.parent.glob(f"{stamp.name.split('-')[0]}-*"):
            older.unlink(missing_ok=True)
        stamp.touch()
    return True


def is_warm() -> bool:
    """Whether `ensure` has nothing to do."""
    return _stamp().exists()


def _stamp() -> Path:
    """An empty file that is there when the kernels of these sources are compiled for this processor and this numba."""
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    digest = hashlib.sha256()
    for word in (importlib.metadata.version("numba"), importlib.metadata.version("llvmlite"), sys.version, get_host_cpu_name()):
        digest.update(word.encode() + b"\0")
    digest.update(get_host_cpu_features().flatten().encode())
    for package in _PACKAGES:
        for source in sorted((_ROOT / package).rglob("*.py")):
            held = source.stat()
            digest.update(f"{source}\0{held.st_size}\0{held.st_mtime_ns}\0".encode())
    return _folder() / f"riverseq_kernels-{digest.hexdigest()[:24]}"


def _folder() -> Path:
    """Where the stamp lies: beside numba's own files, so that who removes these removes it too."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(given)] if given else [Path(__file__).parent / "__pycache__"]
    folders.append(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "riverseq")
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.gettempdir())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else is in here at the same time."""
    with (folder / "riverseq_kernels.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _compile() -> None:
    for group in _TOGETHER, _AFTER:
        # -P: a folder named `processors` in the working directory must not shadow ours
        processes = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "processors.warm", part], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for part in group
        ]
        said = [process.communicate()[0] for process in processes]
        for process, text in zip(processes, said, strict=True):
            if process.returncode:
                raise WarmFailed(f"kernels were not compiled: {text[-2000:].strip()}")


def main(arguments: list[str]) -> int:
    """Without arguments all is compiled, with progress; with the name of a part only that one, in this process."""
    if arguments:
        from processors.warm_world import PARTS

        with tempfile.TemporaryDirectory(prefix="riverseq-") as folder:
            PARTS[arguments[0]](Path(folder))
        return 0
    begin = time.perf_counter()
    try:
        done = ensure(lambda text: print(text, flush=True))  # noqa: T201
    except WarmFailed as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(f"kernels compiled in {time.perf_counter() - begin:.0f} s" if done else "kernels are compiled")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
