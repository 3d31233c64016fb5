"""The connection: who is away is waited for, who says no is not, and a server that overrules a setting is refused."""

from __future__ import annotations

import socket
import time
from typing import Any

import pyarrow as pa
import pytest

from processors.land.client import Client, Rejected, Unavailable, WrongSettings, connect
from processors.land.client import _persist as persist


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_away_is_asked_again_until_patience_ends() -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer"):
        connect(f"http://admin:x@127.0.0.1:{free_port()}/riverseq", patience=0.5)
    assert 0.1 < time.monotonic() - begun < 5


def test_a_server_that_comes_back_is_not_an_error() -> None:
    answers: list[Exception | int] = [ConnectionRefusedError("away"), ConnectionResetError("away"), 7]

    def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert persist(ask, patience=5) == 7
    assert answers == []


def test_a_refusal_has_the_server_s_code_and_is_not_repeated(client: Client) -> None:
    begun = time.monotonic()
    with pytest.raises(Rejected, match="no_such_table") as caught:
        client.rows("SELECT * FROM no_such_table")
    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")
    assert time.monotonic() - begun < 5


def test_a_wrong_password_is_a_refusal_without_the_password_in_it(server: Any) -> None:
    with pytest.raises(Rejected) as caught:
        connect(server.dsn("writer").replace(server.password("writer"), "wr0ng-secret"))
    assert caught.value.code == 516
    assert "wr0ng-secret" not in str(caught.value)


def test_a_setting_that_the_server_overrules_is_refused_by_name(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.assert_settings()
    monkeypatch.setattr(client, "rows", lambda *_: [("async_insert", "1"), ("insert_deduplicate", "1")])
    with pytest.raises(WrongSettings, match="async_insert is 1 on this server and must be 0"):
        client.assert_settings()


def test_the_same_token_again_adds_nothing_and_another_does(client: Client) -> None:
    batch = pa.RecordBatch.from_pydict({"revision_id": ["r1", "r2"], "announced_at": [1, 2]})
    for token, expected in (("first", 2), ("first", 2), ("second", 4)):
        client.insert("announced", batch, token)
        assert client.value("SELECT count() FROM announced") == expected


def test_parameters_are_values_and_never_sql(client: Client) -> None:
    text = "x' OR 1 = 1; DROP TABLE calls --"
    assert client.rows("SELECT {text:String}, {n:UInt8}", {"text": text, "n": 3}) == [(text, 3)]
    assert client.arrow("SELECT {text:String} AS t", {"text": text}).to_pylist() == [{"t": text}]
    assert client.records("SELECT 1 AS a, 2 AS b") == [{"a": 1, "b": 2}]
