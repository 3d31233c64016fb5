"""`python -m deploy.local.clickhouse --state DIR --port P`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.local.clickhouse.engine import EngineRefused, FolderInUse
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.server import configure_logs, serve
from deploy.local.errors import LocalError


def main() -> int:
    """Serve until told to stop. Exit status 0 after SIGTERM, 1 when it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.clickhouse", description="ClickHouse's HTTP interface on the embedded engine, on loopback"
    )
    parser.add_argument("--state", type=Path, required=True, help="state folder; the engine's data lies in its folder clickhouse")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    arguments = parser.parse_args()
    configure_logs()
    try:
        serve(arguments.state, arguments.port, Limits())
    except (FolderInUse, EngineRefused, LocalError) as error:
        print(f"clickhouse: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"clickhouse: cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
