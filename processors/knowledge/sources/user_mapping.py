"""The mapping file of a laboratory's own source: a small TOML that says what its columns are.

title = "Our panel of normals"
keyed = "allele"              # allele, region or gene
absence = "absent"            # what it means that an allele is not there: absent or unknown (the default)
licence = "open"              # open, non_commercial, commercial or unknown (the default)
date = "2025-01-31"           # of the release
main = "frequency"            # the column that is shown first, a number
floor = 0.0                   # value of the main column below which nothing is listed
covered = "covered.bed"       # regions in which absence may be claimed, beside the mapping
filter = true                 # VCF: a record whose FILTER is not PASS answers "unknown"

[place]                       # of a table; a VCF and a BED have theirs
contig = "chr"                # alleles: contig, position (1-based), ref, alt; regions: contig, start, end; genes: id, symbol
position = "pos"

[columns.frequency]
from = "AF"                   # column of the table, key of INFO, number of a BED's column from 1
type = "number"               # number, integer, text, word (a small vocabulary), flag
title = "frequency"
unit = ""
low = 0.0                     # a value outside is refused
high = 1.0
number = "A"                  # VCF: A, R or 1, where the header does not say
"""

from __future__ import annotations

import datetime
import hashlib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processors.knowledge.kinds import Keyed, Licence
from processors.knowledge.sources.refused import SourceRefused

TYPES = {"number": "f4", "integer": "i4", "text": "text", "word": "code", "flag": "u1"}
"""Type in the mapping → dtype of `allele_columns`."""
PLACES = {
    Keyed.ALLELE: ("contig", "position", "ref", "alt"),
    Keyed.REGION: ("contig", "start", "end"),
    Keyed.GENE: ("id", "symbol"),
}
_TOP: Mapping[str, type | tuple[type, ...]] = {
    "title": str, "keyed": str, "absence": str, "licence": str, "date": (str, datetime.date), "main": str, "floor": (int, float),
    "covered": str, "filter": bool, "one_based": bool, "place": dict, "columns": dict,
}  # fmt: skip
_COLUMN: Mapping[str, type | tuple[type, ...]] = {
    "from": (str, int), "type": str, "title": str, "unit": str, "low": (int, float), "high": (int, float), "number": str,
}  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class UserColumn:
    """One column: where it comes from (a name, or a BED column's number from 1), its type, bounds of a number."""

    name: str
    source: str
    type: str
    title: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    number: str = ""


@dataclass(frozen=True)
class Mapped:
    """A mapping file, checked."""

    path: Path
    sha256: str
    title: str
    keyed: Keyed
    absent: bool
    licence: str
    date: str
    main: str
    floor: float
    covered: Path | None
    filter: bool
    one_based: bool
    place: Mapping[str, str]
    columns: tuple[UserColumn, ...]

    def provenance(self) -> dict[str, Any]:
        """What the pack's manifest says of it."""
        return {"title": self.title, "mapping": self.path.name, "mapping_sha256": self.sha256}


