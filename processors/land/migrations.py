"""Run the migrations of `schemas.clickhouse`, each file once, in order, and remember it with its digest in the table `migration`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processors.land.client import DEDUPLICATION_WINDOW, Client, Rejected, StoreError, WrongSettings
from schemas.clickhouse import Migration, Statement, read_migrations

_TABLE = f"""CREATE TABLE IF NOT EXISTS migration (
    number UInt32, name String, digest String, state LowCardinality(String), at DateTime64(3) DEFAULT now64(3)
) ENGINE = MergeTree ORDER BY (number, at) SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"""


_NOT_HERE = (115, 452, 164, 497)
"""UNKNOWN_SETTING, SETTING_CONSTRAINT_VIOLATION, READONLY, ACCESS_DENIED: what an older or stricter server says of a setting."""


class MigrationRefused(StoreError):
    """The database and the migration files contradict each other; nothing was run."""


@dataclass(frozen=True)
class Applied:
    """A migration that the database has run to its end."""

    number: int
    name: str
    digest: str


def applied(client: Client) -> tuple[Applied, ...]:
    """What the database has run to the end, by number."""
    client.command(_TABLE)
    rows = client.rows("SELECT DISTINCT number, name, digest FROM migration WHERE state = 'done' ORDER BY number, digest")
    return tuple(Applied(number, name, digest) for number, name, digest in rows)


def pending(client: Client, migrations: Sequence[Migration] | None = None) -> tuple[Migration, ...]:
    """What `migrate` would run (the dry run). Raises MigrationRefused."""
    known = read_migrations() if migrations is None else tuple(migrations)
    by_number = {migration.number: migration for migration in known}
    done = applied(client)
    for row in done:
        migration = by_number.get(row.number)
        if migration is None:
            raise MigrationRefused(
                f"the database has migration {row.number:04d}_{row.name}, this version of riverseq knows {len(known)}: "
                "it was opened by a newer version; use that version"
            )
        if migration.digest != row.digest:
            raise MigrationRefused(
                f"migration {row.number:04d}_{row.name} was changed after it ran (digest {migration.digest[:12]}, "
                f"the database ran {row.digest[:12]}): restore the file and write a new migration"
            )
    numbers = {row.number for row in done}
    return tuple(migration for migration in known if migration.number not in numbers)


def migrate(client: Client, migrations: Sequence[Migration] | None = None, *, allow_dangerous: bool = False) -> tuple[Migration, ...]:
    """Bring the database up to date and return what was run. A run that died half-way is repeated from the start of its file.

    Raises MigrationRefused, before anything is run, where a pending statement is dangerous and that is not allowed.
    """
    todo = pending(client, migrations)
    for migration in todo:
        for statement in migration.statements:
            if statement.danger and not allow_dangerous:
                head = " ".join(statement.sql.split())[:80]
                named = f"migration {migration.number:04d}_{migration.name}"
                raise MigrationRefused(f"{named} is dangerous ({statement.danger}): {head}; allow it by hand")
    for migration in todo:
        _remember(client, migration, "started")
        for statement in migration.statements:
            _run(client, statement)
        _remember(client, migration, "done")
    assert_windows(client)
    return todo


def assert_windows(client: Client) -> None:
    """Every MergeTree table of the database states the deduplication window. Raises WrongSettings naming those that do not."""
    wanted = f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
    rows = client.rows(
        "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name"
    )
    # replicated and shared engines count their own window, on by default
    wrong = [name for name, engine in rows if wanted not in engine and not engine.startswith(("Replicated", "Shared"))]
    if wrong:
        raise WrongSettings(f"tables without `{wanted}`: {', '.join(wrong)}; their inserts would double; ALTER TABLE ... MODIFY SETTING")


def _run(client: Client, statement: Statement) -> None:
    try:
        client.command(statement.sql)
    except Rejected as error:
        if not statement.optional or error.code not in _NOT_HERE:
            raise


def _remember(client: Client, migration: Migration, state: str) -> None:
    row = (migration.number, migration.name, migration.digest, state)
    client.insert_rows("migration", ("number", "name", "digest", "state"), [row], f"{migration.digest}-{state}")
