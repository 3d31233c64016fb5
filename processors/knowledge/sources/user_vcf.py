"""A laboratory's own VCF or BCF: values of INFO by its mapping, one row an ALT."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from processors.ingest.source import read_header
from processors.knowledge.allele_columns import Column
from processors.knowledge.allele_pack import Recipe, Rows
from processors.knowledge.pack import Pack
from processors.knowledge.parallel import build_from_sites
from processors.knowledge.source import Request
from processors.knowledge.sources.info import filter_failed, find_values, present
from processors.knowledge.sources.refused import RecordRefused, SourceRefused
from processors.knowledge.sources.site_values import kept_rows
from processors.knowledge.sources.sites import Sites
from processors.knowledge.sources.table_cut import Cells
from processors.knowledge.sources.table_text import listed_spans
from processors.knowledge.sources.user_mapping import TYPES, Mapped, UserColumn
from processors.knowledge.sources.user_values import values_of
from schemas.chunks import Answer

_INFO = re.compile(rb"##INFO=<.*?\bID=([^,>]+).*?\bNumber=([^,>]+)")
_SHOWN = 60


class _Info(Cells):
    """Values of INFO as cells; `lines` are numbers of records."""

    def refuse(self, role: str, row: int, why: str) -> SourceRefused:
        a, b = self.spans[role][row]
        said = self.text[a:b].tobytes().decode(errors="replace")[:_SHOWN]
        return RecordRefused(self.path, int(self.lines[row]), f": {self.names[role]}={said} {why}")


@dataclass(frozen=True)
class _Parse:
    """Rows of a block of sites; `numbers` says of each column A, R, 1 or another (the whole text, or a flag)."""

    columns: tuple[UserColumn, ...]
    numbers: tuple[str, ...]
    filter: bool

    def __call__(self, block: Sites, tally: Counter[str], path: Path) -> Rows:
        written = block.written
        found = find_values(written.text, written.info, [column.source for column in self.columns])
        spans: dict[str, Any] = {}
        flags: dict[str, Any] = {}
        whole = np.full(len(written.alt), -1, dtype=np.int32)
        for column, number, span in zip(self.columns, self.numbers, found, strict=True):
            if column.type == "flag":
                flags[column.name] = present(span).astype(np.int64)
                continue
            own = np.empty_like(span)
            listed_spans(written.text, span, {"A": written.alt, "R": written.alt + 1}.get(number, whole), own)
            spans[f"column.{column.name}"] = own
        names = {f"column.{column.name}": column.source for column in self.columns}
        cells = _Info(path, written.text, written.record, spans, names)
        values = {**values_of(cells, [column for column in self.columns if column.type != "flag"]), **flags}
        if self.filter:
            values["filtered"] = filter_failed(written.text, written.filter)
        return kept_rows(block, np.arange(len(block.ids), dtype=np.int64), values)


def build_vcf(request: Request, mapped: Mapped) -> Pack:
    """Compile a VCF by its mapping. Raises SourceRefused, also for a key that its header does not have."""
    parse = _Parse(mapped.columns, _declared(request.files, mapped), mapped.filter)
    recipe = Recipe(
        tuple(Column(one.name, TYPES[one.type], one.title, one.unit) for one in mapped.columns),
        mapped.main,
        Answer.ABSENT if mapped.absent else Answer.UNKNOWN,
        preference=(f"-{mapped.main}",) if mapped.main else (),
        duplicates="the greatest main value" if mapped.main else "the earlier record",
        filtered="filtered" if mapped.filter else "",
        covered=mapped.covered,
        floor=mapped.floor,
    )
    return build_from_sites(request, parse, recipe, mapped.provenance())


def _declared(files: Sequence[Path], mapped: Mapped) -> tuple[str, ...]:
    """Of each column how its key lists values: as the mapping says, else as every header does."""
    found: list[str] = []
    headers = {
        path: {key.decode(errors="replace"): number.decode() for key, number in _INFO.findall(read_header(path).text)} for path in files
    }
    for column in mapped.columns:
        for path, declared in headers.items():
            if column.source not in declared:
                raise SourceRefused(
                    f"{path}: its header has no INFO {column.source}, which columns.{column.name} of {mapped.path.name} reads"
                )
        number = column.number or declared[column.source]
        if number not in ("A", "R", "1") and column.type in ("number", "integer"):
            raise SourceRefused(
                f'{mapped.path}: columns.{column.name}: INFO {column.source} has Number={number}; say `number = "A"`, "R" or "1"'
            )
        found.append(number)
    return tuple(found)
