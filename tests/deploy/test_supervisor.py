"""The supervisor over small real processes: order, restarts, failures at start, no orphans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.state import State, open_state
from deploy.local.supervisor import Policy

CHILD = """
import os, pathlib, signal, sys, time
name, folder, mode = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
def note(what):
    with (folder / "notes").open("a") as f: f.write(f"{what} {name}\\n")
def end(*_): note("end"); sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "deaf" else end)
(folder / f"{name}.pid").write_text(str(os.getpid()))
note("begin")
if mode == "fails": sys.exit("no such column: posterior")
if mode == "parent":
    import subprocess
    inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / f"{name}.inner").write_text(str(inner.pid))
if mode == "slow": time.sleep(0.5)
(folder / f"{name}.ready").touch()
if mode == "short": time.sleep(0.6); sys.exit(7)
while True: time.sleep(0.05)
"""

SUPERVISOR = """
import json, os, pathlib, sys
from deploy.local.state import Run, open_state
from deploy.local.supervisor import EventKind, LocalError, Policy, Service, Step, Supervisor
root, folder, child, parts = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
def ready(name):
    path = folder / f"{name}.ready"
    return lambda: None if path.exists() else "no ready file"
def explode(): raise ValueError("topic exists with other settings")
def build(name, mode):
    if mode == "step": return Step(name, explode)
    prepare = lambda: (folder / f"{name}.ready").unlink(missing_ok=True)
    command = (sys.executable, "-S", "-c", child, name, str(folder), mode)
    return Service(name, command, ready("nobody" if mode == "mute" else name), prepare=prepare, start_timeout=1.5, stop_timeout=1.0)
state = open_state(root, create=True)
built = [build(*p) if isinstance(p[0], str) else tuple(build(*q) for q in p) for p in parts]
try:
    with state.lock():
        told = lambda event: print(event.kind.value, event.service, flush=True)
        policy = Policy(first=0.1, longest=0.8, watch=0.2)
        Supervisor(state, built, Run(os.getpid(), "127.0.0.1:9"), told, policy).run()
