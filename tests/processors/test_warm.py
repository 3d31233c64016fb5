"""Compiling ahead: what `processors.warm` leaves is what the stages load, and several that ask compile once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from processors import warm

_COUNTS = """
import sys
from pathlib import Path
from numba.core import event

with event.install_recorder("numba:compile") as found:
    from processors import warm_world

    for part in warm_world.PARTS.values():
        folder = Path(sys.argv[1]) / part.__name__
        folder.mkdir()
        part(folder)
print(*sorted({str(kept.data["dispatcher"]) for _, kept in found.buffer}), sep="\\n", end="")
"""


def test_after_compiling_ahead_no_stage_compiles_a_kernel(tmp_path: Path) -> None:
    warm.ensure()
    told = subprocess.run([sys.executable, "-c", _COUNTS, str(tmp_path)], capture_output=True, text=True, check=True)
    assert told.stdout == ""


def test_several_that_ask_compile_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    script = f"""
from pathlib import Path
from processors import warm
warm._compile = lambda: (Path({str(tmp_path)!r}) / f"compiled-{{__import__('os').getpid()}}").touch() or __import__("time").sleep(0.3)
print(warm.ensure())
"""
    asking = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(process.communicate()[0].strip() for process in asking) == ["False", "False", "True"]
    assert len(list(tmp_path.glob("compiled-*"))) == 1
    assert warm.is_warm()


def test_changed_sources_are_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(warm, "_compile", lambda: None)
    source = tmp_path / "schemas" / "one.py"
    source.parent.mkdir()
    source.write_text("1")
    monkeypatch.setattr(warm, "_ROOT", tmp_path)
    assert [warm.ensure(), warm.ensure()] == [True, False]
    os.utime(source, (1, 1))
    assert [warm.ensure(), warm.ensure()] == [True, False]


def test_what_fails_says_why_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(warm, "_TOGETHER", ("no such part",))
    with pytest.raises(warm.WarmFailed, match="no such part"):
        warm.ensure()
    assert not warm.is_warm()
