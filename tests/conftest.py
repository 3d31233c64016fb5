"""Fixtures that every part of the tests shares: where the real data lies, and the one real broker of the session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.clickhouse.launch import RunningClickHouse, running_clickhouse
from deploy.local.kafka import running_broker

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the shared real data; a test that needs it is skipped, with the reason, on a machine without it."""
    folder = Path(os.environ.get("RIVERSEQ_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "README.md").exists():
        pytest.skip(f"no real data at {folder}: set RIVERSEQ_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka that the whole session shares (3 s to start): take topic and group names of your own."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.servers


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClickHouse]:
    """The real ClickHouse process that the whole session shares: `.url`, `.dsn(role)`, `.password(role)`; take table names of your own."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse") / "state") as server:
        yield server
