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
import pyarrow.csv as pa_csv

from bench.measure import shortest
from processors.annotate.lookup import look_up
from processors.knowledge.sites_text import gather
from processors.knowledge.sources.sites import Written, open_sites
from processors.knowledge.strings import StringTable, read_only
from processors.records import read_records
from processors.resources import Resources, plan_for
from schemas.chunks import Answer, Chunk


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
    options = pa_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with out.open("wb") as sink:
        for records in read_records(open_sites(vcf, resources.genome)):
            for chunk, rows in zip(records.chunks, records.rows, strict=True):
                pa_csv.write_csv(_table(look_up(chunk, resources), records.written, rows, len(resources.allele_sources)), sink, options)
                alleles += len(rows)
    return alleles


def _table(chunk: Chunk, written: Written, rows: Any, sources: int) -> pa.Table:
    columns = [_text(written.text, span[rows]) for span in (written.chrom, written.position, written.ref, written.alt_text)]
    significance = chunk.rows.column("clinvar_significance").to_numpy()
    known = chunk.rows.column("clinvar_answer").to_numpy() == Answer.FOUND
    columns.append(pa.array(significance, mask=~known))
    lists = chunk.rows.column("looked_up")
    allele = np.repeat(np.arange(len(rows)), np.diff(lists.offsets.to_numpy()))
    source, _, value, _ = (column.to_numpy() for column in lists.flatten().flatten())
    for number in range(sources):
        mine = source == number
        dense = np.full(len(rows), np.nan, dtype=np.float32)
        dense[allele[mine]] = value[mine]
        columns.append(pa.array(dense, from_pandas=True))
    return pa.Table.from_arrays(columns, names=[str(k) for k in range(len(columns))])


def _text(text: Any, spans: Any) -> pa.Array[Any]:
    offsets, data = gather(read_only(text), np.ascontiguousarray(spans))
    return StringTable(offsets.astype(np.int64), data).arrow()


if __name__ == "__main__":
    main(sys.argv[1:])
