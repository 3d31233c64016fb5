"""clickhouse-connect's repertoire against the real process."""

from __future__ import annotations

from typing import Any

import clickhouse_connect
import pytest


@pytest.fixture
def admin(clickhouse: Any) -> Any:
    client = clickhouse_connect.get_client(dsn=clickhouse.dsn("admin"))
    yield client
    client.close()


def test_a_query_with_parameters_answers(admin: Any) -> None:
    assert admin.query("SELECT {a:String}, {n:UInt8}", parameters={"a": "x'\t\\y", "n": 7}).result_rows == [("x'\t\\y", 7)]
