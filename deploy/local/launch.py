"""Become a supervised command that the kernel kills when its supervisor dies, however that happens.

Run as a script (`python -I -S launch.py SUPERVISOR_PID COMMAND...`), not imported: it must start in milliseconds, and a wrapper that
turns into the command by exec is safe where code between fork and exec of a process with threads is not.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask for SIGKILL at the supervisor's death, then exec. The pid stays, so the supervisor's child is the command itself."""
    supervisor, command = int(arguments[0]), arguments[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    # it may have died before prctl was in force
    if os.getppid() != supervisor:
        sys.exit("the supervisor is gone")
    try:
        os.execvp(command[0], command)  # noqa: S606 (that is what this script is for)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
