"""From tables of alleles to a pack: one file or several (a file a contig), in one stream, memory bounded whatever their size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from processors.knowledge.allele_pack import Column, Rows, write_allele_pack
from processors.knowledge.allele_parts import MERGING
from processors.knowledge.genome import Genome
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.sites import require_alleles
from processors.knowledge.sources.table import TableBlock, TableFile, open_table
from processors.knowledge.sources.table_head import Head
from schemas.chunks import NONE, Answer

Values = Callable[[TableBlock], Mapping[str, Any]]
"""Column → values of a block's alleles."""


@dataclass(frozen=True)
class Wanted:
    """What a source reads of its tables: `roles` role → names that the column may have, `optional` roles, `what` the file to give."""

    roles: Mapping[str, tuple[str, ...]]
    what: str
    optional: tuple[str, ...] = ()


@dataclass
class Tables:
    """The tables of a request, their heads read. All have the same columns of interest."""

    request: Request
    genome: Genome
    wanted: Wanted
    files: list[TableFile]
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def head(self) -> Head:
        return self.files[0].head

    def write(
        self,
        columns: Sequence[Column],
        values: Values,
        *,
        main: str,
        preference: Sequence[str] = (),
        duplicates: str = "the earlier row",
        default: Answer = Answer.UNKNOWN,
        covered: Path | None = None,
        floor: float = 0.0,
        every: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> Pack:
        """Write the pack. A row without any number is left out (`no_value`), unless the columns have none or `every` row is to be kept."""
        measured = [column.name for column in columns if column.dtype == "f4" and not every]
        return write_allele_pack(
            self.request, columns, self._rows(values, measured), main=main, default=default, preference=preference, duplicates=duplicates,
            covered=covered, floor=floor, tally=self.tally, sha256=lambda: " ".join(file.sha256 for file in self.files), extra=extra,
        )  # fmt: skip

    def _rows(self, values: Values, measured: Sequence[str]) -> Iterator[Rows]:
        try:
            yield from self._read(values, measured)
        finally:
            self.close()

    def _read(self, values: Values, measured: Sequence[str]) -> Iterator[Rows]:
        for place, file in enumerate(self.files):
            for block in file.blocks():
                found = values(block)
                keep = np.ones(len(block), dtype=np.bool_)
                if measured:
                    keep = ~np.all([np.isnan(found[name]) for name in measured], axis=0)
                file.tally["no_value"] += int((~keep).sum())
                if sum(one.tally["alleles"] for one in self.files) >= NONE:
                    raise SourceRefused(f"{file.path}: a pack holds at most {NONE - 1:,} rows; give a part of it (contigs, or the exome)")
                if bool(keep.any()):
                    yield block.rows(keep, found)
                if self.request.progress is not None:
                    self.request.progress(MERGING * (place + file.source.fraction) / len(self.files), file.path.name)
            self.tally.update(file.tally)
        require_alleles(", ".join(file.path.name for file in self.files), self.genome, self.tally)

    def close(self) -> None:
        for file in self.files:
            file.source.close()


def open_tables(request: Request, wanted: Wanted) -> Tables:
    """Raises SourceRefused where a file lacks a column, the files differ in theirs, or no genome is given."""
    if request.genome is None:
        raise SourceRefused(f"{request.kind} is keyed by allele: add the genome of {request.build} first (`riverseq reference add`)")
    if not request.files:
        raise SourceRefused(f"{request.kind}: no file is given; give {wanted.what}")
    tables = Tables(request, request.genome, wanted, [])
    try:
        for path in request.files:
            file = open_table(path, request.genome, wanted.roles, what=wanted.what, optional=wanted.optional)
            tables.files.append(file)
            if set(file.head.places) != set(tables.head.places):
                raise SourceRefused(f"{path}: has not the columns of {request.files[0].name}; give files of one release")
    except BaseException:
        tables.close()
        raise
    return tables
