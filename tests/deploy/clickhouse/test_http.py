"""The interface on the wire, as curl, Grafana and other clients use it."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import lz4.frame
import pytest
import zstandard


def test_ping_and_health_need_no_password(wire: Any) -> None:
    for path in ("/ping", "/replicas_status", "/healthz", "/readyz"):
        answer = wire.ask(role=None, method="GET", path=path)
        assert (answer.status, answer.text) == (200, "Ok.\n")
    assert wire.ask(role=None, path="/nosuch").status == 404


def test_a_query_goes_in_the_url_the_body_or_half_in_each(wire: Any) -> None:
    assert wire.ask("SELECT 1", method="GET").text == "1\n"
    assert wire.ask("SELECT 1").text == "1\n"
    assert wire.ask("SELECT", body=b"1 + 1").text == "2\n"
    assert wire.ask("SELECT 'a;b' ; ").text == "a;b\n"


def test_who_one_is_can_be_said_in_four_ways(wire: Any) -> None:
    secret = wire.server.password("reader")
    basic = base64.b64encode(f"reader:{secret}".encode()).decode()
    assert wire.ask("SELECT 1", role="reader").status == 200
    assert wire.ask("SELECT 1", role=None, headers={"Authorization": f"Basic {basic}"}).status == 200
    assert wire.ask("SELECT 1", role=None, user="reader", password=secret).status == 200
    assert wire.ask("SELECT 1", role=None, headers={"X-ClickHouse-User": "reader", "X-ClickHouse-Key": secret}).status == 200


@pytest.mark.parametrize(
    ("headers", "code", "status"),
    [
        ({}, 194, 401),
        ({"X-ClickHouse-User": "admin", "X-ClickHouse-Key": "wrong"}, 516, 403),
        ({"X-ClickHouse-User": "admin"}, 516, 403),
        ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""}, 516, 403),
        ({"X-ClickHouse-User": "ADMIN", "X-ClickHouse-Key": ""}, 516, 403),
        ({"Authorization": "Bearer x"}, 516, 403),
        ({"Authorization": "Basic !!"}, 516, 403),
    ],
)
def test_without_the_right_password_nothing_is_run(wire: Any, headers: dict[str, str], code: int, status: int) -> None:
    answer = wire.ask("SELECT 1", role=None, headers=headers)
    assert (answer.code, answer.status) == (code, status)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_headers_tell_what_came_out(wire: Any) -> None:
    answer = wire.ask("SELECT number FROM numbers(5)", query_id="abc", default_format="JSONEachRow")
    assert answer.headers["x-clickhouse-query-id"] == "abc"
    assert answer.headers["x-clickhouse-format"] == "JSONEachRow"
    assert answer.headers["x-clickhouse-server-display-name"]
    assert answer.headers["x-clickhouse-timezone"]
    summary = json.loads(answer.headers["x-clickhouse-summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("5", "5")
    assert wire.ask("SELECT 1 FORMAT CSV").headers["x-clickhouse-format"] == "CSV"
    assert wire.ask("SELECT 1 FORMAT JSON").headers["content-type"].startswith("application/json")


def test_an_exception_has_its_code_in_header_body_and_status(wire: Any) -> None:
    answer = wire.ask("SELECT * FROM nosuch")
    assert (answer.status, answer.code) == (404, 60)
    assert answer.text.startswith("Code: 60. DB::Exception: ")
    assert "(UNKNOWN_TABLE) (version 26." in answer.text
    assert wire.ask("SELEKT").status == 400


@pytest.mark.parametrize(
    "output",
    [
        "TabSeparated",
        "TSVWithNames",
        "CSV",
        "CSVWithNamesAndTypes",
        "JSON",
        "JSONCompact",
        "JSONEachRow",
        "Values",
        "Pretty",
        "Vertical",
        "XML",
        "Native",
        "RowBinary",
        "RowBinaryWithNamesAndTypes",
        "Arrow",
        "ArrowStream",
        "Parquet",
        "Null",
        "TSKV",
        "Markdown",
        "JSONCompactEachRowWithNamesAndTypes",
    ],
)
def test_a_result_of_many_blocks_is_one_document(wire: Any, output: str) -> None:
    answer = wire.ask(f"SELECT number AS n, toString(number) AS s FROM numbers(150_000) FORMAT {output}")
    assert answer.status == 200
    body = answer.body
    if output == "JSON":
        assert len(json.loads(body)["data"]) == 150_000
    elif output == "TSVWithNames":
        assert body.count(b"\n") == 150_001
    elif output in ("TabSeparated", "CSV", "JSONEachRow"):
        assert body.count(b"\n") == 150_000
    elif output == "CSVWithNamesAndTypes":
        assert body.count(b'"n","s"') == 1
    elif output == "Parquet":
        assert body[:4] == body[-4:] == b"PAR1"
    elif output == "Null":
        assert body == b""
    elif output == "RowBinaryWithNamesAndTypes":
        assert body.count(b"UInt64") == 1


ENCODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress, "lz4": lz4.frame.compress}
DECODERS = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b),
    "lz4": lz4.frame.decompress,
}


@pytest.mark.parametrize("name", ENCODERS)
def test_bodies_and_answers_are_compressed_as_asked(wire: Any, table: str, name: str) -> None:
    data = b"".join(b"%d,name\n" % n for n in range(50_000))
    answer = wire.ask(f"INSERT INTO {table} (n, name) FORMAT CSV", body=ENCODERS[name](data), headers={"Content-Encoding": name})
    assert answer.status == 200, answer.text
    whole = ENCODERS[name](f"INSERT INTO {table} (n, name) FORMAT CSV\n".encode() + data.replace(b"name", b"other"))
    assert wire.ask(whole, headers={"Content-Encoding": name}).status == 200
    answer = wire.ask(f"SELECT n FROM {table} ORDER BY n", headers={"Accept-Encoding": name}, enable_http_compression=1)
    assert answer.headers["content-encoding"] == name
    assert DECODERS[name](answer.body).count(b"\n") == 100_000
    assert "content-encoding" not in wire.ask("SELECT 1", headers={"Accept-Encoding": name}).headers
    assert "content-encoding" not in wire.ask("SELECT 1", headers={"Accept-Encoding": f"{name};q=0"}, enable_http_compression=1).headers


@pytest.mark.parametrize("name", ENCODERS)
def test_damaged_compression_is_an_error_and_inserts_nothing(wire: Any, table: str, name: str) -> None:
    packed = ENCODERS[name](b"".join(b"%d\n" % n for n in range(50_000)))
    for damaged in (packed[: len(packed) // 2], b"\0" + packed[1:]):
        answer = wire.ask(f"INSERT INTO {table} (n) FORMAT CSV", body=damaged, headers={"Content-Encoding": name})
        assert answer.code in (271, 27, 117, 6, 72, 130), answer.text
    assert wire.ask(f"SELECT count() FROM {table}").text == "0\n"
    assert wire.ask("x", headers={"Content-Encoding": "br"}).code == 89


def test_an_insert_takes_its_format_from_the_statement_and_its_rows_from_the_body(wire: Any, table: str) -> None:
    assert wire.ask(f"INSERT INTO {table} (n) FORMAT TSV", body=b"1\n2\n").status == 200
    assert wire.ask(f"INSERT INTO {table} (n) FORMAT TSV\n3\n4\n").status == 200
    assert wire.ask(f"INSERT INTO {table} (n) FORMAT TSV\r\n5\n").status == 200
    assert wire.ask(f"INSERT INTO {table} (n) VALUES", body=b"(6), (7)").status == 200
    assert wire.ask(f"insert into\n{table}(n)values(8)").status == 200
    assert wire.ask(f"INSERT INTO {table} (n) FORMAT JSONEachRow", body=b'{"n":9}').status == 200
    assert (
        wire.ask(
            f"/* c */ INSERT INTO riverseq.`{table}` (`n`) /* FORMAT x */ SETTINGS max_insert_block_size = 1000 FORMAT CSV\n10\n"
        ).status
        == 200
    )
    assert wire.ask(f"INSERT INTO {table} (n) FORMAT TSV", body=b"").status == 200
    answer = wire.ask(f"SELECT n FROM {table} ORDER BY n")
    assert answer.text.split() == [str(n) for n in range(1, 11)]


def test_a_get_changes_nothing(wire: Any, table: str) -> None:
    assert wire.ask(f"INSERT INTO {table} (n) VALUES (1)", method="GET").code == 164
    assert wire.ask(f"DROP TABLE {table}", method="GET").code == 164
    assert wire.ask(f"SELECT count() FROM {table}", method="GET").text == "0\n"


def test_a_form_carries_query_and_parameters(wire: Any) -> None:
    mark = "xyz"
    parts = {"query": "SELECT {a:String} || {b:String}", "param_a": "1", "param_b": "ü"}
    body = "".join(f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in parts.items()) + f"--{mark}--\r\n"
    answer = wire.ask(body, headers={"Content-Type": f"multipart/form-data; boundary={mark}"})
    assert answer.text == "1ü\n"


def test_the_hello_of_clickhouse_go_gets_revision_0(wire: Any) -> None:
    answer = wire.ask("SELECT displayName(), version(), revision(), timezone()", role="reader", client_protocol_version=54460)
    assert answer.text.split("\t")[2] == "0"
    assert wire.ask("SELECT displayName(), version(), revision(), timezone() FORMAT TSVWithNames", role="reader").status == 200


def test_a_held_answer_tells_of_a_late_failure_in_its_status(wire: Any) -> None:
    sql = "SELECT throwIf(number = 900_000), number FROM numbers(1_000_000)"
    answer = wire.ask(sql, wait_end_of_query=1)
    assert (answer.status, answer.code) == (500, 395)
    answer = wire.ask(sql)
    assert answer.status == 200
    tag = answer.headers["x-clickhouse-exception-tag"]
    assert answer.text.rstrip().endswith("__exception__")
    assert f"__exception__\r\n{tag}\r\nCode: 395." in answer.text


def test_metrics_count_requests_rows_and_errors(wire: Any, table: str) -> None:
    wire.ask(f"INSERT INTO {table} (n) VALUES (1), (2)")
    wire.ask("SELECT nosuch")
    text = wire.ask(role=None, method="GET", path="/metrics").text
    for line in (
        'riverseq_clickhouse_errors_total{code="47"}',
        'riverseq_clickhouse_rows_total{direction="written"}',
        "riverseq_clickhouse_request_seconds_bucket",
        'riverseq_clickhouse_requests_total{kind="InsertQuery",role="admin",status="200"}',
        "riverseq_clickhouse_running_requests",
    ):
        assert line in text


def test_the_log_is_json_and_holds_no_query_text_or_password(wire: Any) -> None:
    wire.ask("SELECT 'a-name-of-a-person' AS nosuch, nosuchcolumn")
    lines = [line for line in wire.server.process.log.read_text().splitlines() if line.startswith("{")]
    assert all("event" in json.loads(line) for line in lines)
    text = "\n".join(lines)
    assert "a-name-of-a-person" not in text
    assert wire.server.password("admin") not in text
