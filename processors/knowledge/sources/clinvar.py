"""ClinVar's germline classifications: import, query, meta.

Read are its VCF of every generation (`clinvar_vcf`) and `variant_summary.txt` (`clinvar_summary`), also both together: then the summary
adds to each record its conditions with their RCV accessions, dates and submitters. ONC and SCI fields are left alone: somatic is never read
as germline. An unknown word stops the build before anything is used. Of several records of one allele the one with more stars is kept,
then the later one in the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.ingest.source import SourceHeader
from processors.knowledge.kinds import Keyed, Licence
from processors.knowledge.lookup import AlleleIndex, Spelled, index_arrays
from processors.knowledge.pack import Pack, PackError, write_pack
from processors.knowledge.source import Looked, Request
from processors.knowledge.sources import clinvar_details, clinvar_summary
from processors.knowledge.sources.alleles import Collector
from processors.knowledge.sources.clinvar_columns import CODED, PLAIN, Columns, WordRefused, refuse
from processors.knowledge.sources.clinvar_terms import LABELS, STARS_UNKNOWN
from processors.knowledge.sources.clinvar_vcf import read_block
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.sites import open_sites
from processors.knowledge.strings import StringTable
from schemas.chunks import NONE, Answer

KIND = "clinvar"
_DATE = re.compile(rb"^##fileDate=(\d{4})-?(\d{2})-?(\d{2})\s*$", re.MULTILINE)
_SOMATIC_APART = re.compile(rb"^##INFO=<ID=(ONC|SCI),", re.MULTILINE)


def build(request: Request) -> Pack:
    """Compile ClinVar into a pack. Files: a VCF, a variant_summary, or both in any order.

    Raises SourceRefused, also for a word outside the vocabulary (named), ingest.errors.SourceError for a damaged file.
    """
    if request.genome is None:
        raise SourceRefused("ClinVar is compiled with the genome of its build; add that first")
    summaries = [path for path in request.files if clinvar_summary.is_summary(path)]
    others = [path for path in request.files if path not in summaries]
    if len(summaries) > 1 or len(others) > 1 or not request.files:
        raise SourceRefused("ClinVar is compiled from a VCF, a variant_summary.txt, or one of each")
    if others:
        return _from_vcf(others[0], summaries[0] if summaries else None, request)
    return _from_summary(summaries[0], request)


def _from_vcf(source: Path, summary: Path | None, request: Request) -> Pack:
    assert request.genome is not None
    collected, columns, order = Collector(), Columns(), []
    with open_sites(source, request.genome) as sites:
        apart = bool(_SOMATIC_APART.search(sites.header.text))
        for block in sites.blocks():
            for rows, batch in read_block(block.written, apart, sites.tally):
                try:
                    columns.add(batch)
                except WordRefused as error:
                    record = int(block.written.record[rows[error.row]]) + 1
                    raise refuse(source, error.word, f"data record {record:,}") from error
                collected.add(block, rows)
                order.append(block.written.record[rows])
            if request.progress is not None:
                request.progress(sites.fraction, f"reading {source.name}")
        sites.require_alleles()
    if len(collected) == 0:
        raise SourceRefused(f"{source}: no record has CLNSIG or CLNSIGCODE; is this a ClinVar VCF?")
    digests = {source.name: sites.sha256}
    if summary is not None:
        table = clinvar_summary.read_summary(summary, request.build, sites.tally, request.progress)
        clinvar_summary.add_to(columns, table, sites.tally)
        digests[summary.name] = table.sha256
    return _write(request, collected, columns, np.concatenate(order), sites.tally, digests, _date(sites.header))


def _from_summary(source: Path, request: Request) -> Pack:
    """The summary's rows go through the same normalisation as a VCF's, by way of a VCF of their places alone."""
    assert request.genome is not None
    collected, columns, order = Collector(), Columns(), []
    with clinvar_summary.as_sites(source, request) as (table, sites):
        for block in sites.blocks():
            record = block.written.record
            columns.add(table.batch(record))
            collected.add(block, np.arange(len(record), dtype=np.int64))
            order.append(record)
        sites.require_alleles()
        sites.tally["records"] = table.rows
    return _write(request, collected, columns, np.concatenate(order), sites.tally, {source.name: table.sha256}, "")


def _write(
    request: Request,
    collected: Collector,
    columns: Columns,
    order: npt.NDArray[np.int64],
    tally: Counter[str],
    digests: Mapping[str, str],
    date: str,
) -> Pack:
    ids, spelled = collected.joined()
    stars = columns.stars().astype(np.int64)
    chosen, arrays = index_arrays(ids, spelled, (-np.where(stars == STARS_UNKNOWN, 0, stars), -order), tally)
    try:
        arrays |= columns.arrays(chosen)
    except pa.ArrowInvalid as error:
        raise SourceRefused(f"{request.files[0]}: holds text that is not UTF-8 ({error}); is it damaged?") from error
    extra = {
        "keyed": Keyed.ALLELE,
        "source": ", ".join(digests),
        "sha256": ", ".join(digests.values()),
        "vocabulary": {str(int(code)): label for code, label in LABELS.items()},
        "words": columns.words(chosen),
        "licence": request.licence or Licence.OPEN,
        "date": request.date or date or request.version,
        "counts": {reason: count for reason, count in sorted(tally.items()) if count},
        "columns": clinvar_details.COLUMNS,
        "duplicates": "more stars, then the later record",
    }
    return write_pack(
        request.root, kind=KIND, name=request.name or KIND, version=request.version, build=request.build, arrays=arrays,
        rows=len(chosen), extra=extra,
    )  # fmt: skip


def _date(header: SourceHeader) -> str:
    """ISO date of the header's ##fileDate, empty where it has none."""
    found = _DATE.search(header.text)
    return "-".join(part.decode() for part in found.groups()) if found else ""


