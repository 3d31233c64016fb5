"""clickhouse-connect's repertoire against the real process."""

# ruff: noqa: DTZ001  (the client takes and gives times of the server's zone without one)

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from deploy.local.clickhouse.launch import RunningClickHouse

ROWS = [[1, "one", datetime(2026, 1, 1, 12), "x"], [2, "zwei 🧬", datetime(2026, 1, 2), "y"], [3, "", datetime(1970, 1, 1), "x"]]


@pytest.fixture
def filled(admin: Any, table: str) -> str:
    admin.insert(table, ROWS)
    return table


def test_a_query_with_parameters_answers(admin: Any) -> None:
    sent = {"a": "x'\t\n\\y{}", "n": 7, "l": ["a'", "b\\"], "d": datetime(2026, 3, 4, 5, 6, 7), "z": None}
    rows = admin.query("SELECT {a:String}, {n:UInt8}, {l:Array(String)}, {d:DateTime}, {z:Nullable(String)}", parameters=sent).result_rows
    assert rows == [("x'\t\n\\y{}", 7, ["a'", "b\\"], datetime(2026, 3, 4, 5, 6, 7), None)]
    assert admin.query("SELECT %(a)s, %(n)s", parameters={"a": "it's", "n": 3}).result_rows == [("it's", 3)]


def test_settings_reach_the_query_and_end_with_it(admin: Any) -> None:
    assert admin.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 12_345}).result_rows == [(12_345,)]
    assert admin.query("SELECT getSetting('max_block_size')").result_rows != [(12_345,)]


def test_the_server_names_its_version_and_timezone(admin: Any) -> None:
    assert admin.server_version.startswith("26.")
    assert admin.server_tz is not None
    assert admin.ping()


def test_rows_columns_arrays_frames_and_arrow_agree(admin: Any, filled: str) -> None:
    sql = f"SELECT n, name, kind FROM {filled} ORDER BY n"
    result = admin.query(sql)
    assert result.column_names == ("n", "name", "kind")
    assert result.result_rows == [(1, "one", "x"), (2, "zwei 🧬", "y"), (3, "", "x")]
    assert admin.query_np(f"SELECT n FROM {filled} ORDER BY n").flatten().tolist() == [1, 2, 3]
    assert admin.query_df(sql)["name"].tolist() == ["one", "zwei 🧬", ""]
    assert admin.query_arrow(sql).column("n").to_pylist() == [1, 2, 3]
    assert list(admin.query(sql, column_oriented=True).result_columns[0]) == [1, 2, 3]
    assert admin.raw_query(sql, fmt="CSV") == '1,"one","x"\n2,"zwei 🧬","y"\n3,"","x"\n'.encode()


@pytest.mark.parametrize("compress", [False, "gzip", "zstd", "lz4", "deflate"])
def test_every_compression_carries_queries_and_inserts(clickhouse: RunningClickHouse, table: str, compress: bool | str) -> None:
    with clickhouse_connect.get_client(dsn=clickhouse.dsn("writer"), compress=compress) as client:
        if compress != "deflate":  # the client reads it, and cannot write it
            client.insert(table, [[n, "x" * 50, datetime(2026, 1, 1), "k"] for n in range(20_000)])
            assert client.query(f"SELECT count(), sum(n) FROM {table}").result_rows == [(20_000, 199_990_000)]
        assert client.query("SELECT number, repeat('y', 20) FROM numbers(100_000)").row_count == 100_000


def test_streams_deliver_every_row_in_order(admin: Any) -> None:
    sql = "SELECT number FROM numbers(300_000)"
    with admin.query_row_block_stream(sql) as blocks:
        assert [row[0] for block in blocks for row in block] == list(range(300_000))
    with admin.query_column_block_stream(sql) as columns:
        assert sum(len(block[0]) for block in columns) == 300_000
    with admin.query_rows_stream(sql) as rows:
        assert sum(1 for _ in rows) == 300_000
    with admin.query_np_stream(sql) as arrays:
        assert int(sum(a.astype(np.int64).sum() for a in arrays)) == 299_999 * 150_000
    with admin.query_df_stream(sql) as frames:
        assert sum(len(f) for f in frames) == 300_000
    with admin.query_arrow_stream(sql) as batches:
        assert sum(b.num_rows for b in batches) == 300_000
    with admin.raw_stream(sql, fmt="TabSeparated") as raw:
        assert raw.read().count(b"\n") == 300_000


