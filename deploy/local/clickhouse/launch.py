"""Starting the ClickHouse process from another one, for tests and measurements: nothing restarts it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.error import URLError
from urllib.request import urlopen

from deploy.local.errors import LocalError
from deploy.local.ports import choose_ports
from deploy.local.process import Process
from deploy.local.state import open_state

START_SECONDS = 60.0


class ClickHouseFailed(LocalError):
    """The ClickHouse process did not come up."""


@dataclass(frozen=True)
class RunningClickHouse:
    """A ClickHouse process that answers. `url` is its address without credentials; its log is `process.log`."""

    url: str
    state: Path
    process: Process

    def password(self, role: Literal["admin", "writer", "reader"]) -> str:
        """The password of a role."""
        return open_state(self.state).secrets().clickhouse[role]

    def dsn(self, role: Literal["admin", "writer", "reader"], database: str = "riverseq") -> str:
        """`http://role:password@host:port/database`, for `clickhouse_connect.get_client(dsn=...)`."""
        return f"http://{role}:{self.password(role)}@{self.url.removeprefix('http://')}/{database}"


@contextmanager
def running_clickhouse(state: Path, *, port: int = 0, options: Sequence[str] = ()) -> Iterator[RunningClickHouse]:
    """A ClickHouse process on the state folder `state` (made if missing), stopped at the end. Raises `ClickHouseFailed`."""
    port = port or choose_ports(["clickhouse"])["clickhouse"]
    state.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "deploy.local.clickhouse", "--state", str(state), "--port", str(port), *options]
    process = Process(command, {}, state.with_name(f"{state.name}.clickhouse.log"))
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process)
        yield RunningClickHouse(url, state, process)
    finally:
        process.stop(timeout=30.0)


def _wait_until_ready(url: str, process: Process) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.running():
        try:
            with urlopen(f"{url}/readyz", timeout=5):  # noqa: S310  (our own http address)
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise ClickHouseFailed(f"the ClickHouse process did not become ready ({process.reason()}):\n" + "\n".join(process.tail()))
