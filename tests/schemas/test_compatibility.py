"""Schema evolution: every version ever written stays readable, and the check that promises it catches what would break it."""

from __future__ import annotations

import copy
import dataclasses
import io
import shutil
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas import events
from schemas.events import compatibility, registry

OLD: dict[str, Any] = {
    "type": "record",
    "name": "Thing",
    "namespace": "riverseq",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "count", "type": "long"},
        {"name": "share", "type": ["null", "double"], "default": None},
        {"name": "lane", "type": {"type": "enum", "name": "Lane", "symbols": ["urgent", "routine"]}},
        {"name": "parts", "type": {"type": "array", "items": {"type": "record", "name": "Part", "fields": [{"name": "n", "type": "int"}]}}},
        {"name": "by", "type": {"type": "map", "values": "int"}},
    ],
}
WRITTEN = {"id": "x", "count": 2**40, "share": 0.5, "lane": "urgent", "parts": [{"n": 3}], "by": {"a": 4}}


def _edited(edit: Any) -> dict[str, Any]:
    schema = copy.deepcopy(OLD)
    edit(schema["fields"])
    return schema


def _read(reader: dict[str, Any]) -> Any:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(OLD)), WRITTEN)
    out.seek(0)
    return fastavro.schemaless_reader(out, fastavro.parse_schema(copy.deepcopy(OLD)), fastavro.parse_schema(copy.deepcopy(reader)))


BREAKING = {
    "a field without a default": lambda f: f.append({"name": "new", "type": "string"}),
    "a nested field without a default": lambda f: f[4]["type"]["items"]["fields"].append({"name": "new", "type": "string"}),
    "a field renamed": lambda f: f[0].update(name="identity"),
    "a narrower number": lambda f: f[1].update(type="int"),
    "another type": lambda f: f[0].update(type="long"),
    "no longer null": lambda f: f[2].update(type="string", default=""),
    "a symbol gone": lambda f: f[3]["type"].update(symbols=["routine"]),
    "a nested record renamed": lambda f: f[4]["type"]["items"].update(name="Piece"),
    "other items": lambda f: f[4].update(type={"type": "array", "items": "string"}),
    "other map values": lambda f: f[5].update(type={"type": "map", "values": "string"}),
    "a union without the type": lambda f: f[0].update(type=["null", "long"], default=None),
}
HARMLESS = {
    "nothing": lambda f: None,
    "a field with a default": lambda f: f.append({"name": "new", "type": "string", "default": ""}),
    "a field gone": lambda f: f.pop(1),
    "a wider number": lambda f: f[5].update(type={"type": "map", "values": "long"}),
    "now null too": lambda f: f[0].update(type=["null", "string"], default=None),
    "one more symbol": lambda f: f[3]["type"].update(symbols=["urgent", "routine", "background"]),
    "fields in another order": lambda f: f.reverse(),
    "a field under its alias": lambda f: f[0].update(name="identity", aliases=["id"]),
}


@pytest.mark.parametrize("edit", BREAKING.values(), ids=list(BREAKING))
def test_a_breaking_change_is_caught_and_does_break(edit: Any) -> None:
    reader = _edited(edit)
    assert compatibility.breaks(OLD, reader)
    with pytest.raises((fastavro.read.SchemaResolutionError, ValueError, KeyError)):
        _read(reader)


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=list(HARMLESS))
def test_a_harmless_change_passes_and_does_read(edit: Any) -> None:
    reader = _edited(edit)
    assert compatibility.breaks(OLD, reader) == []
    _read(reader)


def test_a_number_that_becomes_unsigned_is_caught() -> None:
    assert compatibility.breaks(OLD, _edited(lambda f: f[1].update(unsigned=True))) == [
        "count: `unsigned` changed, so old numbers would read as others"
    ]


def test_the_field_is_named_by_its_path() -> None:
    assert compatibility.breaks(OLD, _edited(BREAKING["a nested field without a default"])) == ["parts[].new: new, and without a default"]


# --- the registry of this repository ---------------------------------------------------------------------------------


def test_every_current_schema_reads_all_its_past() -> None:
    assert compatibility.check() == []


def test_every_event_has_a_schema_with_its_fields_in_order() -> None:
    def compare(type_: type[Any], schema: Any) -> set[str]:
        assert [field.name.rstrip("_") for field in dataclasses.fields(type_)] == [field["name"] for field in schema["fields"]]
        seen = {type_.__name__}
        for field in schema["fields"]:
            part = field["type"].get("items", field["type"]) if isinstance(field["type"], dict) else field["type"]
            if isinstance(part, dict) and part["type"] == "record":
                seen |= compare(getattr(events, part["name"]), part)
        return seen

    seen = set()
    for record, version in registry.newest(registry.load()).items():
        seen |= compare(getattr(events, record), version.schema)
    assert seen == {name for name, value in vars(events).items() if dataclasses.is_dataclass(value)}


def test_a_default_of_the_value_is_the_default_of_the_schema() -> None:
    for record, version in registry.newest(registry.load()).items():
        by_name = {field.name.rstrip("_"): field for field in dataclasses.fields(getattr(events, record))}
        for field in version.schema["fields"]:
            if by_name[field["name"]].default is not dataclasses.MISSING and field["type"] != "null":
                default = by_name[field["name"]].default
                assert field["default"] == (list(default) if isinstance(default, tuple) else default), (record, field["name"])


def _copy(tmp_path: Path) -> Path:
    folder = tmp_path / "events"
    shutil.copytree(registry.FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return folder


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_edited_schema_without_a_new_id_is_caught(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    _edit(folder / "Command.avsc", '{"name": "actor", "type": "string"},', '{"name": "actor", "type": ["string", "null"]},')
    assert any("Command.avsc differs from its version 2" in problem for problem in compatibility.check(folder))
    fresh = compatibility.accept("Command", folder)
    assert (fresh.version, compatibility.check(folder)) == (3, [])
    assert fresh.id == max(version.id for version in registry.load(folder))


def test_a_breaking_edit_is_not_accepted(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    _edit(folder / "Command.avsc", '{"name": "actor", "type": "string"},', '{"name": "actor", "type": "long"},')
    with pytest.raises(ValueError, match=r"Command cannot read its version 1 .*actor: string cannot be read as long"):
        compatibility.accept("Command", folder)


def test_a_step_that_only_the_newest_version_can_read_is_caught(tmp_path: Path) -> None:
    """Transitive: version 3 may drop version 2's default only if it can still read version 1."""
    folder = _copy(tmp_path)
    actor, fresh = '{"name": "actor", "type": "string"},', '{"name": "x", "type": "int", "default": 0},'
    _edit(folder / "Command.avsc", actor, actor + fresh)
    compatibility.accept("Command", folder)
    _edit(folder / "Command.avsc", fresh, '{"name": "x", "type": "int"},')
    with pytest.raises(ValueError, match=r"version 1 .*x: new, and without a default"):
        compatibility.accept("Command", folder)


def test_a_schema_without_an_id_is_caught(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    (folder / "Fresh.avsc").write_text((folder / "Command.avsc").read_text().replace('"Command"', '"Fresh"'))
    assert compatibility.check(folder) == ["Fresh.avsc has no id: run `python -m schemas.events.compatibility accept Fresh`"]
