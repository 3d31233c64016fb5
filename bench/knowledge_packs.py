"""Packs of knowledge: rows a second, bytes a row and memory of a build, and what that makes of a source of gnomAD's size.

The input is generated and seeded: records of gnomAD's v4 genomes in length and keys (ten groups, sexes, a joint set, histograms, a long
text behind `vep`), BGZF. Each build runs in a process of its own. Sorting is measured on more rows, given as arrays.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from bench.measure import MIB
from deploy.local.demo.vcf import write_bgzf
from processors.knowledge.allele_merge import ROWS_A_RANGE
from processors.knowledge.allele_pack import Column, Rows, write_allele_pack
from processors.knowledge.allele_runs import ROWS_A_RUN
from processors.knowledge.genome import build_genome
from processors.knowledge.lookup import Spelling
from processors.knowledge.source import Request
from processors.knowledge.sources.gnomad import FIXED
from schemas.chunks import Answer

WHOLE = 800_000_000
"""Alleles of gnomAD v4.1's genomes (759 M) and some to spare."""
JOBS = (1, 2)
RECORDS = 40_000
SORTED = 1 << 21
CORES = 16
_LENGTH = 200_000
_GROUPS = ("afr", "ami", "amr", "asj", "eas", "fin", "mid", "nfe", "remaining", "sas")
_PROBE = """
import json, resource, sys, time
from pathlib import Path
from processors.knowledge import bgzf_ranges
from processors.knowledge.genome import Genome
from processors.knowledge.pack import list_packs
from processors.knowledge.source import Request, build_source

if __name__ == "__main__":
    bgzf_ranges.LEAST = 1 << 20  # a slice is small: more parts than it would have, so that two processes share them
    root, source, jobs, populations = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    genome = Genome(next(pack for pack in list_packs(root) if pack.kind == "genome"))
    read = []
    def tell(share, text):
        if text != "sorting":
            read.append((time.perf_counter(), time.process_time()))
    request = Request("gnomad_genomes", (source,), root, "own", f"{jobs}.{populations}", genome, jobs=jobs, progress=tell,
                      options={"populations": populations})
    begin, cpu = time.perf_counter(), time.process_time()
    pack = build_source(request)
    end = time.perf_counter()
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    size = sum(path.stat().st_size for path in pack.path.glob("*.npy"))
    print(json.dumps({"rows": pack.rows, "reading": read[-1][0] - begin, "cpu": read[-1][1] - cpu, "merging": end - read[-1][0],
                      "peak": max(one.ru_maxrss for one in usage) / 1024, "size": size}))
"""


@dataclass(frozen=True)
class PackBuild:
    """One build. `reading` and `merging` in wall seconds, `cpu` seconds of reading in the building process (all of it where it is alone),
    `peak` in MiB of the largest process, `size` in bytes on disk."""

    populations: str
    jobs: int
    rows: int
    reading: float
    cpu: float
    merging: float
    peak: float
    size: int

    @property
    def rate(self) -> float:
        return self.rows / (self.reading + self.merging)


@dataclass(frozen=True)
class PackBuilds:
    """`input`: bytes of the file, `text`: of its lines; `sorting`: groups → CPU seconds a row from arrays to a pack."""

    records: int
    input: int
    text: int
    builds: list[PackBuild]
    sorting: dict[str, float]


