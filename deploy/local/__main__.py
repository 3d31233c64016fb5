"""The process that `up --detach` leaves behind: `python -m deploy.local EVENTS_DESCRIPTOR`, its options as JSON on standard input."""

from __future__ import annotations

import sys

from deploy.local.commands import serve_detached

if __name__ == "__main__":
    sys.exit(serve_detached(int(sys.argv[1]), sys.stdin.read()))
