"""Six sources looked up for a file of one sample, on one core: riverseq, `bcftools annotate` six times piped, `vcfanno` with six files.

All of them read the same alleles and write text. Ours reads the file as it came, several ALTs a record, and normalises; the peers, which
match letters, read it after `bcftools norm`, as their sources are, which is not timed; nor are BGZF, indexes and packs. Agreement is
counted on every allele and source, ours asked with both files.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.data import BUILD, SEED, make_data
from deploy.local.demo.genome import make_genome
from deploy.local.demo.knowledge import frequency_vcf
from deploy.local.demo.sites import draw_sites
from deploy.local.demo.vcf import write_bgzf
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import activate
from processors.knowledge.source import Request, build_source
from processors.knowledge.sources import frequency
from processors.knowledge.transcript_build import build_transcripts

KINDS = ("frequency", "gnomad_exomes", "gnomad_genomes", "gnomad_joint", "thousand_genomes")
"""Besides ClinVar. Generated files of frequencies under these names: what differs between them is which alleles they hold."""
CONTIGS = (20_000_000,) * 3
VARIANTS = 200_000
HELD = 3
"""Alleles of a source for each that the sample carries: a panel knows more than a person has."""
TOLERANCE = {"vcfanno": 5.1e-5}
"""How far two writings of a number may lie apart: vcfanno writes four decimals, bcftools six digits as we do."""


@dataclass(frozen=True)
class LookupRun:
    """CPU and wall seconds of a way to look six sources up, on one core; `alleles` written."""

    name: str
    version: str
    alleles: int
    cpu: float
    wall: float


@dataclass
class LookupFigures:
    """All of it. `lookup`: CPU seconds of our questions alone; `compared` pairs of allele and source, `different` of them, by peer."""

    records: int = 0
    sources: int = 1 + len(KINDS)
    start: float = 0.0
    lookup: float = 0.0
    runs: list[LookupRun] = field(default_factory=list)
    compared: dict[str, int] = field(default_factory=dict)
    different: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Files:
    sample: Path
    normalised: Path
    sources: dict[str, Path]  # normalised and indexed, by kind
    packs: Path


def run_lookup(folder: Path, tell: Callable[[str], None], variants: int = VARIANTS) -> LookupFigures:
    """Measure what is installed; without bcftools only ours, and nothing is compared."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = LookupFigures()
    files, figures.records = _prepare(folder, variants, tell)
    tell("riverseq")
    for _ in range(2):  # kernels are compiled the first time
        ours = _worker(files.packs, files.sample, folder / "ours.tsv")
    figures.start, figures.lookup = ours["start"], ours["lookup"]
    figures.runs.append(LookupRun("riverseq", "", int(ours["alleles"]), ours["cpu"], ours["wall"]))
    if shutil.which("bcftools") is None:
        return figures
    _worker(files.packs, files.normalised, folder / "rewritten.tsv")
    mine = _ours(folder / "rewritten.tsv")
    for peer in (_bcftools, _vcfanno):
        tell(peer.__name__.removeprefix("_"))
        done = peer(files, folder, len(mine))
        if done is None:
            continue
        figures.runs.append(done)
        theirs = _theirs(folder / "theirs.vcf")
        figures.compared[done.name] = len(mine) * figures.sources
        figures.different[done.name] = sum(
            _differ(values, theirs.get(allele), TOLERANCE.get(done.name, 1e-6)) for allele, values in mine.items()
        )
    as_it_came = _ours(folder / "ours.tsv")
    counts = [[sum(bool(values[k]) for values in found.values()) for k in range(figures.sources)] for found in (as_it_came, mine)]
    figures.compared["as it came"], figures.different["as it came"] = sum(counts[1]), sum(abs(a - b) for a, b in zip(*counts, strict=True))
    return figures


def show_lookup(console: Console, figures: LookupFigures) -> None:
    """The figures as a table."""
    table = Table(
        "one core", "CPU s", "wall s", "alleles/s", "ours / theirs", title=f"{figures.sources} sources", title_justify="left", box=None
    )
    ours = figures.runs[0]
    for run in figures.runs:
        ratio = (ours.alleles / ours.cpu) / (run.alleles / run.cpu)
        table.add_row(f"{run.name} {run.version}", f"{run.cpu:.2f}", f"{run.wall:.2f}", f"{run.alleles / run.cpu:,.0f}", f"{ratio:.1f}")
    console.print(table)
    console.print(
        f"of ours, the questions alone: {ours.alleles * figures.sources / figures.lookup:,.0f} a second; start {figures.start:.1f} s"
    )
    for peer, compared in figures.compared.items():
        console.print(f"agreement, {peer}: {compared - figures.different[peer]:,} of {compared:,}")


def _prepare(folder: Path, variants: int, tell: Callable[[str], None]) -> tuple[_Files, int]:
    data = make_data(folder / "input", HELD * variants, 1, variants, lambda text: tell(f"making {text}"), CONTIGS)
    made, packs = folder / "sources", folder / "packs"
    made.mkdir(exist_ok=True)
    raw = {"clinvar": data.clinvar} | {kind: made / f"{kind}.vcf.gz" for kind in KINDS}
    if not all(path.exists() for path in raw.values()):
        tell("making sources")
        rng = np.random.default_rng(SEED)
        genome = make_genome(rng, BUILD, CONTIGS)
        sites = draw_sites(rng, genome, HELD * variants)
        for kind in KINDS:
            write_bgzf(raw[kind], frequency_vcf(rng, genome, sites))
    tell("building packs")
    genome_pack = build_genome(data.fasta, packs, BUILD, "1")
    opened = Genome(genome_pack)
    activate(packs, genome_pack)
    activate(packs, build_transcripts(data.transcripts, packs, opened.table, name="genes", version="1", genome=opened))
    for kind, path in raw.items():
        request = Request(kind, (path,), packs, BUILD, "1", opened, name=kind)
        activate(packs, build_source(request) if kind == "clinvar" else frequency.build(request))
    sample = data.samples["repeat01"]
    if shutil.which("bcftools") is None:
        return _Files(sample, sample, {}, packs), data.records["repeat01"]
    tell("bcftools norm of sample and sources, not timed")
    return _Files(
        sample,
        _normalised(sample, made / "sample.norm.vcf.gz", data.fasta),
        {kind: _normalised(path, made / f"{kind}.norm.vcf.gz", data.fasta) for kind, path in raw.items()},
        packs,
    ), data.records["repeat01"]


