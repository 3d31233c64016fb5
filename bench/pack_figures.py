"""The transcript pack's figures: build time, size on disk, load time, and what of its memory two processes share."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from bench.consequence_data import CONTIG, ConsequenceFiles
from bench.measure import MIB
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.gff import GeneModels, read_gene_models
from processors.knowledge.pack import Pack
from processors.knowledge.transcript_build import build_transcripts, pack_models
from schemas.assembly import contig_table

WHOLE = 450_000
"""Transcripts of Ensembl 115's human annotation, see `consequence_data.TODAY`."""

_PROBE = """
import json, sys, time
from pathlib import Path
import numpy as np
from processors.annotate.pick import pick_order
from processors.knowledge.layout import FIELDS, Layout
from processors.knowledge.pack import find_pack
from processors.knowledge.transcripts import Transcripts

def private():
    sizes = {line.split()[0]: int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.split()[0] == "Private_Dirty:"}
    return sizes["Private_Dirty:"] / 1024

pack = find_pack(Path(sys.argv[1]), sys.argv[2])
Layout.of({name: np.asarray(pack.array(name))[:0] for name in FIELDS})  # numba starts, as it does once in a worker
before = private()
begin = time.perf_counter()
transcripts = Transcripts(find_pack(Path(sys.argv[1]), sys.argv[2]))
layout, order = transcripts.layout, pick_order(transcripts)
loaded = time.perf_counter() - begin
touched = sum(int(array.view(np.uint8)[::4096].sum(dtype=np.int64)) for array in (getattr(layout, name) for name in FIELDS) if array.size)
print(json.dumps({"load": loaded, "private": private() - before, "touched": touched}), flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True)
class PackFigures:
    """`build` and `load` in seconds, the rest in MiB. `load`: find, map, hand to kernels, pick order, in a process whose numba has started.
    `mapped`: pages of the pack in each of two processes that touch all that kernels read; `shared`: what of them is there once for both
    (proc(5): resident less proportional size, twice); `private`: dirty memory of its own that a process has more after loading and
    touching."""

    transcripts: int
    build: float
    size: float
    load: float
    mapped: float
    shared: float
    private: float


def measure_pack(folder: Path, files: ConsequenceFiles) -> PackFigures:
    """Build from GFF3 and FASTA (the genome's pack is not counted), load, touch every page in two processes at once."""
    root = folder / "packs"
    genome = Genome(build_genome(files.fasta, root, "GRCh38", "bench"))
    begin = time.perf_counter()
    pack = build_transcripts(files.genes, root, genome.table, name="genes", version="bench", genome=genome)
    return _figures(root, pack, time.perf_counter() - begin)


def measure_whole(folder: Path, files: ConsequenceFiles) -> PackFigures:
    """The same of a pack as large as the whole annotation: the chromosome's models laid on all contigs until there are WHOLE.

    `build` is the time to pack them plus the time to read a GFF3 of that length, as the chromosome's was read, scaled by transcripts.
    """
    root = folder / "packs"
    begin = time.perf_counter()
    read = read_gene_models(files.genes)
    reading = time.perf_counter() - begin
    table = contig_table("GRCh38")
    large = [contig.name for contig in table.contigs if contig.length >= table.contigs[table.resolve(CONTIG) or 0].length]
    count = len(read.models)
    many = [replace(read.models[k % count], contig=large[k // count % len(large)], name=f"T{k}") for k in range(WHOLE)]
    begin = time.perf_counter()
    pack = pack_models(GeneModels(many, read.warnings), root, table, name="whole", version="bench", source="tiled", sha256="")
    return _figures(root, pack, time.perf_counter() - begin + reading * WHOLE / count)


def _figures(root: Path, pack: Pack, build: float) -> PackFigures:
    command = [sys.executable, "-c", _PROBE, str(root), pack.digest]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said = json.loads(_pipe(first.stdout).readline())
    second = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _pipe(second.stdout).readline()  # both hold all pages now
    resident, proportional = _mapped(first.pid, pack.path)
    for process in (first, second):
        process.communicate("\n")
    size = sum(path.stat().st_size for path in pack.path.iterdir()) / MIB
    shared = 2 * (resident - proportional)
    return PackFigures(pack.rows, build, size, said["load"], resident, shared, said["private"])


def _mapped(pid: int, folder: Path) -> tuple[float, float]:
    """(resident, proportional) MiB of a process's mappings of files in a folder."""
    sums = {"Rss:": 0, "Pss:": 0}
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        key, *rest = line.split()
        if not key.endswith(":"):
            inside = str(folder.resolve()) in line
        elif inside and key in sums:
            sums[key] += int(rest[0])
    return sums["Rss:"] / 1024, sums["Pss:"] / 1024


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("the process has no pipe")
    return pipe
