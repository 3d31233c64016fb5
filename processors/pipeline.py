"""The stages on a file, without Kafka or a database: `riverseq annotate`.

Read are sites, with or without samples; every ALT of the file has at least one row, also one that cannot be interpreted (its reason stands
in `flags`). `id`, `chrom`, `pos`, `ref`, `alt` are the file's own letters; what the stages see is normalised. Columns of consequences on
the protein and of HGVS names are `.` in this version.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from processors.annotate import terms
from processors.annotate.render import Names, render_impacts, render_terms
from processors.annotate.stage import annotate
from processors.ingest.faults import Fault
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.sites_text import gather
from processors.knowledge.sources.clinvar_terms import LABELS, Significance
from processors.knowledge.sources.sites import open_sites
from processors.knowledge.transcripts import build_transcripts
from processors.records import Records, read_records
from processors.resources import Resources
from processors.score.models import bundled_model_pack
from processors.score.session import Wanted
from processors.score.stage import score
from schemas.assembly import canonical_build
from schemas.chunks import NONE, TRANSCRIPT, Answer, Chunk, Flag, Scored
from schemas.plan import Component, Plan

COLUMNS = (
    "id", "chrom", "pos", "ref", "alt", "gene", "symbol", "transcript", "biotype", "consequence", "impact", "exon", "intron", "hgvsg",
    "hgvsc", "hgvsp", "cdna_position", "cds_position", "protein_position", "amino_acids", "codons", "distance", "flags", "pick",
)  # fmt: skip
"""A contract: scripts read these by name and order."""
EXTRA_COLUMNS = ("clinvar", "clinvar_answer", "frequency", "frequency_answer", "score", "score_answer")
_NOT_COMPUTED = (
    "hgvsg", "hgvsc", "hgvsp", "cdna_position", "cds_position", "protein_position", "amino_acids", "codons",
)  # fmt: skip
MISSING = "."


class OutputRefused(ValueError):
    """The output path names no format that is written."""


@dataclass
class Annotated:
    """What was done. `fraction` of the file read so far; `rows` written; `faults` by reason."""

    records: int = 0
    alleles: int = 0
    rows: int = 0
    fraction: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


class _Writer(Protocol):
    def write(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


def annotate_file(path: Path, out: Path, resources: Resources, *, progress: Callable[[Annotated], None] | None = None) -> Annotated:
    """Write one row an allele × transcript of a VCF or BCF to `out` (.tsv or .parquet), which appears only when it is complete.

    Raises OutputRefused, sources.sites.SourceRefused (a contradicted build), ingest.errors.SourceError (a damaged file).
    """
    writers: dict[str, type[_TsvWriter] | type[_ParquetWriter]] = {".tsv": _TsvWriter, ".parquet": _ParquetWriter}
    if out.suffix not in writers:
        raise OutputRefused(f"{out}: ends in {out.suffix or 'nothing'}; `.tsv` and `.parquet` are written")
    sites = open_sites(path, resources.genome)
    done = Annotated()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    writer: _Writer = writers[out.suffix](partial)
    try:
        for records in read_records(sites):
            chunks = score([annotate(chunk, resources) for chunk in records.chunks], resources)
            table = render(records, chunks, resources)
            writer.write(table)
            done.rows += table.num_rows
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


def resources_from_files(fasta: Path, transcripts: Path, build: str, packs: Path, *, provider: str = Wanted.AUTO) -> Resources:
    """Resources of a FASTA and a GFF3 or GTF, compiled below `packs` (the same files are compiled once), with the bundled model."""
    build = canonical_build(build)
    genome = build_genome(fasta, packs, build, "file")
    opened = Genome(genome)
    compiled = build_transcripts(transcripts, packs, opened.table, name=transcripts.name.split(".g")[0], version="file", genome=opened)
    chosen = {"genome": genome, "transcripts": compiled, "model": bundled_model_pack(packs)}
    components = tuple(Component(kind, pack.name, pack.version, pack.digest) for kind, pack in chosen.items())
    return Resources.load(Plan(build, components), packs, provider)


def render(records: Records, chunks: list[Chunk], resources: Resources) -> pa.Table:
    """Rows of COLUMNS and EXTRA_COLUMNS for a block, in the order of the file."""
    tables = [_chunk_rows(chunk, rows, resources) for chunk, rows in zip(chunks, records.rows, strict=True)]
    faulty = np.flatnonzero(records.written.fault != 0)
    if len(faulty):
        tables.append(_fault_rows(records.written.fault[faulty], faulty))
    schema = pa.schema([("row", pa.int64()), *((name, pa.string()) for name in (*COLUMNS[5:], *EXTRA_COLUMNS))])
    joined = pa.concat_tables([table.select(schema.names).cast(schema) for table in tables]) if tables else schema.empty_table()
    order = np.argsort(joined.column("row").to_numpy(), kind="stable")
    joined = joined.take(pa.array(order)).combine_chunks()
    at = joined.column("row").to_numpy()
    written = records.written
    names = {"id": written.name, "chrom": written.chrom, "pos": written.position, "ref": written.ref, "alt": written.alt_text}
    own = {name: _texts(written.text, spans[at]) for name, spans in names.items()}
    return pa.table({**own, **{name: joined.column(name) for name in (*COLUMNS[5:], *EXTRA_COLUMNS)}})


def _chunk_rows(chunk: Chunk, rows: npt.NDArray[np.int64], resources: Resources) -> pa.Table:
    """An allele's row for each transcript, and one for an allele without any."""
    batch = chunk.rows
    names = Names(resources.transcripts, MISSING)
    lists = batch.column("transcripts")
    inner = {f.name: lists.flatten().field(i).to_numpy(zero_copy_only=False) for i, f in enumerate(TRANSCRIPT)}
    counts = np.diff(lists.offsets.to_numpy())
    site = np.repeat(np.arange(len(counts)), np.maximum(counts, 1))
    present = np.repeat(counts > 0, np.maximum(counts, 1))
    full: dict[str, npt.NDArray[Any]] = {}
    for name, nothing in (("transcript", NONE), ("terms", 0), ("exon", 0), ("intron", 0), ("distance", 0)):
        full[name] = np.full(len(site), nothing, dtype=inner[name].dtype)
        full[name][present] = inner[name]
    full["terms"][~present] = batch.column("terms").to_numpy()[site[~present]]
    transcript = full["transcript"]
    where = np.where(present, transcript, 0)
    gene = np.where(present, resources.transcripts.layout.gene[where], NONE).astype(np.uint32)
    pick = batch.column("pick").to_numpy()[site] == transcript
    distance = pc.if_else(pa.array(full["distance"] != 0), pa.array(full["distance"]).cast(pa.string()), MISSING)
    beside = _flanking(full["terms"])
    at = pa.array(site)
    columns: dict[str, Any] = {
        "row": pa.array(rows[site]),
        "gene": names.gene_id(gene),
        "symbol": names.gene_symbol(gene),
        "transcript": names.transcript(transcript),
        "biotype": names.biotype(transcript),
        "consequence": render_terms(full["terms"]),
        "impact": render_impacts(full["terms"]),
        "exon": names.number(where, full["exon"]),
        "intron": names.number(where, full["intron"], introns=True),
        "distance": pc.if_else(pa.array(beside), pa.array(full["distance"]).cast(pa.string()), distance),
        "flags": _flags(batch.column("flags").to_numpy()).take(at),
        "pick": pa.array(np.where(pick, "1", "0")),
        **{name: column.take(at) for name, column in _values(batch).items()},
        **{name: pa.array([MISSING], pa.string()).take(pa.array(np.zeros(len(site), dtype=np.int64))) for name in _NOT_COMPUTED},
    }
    return pa.table(columns)


