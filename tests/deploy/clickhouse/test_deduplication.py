"""Tokens of inserts that were under way when the process died are forgotten, and no others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.local.clickhouse.deduplication import Mended, mend
from deploy.local.clickhouse.engine import Engine, EngineRefused
from deploy.local.clickhouse.launch import RunningClickHouse, running_clickhouse

TABLE = "store/0a1/0a1b2c3d-0000-4000-8000-000000000001"


def _table(folder: Path, logs: dict[int, str], parts: Sequence[str], place: str = TABLE) -> Path:
    """A table's folder with logs by number, blanks for tabs, and empty parts; as of a database `d`, table `t`."""
    table = folder / place
    (table / "deduplication_logs").mkdir(parents=True)
    for number, text in logs.items():
        (table / f"deduplication_logs/deduplication_log_{number}.txt").write_text(text.replace(" ", "\t"))
    for part in parts:
        (table / part).mkdir()
    if place.startswith("store/"):
        (folder / "data/d").mkdir(parents=True)
        (folder / "data/d/t").symlink_to(os.path.relpath(table, folder / "data/d"))
    return table


def _log(table: Path, number: int = 1) -> str:
    return (table / f"deduplication_logs/deduplication_log_{number}.txt").read_text().replace("\t", " ")


def test_a_token_whose_part_never_came_is_forgotten_and_those_before_stay(tmp_path: Path) -> None:
    table = _table(tmp_path, {1: "1 all_1_1_0 a\n1 all_2_2_0 b\n"}, ["all_1_1_0", "tmp_insert_all_2_2_0", "detached"])
    assert mend(tmp_path) == [Mended("d.t", "all_2_2_0", 1, 0)]
    assert _log(table) == "1 all_1_1_0 a\n2 all_2_2_0 b\n"
    assert mend(tmp_path) == []


@pytest.mark.parametrize("part", ["all_2_2_0", "all_2_2_0_7", "all_1_4_1", "all_0_2_3_9"])
def test_a_token_stays_whose_part_is_there_merged_or_mutated(tmp_path: Path, part: str) -> None:
    table = _table(tmp_path, {1: "1 all_1_1_0 a\n1 all_2_2_0 b\n"}, [part])
    assert mend(tmp_path) == []
    assert _log(table) == "1 all_1_1_0 a\n1 all_2_2_0 b\n"


@pytest.mark.parametrize("part", ["all_1_1_0", "all_3_4_1", "20240101_2_2_0", "delete_tmp_all_2_2_0", "detached/all_2_2_0"])
def test_a_part_of_other_blocks_or_another_partition_holds_no_rows_of_it(tmp_path: Path, part: str) -> None:
    table = _table(tmp_path, {1: "1 all_2_2_0 b\n"}, ["detached", part])
    assert [mended.part for mended in mend(tmp_path)] == ["all_2_2_0"]
    assert _log(table) == "2 all_2_2_0 b\n"


def test_of_an_insert_into_many_partitions_only_the_part_under_way_is_forgotten(tmp_path: Path) -> None:
    table = _table(tmp_path, {1: "1 0_1_1_0 0_a\n1 1_2_2_0 1_a\n1 2_3_3_0 2_a\n"}, ["0_1_1_0", "1_2_2_0"])
    assert mend(tmp_path) == [Mended("d.t", "2_3_3_0", 1, 0)]
    assert _log(table) == "1 0_1_1_0 0_a\n1 1_2_2_0 1_a\n2 2_3_3_0 2_a\n"


def test_an_earlier_insert_without_its_part_was_acknowledged_and_stays(tmp_path: Path) -> None:
    table = _table(tmp_path, {1: "1 all_1_1_0 a\n1 all_2_2_0 b\n"}, ["all_2_2_0"])
    assert mend(tmp_path) == []
    assert _log(table) == "1 all_1_1_0 a\n1 all_2_2_0 b\n"


def test_all_tokens_of_the_part_under_way_are_forgotten(tmp_path: Path) -> None:
    table = _table(tmp_path, {1: "1 all_1_1_0 a\n1 all_2_2_0 b\n1 all_2_2_0 c\n"}, ["all_1_1_0"])
    assert mend(tmp_path) == [Mended("d.t", "all_2_2_0", 2, 0)]
    assert _log(table) == "1 all_1_1_0 a\n2 all_2_2_0 b\n2 all_2_2_0 c\n"


