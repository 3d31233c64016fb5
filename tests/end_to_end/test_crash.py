"""SIGKILL of anything at any time: nothing lost, nothing doubled, every published revision complete."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from processors.land.client import StoreError

pytestmark = pytest.mark.broker

SERVICES = ("broker", "clickhouse", "control", "ingest", "chain")
SHORT, LONG = 2, 20
"""Rounds of `make test` and of `make soak`."""


SAMPLE = "survivor"


def _other_content(path: Path, folder: Path, number: int) -> Path:
    """The calls of `child` as those of a sample of this test's own, under another digest each time: a comment in the header differs."""
    target = folder / f"round-{number}.vcf.gz"
    with gzip.open(path, "rb") as source:
        text = source.read()
    with gzip.open(target, "wb", compresslevel=1) as sink:
        sink.write(text.replace(b"\n", b"\n##round=%d\n" % number, 1).replace(b"\tchild\n", b"\t%s\n" % SAMPLE.encode(), 1))
    return target


def _round(stack: Any, world: Any, folder: Path, number: int, chance: random.Random, expected: int) -> list[str]:
    """Submit one content and kill one or two processes while it is on its way; what was killed."""
    path = _other_content(world.people["child"], folder, number)
    killed: list[str] = []

    def chaos() -> None:
        for _ in range(chance.choice((1, 2))):
            time.sleep(chance.uniform(0.0, 2.5))
            service = chance.choice(SERVICES)
            killed.append(service)
            stack.kill(service)

    # announced first: the command line is not what is under test, and a broker that dies under it is its caller's to retry
    stack.run("submit", path, "--build", world.build, "--sample", SAMPLE)
    thread = threading.Thread(target=chaos)
    thread.start()
    thread.join()
    deadline = time.monotonic() + 180
    while _publications(stack) < number:
        state = _status(stack)
        assert state.get("state") not in ("failed", "incomplete", "rejected"), (killed, state)
        assert time.monotonic() < deadline, f"round {number}, killed {killed}: not published after 180 s: {state}"
        time.sleep(0.3)
    while (state := _status(stack)).get("state") != "published":
        assert time.monotonic() < deadline, f"round {number}, killed {killed}: published, but its state is {state}"
        time.sleep(0.3)
    assert state["variants_in"] == state["landed"] + state["quarantined"]
    assert state["landed"] == expected, killed
    return killed


def _status(stack: Any) -> dict[str, Any]:
    """What `status` says; empty while what it asks is away."""
    done = subprocess.run(stack.command("status", SAMPLE, "--json"), capture_output=True, text=True, timeout=60, check=False)
    state: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}
    return state


def _publications(stack: Any) -> int:
    """Published revisions of the sample; 0 while ClickHouse is away."""
    try:
        return int(stack.rows(f"SELECT uniqExact(revision_id) FROM publication WHERE sample_id = '{stack.sample_id(SAMPLE)}'")[0][0])
    except StoreError:
        return 0


def _check(stack: Any, key: str, expected: int, published: int) -> None:
    """Rows and results of all rounds, once each."""
    rows = stack.rows(
        f"SELECT submission_id, count(), uniqExact(allele_id, record, alt_index) FROM calls FINAL WHERE sample_id = '{key}'"
        " GROUP BY submission_id"
    )
    assert {(count, different) for _, count, different in rows} == {(expected, expected)}
    lines = [json.loads(line) for line in stack.run("subscribe", "--from", "beginning", "--to-end").splitlines()]
    mine = [line for line in lines if line["sample_id"] == key]
    once = {line["id"]: line for line in mine}.values()
    interpreted = Counter(line["revision_id"] for line in once if line["type"] == "SampleInterpreted")
    assert sorted(interpreted.values()) == [1] * published, interpreted
    findings = dict(stack.rows(f"SELECT revision_id, count() FROM finding FINAL WHERE sample_id = '{key}' GROUP BY revision_id"))
    sent = Counter(line["revision_id"] for line in once if line["type"] == "Finding")
    assert dict(sent) == findings


def _rounds(stack: Any, world: Any, folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    key = stack.sample_id(SAMPLE)
    path = _other_content(world.people["child"], folder, 0)
    first = stack.json("submit", path, "--build", world.build, "--sample", SAMPLE, "--wait")
    begin = _publications(stack)
    for number in range(begin + 1, begin + rounds + 1):
        killed = _round(stack, world, folder, number, chance, first["landed"])
        print(f"round {number - begin} of {rounds}: killed {', '.join(killed)}", flush=True)
    _check(stack, key, first["landed"], begin + rounds)


def test_processes_killed_at_random_lose_and_double_nothing(stack: Any, world: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    _rounds(stack, world, tmp_path_factory.mktemp("crash"), SHORT, seed=3)


@pytest.mark.soak
def test_twenty_rounds_of_kills_lose_and_double_nothing(stack: Any, world: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    _rounds(stack, world, tmp_path_factory.mktemp("crash"), LONG, seed=20)
