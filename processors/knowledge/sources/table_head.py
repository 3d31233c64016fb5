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
_BED_NAMES = {"name": "4", "score": "5", "strand": "6"}


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


def read_head(
    source: Source,
    roles: Mapping[str, tuple[str, ...]],
    *,
    what: str,
    optional: tuple[str, ...] = (),
    needed: tuple[str, ...] = ALLELE,
) -> Head:
    """Read a source up to its first row; the heading is the first line with a column for each role of `needed`. `what` names the wanted
    file. Raises SourceRefused where there is none, or a role that is not optional has no column."""
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
            if all(places[role] >= 0 for role in needed):
                _require(places, roles, names, optional, f"{path}: has no column")
                found = {role: place for role, place in places.items() if place >= 0}
                return Head(
                    tuple(comments), tuple(names), delimiter, len(comments) + 1, found,
                    {role: names[place] for role, place in found.items()}, bytes(text[at:]),
                )  # fmt: skip
            if not raw.startswith("#") and raw:
                missing = ", ".join(" or ".join(roles[role]) for role in needed if places[role] < 0)
                raise SourceRefused(f"{path}:{len(comments) + 1}: is no heading with a column {missing}; give {what}")
            comments.append(raw)
        if not count or len(text) > _MOST:
            raise SourceRefused(f"{path}: has no line of column names; give {what}")


def read_bed_head(source: Source, columns: Mapping[str, tuple[str, ...]]) -> Head:
    """The head of a BED: roles `contig`, `start`, `end`, and columns by number from 1 or as `name`, `score`, `strand`.

    Raises SourceRefused where the first line is none of a BED, or a column is none.
    """
    path = source.path
    text = bytearray()
    piece = bytearray(_PIECE)
    while len(text) < _MOST and (count := source.fill(memoryview(piece))):
        text += piece[:count]
    at, skipped = 0, 0
    while text.startswith((b"#", b"track", b"browser", b"\n", b"\r\n"), at):
        at = text.find(b"\n", at) + 1 or len(text)
        skipped += 1
    cells = text[at:].split(b"\n", 1)[0].rstrip(b"\r").split(b"\t")
    if len(cells) < 3 or not (cells[1].isdigit() and cells[2].isdigit()):
        raise SourceRefused(f"{path}:{skipped + 1}: is no line of a BED (contig, start, end by tabs)")
    names = tuple(str(number) for number in range(1, len(cells) + 1))
    places = {"contig": 0, "start": 1, "end": 2}
    for role, (spelled,) in columns.items():
        name = _BED_NAMES.get(spelled, spelled)
        if name not in names:
            raise SourceRefused(f"{path}:{skipped + 1}: has no column {spelled}; it has {len(cells)} (give a number from 1)")
        places[role] = names.index(name)
    spelled_as = {role: {0: "contig", 1: "start", 2: "end"}.get(place, f"column {place + 1}") for role, place in places.items()}
    return Head((), names, "\t", skipped, places, spelled_as, bytes(text[at:]))


def _cells(line: str) -> tuple[list[str], str]:
    delimiter = "\t" if "\t" in line else ","
    try:
        cells = line.split("\t") if delimiter == "\t" else next(csv.reader([line]), [])
    except csv.Error:
        cells = [line]
    return [cell.strip().lstrip("\ufeff").lstrip("#").strip() for cell in cells], delimiter


def _require(
    places: Mapping[str, int], roles: Mapping[str, tuple[str, ...]], names: list[str], optional: tuple[str, ...], said: str
) -> None:
    missing = [" or ".join(roles[role]) for role, place in places.items() if place < 0 and role not in optional]
    if missing:
        raise SourceRefused(f"{said} {', '.join(missing)}; it has {', '.join(names)[:400]}")
