"""Consequences with HGVS on one core: riverseq, SnpEff and `bcftools csq` on the same input, GFF3 and FASTA; and the transcript pack.

Each tool works file to file, held to one core; a pass of less than two seconds is done three times, and the shortest counts. Variants a
second are by wall time, without the start; the start (also the JVM's, and its loading of the models) is what a single variant takes, shown
apart. riverseq starts once for its files, a peer once for each. A first run compiles, and builds indexes; it is not counted.

The models are those of chromosome 21 in the shared data, 60 transcripts to a megabase (`reduced`), and as many as Ensembl 115 has, 145 to a
megabase (`whole`, see `consequence_data.TODAY`).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.consequence_data import CONTIG, ConsequenceFiles, make_consequence_data
from bench.measure import shortest
from bench.pack_figures import PackFigures, measure_pack, measure_whole
from bench.peers import csq_command, snpeff_command, snpeff_database
from streams.cli.reference import compile_reference

BUILD = "GRCh38"
OURS = "riverseq"


@dataclass(frozen=True)
class Timing:
    """One tool on one input: CPU and wall seconds, both without `start`, the CPU seconds that a single variant takes."""

    tool: str
    mix: str
    variants: int
    cpu: float
    wall: float
    start: float

    @property
    def rate(self) -> float:
        """Variants a second of one core, by wall time."""
        return self.variants / max(self.wall, 1e-3)

    @property
    def cpu_rate(self) -> float:
        """The same by CPU time, which others on the machine touch less."""
        return self.variants / max(self.cpu, 1e-3)


@dataclass(frozen=True)
class ConsequenceResult:
    """Everything that the part measures; `steps` is CPU µs a variant by mix and step, `rows` transcripts within reach of an allele by mix
    (counted as one where there is none)."""

    timings: list[Timing]
    steps: dict[str, dict[str, float]]
    rows: dict[str, float]
    pack: PackFigures
    whole: PackFigures


def run_consequence(folder: Path, data: Path, genome: int, exome: int, tell: Callable[[str], None]) -> ConsequenceResult:
    """Run the part below `folder`; `data` is the shared data. A peer that is not installed is left out."""
    tell(f"{genome:,} and {exome:,} variants on a filled chromosome {CONTIG}")
    files = make_consequence_data(folder, data / "chr21_GRCh38", genome, exome)
    timings: list[Timing] = []
    steps: dict[str, dict[str, float]] = {}
    rows: dict[str, float] = {}
    for genes, mixes in (
        (files.genes, {"genome, reduced models": files.genome}),
        (files.today, {"genome, whole models": files.genome, "exome, whole models": files.exome}),
    ):
        packs = folder / f"packs_{genes.stem}"
        shutil.rmtree(packs, ignore_errors=True)
        compile_reference(packs, BUILD, files.fasta, genes, "bench")
        tell(f"{OURS} on {genes.stem}")
        command = [sys.executable, "-m", "bench.consequence_worker", str(packs), BUILD, str(files.one), str(folder / "ours.tsv")]
        command += map(str, mixes.values())
        _held(command)  # what numba has not compiled yet is compiled here
        answer = json.loads(_held(command))
        if answer["compiled"]:
            tell(f"{answer['compiled']} kernels were compiled in the timed run: its figures are too slow")
        for name, run in zip(mixes, answer["runs"], strict=True):
            timings.append(Timing(OURS, name, run["alleles"], run["cpu"], run["wall"], answer["start"]))
            rows[name] = run["rows"] / run["alleles"]
            rest = run["cpu"] - run["reading"] - run["codes"]
            parts = {"read, normalise": run["reading"], "codes": run["codes"], "look up, score, HGVS, write": rest}
            steps[name] = {part: 1e6 * seconds / run["alleles"] for part, seconds in parts.items()}
        for tool, peer in _peers(folder, genes, files).items():
            tell(f"{tool} on {genes.stem}")
            _seconds(peer(files.one))  # indexes of the first use
            start = _seconds(peer(files.one))
            for name, variants in mixes.items():
                cpu, wall = shortest(partial(_seconds, peer(variants)))
                count = files.counts[variants.name.partition(".")[0]]
                timings.append(Timing(tool, name, count, cpu - start[0], wall - start[1], start[0]))
    tell("transcript packs")
    return ConsequenceResult(timings, steps, rows, measure_pack(folder, files), measure_whole(folder, files))


def _peers(folder: Path, genes: Path, files: ConsequenceFiles) -> dict[str, Callable[[Path], Sequence[str]]]:
    found: dict[str, Callable[[Path], Sequence[str]]] = {}
    if shutil.which("snpEff"):
        settings = snpeff_database(folder, genes.stem, genes, files.fasta)
        found["SnpEff"] = lambda vcf: snpeff_command(settings, vcf)
    if shutil.which("bcftools"):
        found["bcftools csq"] = lambda vcf: csq_command(genes, files.fasta, vcf)
    return found


def _seconds(command: Sequence[str]) -> tuple[float, float]:
    """(CPU, wall) seconds of a command on one core."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    _held(command, subprocess.DEVNULL)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def _held(command: Sequence[str], output: int = subprocess.PIPE) -> str:
    """What a command says, held to one core. Raises CalledProcessError."""
    held = ["taskset", "-c", "0", *command] if shutil.which("taskset") else list(command)
    one = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "ARROW_NUM_THREADS"), "1")
    done = subprocess.run(held, check=True, stdout=output, stderr=subprocess.DEVNULL, env={**os.environ, **one}, text=True)
    return done.stdout or ""