def test_arrow_streams_keep_dictionaries_and_nulls(admin: Any) -> None:
    sql = "SELECT toLowCardinality(toString(number % 7)) AS k, if(number % 2, NULL, number) AS n, [number] AS a FROM numbers(200_000)"
    with admin.query_arrow_stream(sql, settings={"output_format_arrow_low_cardinality_as_dictionary": 1}) as batches:
        table = pa.Table.from_batches(list(batches))
    assert table.num_rows == 200_000
    assert table.column("n").null_count == 100_000
    assert table.column("k").cast(pa.string()).to_pylist()[:8] == ["0", "1", "2", "3", "4", "5", "6", "0"]


def test_an_empty_result_keeps_its_columns(admin: Any, table: str) -> None:
    assert admin.query(f"SELECT n, name FROM {table} LIMIT 0").column_names == ("n", "name")
    assert admin.query_arrow(f"SELECT n, name FROM {table}").column_names == ["n", "name"]
    with admin.query_arrow_stream(f"SELECT n FROM {table}") as batches:
        assert sum(b.num_rows for b in batches) == 0
    assert admin.query(f"SELECT n FROM {table}").result_rows == []


def test_inserts_of_every_kind_land(writer: Any, table: str) -> None:
    assert writer.insert(table, ROWS).written_rows == 3
    writer.insert(table, [[4, 5], ["four", "five"]], column_names=["n", "name"], column_oriented=True)
    writer.insert_arrow(table, pa.table({"n": pa.array([6], pa.uint64()), "name": ["six"]}))
    writer.insert_df(table, writer.query_df("SELECT toUInt64(7) AS n, 'seven' AS name"), column_names=["n", "name"])
    writer.raw_insert(table, ["n", "name"], b'8,"eight"\n9,"nine"\n', fmt="CSV")
    writer.raw_insert(table, ["n", "name"], '{"n":10,"name":"ten"}', fmt="JSONEachRow")
    writer.raw_insert(table, ["n"], (part for part in (b"11\n", b"12\n")), fmt="TabSeparated")
    writer.command(f"INSERT INTO {table} (n, name) VALUES (13, concat('thir', 'teen')), (14, 'it''s; ok')")
    writer.command(f"INSERT INTO {table} (n) SELECT number FROM numbers(15, 2)")
    rows = dict(writer.query(f"SELECT n, name FROM {table}").result_rows)
    assert sorted(rows) == list(range(1, 17))
    assert rows[13] == "thirteen"
    assert rows[14] == "it's; ok"
    assert rows[2] == "zwei 🧬"


def test_a_token_seen_before_drops_the_insert(writer: Any, table: str) -> None:
    for _ in range(3):
        writer.insert(table, ROWS, settings={"insert_deduplication_token": "a"})
        writer.insert_arrow(table, pa.table({"n": pa.array([9], pa.uint64())}), settings={"insert_deduplication_token": "b"})
        writer.raw_insert(table, ["n"], b"10\n", fmt="CSV", settings={"insert_deduplication_token": "c", "async_insert": 0})
        writer.command(f"INSERT INTO {table} (n) SELECT 11", settings={"insert_deduplication_token": "d"})
        writer.command(f"INSERT INTO {table} (n) SETTINGS insert_deduplication_token = 'e' VALUES (12)")
    assert writer.command(f"SELECT count() FROM {table}") == 7
    writer.insert(table, ROWS, settings={"insert_deduplication_token": "f"})
    assert writer.command(f"SELECT count() FROM {table}") == 10


