"""A release of ClinVar with exomes on file: seconds from the command to the last alert, beside reading every sample anew.

Real releases (2016-01 to 2017-04, SNVs) of the shared data; exomes are drawn from its gnomAD sites, from a seed, so that they meet ClinVar
as real ones do. Genome and genes are those of the VEP truth set: bases outside are unknown, which spares no work.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from deploy.local import commands
from deploy.local.demo.vcf import write_bgzf
from streams.cli.session import Session

BUILD = "GRCh37"
SEED = 11
EXOME = 24_000
"""Variants of an exome: with the sites of the set, a few hundred of them in ClinVar."""
RELEASES = ("2016-01-04", "2016-08-31", "2017-01-04", "2017-04-04")
SITES = "gnomad_exomes_r2.1.1.AF_ge_0.0002.sites_1M.GRCh37.vcf.gz"


@dataclass(frozen=True)
class Release:
    """One release on `samples` samples. `seconds`: from the command's arrival at control to the last result on the topic."""

    version: str
    changed: int
    alleles: int
    touched: int
    reclassified: dict[str, int]
    build_seconds: float
    seconds: float


@dataclass(frozen=True)
class ReleaseFigures:
    """What was measured. `again`: seconds of `riverseq replay` of every sample under the last release, together."""

    samples: int
    variants: int
    releases: list[Release] = field(default_factory=list)
    again: float = 0.0


def run_release(folder: Path, data: Path, samples: int, tell: Callable[[str], None]) -> ReleaseFigures:
    """Submit the exomes under the first release, publish the others one by one, then read every sample anew."""
    files = make_exomes(folder / "input", data, samples, tell)
    state = folder / "state"
    if state.exists() and not (state / "run.json").exists():
        shutil.rmtree(state)
    truth, clinvar = data / "vep_truth", data / "grch37"
    command = _Command(state)
    command("reference", "add", BUILD, "--fasta", truth / "ref.GRCh37.fa.gz", "--transcripts", truth / "genes.GRCh37.gff3.gz")
    versions = {version: clinvar / f"clinvar_{version}.GRCh37.vcf.gz" for version in RELEASES}
    first = RELEASES[0]
    command("knowledge", "build", "clinvar", versions[first], "--build", BUILD, "--version", first, "--date", first)
    if commands.up(state, detach=True) is None:
        raise RuntimeError("nothing was started")
    try:
        tell(f"{samples} exomes under ClinVar {first}")
        states = command.json("submit", *files, "--build", BUILD, "--wait")
        states = states if isinstance(states, list) else [states]
        figures = ReleaseFigures(samples, sum(one["variants_in"] for one in states))
        for version in RELEASES[1:]:
            figures.releases.append(_release(command, state, version, versions[version]))
            tell(f"  {version}: {figures.releases[-1].seconds:.1f} s")
        again = _read_anew(command, state, [one["sample"] for one in states])
        return ReleaseFigures(figures.samples, figures.variants, figures.releases, again)
    finally:
        commands.down(state)


def _release(command: _Command, state: Path, version: str, file: Path) -> Release:
    begin = time.perf_counter()
    command("knowledge", "build", "clinvar", file, "--build", BUILD, "--version", version, "--date", version, "--no-activate")
    built = time.perf_counter() - begin
    command("knowledge", "release", "clinvar", "--build", BUILD, "--version", version, "--wait", "--priority", "urgent")
    with Session(state).clickhouse() as client:
        sql = """SELECT r.added + r.removed + r.changed, s.alleles, s.samples_touched, s.reclassified, r.requested_at
            FROM release AS r FINAL INNER JOIN release_status AS s ON s.release_id = r.release_id
            WHERE r.version = {version:String} ORDER BY s.version DESC LIMIT 1"""
        changed, alleles, touched, reclassified, requested = client.rows(sql, {"version": version})[0]
    return Release(
        version, int(changed), int(alleles), int(touched), {str(tier): int(n) for tier, n in dict(reclassified).items()}, built,
        (_last_result(state) - int(requested)) / 1000,
    )  # fmt: skip


