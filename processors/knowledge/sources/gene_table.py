"""Reading the small tables that gene-keyed sources come as: a preamble, a line of column names, rows by tab or comma (RFC 4180)."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from processors.ingest.source import Source
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused

MISSING = frozenset({"", "NA", "na", "NaN", "nan", "-", ".", "None", "null"})
"""What the tables write where they have no value."""
_BLOCK = 4 * 1024 * 1024
_SAMPLE = 80


@dataclass(frozen=True)
class GeneTable:
    """A table in memory: lines of the preamble, column names, and rows with their line numbers (from 1)."""

    path: Path
    sha256: str
    preamble: tuple[str, ...]
    names: tuple[str, ...]
    lines: tuple[tuple[int, Sequence[str]], ...]

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """(line number, column → text without spaces around it). Raises SourceRefused for a row of another number of columns."""
        for number, cells in self.lines:
            if len(cells) != len(self.names):
                raise SourceRefused(
                    f"{self.path}:{number}: has {len(cells)} columns, the table {len(self.names)}; the file is cut or edited, get it again"
                )
            yield number, {name: cell.strip() for name, cell in zip(self.names, cells, strict=True)}

    def require(self, *wanted: str) -> None:
        """Raises SourceRefused where a column is missing."""
        missing = [name for name in wanted if name not in self.names]
        if missing:
            raise SourceRefused(f"{self.path}: has no column {', '.join(missing)}; it has {', '.join(self.names)[:400]}")

    def refuse(self, number: int, column: str, text: str, why: str) -> SourceRefused:
        return SourceRefused(f"{self.path}:{number}: {column} `{text[:_SAMPLE]}` {why}")

    def number(self, line: int, row: Mapping[str, str], column: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A number within bounds, None for a missing one. Raises SourceRefused."""
        text = row[column]
        if text in MISSING:
            return None
        try:
            value = float(text)
        except ValueError as error:
            raise self.refuse(line, column, text, "is no number") from error
        if not (math.isfinite(value) and low <= value <= high):
            raise self.refuse(line, column, text, f"lies outside {low:g} to {high:g}")
        return value

    def word(self, line: int, row: Mapping[str, str], column: str, known: Mapping[str, str], where: str) -> str:
        """A word of a closed vocabulary. Raises SourceRefused, naming a word that it does not have: the release waits for its meaning."""
        text = row[column]
        if text not in known:
            raise self.refuse(line, column, text, f"is not in the vocabulary as known here; give it a meaning in {where}")
        return known[text]


def single_file(request: Request) -> Path:
    """The one file of a request. Raises SourceRefused."""
    if len(request.files) != 1:
        raise SourceRefused(f"{request.kind} is compiled from one file, {len(request.files)} were given")
    return request.files[0]


def read_gene_table(path: Path, is_heading: Callable[[Sequence[str]], bool], *, what: str) -> GeneTable:
    """A table (plain, gzip or bgzip) whose heading is the first line for which `is_heading(cells)` is true. `what` names the wanted file.

    Raises SourceRefused where there is none, or no row; ingest.errors.SourceError for a damaged or cut file.
    """
    text, digest = _text(path)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    for number, line in enumerate(lines[:200]):
        delimiter = _delimiter(line, lines[number + 1] if number + 1 < len(lines) else "")
        line = line.removeprefix("#Format:").replace("<tab>", delimiter)  # noqa: PLW2901 (HPO's tables of before 2023-06)
        cells = line.split("\t") if delimiter == "\t" else _commas([line])
        names = [cell.strip().lstrip("\ufeff").lstrip("#").strip() for cell in cells]
        if is_heading(names):
            break
    else:
        raise SourceRefused(f"{path}: has no line of column names as {what} has; give that file")
    if delimiter == "\t":
        rows = [(number + 2 + at, line.split("\t")) for at, line in enumerate(lines[number + 1 :]) if line]
    else:
        reader = csv.reader(lines[number + 1 :])
        try:
            rows = [(number + 1 + reader.line_num, cells) for cells in reader if cells]
        except csv.Error as error:
            raise SourceRefused(f"{path}:{number + 1 + reader.line_num}: is no row of a comma-separated table ({error})") from error
    kept = tuple((at, cells) for at, cells in rows if not _is_rule(cells))
    if not kept:
        raise SourceRefused(f"{path}: has column names and no row; get it again")
    return GeneTable(path, digest, tuple(lines[:number]), tuple(names), kept)


def _commas(lines: Sequence[str]) -> list[str]:
    """Cells of the first line, none where it cannot be cut."""
    try:
        return next(csv.reader(lines), [])
    except csv.Error:
        return []


def _delimiter(heading: str, first: str) -> str:
    """Tab or comma; a heading of one cell (a track line, HPO's old one) leaves it to the first row."""
    return "\t" if "\t" in heading or ("," not in heading and "\t" in first) else ","


def _is_rule(cells: Sequence[str]) -> bool:
    """A line of `+++` or `---` between heading and rows, or an empty one."""
    return not cells[0].strip("+-= ") and all(not cell.strip("+-= ") for cell in cells)


def _text(path: Path) -> tuple[str, str]:
    """(text, SHA-256 of the file's bytes)."""
    source = Source(path)
    try:
        parts: list[bytes] = []
        buffer = bytearray(_BLOCK)
        while count := source.fill(memoryview(buffer)):
            parts.append(bytes(memoryview(buffer)[:count]))
        digest = source.digest()
    finally:
        source.close()
    try:
        return b"".join(parts).decode("utf-8-sig"), digest
    except UnicodeDecodeError as error:
        raise SourceRefused(f"{path}: is no UTF-8 text (byte {error.start:,}); get it again") from error