def _flanking(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Rows beside a transcript: they show a distance, also one of 0 (an insertion on its border)."""
    return np.asarray((bits & np.uint64(terms.UPSTREAM | terms.DOWNSTREAM)) != 0, dtype=np.bool_)


def _fault_rows(codes: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> pa.Table:
    nothing = pa.array([MISSING] * len(rows), pa.string())
    columns: dict[str, Any] = dict.fromkeys((*COLUMNS[5:], *EXTRA_COLUMNS), nothing)
    columns["flags"] = pa.array([Fault(code).reason for code in codes.tolist()])
    columns["pick"] = pa.array(["0"] * len(rows))
    return pa.table({"row": pa.array(rows), **columns})


def _values(batch: pa.RecordBatch) -> dict[str, pa.Array[Any]]:
    """EXTRA_COLUMNS of each allele."""
    labels = pa.array([LABELS[code] or MISSING for code in Significance], type=pa.string())
    answers = {kind: pa.array(["", *(member.name.lower() for member in kind)]) for kind in (Answer, Scored)}

    def number(name: str) -> pa.Array[Any]:
        values = batch.column(name).to_numpy()
        text = pa.array(np.where(np.isnan(values), 0, values)).cast(pa.string())
        return pc.if_else(pa.array(np.isnan(values)), MISSING, text)

    def answer(name: str, kind: type[Answer] | type[Scored]) -> pa.Array[Any]:
        return answers[kind].take(batch.column(name).cast(pa.int64()))

    return {
        "clinvar": labels.take(batch.column("clinvar_significance").cast(pa.int64())),
        "clinvar_answer": answer("clinvar_answer", Answer),
        "frequency": number("frequency"),
        "frequency_answer": answer("frequency_answer", Answer),
        "score": number("score"),
        "score_answer": answer("scored", Scored),
    }


def _flags(bits: npt.NDArray[np.uint32]) -> pa.Array[Any]:
    """Comma-separated names of what leaves a doubt about the reference; `.` for none."""
    told = (Flag.REF_UNKNOWN, Flag.SHIFT_STOPPED)
    distinct, inverse = np.unique(bits, return_inverse=True)
    texts = [",".join(flag.name.lower() for flag in told if flag.name and value & flag) or MISSING for value in distinct.tolist()]
    return pa.array(texts, pa.string()).take(pa.array(inverse.reshape(-1)))


def _texts(text: npt.NDArray[np.uint8], spans: npt.NDArray[np.int32]) -> pa.Array[Any]:
    """Spans of the file's text as strings."""
    offsets, data = gather(text, np.ascontiguousarray(spans))
    return pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(data))


class _TsvWriter:
    """Rows joined by tabs as whole columns; no quoting, since no value holds a tab."""

    def __init__(self, path: Path) -> None:
        self._handle = path.open("wb")
        self._handle.write(("\t".join((*COLUMNS, *EXTRA_COLUMNS)) + "\n").encode())

    def write(self, table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=65_536):
            lines = pc.binary_join_element_wise(
                *[column.cast(pa.large_string()) for column in batch.columns], pa.scalar("\t", pa.large_string())
            )
            if len(lines):
                whole = pc.binary_join_element_wise(lines, pa.scalar("", pa.large_string()), pa.scalar("\n", pa.large_string()))
                _, offsets, data = whole.buffers()
                ends = np.frombuffer(offsets, dtype=np.int64)[whole.offset : whole.offset + len(whole) + 1]
                self._handle.write(memoryview(data)[int(ends[0]) : int(ends[-1])])

    def close(self) -> None:
        self._handle.close()


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        schema = pa.schema([(name, pa.string()) for name in (*COLUMNS, *EXTRA_COLUMNS)])
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._schema))

    def close(self) -> None:
        self._writer.close()
