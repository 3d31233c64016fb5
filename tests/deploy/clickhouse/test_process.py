"""The process: crashes, stops, a second one, secrets."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
import pyarrow as pa
import pytest

from deploy.local.clickhouse.launch import RunningClickHouse, running_clickhouse

ROWS = 4_096


def _post(server: RunningClickHouse, sql: str, data: bytes | None = None, timeout: float = 30) -> bytes:
    from urllib.parse import quote

    url = f"{server.url}/?query={quote(sql)}" if data is not None else server.url
    request = Request(
        url, data if data is not None else sql.encode(), {"X-ClickHouse-User": "admin", "X-ClickHouse-Key": server.password("admin")}
    )
    with urlopen(request, timeout=timeout) as response:
        return bytes(response.read())


def _body(chunk: int) -> bytes:
    rows = np.arange(chunk * ROWS, (chunk + 1) * ROWS, dtype=np.uint64)
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"n": pa.array(rows), "h": pa.array(rows * np.uint64(2654435761))})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


CREATE = (
    "CREATE TABLE IF NOT EXISTS k (n UInt64, h UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000"
)
COUNT = "SELECT count(), uniqExact(n), sum(n), sum(h) FROM k FORMAT CSV"


def _killed_while_inserting(folder: Path, kills: int, chunks: int, seed: int) -> None:
    """Insert `chunks` numbered chunks with retries by token while the process is killed `kills` times at random moments."""
    chance = random.Random(seed)
    state = folder / "state"
    done: set[int] = set()
    with ExitStack() as stack:
        server = stack.enter_context(running_clickhouse(state))
        port = int(server.url.rsplit(":", 1)[1])
        _post(server, CREATE)
        at = 0
        killed = 0
        while at < chunks:
            fuse = None
            if killed < kills:
                fuse = threading.Timer(chance.uniform(0.01, 0.25), os.kill, (server.process.pid, signal.SIGKILL))
                fuse.start()
                killed += 1
            try:
                while at < chunks:
                    _post(server, f"INSERT INTO k SETTINGS insert_deduplication_token = 'c{at}' FORMAT ArrowStream", _body(at))
                    done.add(at)
                    at += 1
                    # an earlier chunk again, as a producer that has lost its place sends it
                    if chance.random() < 0.2:
                        again = chance.randrange(at)
                        _post(server, f"INSERT INTO k SETTINGS insert_deduplication_token = 'c{again}' FORMAT ArrowStream", _body(again))
            except HTTPError:
                raise
            except (URLError, OSError):
                if fuse is not None:
                    fuse.join()
                server.process.kill()
                server = stack.enter_context(running_clickhouse(state, port=port))
                # nothing acknowledged is lost
                count = int(_post(server, "SELECT uniqExact(intDiv(n, 4096)) FROM k WHERE n < " + str(at * ROWS)))
                assert count == len(done)
                # the chunk in flight may or may not have landed: its token decides
            finally:
                if fuse is not None:
                    fuse.cancel()
        total = chunks * ROWS
        sums = [int(v) for v in _post(server, COUNT).decode().split(",")]
        expected_h = int((np.arange(total, dtype=np.uint64) * np.uint64(2654435761)).sum(dtype=np.uint64))
        assert sums == [total, total, total * (total - 1) // 2, expected_h]
        assert killed == kills


def test_kill_9_with_token_retries_keeps_every_row_exact(tmp_path: Path) -> None:
    _killed_while_inserting(tmp_path, kills=3, chunks=90, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_kill_9_twenty_times_keeps_every_row_exact(tmp_path: Path, seed: int) -> None:
    _killed_while_inserting(tmp_path, kills=20, chunks=1500, seed=seed)


def test_a_second_process_on_the_folder_is_refused_and_the_first_goes_on(clickhouse: RunningClickHouse) -> None:
    command = [sys.executable, "-m", "deploy.local.clickhouse", "--state", str(clickhouse.state), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    last = second.stderr.strip().splitlines()[-1]
    assert "is in use by process" in last
    assert "Traceback" not in second.stderr
    assert _post(clickhouse, "SELECT 1") == b"1\n"


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "deploy.local.clickhouse", "--state", str(tmp_path / "s"), "--port", str(taken.getsockname()[1])]
        process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 1
    assert "cannot listen on 127.0.0.1" in process.stderr
    assert "Traceback" not in process.stderr


def test_sigterm_finishes_the_request_at_hand_and_exits_0(tmp_path: Path) -> None:
    with running_clickhouse(tmp_path / "s") as server:
        answers: list[Any] = []
        asked = threading.Thread(
            target=lambda: answers.append(_post(server, "SELECT count() FROM numbers(2_000_000_000) WHERE number % 3 = 1"))
        )
        asked.start()
        time.sleep(0.3)
        assert server.process.stop(signal.SIGTERM, timeout=30)
        asked.join(30)
        assert answers == [b"666666667\n"]
        assert server.process.reason() == "exit code 0: " + server.process.tail()[-1]
        assert json.loads(server.process.tail()[-1])["event"] == "stopped"


def test_what_was_written_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    with running_clickhouse(tmp_path / "s") as server:
        _post(server, CREATE)
        _post(server, "INSERT INTO k VALUES (1, 2)")
        password = server.password("admin")
    with running_clickhouse(tmp_path / "s") as server:
        assert _post(server, "SELECT n, h FROM k") == b"1\t2\n"
        assert server.password("admin") == password


def test_passwords_differ_by_role_and_only_the_owner_can_read_them(clickhouse: RunningClickHouse) -> None:
    path = clickhouse.state / "secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    passwords = json.loads(path.read_text())["clickhouse"]
    assert len(set(passwords.values())) == 3
    assert all(len(p) >= 24 for p in passwords.values())


def test_the_server_listens_on_loopback_only(clickhouse: RunningClickHouse) -> None:
    port = int(clickhouse.url.rsplit(":", 1)[1])
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")]
    assert listening == [f"0100007F:{port:04X}"]
