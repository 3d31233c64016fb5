"""Numbered migrations of the database: `NNNN_name.sql` beside this file, read into values here and run by `processors.land.migrations`.

A statement ends with `;` at the end of a line; a line that begins with `--` is a comment. A file may be half done when a process dies,
so every statement can be run again: `CREATE ... IF NOT EXISTS`, `CREATE OR REPLACE VIEW`. A statement that destroys rows or tables carries
a comment line `-- dangerous: why` before it and is run only by whoever allows it. One that only makes things faster carries
`-- optional: why`: a server that does not know or allow its settings goes on without it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_DANGEROUS = re.compile(
    r"^\s*(?:(?:DROP|TRUNCATE|DETACH|RENAME|EXCHANGE|DELETE|REPLACE)\b|CREATE\s+OR\s+REPLACE\s+TABLE\b"
    r"|ALTER\b.*?\b(?:DROP|DELETE|UPDATE|CLEAR|RENAME|MODIFY(?!\s+SETTING)|DETACH|REPLACE|MOVE)\b)",
    re.IGNORECASE | re.DOTALL,
)
_REPEATABLE = re.compile(
    r"^\s*(?:CREATE\s+(?:OR\s+REPLACE\s+VIEW|(?:TABLE|VIEW|MATERIALIZED\s+VIEW|FUNCTION|DICTIONARY)\s+IF\s+NOT\s+EXISTS)"
    r"|ALTER\s+TABLE\s+\S+\s+(?:ADD|DROP|RENAME)\s+(?:COLUMN|INDEX|PROJECTION)\s+IF\s+(?:NOT\s+)?EXISTS"
    r"|ALTER\s+TABLE\s+\S+\s+MODIFY|DROP\s+\S+\s+IF\s+EXISTS|TRUNCATE\s+TABLE\s+IF\s+EXISTS|ALTER\s+TABLE\s+\S+\s+(?:DELETE|UPDATE))\b",
    re.IGNORECASE,
)
_MARKER = "-- dangerous:"
_OPTIONAL = "-- optional:"


class MigrationUnreadable(ValueError):
    """A migration file breaks a rule of this folder; the message names file and statement."""


@dataclass(frozen=True)
class Statement:
    """One SQL statement without its `;`. `danger` says why it may destroy something; empty: it does not."""

    sql: str
    danger: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Migration:
    """One file. `digest` (32 hex) covers its bytes: a file that has run is never edited."""

    number: int
    name: str
    digest: str
    statements: tuple[Statement, ...]


def read_migrations(folder: Path = Path(__file__).parent) -> tuple[Migration, ...]:
    """Every migration of a folder, by number, which counts from 1 without gaps. Raises MigrationUnreadable."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationUnreadable(f"{path.name}: a migration is named NNNN_name.sql")
        raw = path.read_bytes()
        digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
        found.append(Migration(int(match[1]), match[2], digest, _statements(path.name, raw.decode())))
    for place, migration in enumerate(found, start=1):
        if migration.number != place:
            raise MigrationUnreadable(
                f"migration {migration.number:04d}_{migration.name}: expected number {place:04d}; numbers have no gaps"
            )
    return tuple(found)


def _statements(file: str, text: str) -> tuple[Statement, ...]:
    statements: list[Statement] = []
    lines: list[str] = []
    danger, optional = "", False
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("--"):
            if stripped.startswith(_MARKER):
                danger = stripped[len(_MARKER) :].strip() or "unsaid"
            optional = optional or stripped.startswith(_OPTIONAL)
            continue
        if not stripped and not lines:
            continue
        lines.append(line.rstrip())
        if stripped.endswith(";"):
            sql = "\n".join(lines).strip()[:-1].rstrip()
            statements.append(_checked(file, Statement(sql, danger, optional)))
            lines, danger, optional = [], "", False
    if lines:
        raise MigrationUnreadable(f"{file}: the last statement has no `;` at the end of a line: {lines[0].strip()[:60]}")
    return tuple(statements)


def _checked(file: str, statement: Statement) -> Statement:
    head = " ".join(statement.sql.split())[:60]
    if _DANGEROUS.match(statement.sql) and not statement.danger:
        raise MigrationUnreadable(f"{file}: {head}: may destroy rows or tables; say why in a line `{_MARKER} ...` before it")
    if not _REPEATABLE.match(statement.sql):
        raise MigrationUnreadable(f"{file}: {head}: cannot be run twice; write IF NOT EXISTS, IF EXISTS or CREATE OR REPLACE VIEW")
    return statement
