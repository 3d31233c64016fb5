"""What runs on one machine, in order: broker, ClickHouse, topics and tables, control, ingest, chain."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.kafka import Broker
from deploy.local.ports import HOST, choose_ports
from deploy.local.probes import http_answers
from deploy.local.state import Run, State
from deploy.local.supervisor import Part, Probe, Service, Step

WORKERS = {"control": "streams.control", "ingest": "streams.ingest_worker", "chain": "streams.chain_worker"}
"""Service name → module that `python -m` runs."""
PARTS = ("broker", "clickhouse", "topics", *WORKERS)
"""Everything that `up` knows, in the order of starting."""


@dataclass(frozen=True)
class Installation:
    """The parts to supervise and the addresses they will have."""

    parts: tuple[Part, ...]
    run: Run


def installation(
    state: State,
    *,
    parts: Collection[str] = PARTS,
    workers: int = 1,
    roots: Sequence[Path] = (),
    ports: tuple[int, int] | None = None,
    kafka: str | None = None,
    clickhouse: str | None = None,
) -> Installation:
    """The chosen `parts` with ports picked: those of the last start where they are free, else others from the range `ports`.

    `workers` chain workers are named `chain`, `chain-2`, ... `kafka` (host:port) and `clickhouse` (DSN) name ones that run elsewhere;
    none is then embedded. Raises `NoFreePort`, `NoJava`, `JarsUnavailable`, `JarMismatch`.
    """
    embed_broker = "broker" in parts and kafka is None
    embed_clickhouse = "clickhouse" in parts and clickhouse is None
    chains = [f"chain-{n}" if n > 1 else "chain" for n in range(1, workers + 1)]
    names = [name for kind in WORKERS if kind in parts for name in (chains if kind == "chain" else [kind])]
    wanted = ["broker", "controller"] * embed_broker + ["clickhouse"] * embed_clickhouse + names
    previous = state.ports()
    chosen = choose_ports(wanted, within=ports, previous=previous)
    state.write_ports({**previous, **chosen})

    servers = kafka or (f"{HOST}:{chosen['broker']}" if embed_broker else "")
    address = clickhouse or (f"http://{HOST}:{chosen['clickhouse']}" if embed_clickhouse else None)
    environment = {"RIVERSEQ_STATE": str(state.root), "PYTHONUNBUFFERED": "1"}
    environment |= {"RIVERSEQ_KAFKA": servers} if servers else {}
    environment |= {"RIVERSEQ_CLICKHOUSE": address} if address else {}
    environment |= {"RIVERSEQ_ROOTS": json.dumps([str(root.resolve()) for root in roots])} if roots else {}

    stores: list[Service] = []
    if embed_broker:
        broker = Broker(state.kafka, chosen["broker"], chosen["controller"], state.logs / "kafka.log")
        stores.append(Service("broker", broker.command(), broker.ready, prepare=broker.prepare, start_timeout=180.0, stop_timeout=30.0))
    if embed_clickhouse:
        command = _python("deploy.local.clickhouse", "--state", str(state.root), "--port", str(chosen["clickhouse"]))
        ready = _http(f"{address}/ping", b"Ok.\n")
        stores.append(Service("clickhouse", command, ready, environment, stop_timeout=30.0))
    topics = [Step("topics", lambda: create_topics_and_tables(state, servers or None, address))] if "topics" in parts else []
    processes: list[Service] = []
    for name in names:
        metrics = {**environment, "RIVERSEQ_METRICS_PORT": str(chosen[name])}
        command = _python(WORKERS[name.partition("-")[0]])
        processes.append(Service(name, command, _http(f"http://{HOST}:{chosen[name]}/readyz"), metrics))
    shown = _without_credentials(address)
    metrics_at = {name: f"http://{HOST}:{chosen[name]}" for name in names}
    run = Run(os.getpid(), servers, shown, metrics=metrics_at, roots=tuple(str(root.resolve()) for root in roots))
    return Installation((tuple(stores), *topics, tuple(processes)), run)


def create_topics_and_tables(state: State, kafka: str | None, clickhouse: str | None) -> None:
    """Bring Kafka and ClickHouse to what this version expects; changes nothing where they are there already."""
    from processors.land.client import connect
    from processors.land.migrations import migrate
    from streams.settings import Settings
    from streams.topics import catalogue, create_topics

    known: Mapping[str, str] = {k: v for k, v in (("kafka", kafka), ("clickhouse", clickhouse)) if v}
    settings = Settings.load(state.root).model_copy(update=dict(known))
    topics = catalogue(partitions=settings.partitions, retention=settings.retention, scored=settings.scored_topic)
    create_topics(settings.kafka_servers(), topics, replication=settings.replication, options=settings.kafka_options)
    migrate(connect(settings.clickhouse_dsn("admin"), create=True))


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: a folder named `streams` in the user's working directory must not shadow ours
    return (sys.executable, "-P", "-m", module, *arguments)


def _http(url: str, body: bytes | None = None) -> Probe:
    probe: Callable[[], str | None] = lambda: http_answers(url, body)  # noqa: E731
    return probe


def _without_credentials(address: str | None) -> str | None:
    if address is None or "@" not in address:
        return address
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