def test_what_a_drop_took_out_is_left_and_a_drop_of_another_part_hides_nothing(tmp_path: Path) -> None:
    dropped = _table(tmp_path / "dropped", {1: "1 all_1_1_0 a\n2 all_1_1_0 a\n"}, [])
    hidden = _table(tmp_path / "hidden", {1: "1 0_1_1_0 a\n1 1_2_2_0 b\n2 0_1_1_0 a\n"}, [])
    back = _table(tmp_path / "back", {1: "1 all_1_1_0 a\n2 all_1_1_0 a\n3 all_1_1_0 a\n"}, [])
    assert mend(tmp_path / "dropped") == []
    assert _log(dropped) == "1 all_1_1_0 a\n2 all_1_1_0 a\n"
    assert [m.part for m in mend(tmp_path / "hidden")] == ["1_2_2_0"]
    assert _log(hidden) == "1 0_1_1_0 a\n2 1_2_2_0 b\n2 0_1_1_0 a\n"
    assert [m.part for m in mend(tmp_path / "back")] == ["all_1_1_0"]
    assert _log(back).startswith("2 all_1_1_0 a\n")


def test_half_a_line_is_cut_off_and_the_insert_before_it_is_judged(tmp_path: Path) -> None:
    table = _table(tmp_path, {1: "1 all_1_1_0 a\n1 all_2_2_0 b\n1 all_3"}, ["all_1_1_0"])
    assert mend(tmp_path) == [Mended("d.t", "all_2_2_0", 1, 7)]
    assert _log(table) == "1 all_1_1_0 a\n2 all_2_2_0 b\n"


def test_the_last_insert_is_found_before_a_rotation_and_logs_count_as_numbers(tmp_path: Path) -> None:
    table = _table(tmp_path, {9: "1 all_1_1_0 a\n", 10: "1 all_2_2_0 b\n", 11: "", 0: "1 all_9_9_0 z\n"}, ["all_1_1_0"])
    assert mend(tmp_path) == [Mended("d.t", "all_2_2_0", 1, 0)]
    assert (_log(table, 9), _log(table, 10), _log(table, 11)) == ("1 all_1_1_0 a\n", "2 all_2_2_0 b\n", "")


def test_tables_of_both_layouts_are_mended_and_empty_ones_are_no_trouble(tmp_path: Path) -> None:
    assert mend(tmp_path / "nothing") == []
    _table(tmp_path, {}, [], "store/0a2/0a2b2c3d-0000-4000-8000-000000000002")
    _table(tmp_path, {1: "1 all_1_1_0 a\n"}, [], "data/old%2Done/t")
    _table(tmp_path, {1: "1 all_1_1_0 a\n"}, [], "data/old%2Done/u")
    assert [mended.table for mended in mend(tmp_path)] == ["old-one.t", "old-one.u"]


def test_a_log_that_cannot_be_read_keeps_the_engine_shut_in_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "e" / TABLE / "deduplication_logs/deduplication_log_1.txt").mkdir(parents=True)
    with pytest.raises(EngineRefused, match=r"a log of insert tokens cannot be read or mended: .*deduplication_log_1\.txt"):
        Engine(tmp_path / "e")


def _without_part(state: Path, partition: str) -> str:
    """Bring the folder into the state of a death between the log's line and the part's name: the newest part of a partition never came."""
    parts = [p for p in (state / "clickhouse").glob(f"store/*/*/{partition}_*_*_0") if p.is_dir()]
    newest = max(parts, key=lambda path: int(path.name.split("_")[1]))
    shutil.rmtree(newest)
    return newest.name


def test_the_same_insert_after_a_death_in_its_midst_stores_its_rows_and_one_that_was_done_adds_none(tmp_path: Path, wire_of: type) -> None:
    def insert(server: RunningClickHouse, token: str, rows: str) -> None:
        answer = wire_of(server).ask(f"INSERT INTO t SETTINGS insert_deduplication_token = '{token}' VALUES {rows}")
        assert answer.status == 200, answer.text

    def rows(server: RunningClickHouse) -> list[int]:
        return [int(line) for line in wire_of(server).ask("SELECT n FROM t ORDER BY n").text.split()]

    first, second = "(1), (2)", "(11), (12)"
    with running_clickhouse(tmp_path / "s") as server:
        made = (
            "CREATE TABLE t (n UInt64) ENGINE = MergeTree PARTITION BY n % 2 ORDER BY n SETTINGS non_replicated_deduplication_window = 100"
        )
        assert wire_of(server).ask(made).status == 200
        insert(server, "a", first)
        insert(server, "b", second)
        server.process.kill()
    part = _without_part(tmp_path / "s", "0")
    with running_clickhouse(tmp_path / "s") as server:
        told = [event for line in server.process.tail() if (event := json.loads(line))["event"] == "log of insert tokens mended"]
        assert [(event["table"], event["part"], event["tokens"]) for event in told] == [("riverseq.t", part, 1)]
        assert rows(server) == [1, 2, 11]
        insert(server, "a", first)
        insert(server, "b", second)
        assert rows(server) == [1, 2, 11, 12]
        server.process.kill()
    with running_clickhouse(tmp_path / "s") as server:
        insert(server, "b", second)
        assert rows(server) == [1, 2, 11, 12]
        assert "mended" not in "".join(server.process.tail())
