"""One supervised child process: started with its log, bound to its supervisor's life, stopped in its own time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from deploy.local import launch

LOG_LIMIT = 16 * 1024 * 1024
"""Bytes after which a log is moved to `.1` at the next start of its process."""

_TAIL = 8192


class Process:
    """A running command, leader of its own session: Ctrl-C in the terminal reaches the supervisor alone, which then stops in order.

    It is killed by the kernel when the *thread* that made it ends (PR_SET_PDEATHSIG): make it from one that lives as long as it should.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_name(log.name + ".1"))
        self.log = log
        self.started = time.monotonic()
        with log.open("ab") as output:
            self._begin = output.tell()
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *command],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def running(self) -> bool:
        return self._child.poll() is None

    def reason(self) -> str:
        """Why it is not running: `killed by SIGKILL`, or `exit code 1: LAST LINE OF ITS LOG`. Empty while it runs."""
        code = self._child.poll()
        if code is None:
            return ""
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        last = next((line for line in reversed(self.tail()) if line.strip()), "")
        return f"exit code {code}" + (f": {last.strip()}" if last else "")

    def tail(self, lines: int = 20) -> list[str]:
        """The last lines that this process (not an earlier one with the same log) has printed."""
        with self.log.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(self._begin, handle.tell() - _TAIL))
            return handle.read().decode(errors="replace").splitlines()[-lines:]

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 20.0, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Ask it to end, wait up to `timeout` seconds or until `hurry`, then kill it and whatever it has started.

        True if it ended by itself.
        """
        if self.running():
            self._child.send_signal(number)
        deadline = time.monotonic() + timeout
        while self.running() and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)
        by_itself = not self.running()
        self.kill()
        return by_itself

    def kill(self) -> None:
        """SIGKILL to it and whatever it has started, and wait until it is gone."""
        self._kill_group()
        self._child.wait()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
