"""`python -m deploy.local.clickhouse --state DIR --port P`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
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
    bounds = fields(Limits)
    for bound in bounds:
        kind = float if isinstance(bound.default, float) else int
        parser.add_argument(
            f"--{bound.name.replace('_', '-')}", type=kind, default=bound.default, metavar="N", help=f"bound, default {bound.default}"
        )
    arguments = parser.parse_args()
    limits = Limits(**{bound.name: getattr(arguments, bound.name) for bound in bounds})
    configure_logs()
    try:
        serve(arguments.state, arguments.port, limits)
    except (FolderInUse, EngineRefused, LocalError) as error:
        sys.stderr.write(f"clickhouse: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"clickhouse: cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
