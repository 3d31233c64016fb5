"""The state folder: format, lock, secrets, run.json."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.state import STATE_FORMAT, AlreadyRunning, NewerState, ProcessState, Run, StateError, open_state

RUN = Run(
    pid=7,
    kafka="127.0.0.1:1",
    clickhouse="http://127.0.0.1:2",
    metrics={"control": "http://127.0.0.1:3"},
    processes={"broker": ProcessState(8)},
)


def test_a_new_folder_has_its_format_and_its_places(tmp_path: Path) -> None:
    state = open_state(tmp_path / "new" / "state", create=True)
    assert (state.root / "version").read_text() == f"{STATE_FORMAT}\n"
    assert all(folder.is_dir() for folder in (state.kafka, state.clickhouse, state.logs, state.packs))
    assert open_state(state.root) == state


def test_the_folder_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    root = open_state(tmp_path / "s", create=True).root
    (root / "version").write_text(f"{STATE_FORMAT + 1}\n")
    for create in (True, False):
        with pytest.raises(NewerState, match=rf"state format {STATE_FORMAT + 1}, this version knows {STATE_FORMAT}"):
            open_state(root, create=create)
    assert (root / "version").read_text() == f"{STATE_FORMAT + 1}\n"


def test_a_folder_with_other_things_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(StateError, match=r"holds 'thesis\.docx'"):
        open_state(tmp_path, create=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_folder_with_packs_but_without_a_version_becomes_a_state_folder(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    assert open_state(tmp_path, create=True).root == tmp_path


def test_a_missing_folder_is_not_made_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="riverseq up"):
        open_state(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_second_holder_is_refused_at_once_naming_the_first(tmp_path: Path) -> None:
    state = open_state(tmp_path / "s", create=True)
    assert state.holder() is None
    with state.lock():
        assert state.holder() == os.getpid()
        with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()}") as refused, state.lock():
            pytest.fail("two holders")
        assert refused.value.pid == os.getpid()
    assert state.holder() is None


def test_a_killed_holder_leaves_no_lock_and_its_run_json_counts_for_nothing(tmp_path: Path) -> None:
    state = open_state(tmp_path / "s", create=True)
    program = (
        "import sys, pathlib; from deploy.local.state import open_state, Run\n"
        "state = open_state(pathlib.Path(sys.argv[1]))\n"
        "with state.lock(): state.write_run(Run(pid=1, kafka='x')); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(state.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert state.holder() == child.pid
        assert state.run() == Run(pid=1, kafka="x")
        child.kill()
        child.wait()
    assert state.holder() is None
    assert (state.root / "run.json").exists()
    assert state.run() is None


def test_run_json_reads_back_as_it_was_written(tmp_path: Path) -> None:
    state = open_state(tmp_path / "s", create=True)
    with state.lock():
        state.write_run(RUN)
        assert state.run() == RUN
        raw = json.loads((state.root / "run.json").read_text())
        assert set(raw) == {"pid", "kafka", "clickhouse", "board", "metrics", "processes", "roots"}
        assert raw["processes"]["broker"] == {"pid": 8, "restarts": 0, "reason": "", "ready": False}
        state.remove_run()
        assert state.run() is None


def test_secrets_are_made_once_and_are_for_their_owner_only(tmp_path: Path) -> None:
    state = open_state(tmp_path / "s", create=True)
    first = state.secrets()
    assert stat.S_IMODE((state.root / "secrets.json").stat().st_mode) == 0o600
    assert set(first.clickhouse) == {"admin", "writer", "reader"}
    assert len(set(first.clickhouse.values())) == 3
    assert len(bytes.fromhex(first.installation_key)) == 32
    assert state.secrets() == first
    assert open_state(tmp_path / "t", create=True).secrets() != first


def test_processes_that_make_secrets_at_one_moment_agree_on_them(tmp_path: Path) -> None:
    root = open_state(tmp_path / "s", create=True).root
    program = (
        "import sys, pathlib; from deploy.local.state import State; print(State(pathlib.Path(sys.argv[1])).secrets().installation_key)"
    )
    children = [subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert len({child.communicate()[0] for child in children}) == 1
    assert all(child.returncode == 0 for child in children)
    assert not list(root.glob("secrets.json.*"))


def test_damaged_secrets_are_named_and_not_replaced(tmp_path: Path) -> None:
    state = open_state(tmp_path / "s", create=True)
    (state.root / "secrets.json").write_text("{")
    with pytest.raises(StateError, match="restore it from a backup"):
        state.secrets()
    assert (state.root / "secrets.json").read_text() == "{"
