"""BACKWARD_TRANSITIVE: the current schema of a record reads every version that was ever written.

`python -m schemas.events.compatibility` checks; `... accept RECORD` freezes the edited `<record>.avsc` as a new version with a new id,
if it reads all earlier ones. The rules are "Schema Resolution" of the Avro 1.11 specification.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.events.registry import FOLDER, Version, load, newest, read_schema

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}

_NAMED = ("record", "enum", "fixed")

Names = Mapping[str, Any]


def breaks(writer: Any, reader: Any) -> list[str]:
    """Why data of the schema `writer` cannot always be read as `reader`, each with the path of the field; empty: it can."""
    return _Comparison(_named(writer), _named(reader)).breaks(writer, reader, "")


def check(folder: Path = FOLDER) -> list[str]:
    """Everything wrong with the registry, its history and the current schemas; empty: nothing."""
    versions = load(folder)
    current = newest(versions)
    problems = []
    for record, last in current.items():
        path = folder / f"{record}.avsc"
        if not path.exists():
            problems.append(f"{path.name} is missing, but version {last.version} is registered")
            continue
        schema = read_schema(path)
        if schema != last.schema:
            problems.append(
                f"{path.name} differs from its version {last.version} (id {last.id}): "
                f"run `python -m schemas.events.compatibility accept {record}`"
            )
        problems += _transitive(versions, record, schema)
    for path in sorted(folder.glob("*.avsc")):
        if path.stem not in current:
            problems.append(f"{path.name} has no id: run `python -m schemas.events.compatibility accept {path.stem}`")
    numbers = {record: sorted(v.version for v in versions if v.record == record) for record in current}
    problems += [
        f"{record}: versions {have} are not 1 to {len(have)}" for record, have in numbers.items() if have != [*range(1, len(have) + 1)]
    ]
    return problems


def accept(record: str, folder: Path = FOLDER) -> Version:
    """Freeze `<record>.avsc` as the record's next version under the next free id. Raises ValueError where it cannot read a past version."""
    versions = load(folder)
    schema = read_schema(folder / f"{record}.avsc")
    if problems := _transitive(versions, record, schema):
        raise ValueError("; ".join(problems))
    last = newest(versions).get(record)
    if last is not None and last.schema == schema:
        return last
    fresh = Version(max((v.id for v in versions), default=0) + 1, record, 1 if last is None else last.version + 1, schema)
    (folder / "history" / f"{record}.{fresh.version}.avsc").write_text((folder / f"{record}.avsc").read_text())
    with (folder / "registry.toml").open("a") as handle:
        handle.write(f'{fresh.id} = "{record}.{fresh.version}"\n')
    return fresh


def _transitive(versions: tuple[Version, ...], record: str, schema: dict[str, Any]) -> list[str]:
    return [
        f"{record} cannot read its version {version.version} (id {version.id}): {problem}"
        for version in versions
        if version.record == record
        for problem in breaks(version.schema, schema)
    ]


def _full_name(schema: Mapping[str, Any], namespace: str) -> str:
    name: str = schema["name"]
    space = schema.get("namespace", namespace)
    return name if "." in name or not space else f"{space}.{name}"


def _named(schema: Any, namespace: str = "") -> dict[str, Any]:
    """Full name → definition of every record, enum and fixed inside a schema."""
    found: dict[str, Any] = {}
    if isinstance(schema, list):
        for branch in schema:
            found |= _named(branch, namespace)
    elif isinstance(schema, dict):
        if _kind(schema) in _NAMED:
            name = _full_name(schema, namespace)
            found[name] = schema
            namespace = name.rpartition(".")[0]
        parts = [field["type"] for field in schema.get("fields", ())] + [schema[key] for key in ("items", "values") if key in schema]
        parts += [schema["type"]] if isinstance(schema["type"], dict | list) else []
        for part in parts:
            found |= _named(part, namespace)
    return found


class _Comparison:
    """Walks a writer's and a reader's schema together."""

    def __init__(self, written: Names, read: Names) -> None:
        self._written = written
        self._read = read

    def breaks(self, writer: Any, reader: Any, path: str) -> list[str]:
        writer, reader = _resolve(writer, self._written), _resolve(reader, self._read)
        if isinstance(writer, list):  # every branch may have been written
            return [problem for branch in writer for problem in self.breaks(branch, reader, path)]
        where = path or "the record"
        was = _kind(writer)
        if isinstance(reader, list):
            readable = any(not self.breaks(writer, branch, path) for branch in reader)
            return [] if readable else [f"{where}: {was} is no branch of the union"]
        now = _kind(reader)
        if was != now:
            return [] if now in _PROMOTIONS.get(was, ()) else [f"{where}: {was} cannot be read as {now}"]
        if was in _NAMED and writer["name"].split(".")[-1] != reader["name"].split(".")[-1]:
            return [f"{where}: renamed from {writer['name']} to {reader['name']}"]
        return self._alike(was, writer, reader, path)

    def _alike(self, kind: str, writer: Any, reader: Any, path: str) -> list[str]:
        """`breaks` of two schemas of one kind."""
        problems: list[str] = []
        if kind == "record":
            problems = self._fields(writer, reader, path)
        elif kind == "array":
            problems = self.breaks(writer["items"], reader["items"], f"{path}[]")
        elif kind == "map":
            problems = self.breaks(writer["values"], reader["values"], f"{path}{{}}")
        elif kind == "enum" and "default" not in reader:
            gone = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
            problems = [f"{path}: the symbols {gone} are gone"] if gone else []
        elif kind == "fixed" and writer["size"] != reader["size"]:
            problems = [f"{path}: size {writer['size']} became {reader['size']}"]
        return problems

    def _fields(self, writer: Mapping[str, Any], reader: Mapping[str, Any], path: str) -> list[str]:
        written = {field["name"]: field for field in writer["fields"]}
        problems = []
        for field in reader["fields"]:
            name = f"{path}.{field['name']}" if path else field["name"]
            source = next((written[n] for n in (field["name"], *field.get("aliases", ())) if n in written), None)
            if source is not None:
                problems += self.breaks(source["type"], field["type"], name)
                if source.get("unsigned") != field.get("unsigned"):
                    problems.append(f"{name}: `unsigned` changed, so old numbers would read as others")
            elif "default" not in field:
                problems.append(f"{name}: new, and without a default")
        return problems


def _kind(schema: Any) -> str:
    kind = schema["type"] if isinstance(schema, dict) else schema
    return str(kind)


def _resolve(schema: Any, names: Names) -> Any:
    while True:
        if isinstance(schema, str) and schema in names:
            schema = names[schema]
        elif isinstance(schema, dict) and isinstance(schema["type"], dict | list):
            schema = schema["type"]
        else:
            return schema


def main(arguments: list[str]) -> int:
    """Entry point; 0: all is well."""
    try:
        if arguments[:1] == ["accept"] and len(arguments) == 2:
            fresh = accept(arguments[1])
            sys.stdout.write(f"{fresh.record} version {fresh.version} has id {fresh.id}\n")
            return 0
        problems = check()
    except (ValueError, OSError) as error:
        problems = [str(error)]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
