"""The process that `up --detach` leaves behind: `python -m deploy.local EVENTS_DESCRIPTOR OPTIONS`."""

from __future__ import annotations

import sys

from deploy.local.commands import serve_detached

if __name__ == "__main__":
    sys.exit(serve_detached(int(sys.argv[1]), sys.argv[2]))
