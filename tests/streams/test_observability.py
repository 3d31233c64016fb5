"""What a process says of itself: metric names, health over HTTP, logs without names, fail points that cannot be misspelt."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import failpoints, logs, quarantine, topics, wire
from streams.broker import BrokerError, Message, Output
from streams.failpoints import Crash, FailPoint, SimulatedCrash
from streams.health import Health, HealthServer
from streams.memory import MemoryBroker
from streams.metrics import Metrics
from streams.outcomes import Quarantine

# --- metrics ---------------------------------------------------------------------------------------------------------


def test_every_metric_is_ours_and_names_its_unit_or_what_it_counts() -> None:
    units = ("_total", "_seconds", "_bytes", "_rows", "_messages", "_partitions", "_jobs", "_info", "_away", "_closed", "_samples")
    for family in Metrics("x").registry.collect():
        if family.name.startswith(("process_", "python_")):
            continue
        name = family.name + ("_total" if family.type == "counter" else "_info" if family.type == "info" else "")
        assert name.startswith("riverseq_")
        assert name.endswith(units), name
        assert family.documentation


def test_metrics_are_declared_in_one_file() -> None:
    folder = Path(__file__).resolve().parents[2] / "streams"
    declares = re.compile(r"\b(Counter|Gauge|Histogram|Summary|Info)\(\s*\"")
    assert [path.name for path in folder.rglob("*.py") if declares.search(path.read_text())] in ([], ["metrics.py"])


def test_two_processes_worth_of_metrics_do_not_meet() -> None:
    first, second = Metrics("a"), Metrics("b")
    first.retries.labels("chain").inc()
    assert second.registry.get_sample_value("riverseq_retries_total", {"stage": "chain"}) is None


# --- health ----------------------------------------------------------------------------------------------------------


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def served(clock: list[float]) -> Iterator[tuple[HealthServer, Health]]:
    health = Health(lambda: clock[0])
    with HealthServer(Metrics("chain", "1.2"), health) as server:
        yield server, health


def test_a_process_is_ready_when_nothing_hinders_it(served: tuple[HealthServer, Health]) -> None:
    server, health = served
    status, body = _get(server.url + "/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "obstacles": {"start": "starting"}})
    health.ready()
    assert _get(server.url + "/readyz")[0] == 200
    health.hindered("kafka", "no broker answers")
    assert json.loads(_get(server.url + "/readyz")[1])["obstacles"] == {"kafka": "no broker answers"}
    health.ready("kafka")
    assert _get(server.url + "/readyz") == (200, '{"obstacles": {}, "ready": true}\n')


def test_a_loop_that_is_silent_for_a_minute_is_not_alive(served: tuple[HealthServer, Health], clock: list[float]) -> None:
    server, health = served
    assert _get(server.url + "/healthz")[0] == 200
    clock[0] = 61.0
    assert _get(server.url + "/healthz")[0] == 503
    health.beat()
    assert _get(server.url + "/healthz")[0] == 200


def test_metrics_are_served_as_prometheus_text(served: tuple[HealthServer, Health]) -> None:
    status, body = _get(served[0].url + "/metrics")
    assert status == 200
    assert 'riverseq_build_info{process="chain",version="1.2"} 1.0' in body


def test_any_other_page_says_which_there_are(served: tuple[HealthServer, Health]) -> None:
    status, body = _get(served[0].url + "/secrets.json")
    assert (status, body) == (404, "try /metrics, /healthz or /readyz\n")


# --- logs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("chain", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_process_and_the_ids_at_hand(logged: io.StringIO) -> None:
    logs.logger(stage="land", revision_id="r1", chunk_id="c1").info("landed", rows=3)
    (line,) = _lines(logged)
    assert {
        "process": "chain",
        "event": "landed",
        "revision_id": "r1",
        "chunk_id": "c1",
        "rows": 3,
        "stage": "land",
    }.items() <= line.items()


def test_a_line_from_a_thread_names_the_process_too(logged: io.StringIO) -> None:
    thread = threading.Thread(target=lambda: logging.getLogger("library").warning("odd"))
    thread.start()
    thread.join()
    (line,) = _lines(logged)
    assert (line["process"], line["event"], line["logger"]) == ("chain", "odd", "library")


def test_a_persons_name_does_not_get_into_a_log(logged: io.StringIO) -> None:
    logs.logger().info("submitted", sample="Maria Muster", family="Muster", sample_id="5f")
    assert "Muster" not in logged.getvalue()
    assert _lines(logged)[0]["sample_id"] == "5f"


def test_a_client_that_repeats_itself_is_heard_once(logged: io.StringIO) -> None:
    log = logs.kafka_log("chain")
    for _ in range(50):
        log.error("FAIL [thrd:main]: connect refused")
    log.error("AUTH [thrd:main]: refused")
    assert len(_lines(logged)) == 2


# --- fail points -----------------------------------------------------------------------------------------------------


def test_a_crash_comes_the_nth_time_and_no_except_exception_stops_it() -> None:
    crash = Crash(FailPoint.LAND_ROWS, 3)
    crash.reach(FailPoint.LAND_ROWS)
    crash.reach(FailPoint.LAND_LEDGER)
    crash.reach(FailPoint.LAND_ROWS)

    def handles_everything() -> None:
        try:
            crash.reach(FailPoint.LAND_ROWS)
        except Exception:
            return

    with pytest.raises(SimulatedCrash, match=r"land\.rows"):
        handles_everything()


def test_in_a_real_process_the_point_is_a_sigkill() -> None:
    program = (
        "import os\nfrom streams.failpoints import *\npoints = from_environment(os.environ)\n"
        "for _ in range(5):\n points.reach(FailPoint.LAND_ROWS); print('on', flush=True)"
    )
    environment = {**os.environ, failpoints.VARIABLE: "land.rows:3"}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-9, "on\non\n")


def test_with_a_mark_only_the_first_process_to_get_there_dies(tmp_path: Path) -> None:
    program = "import os\nfrom streams.failpoints import *\nfrom_environment(os.environ).reach(FailPoint.LAND_ROWS)"
    environment = {**os.environ, failpoints.VARIABLE: f"land.rows:1:{tmp_path / 'died'}"}
    codes = [subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode for _ in range(2)]
    assert codes == [-9, 0]


@pytest.mark.parametrize("text", ["land.rowz", "land.rows:often", "x:1"])
def test_a_misspelt_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not NAME\[:NTH\[:MARK\]\] with a NAME of runner\.taken"):
        failpoints.from_environment({failpoints.VARIABLE: text})


# --- quarantine ------------------------------------------------------------------------------------------------------


def _quarantine(broker: MemoryBroker, number: int) -> None:
    message = Message("chunks.raw.urgent", 1, 40 + number, b"key", b"value%d" % number, [("chunk_id", b"c%d" % number)])
    reason = Quarantine("KeyError", "'gene'")
    broker.append(quarantine.quarantined(message, reason, stage="chain", worker="w", attempt=2, code=7, now=5))


def test_quarantine_lists_shows_and_replays_what_was_put_there() -> None:
    broker = MemoryBroker(topics.catalogue())
    for number in range(3):
        _quarantine(broker, number)
    broker.append(Output("quarantine", b"", b"somebody else's"))
    items = list(quarantine.listed(broker.reader()))
    assert [item.offset for item in items] == [40, 41, 42]
    found = quarantine.find(broker.reader(), 1)
    assert found.describe() | {"detail": ""} == {
        "offset": 1, "time": 5, "origin": "chunks.raw.urgent/1/41", "chunk_id": "c1", "submission_id": "", "contig": "", "span": "",
        "stage": "chain", "error": "KeyError", "detail": "", "attempt": 2, "code": 7, "bytes": 6,
    }  # fmt: skip
    assert found.replay() == Output("chunks.raw.urgent", b"key", b"value1", [("chunk_id", b"c1")])


def test_a_message_quarantined_again_keeps_only_its_newest_reason() -> None:
    broker = MemoryBroker(topics.catalogue())
    _quarantine(broker, 0)
    first = quarantine.find(broker.reader(), 0)
    again = Message("chunks.raw", 0, 9, first.place.key, first.place.value, first.place.headers)
    broker.append(quarantine.quarantined(again, Quarantine("ValueError", "new"), stage="s", worker="w", attempt=1, code=8))
    second = quarantine.find(broker.reader(), 1)
    assert (second.error, second.code, second.offset) == ("ValueError", 8, 9)
    assert len(second.place.headers) == len(first.place.headers)


def test_an_offset_that_holds_nothing_says_what_there_is() -> None:
    broker = MemoryBroker(topics.catalogue())
    _quarantine(broker, 0)
    with pytest.raises(BrokerError, match="no quarantined message 5: the topic holds 0 to 0"):
        quarantine.find(broker.reader(), 5)


def test_a_foreign_message_in_quarantine_is_refused_by_header() -> None:
    with pytest.raises(wire.WireError, match=r"header quarantine\.topic is missing"):
        quarantine.read(Message("quarantine", 0, 0, None, b""))
