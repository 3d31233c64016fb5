"""An urgent sample overtakes routine ones that were submitted before it, at every stage."""

from __future__ import annotations

import gzip
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.soak]  # of samples this small the order of publication is partly chance

ROUTINE = 6


def _renamed(source: Path, target: Path, name: str) -> Path:
    """The calls of `child` as those of somebody else."""
    with gzip.open(source, "rb") as file:
        text = file.read()
    with gzip.open(target, "wb", compresslevel=1) as sink:
        sink.write(text.replace(b"\tchild\n", b"\t%s\n" % name.encode(), 1))
    return target


def test_an_urgent_sample_is_published_before_routine_ones_that_came_first(stack: Any, world: Any, tmp_path: Path) -> None:
    names = [f"routine{number}" for number in range(ROUTINE)]
    files = [_renamed(world.people["child"], tmp_path / f"{name}.vcf.gz", name) for name in names]
    urgent = _renamed(world.people["child"], tmp_path / "urgent.vcf.gz", "urgent")
    held = [stack.pids()[service] for service in ("ingest", "chain")]
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        stack.run("submit", *files, "--build", world.build)
        stack.run("submit", urgent, "--build", world.build, "--priority", "urgent")
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)
    everybody = {stack.sample_id(name) for name in (*names, "urgent")}
    deadline = time.monotonic() + 120
    while not everybody <= (order := dict(stack.rows("SELECT sample_id, published_at FROM publication"))).keys():
        assert time.monotonic() < deadline, f"{len(everybody - order.keys())} samples are not published after 120 s"
        time.sleep(0.5)
    later = [name for name in names if order[stack.sample_id(name)] > order[stack.sample_id("urgent")]]
    assert len(later) >= ROUTINE // 2, f"only {later} came after the urgent one"