def read_mapping(path: Path) -> Mapped:
    """Raises SourceRefused, with file, line and key, for what the mapping cannot say."""
    try:
        raw = path.read_bytes()
        text = raw.decode()
        said = tomllib.loads(text)
    except OSError as error:
        raise SourceRefused(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceRefused(f"{path}: is no TOML: {error}") from error
    reader = _Reader(path, text)
    reader.check((), said, _TOP)
    keyed = Keyed(reader.choice((), said, "keyed", [one.value for one in Keyed], ""))
    place = said.get("place", {})
    reader.check(("place",), place, dict.fromkeys(PLACES[keyed], str))
    columns = tuple(_column(reader, name, said["columns"][name]) for name in said.get("columns", {}))
    numbers = [column.name for column in columns if column.type in ("number", "integer")]
    main = said.get("main", "")
    if main and main not in numbers:
        raise reader.refuse(("main",), f"`{main}` is no column of type number or integer (there are: {', '.join(numbers) or 'none'})")
    date = str(said.get("date", ""))
    if date and not _DATE.fullmatch(date):
        raise reader.refuse(("date",), f"`{date}` is no date (YYYY-MM-DD)")
    covered = path.parent / said["covered"] if "covered" in said else None
    if covered is not None and not covered.is_file():
        raise reader.refuse(("covered",), f"{covered} is no file")
    return Mapped(
        path, hashlib.sha256(raw).hexdigest(), said.get("title", path.stem), keyed,
        reader.choice((), said, "absence", ["absent", "unknown"], "unknown") == "absent",
        reader.choice((), said, "licence", [one.value for one in Licence], Licence.UNKNOWN), date, main, float(said.get("floor", 0)),
        covered, said.get("filter", True), said.get("one_based", False), place, columns,
    )  # fmt: skip


def _column(reader: _Reader, name: str, said: Any) -> UserColumn:
    at = ("columns", name)
    if not isinstance(said, dict):
        raise reader.refuse(at, "is no table; write [columns.NAME]")
    reader.check(at, said, _COLUMN)
    if not _NAME.fullmatch(name):
        raise reader.refuse(at, f"`{name}` is no name of a column (a-z, 0-9 and _)")
    for needed in ("from", "type"):
        if needed not in said:
            raise reader.refuse(at, f"lacks the key `{needed}`")
    kind = reader.choice(at, said, "type", list(TYPES), "")
    if kind not in ("number", "integer") and ("low" in said or "high" in said):
        raise reader.refuse((*at, "low" if "low" in said else "high"), f"bounds are for numbers, not for type {kind}")
    number = reader.choice(at, said, "number", ["A", "R", "1", ""], "")
    low, high = float(said.get("low", -math.inf)), float(said.get("high", math.inf))
    return UserColumn(name, str(said["from"]), kind, said.get("title", name), said.get("unit", ""), low, high, number)


@dataclass(frozen=True)
class _Reader:
    """Checks a mapping, and finds the line that a complaint is about."""

    path: Path
    text: str

    def check(self, at: tuple[str, ...], said: Mapping[str, Any], known: Mapping[str, type | tuple[type, ...]]) -> None:
        for key, value in said.items():
            if key not in known:
                raise self.refuse((*at, key), f"is no key of a mapping; there are {', '.join(known)}")
            kinds = known[key]
            wanted = kinds if isinstance(kinds, tuple) else (kinds,)
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
                raise self.refuse((*at, key), f"is {type(value).__name__}, wanted is {' or '.join(kind.__name__ for kind in wanted)}")

    def choice(self, at: tuple[str, ...], said: Mapping[str, Any], key: str, known: list[str], default: str) -> str:
        value = said.get(key, default)
        if value not in known:
            raise self.refuse(
                (*at, key), f"`{value}` is none of {', '.join(known)}" if key in said else f"is missing; give {', '.join(known)}"
            )
        return str(value)

    def refuse(self, at: tuple[str, ...], why: str) -> SourceRefused:
        line = self._line(at)
        return SourceRefused(f"{self.path}{f':{line}' if line else ''}: {'.'.join(at)} {why}")

    def _line(self, at: tuple[str, ...]) -> int:
        """Line of a key or of the table that should have it, from 1; 0 where it cannot be told."""
        table: tuple[str, ...] = ()
        nearest = 0
        for number, line in enumerate(self.text.splitlines(), 1):
            text = line.split("#")[0].strip()
            if text.startswith("["):
                table = tuple(part.strip().strip('"') for part in text.strip("[]").split("."))
                here = table
            else:
                here = (*table, *(part.strip().strip('"') for part in text.split("=")[0].split(".")))
            if here == at:
                return number
            if at[:-1] and table == at[:-1] and not nearest:
                nearest = number
        return nearest
