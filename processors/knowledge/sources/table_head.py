"""The head of a table: its comment lines, the line of column names, and where the columns of interest stand."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from processors.ingest.source import Source
from processors.knowledge.sources.refused import SourceRefused

ALLELE = ("chrom", "pos", "ref", "alt")
_MOST = 4 * 1024 * 1024
_PIECE = 256 * 1024


@dataclass(frozen=True)
class Head:
    """`lines`: how many the head has, with the heading; `places`: role → column from 0; `spelled`: role → the column's name; `begun`: the
    bytes behind the heading that were read with it."""

    comments: tuple[str, ...]
    names: tuple[str, ...]
    delimiter: str
    lines: int
    places: Mapping[str, int]
    spelled: Mapping[str, str]
    begun: bytes


def read_head(source: Source, roles: Mapping[str, tuple[str, ...]], *, what: str, optional: tuple[str, ...] = ()) -> Head:
    """Read a source up to its first row. `what` names the wanted file. Raises SourceRefused where it has no such heading."""
    path = source.path
    with path.open("rb") as handle:
        if handle.read(4) == b"PK\x03\x04":
            raise SourceRefused(f"{path}: is a zip archive; unpack it and give the table")
    text = bytearray()
    comments: list[str] = []
    at = 0
    while True:
        piece = bytearray(_PIECE)
        count = source.fill(memoryview(piece))
        text += piece[:count]
        while (end := text.find(b"\n", at)) >= 0:
            raw = text[at:end].decode(errors="replace").rstrip("\r")
            at = end + 1
            names, delimiter = _cells(raw)
            places = {role: next((names.index(one) for one in spelled if one in names), -1) for role, spelled in roles.items()}
            if all(places[role] >= 0 for role in ALLELE):
                _require(places, roles, names, optional, f"{path}: has no column")
                found = {role: place for role, place in places.items() if place >= 0}
                return Head(
                    tuple(comments), tuple(names), delimiter, len(comments) + 1, found,
                    {role: names[place] for role, place in found.items()}, bytes(text[at:]),
                )  # fmt: skip
            if not raw.startswith("#") and raw:
                missing = ", ".join(" or ".join(roles[role]) for role in ALLELE if places[role] < 0)
                raise SourceRefused(f"{path}:{len(comments) + 1}: is no heading with a column {missing}; give {what}")
            comments.append(raw)
        if not count or len(text) > _MOST:
            raise SourceRefused(f"{path}: has no line of column names; give {what}")


def _cells(line: str) -> tuple[list[str], str]:
    delimiter = "\t" if "\t" in line else ","
    cells = line.split("\t") if delimiter == "\t" else next(csv.reader([line]), [])
    return [cell.strip().lstrip("\ufeff").lstrip("#").strip() for cell in cells], delimiter


def _require(
    places: Mapping[str, int], roles: Mapping[str, tuple[str, ...]], names: list[str], optional: tuple[str, ...], said: str
) -> None:
    missing = [" or ".join(roles[role]) for role, place in places.items() if place < 0 and role not in optional]
    if missing:
        raise SourceRefused(f"{said} {', '.join(missing)}; it has {', '.join(names)[:400]}")
