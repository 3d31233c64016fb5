"""Run the benchmark, print tables, write the figures as JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench import measure
from bench.consequence import run_consequence, show_consequence
from bench.data import BenchFiles, make_data
from bench.knowledge_packs import run_packs, show_packs
from bench.lookup import run_lookup, show_lookup
from bench.release import run_release, show_release
from bench.spine import BenchFailed, SpineRun, run_sample, stack
from deploy.local.errors import LocalError
from streams.cli.session import out

FLAT = 1.15
"""Memory is flat where the last sample's peak is below this multiple of the third's: the first two fill caches."""


SHARED = Path(os.environ.get("RIVERSEQ_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
GENOME_MIX, EXOME_MIX = 50_000, 15_000
"""Variants of the consequence part: what SnpEff does in half a minute."""


class Part(StrEnum):
    """What to run."""

    ALL = "all"
    SPINE = "spine"
    LOOKUP = "lookup"
    MEMORY = "memory"
    CONSEQUENCE = "consequence"
    RELEASE = "release"
    PACKS = "packs"


def main(
    part: Annotated[Part, typer.Argument(help="What to run.")] = Part.ALL,
    folder: Annotated[Path, typer.Option("--folder", help="State folder and input.")] = Path(".riverseq/bench"),
    variants: Annotated[int, typer.Option("--variants", min=10_000, help="Variants of the large sample.")] = 1_000_000,
    samples: Annotated[int, typer.Option("--samples", min=3, help="Samples of the memory part.")] = 10,
    each: Annotated[int, typer.Option("--each", min=10_000, help="Variants of each of those.")] = 200_000,
    exomes: Annotated[int, typer.Option("--exomes", min=1, help="Samples of the release part.")] = 20,
    data: Annotated[Path, typer.Option("--data", help="Shared data, for the consequence and release parts.")] = SHARED,
) -> None:
    """Measure variants per second, CPU and memory."""
    console = out()
    machine = measure.machine()
    console.print("machine: " + ", ".join(f"{key} {value}" for key, value in machine.items()))
    consequence: dict[str, Any] = {}
    if part in {Part.ALL, Part.CONSEQUENCE}:
        consequence = _consequence(folder / "consequence", data, console)
    release: dict[str, Any] = {}
    if part in {Part.ALL, Part.RELEASE}:
        release = _release(folder / "release", data, exomes, console)
    packs: dict[str, Any] = {}
    if part in {Part.ALL, Part.PACKS}:
        built = run_packs(folder / "packs", lambda text: console.print(f"  {text}"))
        show_packs(console, built)
        packs = {"packs": asdict(built)}
    lookup: dict[str, Any] = {}
    if part in {Part.ALL, Part.LOOKUP}:
        asked = run_lookup(folder / "lookup", lambda text: console.print(f"  {text}"))
        show_lookup(console, asked)
        lookup = {"lookup": asdict(asked)}
    if part in {Part.CONSEQUENCE, Part.RELEASE, Part.PACKS, Part.LOOKUP}:
        _write(folder, {"machine": machine, **consequence, **release, **packs, **lookup}, console)
        return
    files = make_data(folder / "input", variants, samples, each, lambda text: console.print(f"making {text}"))
    size = files.samples["whole"].stat().st_size / measure.MIB
    console.print(f"input: {files.records['whole']:,} records of one sample (GT:DP:AD:GQ), {size:.0f} MiB bgzip, seeded")
    result: dict[str, Any] = {
        "machine": machine,
        "input": {"records": files.records, "mib": round(size, 1)},
        **consequence,
        **release,
        **packs,
        **lookup,
    }
    runs: list[SpineRun] = []
    try:
        runs = _spine(folder / "state", files, part, console)
    except (BenchFailed, LocalError) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        sys.exit(1)
    result["runs"] = [{**asdict(run), "rate": round(run.rate)} for run in runs]
    _report(console, runs)
    _write(folder, result, console)


def _write(folder: Path, result: dict[str, Any], console: Console) -> None:
    target = folder / "result.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    console.print(f"figures: {target}")


def _consequence(folder: Path, data: Path, console: Console) -> dict[str, Any]:
    """The figures of the consequence part; none, and a word, where the shared data is not there."""
    if not (data / "chr21_GRCh38").is_dir():
        console.print(f"no consequence part: no chr21_GRCh38 below {data}; give --data or RIVERSEQ_TEST_DATA", style="yellow", markup=False)
        return {}
    found = run_consequence(folder, data, GENOME_MIX, EXOME_MIX, lambda text: console.print(f"  {text}"))
    show_consequence(console, found)
    return {"consequence": asdict(found)}


def _release(folder: Path, data: Path, exomes: int, console: Console) -> dict[str, Any]:
    """The figures of the release part; none, and a word, where the shared data is not there."""
    if not (data / "vep_truth").is_dir():
        console.print(f"no release part: no vep_truth below {data}; give --data or RIVERSEQ_TEST_DATA", style="yellow", markup=False)
        return {}
    found = run_release(folder, data, exomes, lambda text: console.print(f"  {text}"))
    show_release(console, found)
    return {"release": asdict(found)}


def _spine(folder: Path, files: BenchFiles, part: Part, console: Console) -> list[SpineRun]:
    # a folder of its own each time: the first sample of a fresh installation, not the hundredth of an old one
    if folder.exists() and not (folder / "run.json").exists():
        shutil.rmtree(folder)
    names = ["whole"] if part is Part.SPINE else [name for name in files.samples if name.startswith("repeat")]
    if part is Part.ALL:
        names = ["whole", *names]
    runs = []
    with stack(folder, files) as (session, run):
        run_sample(session, run, "warm", files.samples["warm"])
        for name in names:
            runs.append(run_sample(session, run, name, files.samples[name]))
            console.print(f"  {name}: {runs[-1].variants:,} variants in {runs[-1].seconds:.1f} s, {runs[-1].rate:,.0f}/s")
    return runs


def _report(console: Console, runs: list[SpineRun]) -> None:
    whole = next((run for run in runs if run.sample == "whole"), None)
    if whole is not None:
        cpu = sum(whole.cpu.values())
        console.print(
            f"submit to published: {whole.seconds:.1f} s, {whole.rate:,.0f} variants/s, {cpu:.1f} µs of CPU a variant", highlight=False
        )
        where = Table("process", "CPU µs an allele", "peak MiB", title="where it goes, by process", title_justify="left", box=None)
        for name, value in sorted(whole.cpu.items(), key=lambda item: -item[1]):
            where.add_row(name, f"{value:.2f}", f"{whole.peak.get(name, 0):.0f}")
        console.print(where)
        steps = Table("step", "CPU µs an allele", title="where it goes, by step", title_justify="left", box=None)
        for name, value in sorted(whole.step_cpu.items(), key=lambda item: -item[1]):
            steps.add_row(name, f"{value:.2f}")
        console.print(steps)
    repeats = [run for run in runs if run.sample.startswith("repeat")]
    if len(repeats) >= 3:
        memory = Table(
            "process",
            *[run.sample.removeprefix("repeat") for run in repeats],
            "flat",
            title="peak MiB by sample",
            title_justify="left",
            box=None,
        )
        for name in repeats[0].peak:
            values = [run.peak.get(name, 0.0) for run in repeats]
            memory.add_row(name, *[f"{value:.0f}" for value in values], "yes" if values[-1] <= FLAT * values[2] else "no")
        console.print(memory)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
