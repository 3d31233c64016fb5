"""ClinVar's variant_summary.txt: one row an allele and assembly, with dates, submitters and RCV accessions by condition.

Read is the germline classification (ClinicalSignificance, ReviewStatus); Oncogenicity and SomaticClinicalImpact are not. A row without a
place in VCF terms (`na`, -1: large and imprecise variants) is counted as `no_vcf_position`.
"""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from processors.ingest.source import Source
from processors.knowledge.source import Request
from processors.knowledge.sources.clinvar_columns import CODED, PLAIN, Columns, Distinct, WordRefused, empty, refuse
from processors.knowledge.sources.clinvar_terms import UnknownTermError, parse_review, parse_text
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.sites import SitesFile, open_sites
from schemas.assembly import canonical_build

if TYPE_CHECKING:
    from typing_extensions import Buffer

I64 = npt.NDArray[np.int64]

_FIRST = b"#AlleleID\t"
_PLACE = ("PositionVCF", "ReferenceAlleleVCF", "AlternateAlleleVCF")
_NEEDED = ("#AlleleID", "ClinicalSignificance", "ReviewStatus", "Assembly", "Chromosome", "PhenotypeIDS", "PhenotypeList", "GeneSymbol",
           "VariationID", "RCVaccession", "LastEvaluated", "NumberSubmitters", *_PLACE)  # fmt: skip
_OPTIONAL = ("SCVsForAggregateGermlineClassification", "Oncogenicity", "SomaticClinicalImpact")
_MAX_DISAGREEMENT = 0.05
"""Share of records of which VCF and summary may not say the same before they are taken for two releases."""


@dataclass(frozen=True)
class Summary:
    """The rows of one assembly: columns of `clinvar_columns`, places, and the line of each in the file (the header is line 1)."""

    columns: pa.Table
    line: I64
    sha256: str

    @property
    def rows(self) -> int:
        return len(self.line)

    def batch(self, rows: I64) -> dict[str, pa.Array[Any]]:
        """Columns of `clinvar_columns` of some rows."""
        taken = self.columns.take(pa.array(rows)).combine_chunks()
        given = {name: _whole(taken.column(name)) for name in self.columns.column_names if name in CODED or name in PLAIN}
        return {name: given.get(name, empty(len(rows))) for name in (*CODED, *PLAIN)}


def is_summary(path: Path) -> bool:
    """Whether a file begins as variant_summary.txt does, compressed or not. Raises ingest.errors.SourceError."""
    source = Source(path)
    try:
        head = bytearray(len(_FIRST))
        return source.fill(memoryview(head)) == len(_FIRST) and bytes(head) == _FIRST
    finally:
        source.close()


def read_summary(path: Path, build: str, tally: Counter[str], progress: Callable[[float, str], None] | None = None) -> Summary:
    """The rows of a build. Raises SourceRefused, ingest.errors.SourceError for a damaged file."""
    source = Source(path)
    kept: list[pa.Table] = []
    lines: list[I64] = []
    assemblies: Counter[str] = Counter()
    words = {"classification": Distinct(_known_classification), "review": Distinct(_known_review)}
    first = 2
    try:
        reader = _open(source, path)
        for batch in reader:
            table = pa.Table.from_batches([batch])
            for one in pc.value_counts(table.column("Assembly")).to_pylist():
                assemblies[one["values"].decode(errors="replace")] += one["counts"]
            wanted = [name for name in assemblies if canonical_build(name) == build]
            here = pc.is_in(table.column("Assembly"), value_set=pa.array([name.encode() for name in wanted], type=pa.binary()))
            rows = np.flatnonzero(here.to_numpy())
            chosen, line = _germline(table.take(pa.array(rows)), first + rows, tally)
            _check_words(path, chosen, line, words)
            kept.append(chosen)
            lines.append(line)
            first += len(table)
            if progress is not None:
                progress(source.fraction, f"reading {path.name}")
        digest = source.digest()
    except pa.ArrowInvalid as error:
        raise SourceRefused(f"{path}: is no whole table by tabs ({error}); is it cut?") from error
    finally:
        source.close()
    if not any(len(line) for line in lines):
        said = ", ".join(f"{name} {count:,}" for name, count in sorted(assemblies.items()))
        raise SourceRefused(f"{path}: no row of {build} has a germline classification (rows by assembly: {said or 'none'})")
    return Summary(pa.concat_tables(kept).combine_chunks(), np.concatenate(lines), digest)


