"""The runner of `make test`: groups side by side, told whole, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.run import Group, problems, run


def _python(name: str, program: str) -> Group:
    return Group(name, [sys.executable, "-c", program])


def test_groups_run_side_by_side_and_what_failed_is_shown_last_and_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meet = "import pathlib, sys, time\nmine, other = map(pathlib.Path, {!r})\nmine.touch()\nwhile not other.exists(): time.sleep(0.01)\n"
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    bad = _python("bad", meet.format((here, there)) + "print('first of bad'); sys.exit('last of bad')")
    good = _python("good", meet.format((there, here)) + "time.sleep(0.5); print('all of good')")
    ended = run([bad, good], tmp_path)
    assert [(each.group.name, each.process.returncode) for each in ended] == [("bad", 1), ("good", 0)]
    told = capsys.readouterr().out
    places = [told.index(text) for text in ("good: exit status 0", "all of good", "bad: exit status 1", "first of bad", "last of bad")]
    assert places == sorted(places)


def test_a_group_can_be_interrupted_although_we_were_started_in_the_background(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupted = _python("i", "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)")
        assert [each.process.returncode for each in run([interrupted], tmp_path)] == [-signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_of_the_runner_ends_every_group_and_what_it_started(tmp_path: Path, number: signal.Signals) -> None:
    group = (
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(tmp_path)!r}, sys.argv[1]).write_text(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        "time.sleep(600)\n"
    )
    program = (
        "import pathlib, sys\nimport tests.run as runner\n"
        f"runner.groups = lambda folder: [runner.Group(n, [sys.executable, '-c', {group!r}, n]) for n in ('one', 'two')]\n"
        "sys.exit(runner.main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (a background job's is ignored)
    )  # fmt: skip
    written = [tmp_path / "one", tmp_path / "two"]
    deadline = time.monotonic() + 240
    while not all(path.exists() and path.read_text().endswith("\n") for path in written) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    told, _ = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "one: exit status" in told
    assert "two: exit status" in told
    pids = [int(pid) for path in written for pid in path.read_text().split()]
    assert len(pids) == 4
    while any(map(_lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_file_of_no_group_of_two_or_a_group_without_tests_is_a_problem() -> None:
    def report(*files: str, tests: int = 1) -> dict[str, object]:
        return {"tests": {"unit and property": tests}, "files": list(files)}

    assert problems({"a": report("x"), "b": report("y")}, ["x", "y"]) == []
    assert problems({"a": report("x"), "b": report("x")}, ["x", "y"]) == ["x is in 2 groups, not in one", "y is in 0 groups, not in one"]
    assert problems({"a": report("x"), "b": report(tests=0)}, ["x"]) == ["no test ran: b"]
