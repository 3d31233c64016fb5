"""The schema registry: ids on the wire, and the frozen Avro schema of every version of every record.

`registry.toml` maps an id to `<record>.<version>`, whose schema is `history/<record>.<version>.avsc`. The current schema of a record,
`<record>.avsc`, equals its newest version. Schemas are self-contained: a reader in any language needs one file.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


class RegistryError(Exception):
    """The registry or a schema file is malformed; the message names the file."""


@dataclass(frozen=True)
class Version:
    """One frozen schema. `schema` is the file's JSON, not yet parsed by an Avro library."""

    id: int
    record: str
    version: int
    schema: dict[str, Any]


def load(folder: Path = FOLDER) -> tuple[Version, ...]:
    """Every version, by id. Raises RegistryError."""
    source = folder / "registry.toml"
    try:
        ids: dict[str, str] = tomllib.loads(source.read_text())["ids"]
    except (OSError, ValueError, KeyError) as error:
        raise RegistryError(f"{source}: {error!r}") from error
    versions = []
    for number, name in ids.items():
        record, _, version = name.partition(".")
        if not (number.isdigit() and version.isdigit()):
            raise RegistryError(f'{source}: {number} = "{name}" is not `number = "record.version"`')
        versions.append(Version(int(number), record, int(version), read_schema(folder / "history" / f"{name}.avsc")))
    return tuple(sorted(versions, key=lambda version: version.id))


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON of a schema file. Raises RegistryError."""
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path}: {error}") from error
    return value


def newest(versions: tuple[Version, ...]) -> dict[str, Version]:
    """Record → its newest version."""
    return {version.record: version for version in sorted(versions, key=lambda version: version.version)}