@contextmanager
def as_sites(path: Path, request: Request) -> Iterator[tuple[Summary, SitesFile]]:
    """The summary, and its places as a sites file whose record numbers are its rows."""
    tally: Counter[str] = Counter()
    table = read_summary(path, request.build, tally, request.progress)
    assert request.genome is not None
    with tempfile.TemporaryDirectory(prefix="riverseq-clinvar-") as folder:
        places = Path(folder) / "places.vcf"
        columns = [table.columns.column(name) for name in ("chrom", "position", "ref", "alt")]
        chrom, position, ref, alt = (_whole(column) for column in columns)
        dot = pa.array([b"."], type=pa.binary()).take(pa.array(np.zeros(table.rows, dtype=np.int64)))
        text = pc.binary_join_element_wise(chrom, position, dot, ref, alt, dot, dot, dot, b"\t")
        with places.open("wb") as handle:
            handle.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
            for start in range(0, table.rows, 1 << 17):
                handle.write(b"\n".join(text.slice(start, 1 << 17).to_pylist()) + b"\n")
        with open_sites(places, request.genome) as sites:
            sites.path = path
            sites.tally.update(tally)
            yield table, sites


def add_to(columns: Columns, table: Summary, tally: Counter[str]) -> None:
    """Give the records of a VCF the summary's conditions with RCV accessions, dates, submitters and SCVs, by AlleleID.

    Raises SourceRefused where the two files are not of one release.
    """
    said = table.batch(np.arange(table.rows, dtype=np.int64))
    theirs = _integers(said["allele"])
    order = np.argsort(theirs, kind="stable")
    mine = np.concatenate([_integers(part) for part in columns.plain["allele"]])
    place = np.minimum(np.searchsorted(theirs[order], mine), len(theirs) - 1)
    found = (theirs[order][place] == mine) & (mine >= 0)
    row = order[place]
    tally["not_in_summary"] += int((~found).sum())
    # classifications are compared by what they mean
    meaning = np.array([parsed[:2] for parsed in columns.texts["classification"].parsed], dtype=np.int64).reshape(-1, 2)
    ours = meaning[columns.codes("classification")]
    codes = columns.texts["classification"].codes(said["classification"])
    meaning = np.array([parsed[:2] for parsed in columns.texts["classification"].parsed], dtype=np.int64).reshape(-1, 2)
    differs = found & (ours[:, 0] != meaning[codes[row], 0])
    tally["summary_disagrees"] += int(differs.sum())
    if differs.sum() > max(_MAX_DISAGREEMENT * found.sum(), 5):
        raise SourceRefused(
            f"VCF and variant_summary classify {int(differs.sum()):,} of {int(found.sum()):,} alleles otherwise; give files of one release"
        )
    take = pa.array(np.where(found, row, 0))
    for name in ("conditions", "condition_ids", "last_evaluated", "submitters", "accessions", "scvs"):
        taken = said[name].take(take)
        if name in CODED:
            fresh = columns.texts[name].codes(taken)
            columns.coded[name] = [np.where(found, fresh, columns.codes(name))]
        else:
            before = _whole(pa.chunked_array(columns.plain[name], type=pa.binary()))
            usable = found & (pc.binary_length(taken).to_numpy(zero_copy_only=False) > 0)
            columns.plain[name] = [pc.if_else(pa.array(usable), taken, before)]