def show_consequence(console: Console, result: ConsequenceResult) -> None:
    """The tables."""
    table = Table(
        *("mix", "transcripts an allele", "tool", "variants", "start CPU s", "wall s", "CPU s", "variants/s", "by CPU time"),
        title="consequences with HGVS, one core, nothing cached, file to file",
        title_justify="left",
        box=None,
    )
    for timing in result.timings:
        seconds = (f"{value:.2f}" for value in (timing.start, timing.wall, timing.cpu))
        rates = (f"{value:,.0f}" for value in (timing.rate, timing.cpu_rate))
        table.add_row(timing.mix, f"{result.rows[timing.mix]:.1f}", timing.tool, f"{timing.variants:,}", *seconds, *rates)
    console.print(table)
    ours = {timing.mix: timing for timing in result.timings if timing.tool == OURS}
    for timing in result.timings:
        if timing.tool != OURS:
            mine = ours[timing.mix]
            by_wall, by_cpu = mine.rate / timing.rate, mine.cpu_rate / timing.cpu_rate
            console.print(f"{timing.mix}: {OURS} is {by_wall:.1f} x as fast as {timing.tool} ({by_cpu:.1f} x by CPU time)", highlight=False)
    console.print("`bcftools csq` writes no HGVS, no up- and downstream, no distances")
    where = Table(
        *("mix", "transcripts an allele", *next(iter(result.steps.values()))),
        title="CPU µs a variant by step",
        title_justify="left",
        box=None,
    )
    for mix, parts in result.steps.items():
        where.add_row(mix, f"{result.rows[mix]:.1f}", *[f"{value:.2f}" for value in parts.values()])
    console.print(where)
    packs = Table(
        *("pack", "transcripts", "build s", "MiB", "load s", "mapped MiB", "of it shared by two", "private MiB"),
        title="transcript pack",
        title_justify="left",
        box=None,
    )
    for name, pack in (("chromosome 21", result.pack), ("as large as Ensembl 115", result.whole)):
        values = (
            f"{pack.build:.1f}",
            f"{pack.size:.1f}",
            f"{pack.load:.2f}",
            f"{pack.mapped:.1f}",
            f"{pack.shared:.1f}",
            f"{pack.private:.1f}",
        )
        packs.add_row(name, f"{pack.transcripts:,}", *values)
    console.print(packs)
