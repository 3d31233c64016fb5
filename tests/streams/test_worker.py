"""What surrounds a stage: the process works until it is told to stop, and what it cannot work with is one line and exit code 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest

from deploy.local.ports import choose_ports
from streams import quarantine, topics
from streams.broker import Output
from streams.confluent import ConfluentProducer, ConfluentReader

pytestmark = pytest.mark.broker
ROOT = Path(__file__).resolve().parents[2]
ECHO = """
import sys
from streams.broker import Output
from streams.outcomes import Done
from streams.pipeline import Each, Pipeline
from streams.topics import CHUNKS_RAW
from streams.worker import work

def build(worker):
    step = Each("echo", lambda message: Done([Output("candidates", message.key, message.value)], rows=1))
    return Pipeline([step], metrics=worker.metrics)

sys.exit(work("echo", CHUNKS_RAW, build, code=1))
"""
Environment = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def servers(kafka: str) -> str:
    topics.create_topics(kafka, topics.catalogue(partitions=2))
    return kafka


def ended(environment: dict[str, str], program: str = ECHO) -> subprocess.CompletedProcess[str]:
    """A worker that ends by itself."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=False, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)


def values(servers: str, topic: str) -> list[bytes]:
    reader = ConfluentReader(servers)
    try:
        bounds = {partition: reader.bounds(partition) for partition in reader.partitions(topic)}
        return [message.value for message in quarantine.through(reader, bounds)]
    finally:
        reader.close()


def answer(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            text: str = response.read().decode()
            return text
    except (URLError, OSError):
        return ""


def test_a_worker_serves_every_lane_is_ready_when_it_works_and_ends_in_order_on_sigterm(
    servers: str, tmp_path: Path, clean_environment: Environment
) -> None:
    port = choose_ports(["echo"])["echo"]
    environment = clean_environment(RIVERSEQ_STATE=str(tmp_path), RIVERSEQ_KAFKA=servers, RIVERSEQ_METRICS_PORT=str(port))
    producer, mine = ConfluentProducer(servers, name="test"), f"{os.getpid()}-{time.time_ns()}"
    wanted = {f"{mine} {lane}".encode() for lane in topics.lane_topics(topics.CHUNKS_RAW)}
    for topic in topics.lane_topics(topics.CHUNKS_RAW):
        producer.produce(Output(topic, b"key", f"{mine} {topic}".encode()))
    assert producer.flush(10.0) == 0
    process = subprocess.Popen([sys.executable, "-c", ECHO], env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 240.0
        while not wanted <= set(values(servers, "candidates")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert answer(f"http://127.0.0.1:{port}/readyz")
        assert 'stage="echo"' in answer(f"http://127.0.0.1:{port}/metrics")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert {json.loads(line)["process"] for line in log.splitlines()} == {"echo"}
    assert "Traceback" not in log


def test_a_worker_without_an_address_says_how_to_start_one(tmp_path: Path, clean_environment: Environment) -> None:
    found = ended(clean_environment(RIVERSEQ_STATE=str(tmp_path)))
    assert found.returncode == 1
    assert "riverseq up" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_setting_that_is_none_is_named(tmp_path: Path, clean_environment: Environment) -> None:
    found = ended(clean_environment(RIVERSEQ_STATE=str(tmp_path), RIVERSEQ_KAFKA="127.0.0.1:1", RIVERSEQ_PROVIDER="gpu"))
    assert found.returncode == 1
    (line,) = [json.loads(line) for line in found.stderr.splitlines()]
    assert line["error"].startswith("setting RIVERSEQ_PROVIDER")
    assert "'cuda'" in line["error"]


def test_messages_that_all_fail_stop_the_worker_before_they_are_all_in_quarantine(
    servers: str, tmp_path: Path, clean_environment: Environment
) -> None:
    producer = ConfluentProducer(servers, name="test")
    mine = f"bad {time.time_ns()} ".encode()
    for number in range(60):
        producer.produce(Output("chunks.raw", b"%d" % number, mine + b"%d" % number))
    assert producer.flush(10.0) == 0
    broken = ECHO.replace("Done([Output(", "1 / 0 or Done([Output(")
    found = ended(clean_environment(RIVERSEQ_STATE=str(tmp_path), RIVERSEQ_KAFKA=servers), broken)
    assert found.returncode == 1
    assert "quarantine" in found.stderr.splitlines()[-1]
    kept = [value for value in values(servers, "quarantine") if value.startswith(mine)]
    assert 0 < len(kept) < 60
