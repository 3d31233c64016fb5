"""Compounds of a file as a table: `riverseq annotate --compounds`. The file is read a second time, with its calls, as ingest reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from processors.annotate.compound.render import named
from processors.annotate.compound.stage import call_compounds
from processors.ingest import ingest, read_header
from processors.resources import Resources
from schemas.chunks import ChunkKind
from schemas.plan import Plan

COMPOUND_COLUMNS = (
    "sample", "chrom", "start", "end", "gene", "transcript", "kind", "phase", "haplotypes", "phase_set", "consequence", "impact", "hgvsc",
    "hgvsp", "cds_position", "protein_position", "codons", "amino_acids", "flags", "parts",
)  # fmt: skip
"""A contract: scripts read these by name and order. `haplotypes` are numbers of haplotypes from 1; `parts` are normalised alleles."""
_MISSING = "."


def write_compounds(path: Path, out: Path, resources: Resources, *, parentheses: bool = False) -> int:
    """Write the compounds of every sample of a VCF or BCF to `out`, tab-separated, which appears only when it is complete; their number.

    `parentheses`: `p.(Arg12Cys)`.

    Raises ingest.errors.SourceError: the file is damaged, has no samples, or its contigs do not stand together.
    """
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    count = 0
    try:
        with partial.open("w") as handle:
            handle.write("\t".join(COMPOUND_COLUMNS) + "\n")
            for contig, rows in _compounds(path, resources, parentheses):
                handle.writelines("\t".join(line) + "\n" for line in _lines(contig, rows))
                count += rows.num_rows
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _compounds(path: Path, resources: Resources, parentheses: bool) -> Iterator[tuple[str, pa.Table]]:
    """(contig, named compounds with the samples' names) of each chunk that has some."""
    people = read_header(path).samples
    build = resources.plan.build
    with ingest(
        path, genome=resources.genome, build=build, samples=[(name, name) for name in people], submission_id="", revision_id="",
        plan=Plan(build, resources.plan.components), lane="", epoch=0, options={}, boundaries=resources.boundaries,
        coding_exons=resources.coding_exons,
    ) as reading:  # fmt: skip
        for emitted in reading:
            if emitted.chunk.header.kind is ChunkKind.ALLELES:
                found = named(call_compounds(emitted.chunk, resources), resources, parentheses=parentheses)
                if found.num_rows:
                    order = [("start", "ascending"), ("end", "ascending"), ("transcript", "ascending"), ("sample", "ascending")]
                    table = pa.Table.from_batches([found]).sort_by(order)
                    names = pa.array(people, pa.string()).take(table.column("sample").combine_chunks())
                    yield emitted.chunk.header.contig, table.set_column(0, "sample", names)


def _lines(contig: str, rows: pa.Table) -> Iterator[list[str]]:
    for row in rows.to_pylist():
        yield [_text(value) for value in _values(contig, row)]


def _values(contig: str, row: dict[str, Any]) -> Iterator[Any]:
    residues = len(row["ref_aa"].rstrip("*")) or 1
    yield from (row["sample"], contig, row["start"] + 1, row["end"], row["gene"], row["transcript"], row["kind"], row["phase"])
    yield ",".join(str(number + 1) for number in range(8) if row["haplotypes"] >> number & 1)
    yield row["phase_set"] if row["phase_set"] >= 0 else ""
    yield from (row["consequence"], row["impact"], row["hgvsc"], row["hgvsp"], _range(row["cds_start"], row["cds_end"]))
    yield _range(row["residue"], row["residue"] + residues - 1)
    yield f"{row['ref_codons']}/{row['alt_codons']}" if row["consequence"] else ""
    yield f"{row['ref_aa']}/{row['alt_aa']}" if row["consequence"] else ""
    yield ",".join(row["flags"])
    yield ";".join(f"{contig}-{part['start'] + 1}-{part['ref']}-{part['alt']}" for part in row["parts"])


def _range(first: int, last: int) -> str:
    return str(first) if first >= last else f"{first}-{last}"


def _text(value: Any) -> str:
    return str(value) or _MISSING
