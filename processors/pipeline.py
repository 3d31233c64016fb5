"""The stages on a file, without Kafka or a database: `riverseq annotate`.

Read are sites, with or without samples; every ALT of the file has at least one row, also one that cannot be interpreted (its reason stands
in `flags`). `id`, `chrom`, `pos`, `ref`, `alt` are the file's own letters; what the stages see is normalised.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from processors.annotate.hgvs.style import Style
from processors.annotate.options import Options
from processors.annotate.render import Renderer
from processors.annotate.stage import annotate
from processors.ingest.faults import Fault
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.sources.sites import Written, open_sites
from processors.knowledge.transcript_build import build_transcripts
from processors.output.parquet import ParquetWriter
from processors.output.sources import SourceColumns
from processors.output.table import COLUMNS, EXTRA_COLUMNS, Part, Picking, Tabler
from processors.output.tsv import TsvWriter
from processors.output.vcf import FIELDS, VcfWriter
from processors.records import Records, read_records
from processors.resources import Resources
from processors.score.models import bundled_model_pack
from processors.score.session import Wanted
from processors.score.stage import score
from schemas.assembly import canonical_build
from schemas.plan import Component, Plan

ENDINGS = (".tsv", ".parquet", ".vcf.gz")
MISSING = "."


class OutputRefused(ValueError):
    """The output path names no format that is written, or a column that there is none of."""


@dataclass(frozen=True)
class Choices:
    """How a file is annotated and written; the default is VEP's spelling and every row and column."""

    options: Options = field(default_factory=Options)
    style: Style = field(default_factory=Style)
    picking: Picking = field(default_factory=Picking)
    columns: tuple[str, ...] = ()
    """Names of COLUMNS, EXTRA_COLUMNS and the sources' (`output.sources`) in the order wanted; empty: all but the sources'."""


@dataclass
class Annotated:
    """What was done. `fraction` of the file read so far; `rows` written; `faults` by reason."""

    records: int = 0
    alleles: int = 0
    rows: int = 0
    fraction: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


class _Writer(Protocol):
    def write(self, written: Written, part: Part) -> None: ...
    def close(self) -> None: ...


def annotate_file(
    path: Path,
    out: Path,
    resources: Resources,
    *,
    choices: Choices = Choices(),
    progress: Callable[[Annotated], None] | None = None,
) -> Annotated:
    """Write one row an allele × transcript of a VCF or BCF to `out` (ENDINGS), which appears only when it is complete.

    `.vcf.gz` holds the records of the file, with the rows in INFO.

    Raises OutputRefused, sources.sites.SourceRefused (a contradicted build), ingest.errors.SourceError (a damaged file).
    """
    ending = ending_of(out)
    own = SourceColumns(resources).names
    columns = columns_of(choices.columns, own)
    if choices.options != resources.options:
        resources = replace(resources, options=choices.options)
    if ending == ".vcf.gz":
        columns = tuple(name for name in FIELDS if name in ("allele", "feature", "allele_number") or name in columns)
        columns = (*columns, *(name for name in choices.columns if name in own))
    missing = "" if ending == ".vcf.gz" else MISSING
    renderer = Renderer(resources.transcripts, resources.genome, style=choices.style, missing=missing)
    tabler = Tabler(resources, renderer, columns, choices.picking, missing)
    sites = open_sites(path, resources.genome)
    done = Annotated()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        writer = _writer(ending, partial, columns, sites.header.text)
        for records in read_records(sites):
            for part in _parts(tabler, records, resources):
                writer.write(records.written, part)
                done.rows += len(part.site)
            done.records, done.alleles, done.fraction = sites.tally["records"], done.alleles + len(records.written.fault), sites.fraction
            if progress is not None:
                progress(done)
        writer.close()
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    done.faults = Counter({fault.reason: sites.tally[fault.reason] for fault in Fault if sites.tally[fault.reason]})
    done.fraction = 1.0
    return done


def _parts(tabler: Tabler, records: Records, resources: Resources) -> Iterator[Part]:
    return tabler.parts(records, score([annotate(chunk, resources) for chunk in records.chunks], resources))


def ending_of(out: Path) -> str:
    """The format that a path names. Raises OutputRefused."""
    for ending in ENDINGS:
        if out.name.endswith(ending):
            return ending
    raise OutputRefused(f"{out}: ends in {out.suffix or 'nothing'}; written are {', '.join(ENDINGS)}")


def columns_of(wanted: tuple[str, ...], sources: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The columns to write; those of `sources` only where they are wanted. Raises OutputRefused for one that there is not, or twice."""
    known = (*COLUMNS, *EXTRA_COLUMNS)
    for name in wanted:
        if name not in known and name not in sources:
            more = f"; of the sources of this build {', '.join(sources)}" if sources else ""
            raise OutputRefused(f"there is no column {name!r}; there are {', '.join(known)}{more}")
        if wanted.count(name) > 1:
            raise OutputRefused(f"the column {name} is asked for twice")
    return wanted or known


def _writer(ending: str, path: Path, columns: tuple[str, ...], header: bytes) -> _Writer:
    if ending == ".vcf.gz":
        return _Records(VcfWriter(path, columns, header))
    return _Rows(TsvWriter(path, columns) if ending == ".tsv" else ParquetWriter(path, columns))


class _Rows:
    """Writes parts as tables."""

    def __init__(self, writer: TsvWriter | ParquetWriter) -> None:
        self._writer = writer

    def write(self, written: Written, part: Part) -> None:
        self._writer.write(part.columns)

    def close(self) -> None:
        self._writer.close()


class _Records:
    """Writes parts as records of the file."""

    def __init__(self, writer: VcfWriter) -> None:
        self._writer = writer

    def write(self, written: Written, part: Part) -> None:
        record = written.record[part.first : part.behind]
        first = part.first + np.concatenate([[0], np.flatnonzero(np.diff(record)) + 1]).astype(np.int64)
        end = written.line_end[first]
        end = end - (written.text[end - 1] == ord("\r"))
        lines = np.stack([written.chrom[first, 0], written.info[first, 0], written.info[first, 1], end], axis=1)
        rows = np.append(np.searchsorted(written.record[part.site], written.record[first]), len(part.site))
        self._writer.write(part.columns, written.text, lines.astype(np.int64), rows.astype(np.int64))

    def close(self) -> None:
        self._writer.close()


def resources_from_files(fasta: Path, transcripts: Path, build: str, packs: Path, *, provider: str = Wanted.AUTO) -> Resources:
    """Resources of a FASTA and a GFF3 or GTF, compiled below `packs` (the same files are compiled once), with the bundled model."""
    build = canonical_build(build)
    genome = build_genome(fasta, packs, build, "file")
    opened = Genome(genome)
    compiled = build_transcripts(transcripts, packs, opened.table, name=transcripts.name.split(".g")[0], version="file", genome=opened)
    chosen = {"genome": genome, "transcripts": compiled, "model": bundled_model_pack(packs)}
    components = tuple(Component(kind, pack.name, pack.version, pack.digest) for kind, pack in chosen.items())
    return Resources.load(Plan(build, components), packs, provider)
