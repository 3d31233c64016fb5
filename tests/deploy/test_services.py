"""The parts of an installation: names, order, environment, addresses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.local.ports import HOST
from deploy.local.probes import http_answers
from deploy.local.services import installation
from deploy.local.state import State, open_state
from deploy.local.supervisor import Part, Service, Step


def named(parts: Sequence[Part]) -> list[list[str]]:
    """Names of what starts together, in order."""
    return [[service.name for service in part] if isinstance(part, tuple) else [part.name] for part in parts]


def services(parts: Sequence[Part]) -> dict[str, Service]:
    flat = [service for part in parts for service in (part if isinstance(part, tuple) else (part,))]
    return {service.name: service for service in flat if isinstance(service, Service)}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state", create=True)


def test_everything_starts_in_the_order_in_which_it_is_needed(state: State) -> None:
    built = installation(state, workers=2)
    assert named(built.parts) == [["broker", "clickhouse"], ["topics"], ["control", "ingest", "chain", "chain-2"]]
    assert [part.name for part in built.parts if isinstance(part, Step)] == ["topics"]
    assert set(built.run.metrics) == {"control", "ingest", "chain", "chain-2"}


def test_workers_get_addresses_and_ports_by_environment_and_no_password(state: State, tmp_path: Path) -> None:
    built = installation(state, workers=2, roots=(tmp_path / "runs",))
    ports = state.ports()
    by_name = services(built.parts)
    environment = by_name["chain-2"].environment
    assert environment["RIVERSEQ_STATE"] == str(state.root)
    assert environment["RIVERSEQ_KAFKA"] == built.run.kafka == f"{HOST}:{ports['broker']}"
    assert environment["RIVERSEQ_CLICKHOUSE"] == built.run.clickhouse == f"http://{HOST}:{ports['clickhouse']}"
    assert environment["RIVERSEQ_METRICS_PORT"] == str(ports["chain-2"])
    assert json.loads(environment["RIVERSEQ_ROOTS"]) == [str(tmp_path / "runs")]
    assert by_name["chain-2"].command[1:] == ("-P", "-m", "streams.chain_worker")
    everything = " ".join(" ".join([*part.command, *part.environment.values()]) for part in by_name.values())
    assert not any(password in everything for password in state.secrets().clickhouse.values())


def test_ports_stay_from_one_start_to_the_next(state: State) -> None:
    assert installation(state).run == installation(state).run


def test_a_kafka_and_a_clickhouse_elsewhere_are_used_and_not_embedded(state: State) -> None:
    built = installation(state, kafka="kafka.lab:9092", clickhouse="http://lab:pass@clickhouse.lab:8123/riverseq")
    assert named(built.parts) == [[], ["topics"], ["control", "ingest", "chain"]]
    assert built.run.kafka == "kafka.lab:9092"
    assert built.run.clickhouse == "http://clickhouse.lab:8123/riverseq"
    assert services(built.parts)["control"].environment["RIVERSEQ_CLICKHOUSE"] == "http://lab:pass@clickhouse.lab:8123/riverseq"


def test_parts_can_be_left_out(state: State) -> None:
    built = installation(state, parts=("broker", "chain"))
    assert named(built.parts) == [["broker"], ["chain"]]
    assert built.run.clickhouse is None


@pytest.fixture
def server() -> Iterator[str]:
    """An HTTP server: /ping answers `Ok.`, everything else 503 with a reason."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ping" else 503)
            self.end_headers()
            self.wfile.write(b"Ok.\n" if self.path == "/ping" else b"no packs yet")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer((HOST, 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://{HOST}:{http.server_port}"
        http.shutdown()
        thread.join()


def test_readiness_over_http_passes_on_the_reason(server: str) -> None:
    assert http_answers(f"{server}/ping", b"Ok.\n") is None
    assert http_answers(f"{server}/ping", b"Pong\n") == f"{server}/ping: unexpected answer b'Ok.\\n'"
    assert http_answers(f"{server}/readyz") == f"{server}/readyz: HTTP 503 no packs yet"
    assert "refused" in str(http_answers(f"http://{HOST}:9/readyz"))