def _last_result(state: Path) -> int:
    """Broker's time (ms) of the newest message on `results`."""
    from streams.topics import RESULTS

    newest = 0
    with Session(state).reader() as reader:
        starts = {}
        for partition in reader.partitions(RESULTS.name):
            low, high = reader.bounds(partition)
            if high > low:
                starts[partition] = max(low, high - 1)
        reader.assign(starts)
        seen, deadline = 0, time.monotonic() + 20
        while seen < len(starts) and time.monotonic() < deadline:
            for message in reader.consume(100, 0.2):
                newest, seen = max(newest, message.timestamp), seen + 1
    return newest


def _read_anew(command: _Command, state: Path, samples: Sequence[str]) -> float:
    """Seconds until every sample is published by a whole new revision."""

    def published() -> int:
        with Session(state).clickhouse() as client:
            return int(client.value("SELECT count() FROM publication FINAL WHERE root = revision_id"))

    before = published()
    begin = time.perf_counter()
    for sample in samples:
        command("replay", sample)
    while published() < before + len(samples):
        if time.perf_counter() - begin > 600:
            raise RuntimeError("samples that were read anew are not published after ten minutes")
        time.sleep(0.2)
    return time.perf_counter() - begin


class _Command:
    """The command line on a state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def __call__(self, *arguments: str | Path) -> str:
        line = [sys.executable, "-m", "streams.cli", "--state", str(self._state), *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{arguments[:2]}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self(*arguments, "--json"))


def make_exomes(folder: Path, data: Path, samples: int, tell: Callable[[str], None]) -> list[Path]:
    """Files of one exome each, drawn from the sites and from what ClinVar says of common ones; found again where they are there."""
    paths = [folder / f"exome{number:02d}.vcf.gz" for number in range(samples)]
    stamp = folder / "made.json"
    wanted = {"seed": SEED, "exome": EXOME, "samples": samples}
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return paths
    tell(f"{samples} exomes of {EXOME:,} variants")
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(data / "grch37" / SITES, "rt") as lines:
        sites = [line.split("\t", 5)[:5] for line in lines if not line.startswith("#")]
    rng = np.random.default_rng(SEED)
    # few sites are common and most are rare: each person draws from its own mixture, so that alleles are shared as people share them
    weight = rng.pareto(0.7, len(sites)) + 1e-3
    for number, path in enumerate(paths):
        chosen = np.sort(np.argpartition(rng.exponential(size=len(sites)) / weight, EXOME)[:EXOME])  # Efraimidis and Spirakis 2006
        alternate = rng.random(EXOME) < 0.4
        depth = rng.poisson(60, EXOME) + 10
        name = f"EXOME{number:02d}"
        text = [f"##fileformat=VCFv4.2\n##reference={BUILD}\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{name}\n"]
        for row, both, reads in zip(chosen.tolist(), alternate.tolist(), depth.tolist(), strict=True):
            chrom, position, _, ref, alt = sites[row]
            allele_depths = f"0,{reads}" if both else f"{reads // 2},{reads - reads // 2}"
            genotype = f"{'1/1' if both else '0/1'}:{reads}:{allele_depths}:99"
            text.append(f"{chrom}\t{position}\t.\t{ref}\t{alt}\t50\tPASS\t.\tGT:DP:AD:GQ\t{genotype}\n")
        write_bgzf(path, ["".join(text).encode()])
    stamp.write_text(json.dumps(wanted))
    return paths


def show_release(console: Console, found: ReleaseFigures) -> None:
    """The figures as a table."""
    table = Table(
        "release", "entries changed", "of them carried", "samples touched", "alerts by tier", "pack built, s", "to the last alert, s",
        title=f"releases of ClinVar with {found.samples} exomes on file ({found.variants:,} variants)", title_justify="left", box=None,
    )  # fmt: skip
    for one in found.releases:
        tiers = ", ".join(f"{tier}: {count:,}" for tier, count in sorted(one.reclassified.items()))
        cells = (f"{one.changed:,}", f"{one.alleles:,}", str(one.touched), tiers, f"{one.build_seconds:.1f}", f"{one.seconds:.1f}")
        table.add_row(one.version, *cells)
    console.print(table)
    console.print(f"reading all of them anew: {found.again:.1f} s")
