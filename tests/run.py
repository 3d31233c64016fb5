"""`python -m tests.run`: lint and every quick test, in groups side by side, in two thirds of the time that one run takes on two cores.

Each group is a process of its own in a session of its own; an end of this one (Ctrl-C, SIGTERM) ends all of them. What a group printed is
shown whole when it has ended, of those that failed after all others. The exit status is 0 where lint found nothing, every test that
ran passed, some ran in each group, and every test file belongs to one group.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from tests.tiers import lines

REPOSITORY = Path(__file__).resolve().parents[1]

WHOLE_STACK = ("tests/end_to_end", "tests/deploy", "tests/test_readme.py", "tests/streams/cli")
"""Tests of whole processes wait more than they work, so they stand beside those that work."""

GRACE_SECONDS = 30.0
"""Seconds that a group has, once interrupted, to stop the servers that its tests started."""


@dataclass(frozen=True)
class Group:
    """Something to run: its name, the command, and where a pytest run writes its tiers (None: no tests)."""

    name: str
    command: Sequence[str]
    report: Path | None = None


def groups(folder: Path) -> list[Group]:
    """Lint and the two groups of tests; their reports go into `folder`."""
    pytest = [sys.executable, "-m", "pytest", "-m", "not soak", "-p", "tests.tiers", "--durations=10"]
    stack, others = folder / "stack.json", folder / "others.json"
    return [
        Group("lint", ["make", "--no-print-directory", "lint"]),
        Group("tests of the whole stack", [*pytest, "--tiers-to", str(stack), *WHOLE_STACK], stack),
        Group("other tests", [*pytest, "--tiers-to", str(others), *(f"--ignore={path}" for path in WHOLE_STACK)], others),
    ]


class Ended(Exception):
    """A signal told this process to end."""


class Running:
    """A group under way; its output goes to a file, since a pipe that nobody reads would stop it."""

    def __init__(self, group: Group, output: IO[bytes]) -> None:
        self.group = group
        self._output = output
        self._begin = time.monotonic()
        self.seconds = 0.0
        self.process = subprocess.Popen(
            group.command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # whoever started us in the background had us ignore it, and tests interrupt what they start
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no thread runs here)
        )

    def ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self.seconds = self.seconds or time.monotonic() - self._begin
        return True

    @property
    def failed(self) -> bool:
        return self.process.returncode != 0

    def show(self) -> None:
        """Print all that the group printed."""
        self._output.seek(0)
        told = self._output.read().decode(errors="replace").rstrip()
        end = f"exit status {self.process.returncode}" if self.process.returncode is not None else "not ended"
        print(f"\n===== {self.group.name}: {end} after {self.seconds:.0f} s =====\n{told}", flush=True)

    def signal(self, number: signal.Signals) -> None:
        """To the group and what it started in its session, as a terminal does."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, number)


def run(wanted: Iterable[Group], folder: Path) -> list[Running]:
    """Run groups side by side to their end, and print what each printed, failures last. `Ended` ends them early."""
    running: list[Running] = []
    shown: set[str] = set()
    try:
        for number, group in enumerate(wanted):
            running.append(Running(group, (folder / f"output-{number}").open("w+b")))
        while not all(each.ended() for each in running):
            for each in running:
                if each.ended() and not each.failed and each.group.name not in shown:
                    shown.add(each.group.name)
                    each.show()
            time.sleep(0.1)
    except (Ended, KeyboardInterrupt):
        _stop(running)
        raise
    finally:
        for each in sorted(running, key=lambda each: each.failed):
            if each.group.name not in shown:
                each.show()
    return running


def _stop(running: Sequence[Running]) -> None:
    for each in running:
        each.signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    while not all(each.ended() for each in running) and time.monotonic() < deadline:
        time.sleep(0.1)
    for each in running:
        each.signal(signal.SIGKILL)
        each.process.wait()
        each.ended()


def problems(reports: Mapping[str, dict[str, Any]], files: Iterable[str]) -> list[str]:
    """What is wrong with the groups' reports, by name, given every test file there is."""
    found = [f"no test ran: {name}" for name, report in reports.items() if not sum(report["tests"].values())]
    read = Counter(file for report in reports.values() for file in report["files"])
    found += [f"{file} is in {read[file]} groups, not in one" for file in sorted(set(files) | set(read)) if read[file] != 1]
    return found


def main() -> int:
    """Exit status 0 where all is well, 130 where a signal ended it, else 1."""
    signal.signal(signal.SIGTERM, _end)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="riverseq-tests-") as name:
        folder = Path(name)
        try:
            ended = run(groups(folder), folder)
        except (Ended, KeyboardInterrupt):
            print("ended by a signal", flush=True)
            return 130
        tests = [(each.group.name, each.group.report) for each in ended if each.group.report is not None]
        reports = {name: json.loads(report.read_text()) for name, report in tests if report.exists()}
    files = (str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "tests").rglob("test_*.py"))
    wrong = [f"{each.group.name}: exit status {each.process.returncode}" for each in ended if each.failed]
    wrong += problems({name: reports.get(name, {"tests": {}, "files": []}) for name, _ in tests}, files)
    print()
    for each in ended:
        print(f"{each.group.name}: {each.seconds:.0f} s")
    seconds: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for report in reports.values():
        seconds.update(report["seconds"])
        count.update(report["tests"])
    print("\n".join(lines(seconds, count)))
    print(f"{time.monotonic() - begin:.0f} s; " + ("; ".join(wrong) or "all is well"))
    return 1 if wrong else 0


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended


if __name__ == "__main__":
    sys.exit(main())
