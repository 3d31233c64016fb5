"""Clients of the session's ClickHouse process, one a role, and a table of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import clickhouse_connect
import pytest

from deploy.local.clickhouse.launch import RunningClickHouse


@dataclass(frozen=True)
class Answer:
    """What came back on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> int:
        """ClickHouse's error code, 0 for none."""
        return int(self.headers.get("x-clickhouse-exception-code", "0"))

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


@dataclass(frozen=True)
class Wire:
    """Plain HTTP to a server as one role, without a client that repairs anything."""

    server: RunningClickHouse

    def ask(
        self,
        query: str | bytes = b"",
        *,
        role: Literal["admin", "writer", "reader"] | None = "admin",
        method: str = "POST",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        path: str = "/",
        **fields: Any,
    ) -> Answer:
        """`query` goes into the body, or into the URL where there is a `body` of data or the method is GET."""
        sent = dict(headers or {})
        if role is not None:
            sent |= {"X-ClickHouse-User": role, "X-ClickHouse-Key": self.server.password(role)}
        if body is not None or method == "GET":
            fields["query"] = query
        else:
            body = query.encode() if isinstance(query, str) else query
        where = urlsplit(self.server.url)
        connection = HTTPConnection(str(where.hostname), int(where.port or 0), timeout=60)
        try:
            connection.request(method, f"{path}?{urlencode(fields)}" if fields else path, body=body, headers=sent)
            response: HTTPResponse = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()


@pytest.fixture(scope="session")
def wire(clickhouse: RunningClickHouse) -> Wire:
    return Wire(clickhouse)


@pytest.fixture(scope="session")
def wire_of() -> type[Wire]:
    """Plain HTTP to a server of one's own."""
    return Wire


def _client(server: RunningClickHouse, role: Literal["admin", "writer", "reader"]) -> Iterator[Any]:
    client = clickhouse_connect.get_client(dsn=server.dsn(role))
    yield client
    client.close()


@pytest.fixture(scope="session")
def admin(clickhouse: RunningClickHouse) -> Iterator[Any]:
    yield from _client(clickhouse, "admin")


@pytest.fixture(scope="session")
def writer(clickhouse: RunningClickHouse) -> Iterator[Any]:
    yield from _client(clickhouse, "writer")


@pytest.fixture(scope="session")
def reader(clickhouse: RunningClickHouse) -> Iterator[Any]:
    yield from _client(clickhouse, "reader")


@pytest.fixture
def table(admin: Any) -> Iterator[str]:
    """A table (n UInt64, name String, at DateTime, kind LowCardinality(String)) that remembers tokens."""
    name = f"t_{uuid4().hex[:12]}"
    admin.command(
        f"CREATE TABLE {name} (n UInt64, name String, at DateTime DEFAULT 0, kind LowCardinality(String) DEFAULT '') "
        "ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000"
    )
    yield name
    admin.command(f"DROP TABLE IF EXISTS {name} SYNC")
