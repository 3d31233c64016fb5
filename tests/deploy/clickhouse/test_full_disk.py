"""A disk that fills up under ClickHouse, and is freed again: what is acknowledged is there, what is repeated is not lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, pathlib, sys
import numpy as np
import pyarrow as pa
from deploy.local.clickhouse.launch import running_clickhouse
from processors.land.client import StoreError, connect
disk = pathlib.Path(sys.argv[1])
ballast = disk / "ballast"
with running_clickhouse(disk / "state") as server, connect(server.dsn("admin"), create=True, patience=1.0) as client:
    client.command(
        "CREATE TABLE t (n UInt64, noise String CODEC(NONE)) ENGINE = ReplacingMergeTree ORDER BY n "
        "SETTINGS non_replicated_deduplication_window = 1000"
    )
    random = np.random.default_rng(7)
    def batch(number):
        first = 1000 * number
        noise = [random.bytes(1000) for _ in range(1000)]
        return pa.RecordBatch.from_pydict({"n": pa.array(range(first, first + 1000), pa.uint64()), "noise": pa.array(noise, pa.binary())})
    client.insert("t", batch(0), "0")
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        except OSError:
            pass
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - (3 << 20))
    acknowledged, failures, kept = [0], [], {}
    for number in range(1, 12):
        kept[number] = batch(number)
        try:
            client.insert("t", kept[number], str(number))
            acknowledged.append(number)
        except StoreError as error:
            failures.append((type(error).__name__, str(error)[:300]))
    during = client.value("SELECT count() FROM t FINAL")
    ballast.unlink()
    for number, rows in kept.items():
        client.insert("t", rows, str(number))
    after = client.value("SELECT count() FROM t FINAL")
    print(json.dumps(dict(acknowledged=len(acknowledged), during=during, failures=failures, after=after)))
"""


def test_clickhouse_on_a_full_disk_says_so_and_takes_every_row_once_there_is_room(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a process have mounts of its own (unshare -rm)")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=80m none {disk} && exec "{sys.executable}" -c "$0" {disk}'
    answer = subprocess.run(["unshare", "-rm", "bash", "-c", script, PROGRAM], capture_output=True, text=True, timeout=200, check=False)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["failures"], "the disk never filled"
    assert {kind for kind, _ in found["failures"]} == {"Unavailable"}, found["failures"]  # a worker waits; a refusal would be quarantine
    assert found["during"] == 1000 * found["acknowledged"], "what was acknowledged is there, what was not is not"
    assert found["after"] == 12_000
