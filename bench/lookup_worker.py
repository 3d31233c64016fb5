"""Our side of the lookup benchmark, in a process of its own that the caller holds to one core; prints JSON.

    python -m bench.lookup_worker PACKS BUILD VCF OUT

The file is read, its alleles normalised, every source of the plan asked, and one row an allele written as text. `start` is CPU seconds
from the process's begin to the first row (interpreter, packs, compiled code from its cache); `lookup` CPU seconds of the questions alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.measure import shortest
from processors.annotate.columns import Column, Table, own
from processors.annotate.lookup import look_up
from processors.knowledge.sites_text import gather
from processors.knowledge.sources.sites import Written, open_sites
from processors.knowledge.strings import read_only
from processors.output.tsv import TsvWriter
from processors.records import read_records
from processors.resources import Resources, plan_for
from schemas.chunks import Answer, Chunk

_OWN = ("chrom", "position", "ref", "alt_text")


def main(arguments: list[str]) -> None:
    """Run as the module says."""
    packs, build, vcf, out = Path(arguments[0]), arguments[1], Path(arguments[2]), Path(arguments[3])
    resources = Resources.load(plan_for(packs, build), packs, "cpu")
    alleles = write(vcf, out, resources)
    start = time.process_time()

    def whole() -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        write(vcf, out, resources)
        return time.process_time() - cpu, time.perf_counter() - wall

    cpu, wall = shortest(whole)
    chunks = [chunk for records in read_records(open_sites(vcf, resources.genome)) for chunk in records.chunks]
    begin = time.process_time()
    for chunk in chunks:
        look_up(chunk, resources)
    asked = time.process_time() - begin
    sys.stdout.write(json.dumps({"start": start, "alleles": alleles, "cpu": cpu, "wall": wall, "lookup": asked}) + "\n")


def write(vcf: Path, out: Path, resources: Resources) -> int:
    """The number of alleles written to `out`: the file's own CHROM, POS, REF and ALT, ClinVar's code, then a value a source."""
    alleles = 0
    sources = tuple(source.pack.kind for source in resources.allele_sources)
    writer = TsvWriter(out, (*_OWN, "clinvar", *sources))
    for records in read_records(open_sites(vcf, resources.genome)):
        for chunk, rows in zip(records.chunks, records.rows, strict=True):
            writer.write(_columns(look_up(chunk, resources), records.written, rows, sources))
            alleles += len(rows)
    writer.close()
    return alleles


def _columns(chunk: Chunk, written: Written, rows: Any, sources: tuple[str, ...]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for name in _OWN:
        offsets, data = gather(read_only(written.text), np.ascontiguousarray(getattr(written, name)[rows]))
        columns[name] = own(Table(offsets[:-1].astype(np.int64), offsets[1:].astype(np.int64), data))
    known = chunk.rows.column("clinvar_answer").to_numpy() == Answer.FOUND
    columns["clinvar"] = _values(np.flatnonzero(known), chunk.rows.column("clinvar_significance").to_numpy()[known], len(rows))
    lists = chunk.rows.column("looked_up")
    allele = np.repeat(np.arange(len(rows)), np.diff(lists.offsets.to_numpy()))
    source, answer, value, _ = (column.to_numpy() for column in lists.flatten().flatten())
    for number, name in enumerate(sources):
        mine = np.flatnonzero((source == number) & (answer == Answer.FOUND))
        columns[name] = _values(allele[mine], value[mine], len(rows))
    return columns


def _values(rows: Any, values: Any, n: int) -> Column:
    """A number at some of n rows, nothing at the others."""
    index = np.full(n, len(rows), dtype=np.int32)
    index[rows] = np.arange(len(rows), dtype=np.int32)
    texts = pa.concat_arrays([pa.array(values).cast(pa.string()), pa.array([""], pa.string())])
    return Column(index, Table.of_arrow(texts))


if __name__ == "__main__":
    main(sys.argv[1:])
