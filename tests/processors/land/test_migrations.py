"""Migrations run once, in order, are recognised by their digest, and refuse what would lose something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.land.client import Client, Rejected, WrongSettings
from processors.land.migrations import MigrationRefused, applied, assert_windows, migrate, pending
from schemas.clickhouse import Migration, read_migrations

WINDOW = "SETTINGS non_replicated_deduplication_window = 10000"


@pytest.fixture
def folder(tmp_path: Path, client: Client) -> Iterator[Path]:
    """A folder that holds the product's migrations by name and number, for one more behind them. The database is as it was afterwards."""
    yield tmp_path
    client.command(f"ALTER TABLE migration DELETE WHERE number > {len(read_migrations())}")
    client.command("DROP TABLE IF EXISTS later")


def more(folder: Path, *texts: str) -> tuple[Migration, ...]:
    """The product's migrations and these."""
    known = read_migrations()
    for place, text in enumerate(texts, start=1):
        (folder / f"{place:04d}_later.sql").write_text(f"-- {folder}\n{text}")  # a digest of its own: tokens outlive rows
    extra = read_migrations(folder)
    return (*known, *(Migration(len(known) + m.number, m.name, m.digest, m.statements) for m in extra))


def test_every_migration_is_remembered_with_its_digest_and_nothing_is_left(client: Client) -> None:
    assert [(row.number, row.name, row.digest) for row in applied(client)] == [(m.number, m.name, m.digest) for m in read_migrations()]
    assert pending(client) == ()
    assert migrate(client) == ()


def test_a_new_file_is_run_once_and_a_dry_run_runs_nothing(client: Client, folder: Path) -> None:
    files = more(folder, f"CREATE TABLE IF NOT EXISTS later (a UInt8) ENGINE = MergeTree ORDER BY a\n{WINDOW};\n")
    assert [m.name for m in pending(client, files)] == ["later"]
    assert client.value("EXISTS TABLE later") == 0
    assert [m.name for m in migrate(client, files)] == ["later"]
    assert client.value("EXISTS TABLE later") == 1
    assert migrate(client, files) == ()


def test_a_file_that_was_changed_after_it_ran_is_refused(client: Client, folder: Path) -> None:
    first, *others = read_migrations()
    changed = (Migration(first.number, first.name, "0" * 32, first.statements), *others)
    with pytest.raises(MigrationRefused, match="0001_rows was changed after it ran"):
        migrate(client, changed)


def test_a_database_of_a_newer_version_is_refused(client: Client, folder: Path) -> None:
    migrate(client, more(folder, f"CREATE TABLE IF NOT EXISTS later (a UInt8) ENGINE = MergeTree ORDER BY a\n{WINDOW};\n"))
    with pytest.raises(MigrationRefused, match="opened by a newer version"):
        migrate(client)


def test_a_migration_that_died_half_way_is_run_again_from_its_start(client: Client, folder: Path) -> None:
    good = f"CREATE TABLE IF NOT EXISTS later (a UInt8) ENGINE = MergeTree ORDER BY a\n{WINDOW};\n"
    files = more(folder, good + "CREATE OR REPLACE VIEW later_view AS SELECT nothing FROM later;\n")
    with pytest.raises(Exception, match="nothing"):
        migrate(client, files)
    assert [m.name for m in pending(client, files)] == ["later"]
    assert client.rows("SELECT state FROM migration WHERE name = 'later'") == [("started",)]
    files = more(folder, good)
    assert [m.name for m in migrate(client, files)] == ["later"]


def test_a_dangerous_statement_is_run_only_by_whoever_allows_it(client: Client, folder: Path) -> None:
    made = f"CREATE TABLE IF NOT EXISTS later (a UInt8) ENGINE = MergeTree ORDER BY a\n{WINDOW};\n"
    files = more(folder, made, "-- dangerous: the table moved\nDROP TABLE IF EXISTS later;\n")
    with pytest.raises(MigrationRefused, match="the table moved"):
        migrate(client, files)
    assert client.value("EXISTS TABLE later") == 0, "nothing runs when one is refused"
    assert len(migrate(client, files, allow_dangerous=True)) == 2


def test_a_table_without_a_window_of_tokens_is_found(client: Client, folder: Path) -> None:
    assert_windows(client)
    with pytest.raises(WrongSettings, match="later"):
        migrate(client, more(folder, "CREATE TABLE IF NOT EXISTS later (a UInt8) ENGINE = MergeTree ORDER BY a;\n"))


def test_an_optional_setting_that_the_server_does_not_know_is_done_without(client: Client, folder: Path) -> None:
    made = f"CREATE TABLE IF NOT EXISTS later (a UInt8) ENGINE = MergeTree ORDER BY a\n{WINDOW};\n"
    unknown = "ALTER TABLE later MODIFY SETTING no_such_setting = 1;\n"
    with pytest.raises(Rejected, match="no_such_setting"):
        migrate(client, more(folder, made + unknown))
    files = more(folder, made + "-- optional: quicker\n" + unknown)
    assert [m.name for m in migrate(client, files)] == ["later"]


def test_merges_are_tuned_where_the_server_allows_it(client: Client) -> None:
    [(definition,)] = client.rows("SELECT engine_full FROM system.tables WHERE database = 'riverseq' AND name = 'calls'")
    assert "merge_selector_base = 10" in definition
    assert "auto_statistics_types = ''" in definition or "auto_statistics_types = ''" in definition