def run_packs(folder: Path, say: Callable[[str], None], records: int = RECORDS) -> PackBuilds:
    """Generate the slice, build it with and without groups, by one process and by two."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(11)
    sequence = "".join("ACGT"[base] for base in rng.integers(0, 4, _LENGTH))
    (folder / "g.fa").write_text(f">1\n{sequence}\n")
    source = folder / "gnomad.genomes.vcf.gz"
    text = 0

    def lines() -> Iterator[bytes]:
        nonlocal text
        for piece in _lines(rng, sequence, records):
            text += len(piece)
            yield piece

    say(f"making {records:,} records")
    write_bgzf(source, lines())
    builds = []
    for populations in ("all", "none"):
        for jobs in JOBS:
            root = folder / f"packs-{populations}-{jobs}"
            build_genome(folder / "g.fa", root, "own", "1")
            command = [sys.executable, "-c", _PROBE, str(root), str(source), str(jobs), populations]
            subprocess.run(command, capture_output=True, check=True)  # kernels are compiled, files are in memory
            shutil.rmtree(root / "gnomad_genomes")
            said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            builds.append(PackBuild(populations, jobs, **said))
            say(f"groups {populations}, {jobs} processes: {builds[-1].rate:,.0f} rows/s")
    say(f"sorting {SORTED:,} rows")
    sorting = {populations: _sorting(folder / f"sorted-{populations}", rng, populations) for populations in ("all", "none")}
    return PackBuilds(records, source.stat().st_size, text, builds, sorting)


def show_packs(console: Console, found: PackBuilds) -> None:
    """The builds, and what they make of WHOLE rows."""
    console.print(
        f"packs: {found.records:,} generated records like gnomAD v4 genomes, {found.text / found.records:,.0f} bytes of text and "
        f"{found.input / found.records:,.0f} compressed bytes each"
    )
    table = Table("groups", "processes", "rows/s", "CPU µs a row", "reading s", "sorting s", "bytes a row", "peak MiB", box=None)
    for build in found.builds:
        cpu = f"{1e6 * build.cpu / build.rows:.0f}" if build.jobs == 1 else ""
        times = (f"{build.reading:.1f}", f"{build.merging:.2f}")
        table.add_row(
            build.populations, str(build.jobs), f"{build.rate:,.0f}", cpu, *times, f"{build.size / build.rows:.0f}", f"{build.peak:.0f}"
        )
    console.print(table)
    paper = Table(
        "groups", "pack GB", "disk while building GB", f"reading, {CORES} cores", "sorting, 1 core", "memory a process MiB", box=None
    )
    for build in found.builds:
        if build.jobs == 1:
            pack = WHOLE * build.size / build.rows / 1e9
            reading = WHOLE * build.cpu / build.rows / 3600 / CORES
            sorting = WHOLE * found.sorting[build.populations] / 3600
            memory = build.peak + (3 * ROWS_A_RUN * build.size / build.rows + 4 * ROWS_A_RANGE * 8) / MIB
            paper.add_row(build.populations, f"{pack:.0f}", f"{2 * pack:.0f}", f"{reading:.1f} h", f"{sorting:.1f} h", f"{memory:.0f}")
    console.print(f"on paper, {WHOLE:,} rows:")
    console.print(paper)
    console.print(
        "assumes: CPU a row as measured on one core, reading shared by all cores from a disk that keeps up; sorting linear in rows; runs\n"
        "and pack on disk together; in memory a full run three times (held, joined, sorted) beside what the slice took"
    )


def _sorting(root: Path, rng: np.random.Generator, populations: str) -> float:
    """CPU seconds a row of what comes behind reading: runs sorted and written, merged, the pack's digest."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / "source").write_text("arrays")
    columns = [*FIXED, *(Column(f"{stem}_{g}", "f4", g) for g in _GROUPS for stem in ("AF", "AN") if populations == "all")]
    size = 1 << 16
    offsets = np.arange(size + 1, dtype=np.int32)
    spelled = Spelling(offsets, np.full(size, 65, dtype=np.uint8), offsets, np.full(size, 67, dtype=np.uint8))
    values: dict[str, Any] = {column.name: rng.random(size) if column.dtype == "f4" else np.arange(size) % 200 for column in columns}
    values |= {name: pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, dtype=np.int8)), ["nfe"]) for name in ("grpmax", "FAF95_group")}
    values["failed"] = np.zeros(size, dtype=np.uint8)
    values |= {name: np.zeros(size, dtype=np.uint8) for name in ("filter", "flags")}
    places = ((start + np.arange(size)).astype(np.uint64) << np.uint64(32) for start in range(0, SORTED, size))
    begin = time.process_time()
    write_allele_pack(
        Request("user.bench", (root / "source",), root, "own", "1"), columns, (Rows(ids, spelled, values) for ids in places),
        main="AF", default=Answer.UNKNOWN, preference=("failed", "-AF"), filtered="failed",
    )  # fmt: skip
    spent = time.process_time() - begin
    shutil.rmtree(root)
    return spent / SORTED


def _lines(rng: np.random.Generator, sequence: str, records: int) -> Iterator[bytes]:
    keys = ["AC A,AN 1,AF A,nhomalt A,grpmax A,AF_grpmax A,AN_grpmax A,fafmax_faf95_max A,fafmax_faf95_max_gen_anc A,lcr 0"]
    for joint in ("", "_joint"):
        keys += [
            f"AC{joint}_{g}{s} A,AF{joint}_{g}{s} A,AN{joint}_{g}{s} 1,nhomalt{joint}_{g}{s} A" for g in _GROUPS for s in ("", "_XX", "_XY")
        ]
    named = [one.split(" ") for key in keys for one in key.split(",")]
    head = "".join(f'##INFO=<ID={name},Number={number},Type=Float,Description="x">\n' for name, number in named)
    yield f"##fileformat=VCFv4.2\n{head}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".encode()
    stems = [(f"{joint}_{g}{s}", 150_000 >> (k % 5)) for joint in ("", "_joint") for k, g in enumerate(_GROUPS) for s in ("", "_XX", "_XY")]
    block: list[str] = []
    text = "".join(rng.choice(list("ENST0123456789|missense_variant&intron,"), 6_000))
    for place in np.sort(rng.choice(_LENGTH, records, replace=records > _LENGTH)).tolist():
        base = sequence[place]
        alt = "ACGT"[("ACGT".index(base) + 1 + int(rng.integers(0, 3))) % 4]
        counts = rng.poisson(0.3, len(stems)).tolist()
        numbers = (np.array([most for _, most in stems]) - rng.integers(0, 2_000, len(stems))).tolist()
        total, among = max(1, sum(counts)), 152_000 - int(rng.integers(0, 2_000))
        info = [f"AC={total};AN={among};AF={total / among:.5e};nhomalt=0;grpmax=nfe;AF_grpmax={total / 60_000:.5e};AN_grpmax=60000"]
        info += [
            f"AC{stem}={count};AF{stem}={count / number:.5e};AN{stem}={number};nhomalt{stem}=0"
            for (stem, _), count, number in zip(stems, counts, numbers, strict=True)
        ]
        histogram = "|".join(map(str, rng.integers(0, 70_000, 60).tolist()))
        start = int(rng.integers(0, 3_000))
        state = "PASS" if rng.random() < 0.85 else "AS_VQSR"
        tail = f"{';'.join(info)};hist={histogram};vep={text[start : start + 2_400]}"
        block.append(f"1\t{place + 1}\t.\t{base}\t{alt}\t.\t{state}\t{tail}\n")
        if len(block) == 500:
            yield "".join(block).encode()
            block.clear()
    yield "".join(block).encode()