def _normalised(source: Path, target: Path, fasta: Path) -> Path:
    if not target.exists():
        subprocess.run(["bcftools", "norm", "-m-any", "-f", fasta, "-c", "w", source, "-Oz", "-o", target], check=True, capture_output=True)
        subprocess.run(["bcftools", "index", "-f", "-t", target], check=True)
    return target


def _worker(packs: Path, vcf: Path, out: Path) -> dict[str, float]:
    command = [*_one_core(), sys.executable, "-m", "bench.lookup_worker", str(packs), BUILD, str(vcf), str(out)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def _bcftools(files: _Files, folder: Path, alleles: int) -> LookupRun | None:
    """As a pipe, which bcftools 1.16 does with annotations as indexed tables only: with a VCF it wants an index of its input."""
    steps = []
    for kind, path in files.sources.items():
        table, lines = path.with_name(f"{kind}.tsv.gz"), path.with_name(f"{kind}.hdr")
        field, name, kept = ("CLNSIG", "CLNSIG", "String") if kind == "clinvar" else ("AF", kind, "Float")
        if not table.exists():
            query = (
                f"bcftools query -f '%CHROM\\t%POS\\t%REF\\t%ALT\\t%{field}\\n' '{path}' | bgzip > '{table}' && tabix -s1 -b2 -e2 '{table}'"
            )
            subprocess.run(["sh", "-c", query], check=True)
            lines.write_text(f'##INFO=<ID={name},Number=1,Type={kept},Description="{kind}">\n')
        steps.append(f"bcftools annotate -a '{table}' -h '{lines}' -c CHROM,POS,REF,ALT,INFO/{name} -Ou -")
    steps[0] = steps[0].removesuffix("-") + f"'{files.normalised}'"
    steps[-1] = steps[-1].replace("-Ou -", "-Ov -")
    version = subprocess.run(["bcftools", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    cpu, wall = _timed(f"{' | '.join(steps)} > '{folder / 'theirs.vcf'}'")
    return LookupRun("bcftools annotate", version, alleles, cpu, wall)


def _vcfanno(files: _Files, folder: Path, alleles: int) -> LookupRun | None:
    if shutil.which("vcfanno") is None:
        return None
    settings = folder / "vcfanno.toml"
    wanted = [(files.sources["clinvar"], "CLNSIG", "CLNSIG"), *((files.sources[kind], "AF", kind) for kind in KINDS)]
    block = '[[annotation]]\nfile="{}"\nfields=["{}"]\nops=["self"]\nnames=["{}"]\n'
    settings.write_text("\n".join(block.format(*one) for one in wanted))
    cpu, wall = _timed(f"GOMAXPROCS=1 vcfanno -p 1 '{settings}' '{files.normalised}' > '{folder / 'theirs.vcf'}' 2>/dev/null")
    said = subprocess.run(["vcfanno"], capture_output=True, text=True, check=False)
    version = next(
        (word for line in (said.stdout + said.stderr).splitlines() if "version" in line for word in line.split() if word[0].isdigit()), ""
    )
    return LookupRun("vcfanno", version, alleles, cpu, wall)


def _one_core() -> list[str]:
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def _timed(command: str) -> tuple[float, float]:
    """CPU and wall seconds of a shell command on one core."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*_one_core(), "sh", "-c", command], check=True, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


_Values = tuple[str, ...]


def _ours(path: Path) -> dict[_Values, _Values]:
    """(chrom, pos, ref, alt) → a text a source, empty where it has none; of a repeated allele the first."""
    found: dict[_Values, _Values] = {}
    with path.open() as handle:
        next(handle)
        for line in handle:
            fields = line.rstrip("\n").split("\t")
            found.setdefault(tuple(fields[:4]), tuple(fields[4:]))
    return found


def _theirs(path: Path) -> dict[_Values, _Values]:
    wanted = ("CLNSIG", *KINDS)
    found: dict[_Values, _Values] = {}
    with path.open() as handle:
        for line in handle:
            if line.startswith("#"):
                continue
            fields = line.split("\t", 8)
            said = dict(entry.partition("=")[::2] for entry in fields[7].split(";"))
            found.setdefault((*fields[:2], *fields[3:5]), tuple(said.get(name, "") for name in wanted))
    return found


def _differ(mine: _Values, theirs: _Values | None, tolerance: float) -> int:
    """Sources of whose value two rows do not agree: of ClinVar whether it holds the allele, of the others the number."""
    if theirs is None:
        return len(mine)
    different = int(bool(mine[0]) != bool(theirs[0]))
    for a, b in zip(mine[1:], theirs[1:], strict=True):
        same = a == b or (bool(a) and bool(b) and abs(float(a) - float(b)) <= tolerance)
        different += not same
    return different