def test_a_materialised_view_counts_a_replay_once(admin: Any, writer: Any, table: str) -> None:
    admin.command(
        f"CREATE TABLE {table}_s (k String, c UInt64) ENGINE = SummingMergeTree ORDER BY k "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    admin.command(f"CREATE MATERIALIZED VIEW {table}_mv TO {table}_s AS SELECT kind AS k, count() AS c FROM {table} GROUP BY k")
    for _ in range(3):
        writer.insert(table, ROWS, settings={"insert_deduplication_token": "a"})
    assert admin.query(f"SELECT k, sum(c) FROM {table}_s GROUP BY k ORDER BY k").result_rows == [("x", 2), ("y", 1)]
    admin.command(f"DROP VIEW {table}_mv SYNC")
    admin.command(f"DROP TABLE {table}_s SYNC")


def test_a_bad_row_fails_the_insert_with_its_reason(writer: Any, table: str) -> None:
    with pytest.raises(DatabaseError, match="not like UInt64") as caught:
        writer.raw_insert(table, ["n"], b"1\nfoo\n", fmt="CSV")
    assert caught.value.code in (27, 117, 6, 72)
    assert writer.command(f"SELECT count() FROM {table}") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} (n, name) FORMAT CSV",
        "INSERT INTO {} (n, name) SETTINGS insert_deduplication_token = 'k' FORMAT CSV",
        "INSERT INTO {} (n, name) -- with a remark",
        "INSERT INTO {} (n, name) SETTINGS max_insert_block_size = 1000 VALUES",
    ],
)
def test_rows_that_the_table_refuses_are_never_acknowledged(admin: Any, writer: Any, table: str, statement: str) -> None:
    """The engine's streamed insert calls them written."""
    rows = "\n(1, 'good'), (2, 'bad')" if "CSV" not in statement else "\n1,good\n2,bad\n"
    sql = statement.format(table) + rows if "remark" not in statement else statement.format(table) + "\nVALUES " + rows
    admin.command(f"ALTER TABLE {table} ADD CONSTRAINT no_bad CHECK name != 'bad'")
    for _ in range(2):
        with pytest.raises(DatabaseError, match="no_bad") as caught:
            writer.raw_query(sql)
        assert caught.value.code == 469
        assert writer.command(f"SELECT count() FROM {table}") == 0
    admin.command(f"ALTER TABLE {table} DROP CONSTRAINT no_bad")
    writer.raw_query(sql)
    assert writer.command(f"SELECT count() FROM {table}") == 2, "the token of a refused insert is not taken"


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("SELECT nosuch", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nosuch", 60, "UNKNOWN_TABLE"),
        ("SELEKT 1", 62, "SYNTAX_ERROR"),
        ("SELECT throwIf(1, 'stop: (NOT_A_NAME)')", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT toUInt8('x')", 6, "CANNOT_PARSE_TEXT"),
        ("SELECT {missing:String}", 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT 1 SETTINGS nosuch_setting = 1", 452, "SETTING_CONSTRAINT_VIOLATION"),
    ],
)
def test_exceptions_carry_clickhouses_code_and_name(admin: Any, sql: str, code: int, name: str) -> None:
    with pytest.raises((DatabaseError, OperationalError)) as caught:
        admin.query(sql)
    assert (caught.value.code, caught.value.name) == (code, name)


def test_an_exception_in_the_middle_of_a_stream_is_raised(admin: Any) -> None:
    with (
        pytest.raises(Exception, match="FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        admin.query_row_block_stream("SELECT throwIf(number = 2_900_000), number FROM numbers(3_000_000)") as blocks,
    ):
        for _ in blocks:
            pass


def test_many_clients_at_once_get_their_own_answers(clickhouse: RunningClickHouse) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def ask(n: int) -> int:
        with clickhouse_connect.get_client(dsn=clickhouse.dsn("reader"), autogenerate_session_id=False) as client:
            return int(
                client.query(
                    "SELECT {n:UInt32}, getSetting('max_block_size')", parameters={"n": n}, settings={"max_block_size": 1000 + n}
                ).result_rows[0][1]
            )

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(40))) == [1000 + n for n in range(40)]


def test_times_keep_their_zone(admin: Any) -> None:
    (row,) = admin.query(
        "SELECT toDateTime('2026-01-01 00:00:00', 'UTC'), toDateTime64('2026-01-01 00:00:00.123', 3, 'UTC')",
        query_tz="UTC",
        tz_mode="aware",
    ).result_rows
    assert row[0].astimezone(UTC) == datetime(2026, 1, 1, tzinfo=UTC)
    assert row[1].microsecond == 123_000


async def test_the_asynchronous_client_works_too(clickhouse: RunningClickHouse) -> None:
    client = await clickhouse_connect.get_async_client(dsn=clickhouse.dsn("reader"))
    try:
        assert (await client.query("SELECT 1 AS x")).result_rows == [(1,)]
    finally:
        await client.close()
