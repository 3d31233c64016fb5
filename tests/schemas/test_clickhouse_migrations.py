"""Migration files: how they are cut into statements, and what is refused before a database is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.clickhouse import MigrationUnreadable, Statement, read_migrations


def write(folder: Path, text: str, name: str = "0001_first.sql") -> Path:
    (folder / name).write_text(text)
    return folder


def test_the_product_s_migrations_can_be_read_and_destroy_nothing() -> None:
    migrations = read_migrations()
    assert [m.name for m in migrations[:4]] == ["rows", "control", "names", "views"]
    assert all(not s.danger for m in migrations for s in m.statements)


def test_every_merge_tree_of_the_product_states_its_window() -> None:
    for migration in read_migrations():
        for statement in migration.statements:
            if "MergeTree" in statement.sql:
                assert "non_replicated_deduplication_window = 10000" in statement.sql, statement.sql.splitlines()[0]


def test_a_file_is_cut_at_semicolons_that_end_lines_and_comments_fall_away(tmp_path: Path) -> None:
    text = "-- a comment; with a semicolon;\nCREATE OR REPLACE VIEW a AS\nSELECT 'x;y' AS b;\n\nCREATE TABLE IF NOT EXISTS c (d UInt8);\n"
    [migration] = read_migrations(write(tmp_path, text))
    assert migration.statements == (
        Statement("CREATE OR REPLACE VIEW a AS\nSELECT 'x;y' AS b"),
        Statement("CREATE TABLE IF NOT EXISTS c (d UInt8)"),
    )
    assert (migration.number, migration.name) == (1, "first")


def test_the_digest_covers_every_byte_of_a_file(tmp_path: Path) -> None:
    [before] = read_migrations(write(tmp_path, "CREATE OR REPLACE VIEW a AS SELECT 1;\n"))
    [after] = read_migrations(write(tmp_path, "CREATE OR REPLACE VIEW a AS SELECT 1; \n"))
    assert before.statements == after.statements
    assert before.digest != after.digest


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE IF EXISTS a",
        "TRUNCATE TABLE IF EXISTS a",
        "ALTER TABLE a DELETE WHERE b",
        "ALTER TABLE a UPDATE b = 1 WHERE c",
        "ALTER TABLE a DROP COLUMN IF EXISTS b",
        "ALTER TABLE a\n  MODIFY COLUMN b UInt8",
    ],
)
def test_what_may_destroy_rows_needs_a_reason(tmp_path: Path, sql: str) -> None:
    with pytest.raises(MigrationUnreadable, match="may destroy"):
        read_migrations(write(tmp_path, f"{sql};\n"))
    [migration] = read_migrations(write(tmp_path, f"-- dangerous: moved to c\n{sql};\n"))
    assert migration.statements[0].danger == "moved to c"


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE a (b UInt8)", "CREATE VIEW a AS SELECT 1", "INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN b UInt8"]
)
def test_what_cannot_be_run_twice_is_refused(tmp_path: Path, sql: str) -> None:
    with pytest.raises(MigrationUnreadable, match="cannot be run twice"):
        read_migrations(write(tmp_path, f"{sql};\n"))


def test_a_marker_covers_one_statement(tmp_path: Path) -> None:
    with pytest.raises(MigrationUnreadable, match="DROP TABLE IF EXISTS b"):
        read_migrations(write(tmp_path, "-- dangerous: x\nDROP TABLE IF EXISTS a;\nDROP TABLE IF EXISTS b;\n"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("1_first.sql", "", "is named NNNN_name.sql"),
        ("0002_first.sql", "", "expected number 0001"),
        ("0001_first.sql", "CREATE OR REPLACE VIEW a AS SELECT 1", "no `;`"),
    ],
)
def test_a_file_that_breaks_a_rule_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(MigrationUnreadable, match=message):
        read_migrations(write(tmp_path, text, name))


def test_a_statement_may_be_optional_and_a_setting_is_no_danger(tmp_path: Path) -> None:
    text = "-- optional: quicker merges\nALTER TABLE a MODIFY SETTING b = 1;\nALTER TABLE a MODIFY SETTING c = 1;\n"
    [migration] = read_migrations(write(tmp_path, text))
    assert [(s.optional, s.danger) for s in migration.statements] == [(True, ""), (False, "")]