except LocalError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class Running:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, parts: list[Any]) -> None:
        self.folder = folder
        self.state: State = open_state(folder / "state", create=True)
        arguments = [sys.executable, "-c", SUPERVISOR, str(self.state.root), str(folder), CHILD, json.dumps(parts)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until_up(self) -> list[str]:
        """Lines of events up to and with the one that says that all is up."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line.strip())
            if line.strip() == "up":
                return lines
        raise AssertionError(f"never up: {lines} {self.process.communicate()}")

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def notes(self) -> list[str]:
        return (self.folder / "notes").read_text().splitlines()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.state.logs / "supervisor.log").read_text().splitlines()]


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a supervisor over (name, mode) parts; it is killed, with its children, when the test ends."""
    running: list[Running] = []

    def begin(*parts: Any) -> Running:
        running.append(Running(tmp_path, list(parts)))
        return running[-1]

    yield begin
    for one in running:
        one.process.kill()
        one.process.communicate()


def eventually(claim: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_services_start_in_order_each_when_the_one_before_is_ready(start: Start) -> None:
    lines = start(("first", "slow"), ("second", "plain")).until_up()
    assert lines == ["starting first", "ready first", "starting second", "ready second", "up"]


def test_services_of_a_group_start_together_and_the_next_waits_for_all(start: Start) -> None:
    running = start((("slow", "slow"), ("quick", "plain")), ("next", "plain"))
    lines = running.until_up()
    assert lines[:2] == ["starting slow", "starting quick"]
    assert set(lines[2:4]) == {"ready slow", "ready quick"}
    assert lines[4:] == ["starting next", "ready next", "up"]
    running.end()
    assert running.notes()[-3:] == ["end next", "end quick", "end slow"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_in_reverse_order_and_leaves_nothing(start: Start, number: signal.Signals) -> None:
    running = start(("a", "plain"), ("b", "plain"), ("c", "plain"))
    running.until_up()
    pids = [running.pid(name) for name in "abc"]
    assert running.state.run() is not None
    code, _, err = running.end(number)
    assert (code, err) == (0, "")
    assert running.notes()[-3:] == ["end c", "end b", "end a"]
    assert not any(alive(pid) for pid in pids)
    assert not (running.state.root / "run.json").exists()
    assert running.state.holder() is None


def test_what_is_killed_comes_back_and_says_why(start: Start) -> None:
    running = start(("a", "plain"), ("b", "plain"))
    running.until_up()
    before, other = running.pid("b"), running.pid("a")
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        run = running.state.run()
        return run is not None and run.processes["b"].restarts == 1 and run.processes["b"].ready

    assert eventually(back)
    run = running.state.run()
    assert run is not None
    assert run.processes["b"].reason == "killed by SIGKILL"
    assert run.processes["b"].pid == running.pid("b") != before
    assert run.processes["a"].pid == other
    assert run.processes["a"].restarts == 0
    died = [row for row in running.log() if row["event"] == "died"]
    assert [row["service"] for row in died] == ["b"]
    assert died[0]["detail"].startswith("killed by SIGKILL; starts again in 0.1 s")


def test_what_keeps_dying_is_restarted_at_growing_distances_and_disturbs_nobody(start: Start) -> None:
    running = start(("steady", "plain"), ("short", "short"))
    running.until_up()
    steady = running.pid("steady")

    def delays() -> list[float]:
        return [float(row["detail"].split()[-2]) for row in running.log() if row["event"] == "died"]

    assert eventually(lambda: len(delays()) >= 4)
    for number, delay in enumerate(delays()[:4]):
        assert 0.1 * 2**number * 0.75 - 0.051 <= delay <= 0.1 * 2**number * 1.25 + 0.051
    run = running.state.run()
    assert run is not None
    assert "exit code 7" in run.processes["short"].reason
    assert running.pid("steady") == steady


def test_back_off_doubles_to_a_limit_with_jitter() -> None:
    policy = Policy(first=0.5, longest=30.0)
    for deaths, expected in ((1, 0.5), (2, 1.0), (5, 8.0), (7, 30.0), (1000, 30.0)):
        drawn = [policy.delay(deaths) for _ in range(200)]
        assert expected * 0.75 <= min(drawn) < expected < max(drawn) <= expected * 1.25


def test_what_stops_answering_is_shown_with_the_reason_and_left_to_recover(start: Start) -> None:
    running = start(("a", "plain"))
    running.until_up()
    pid = running.pid("a")
    ready = running.folder / "a.ready"

    def shown(is_ready: bool, reason: str) -> bool:
        run = running.state.run()
        return run is not None and (run.processes["a"].ready, run.processes["a"].reason) == (is_ready, reason)

    ready.unlink()
    assert eventually(lambda: shown(False, "not ready: no ready file"))
    ready.touch()
    assert eventually(lambda: shown(True, ""))
    assert running.pid("a") == pid


def test_no_child_outlives_a_supervisor_killed_with_sigkill(start: Start) -> None:
    running = start(("a", "plain"), ("deaf", "deaf"))
    running.until_up()
    pids = [running.pid("a"), running.pid("deaf")]
    assert all(alive(pid) for pid in pids)
    running.process.kill()
    running.process.wait()
    assert eventually(lambda: not any(alive(pid) for pid in pids), 5.0)
    assert "end a" not in running.notes()
    assert running.state.holder() is None


def test_what_a_dead_service_had_started_dies_with_it(start: Start) -> None:
    running = start(("a", "parent"))
    running.until_up()
    inner = int((running.folder / "a.inner").read_text())
    assert alive(inner)
    os.kill(running.pid("a"), signal.SIGKILL)
    assert eventually(lambda: not alive(inner), 5.0)


def test_a_service_that_cannot_start_fails_up_with_its_last_words_and_stops_the_rest(start: Start) -> None:
    running = start(("a", "plain"), ("broken", "fails"), ("never", "plain"))
    code, out, err = running.wait()
    assert code == 1
    assert "broken did not start in 3 attempts: exit code 1: no such column: posterior" in err
    assert str(running.state.logs / "broken.log") in err
    assert running.notes() == ["begin a", "begin broken", "begin broken", "begin broken", "end a"]
    assert "failed" in out
    assert not (running.state.root / "run.json").exists()


def test_a_service_that_never_gets_ready_fails_up_saying_what_it_waited_for(start: Start) -> None:
    code, _, err = start(("mute", "mute")).wait()
    assert code == 1
    assert "mute is not ready after 2 s: no ready file" in err


def test_a_step_that_fails_fails_up(start: Start) -> None:
    running = start(("a", "plain"), ("topics", "step"), ("never", "plain"))
    code, _, err = running.wait()
    assert code == 1
    assert "topics: ValueError: topic exists with other settings" in err
    assert running.notes() == ["begin a", "end a"]


def test_a_service_that_dies_while_a_later_one_starts_is_restarted_meanwhile(start: Start) -> None:
    running = start(("a", "plain"), ("b", "slow"))
    assert eventually((running.folder / "b.pid").exists)
    first = running.pid("a")
    os.kill(first, signal.SIGKILL)
    running.until_up()
    assert eventually(lambda: running.pid("a") != first)


def test_a_service_deaf_to_its_signal_is_killed_in_the_end(start: Start) -> None:
    running = start(("deaf", "deaf"))
    running.until_up()
    pid = running.pid("deaf")
    code, _, _ = running.end()
    assert code == 0
    assert not alive(pid)
    assert any("killed: did not end" in row.get("detail", "") for row in running.log())


def test_a_second_up_on_the_folder_is_refused_and_the_first_goes_on(start: Start) -> None:
    first = start(("a", "plain"))
    first.until_up()
    pid = first.pid("a")
    code, _, err = start(("a", "plain")).wait()
    assert code == 1
    assert f"AlreadyRunning: {first.state.root}: riverseq is already running here (process {first.process.pid})" in err
    run = first.state.run()
    assert run is not None
    assert run.processes["a"].ready
    assert first.pid("a") == pid
    assert alive(pid)