def open_pack(pack: Pack) -> ClinVar:
    """The source of a pack. Raises PackError."""
    return ClinVar(pack)


@dataclass(frozen=True)
class Repeated:
    """A text column that repeats: `codes[row]` into `table`."""

    codes: npt.NDArray[np.uint32]
    table: StringTable

    def __getitem__(self, row: int) -> str:
        return self.table[int(self.codes[row])]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: npt.NDArray[Any], missing: str = "") -> pa.Array[Any]:
        """Strings of some rows; `missing` for a row number beyond the column."""
        outside = np.asarray(rows) >= len(self)
        codes = np.where(outside, NONE, self.codes[np.where(outside, 0, rows).astype(np.int64)] if len(self) else NONE)
        return self.table.take(codes, missing)


@dataclass(frozen=True)
class ClinVar:
    """A loaded pack."""

    pack: Pack

    def __post_init__(self) -> None:
        known = {str(int(code)): label for code, label in LABELS.items()}
        if any(known.get(code) != label for code, label in self.pack.extra["vocabulary"].items()) or "words" not in self.pack.extra:
            raise PackError(f"{self.pack.path}: was built by another version, which reads ClinVar otherwise; build it again")

    @cached_property
    def index(self) -> AlleleIndex:
        return AlleleIndex(self.pack)

    def array(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self.pack.array(name))

    @cached_property
    def significance(self) -> npt.NDArray[np.uint8]:
        """`Significance` of each row."""
        return self.array("significance")

    @cached_property
    def terms(self) -> npt.NDArray[np.uint32]:
        """Bit set of every `Significance` that the record names."""
        return self.array("terms")

    @cached_property
    def stars(self) -> npt.NDArray[np.uint8]:
        """Review stars 0 to 4, 255 where the file gives none."""
        return self.array("stars")

    @cached_property
    def conflict(self) -> npt.NDArray[np.uint8]:
        """`clinvar_terms.Conflict` of each row."""
        return self.array("conflict")

    @cached_property
    def record(self) -> StringTable:
        """The record's ID: a variation ID, in old files an rs number."""
        return self.plain("record")

    @cached_property
    def conditions(self) -> Repeated:
        """Names of the conditions, as the file writes them, between `|`."""
        return self.repeated("conditions")

    def repeated(self, name: str) -> Repeated:
        """A column of `clinvar_columns.CODED`."""
        return Repeated(self.array(f"{name}_code"), self.plain(name))

    def plain(self, name: str) -> StringTable:
        """A column of `clinvar_columns.PLAIN`, or the table of one of CODED."""
        return StringTable(self.array(f"{name}_offsets"), self.array(f"{name}_data"))

    @cached_property
    def texts(self) -> Mapping[str, Repeated | StringTable]:
        """Every text column by name."""
        return {**{name: self.repeated(name) for name in CODED}, **{name: self.plain(name) for name in PLAIN}}

    @property
    def default(self) -> Answer:
        return Answer.ABSENT

    def query(self, ids: npt.NDArray[np.uint64], spelled: Spelled) -> Looked:
        """ClinVar not holding an allele is ABSENT. The value is its stars, NaN where not found or not given."""
        found = self.index.find(ids, spelled)
        hit = found >= 0
        value = np.full(len(ids), np.nan, dtype=np.float32)
        stars = self.stars[found[hit]]
        value[hit] = np.where(stars == STARS_UNKNOWN, np.float32(np.nan), stars)
        answer = np.where(hit, np.uint8(Answer.FOUND), np.uint8(Answer.ABSENT))
        return Looked(answer, value, np.where(hit, found, NONE).astype(np.uint32))

    def significance_of(self, rows: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        """`Significance` at each of `Looked.row`, 0 for NONE."""
        out = np.zeros(len(rows), dtype=np.uint8)
        hit = rows != NONE
        out[hit] = self.significance[rows[hit]]
        return out

    def details(self, row: int) -> dict[str, Any]:
        """Everything that the record says, see `clinvar_details`. Raises PackError for a row that is not there."""
        if not 0 <= row < self.pack.rows:
            raise PackError(f"{self.pack.path}: has no row {row}")
        numbers = {name: int(self.array(name)[row]) for name in ("significance", "terms", "stars", "conflict", "flagged")}
        return clinvar_details.details(numbers, {name: column[row] for name, column in self.texts.items()})

    def meta(self) -> dict[str, Any]:
        """Name, version, digest and origin, as `explain` shows them beside a value."""
        extra = self.pack.extra
        return {
            "kind": self.pack.kind,
            "source": self.pack.name,
            "version": self.pack.version,
            "build": self.pack.build,
            "digest": self.pack.digest,
            "rows": self.pack.rows,
            **{key: extra[key] for key in ("keyed", "licence", "date", "counts", "sha256", "duplicates")},
            "file": extra["source"],
        }