class _Stream(io.RawIOBase):
    """A Source as a file object."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        return self._source.fill(memoryview(buffer).cast("B"))


def _open(source: Source, path: Path) -> csv.CSVStreamingReader:
    stream = io.BufferedReader(_Stream(source), 1 << 20)
    header = stream.readline().decode(errors="replace").rstrip("\r\n").split("\t")
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise SourceRefused(f"{path}: lacks {', '.join(missing)}; give a variant_summary of 2018 or later, or the VCF")
    wanted = [name for name in (*_NEEDED, *_OPTIONAL) if name in header]
    return csv.open_csv(
        stream,
        read_options=csv.ReadOptions(column_names=header, block_size=8 << 20, use_threads=True),
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(
            include_columns=wanted, column_types={name: pa.binary() for name in wanted}, strings_can_be_null=False
        ),
    )


def _germline(table: pa.Table, line: I64, tally: Counter[str]) -> tuple[pa.Table, I64]:
    """The rows with a germline classification and a place, as columns of `clinvar_columns` beside chrom, position, ref, alt."""
    somatic = np.zeros(len(table), dtype=np.bool_)
    for name in ("Oncogenicity", "SomaticClinicalImpact"):
        if name in table.column_names:
            somatic |= ~_is(table.column(name), b"-", b"", b"na")
    none = _is(table.column("ClinicalSignificance"), b"-", b"")
    tally["somatic_only"] += int((none & somatic).sum())
    tally["no_classification"] += int((none & ~somatic).sum())
    nowhere = _is(table.column("PositionVCF"), b"-1", b"na", b"", b"-")
    for name in _PLACE[1:]:
        nowhere |= _is(table.column(name), b"na", b"", b"-")
    tally["no_vcf_position"] += int((nowhere & ~none).sum())
    rows = np.flatnonzero(~none & ~nowhere)
    kept = table.take(pa.array(rows))
    scvs = _OPTIONAL[0]
    columns = {
        "chrom": kept.column("Chromosome"),
        "position": kept.column("PositionVCF"),
        "ref": kept.column("ReferenceAlleleVCF"),
        "alt": kept.column("AlternateAlleleVCF"),
        "classification": _mapped(kept.column("ClinicalSignificance"), _classification),
        "review": _mapped(kept.column("ReviewStatus"), lambda text: "" if text == "-" else text.replace(" ", "_")),
        "conditions": _mapped(kept.column("PhenotypeList"), lambda text: text.replace(" ", "_")),
        "condition_ids": kept.column("PhenotypeIDS"),
        "gene": _mapped(kept.column("GeneSymbol"), lambda text: "" if text == "-" else text.replace(";", "|")),
        "last_evaluated": _mapped(kept.column("LastEvaluated"), lambda text: "" if text == "-" else text),
        "submitters": kept.column("NumberSubmitters"),
        "record": kept.column("VariationID"),
        "allele": kept.column("#AlleleID"),
        "accessions": kept.column("RCVaccession"),
        **({"scvs": kept.column(scvs)} if scvs in kept.column_names else {}),
    }
    return pa.table(columns), line[rows]


def _check_words(path: Path, table: pa.Table, line: I64, words: dict[str, Distinct]) -> None:
    for name, distinct in words.items():
        try:
            distinct.codes(_whole(table.column(name)))
        except WordRefused as error:
            raise refuse(path, error.word, f"line {line[error.row]:,}") from error


def _classification(text: str) -> str:
    return text.replace("; ", "|").replace(";", "|").replace(" ", "_")


def _known_classification(text: str) -> tuple[int, ...]:
    if not text:
        raise UnknownTermError(text)
    return (int(parse_text(text)[0]),)


def _known_review(text: str) -> tuple[int, ...]:
    return (parse_review(text),)


def _mapped(column: pa.ChunkedArray[Any], change: Callable[[str], str]) -> pa.Array[Any]:
    """A column with each of its distinct texts changed."""
    encoded = _whole(column).dictionary_encode()
    values = [change(raw.decode(errors="replace")).encode() for raw in encoded.dictionary.to_pylist()]
    return pa.array(values, type=pa.binary()).take(encoded.indices)


def _is(column: pa.ChunkedArray[Any], *values: bytes) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_in(column, value_set=pa.array(values, type=pa.binary())).to_numpy(), dtype=np.bool_)


def _whole(column: Any) -> pa.Array[Any]:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _integers(texts: pa.Array[Any]) -> I64:
    """AlleleIDs; -1 where there is none."""
    encoded = pc.if_else(pc.match_substring_regex(texts.cast(pa.string()), r"^\d{1,15}$"), texts.cast(pa.string()), "-1")
    return np.asarray(encoded.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
