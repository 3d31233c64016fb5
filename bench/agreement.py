"""`python -m bench.agreement`: how far our calls agree with the real VEP, by term, biotype and column, and why they differ.

The product's own path (`processors.pipeline.annotate_file`) on the shared truth set, the set's own scorer, and SnpEff and `bcftools csq`
on the same rows as second opinions. Then the awkward records, of which every ALT must give a row.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.compare import Comparison, compare, read_rows
from bench.peers import run_peers
from processors.pipeline import annotate_file, resources_from_files
from processors.resources import Resources
from streams.cli.session import out

BUILDS = ("GRCh37", "GRCh38")
DATA = Path(os.environ.get("RIVERSEQ_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
BIOTYPE_ROWS = 10
"""Biotypes of fewer rows are not shown."""


@dataclass(frozen=True)
class Awkward:
    """What became of the records without truth: ALTs in the file, rows, rows with a reason why they have no call, ALTs without any row."""

    alts: int
    rows: int
    faults: dict[str, int]
    silent: list[str]


def main(
    build: Annotated[list[str] | None, typer.Option("--build", help="GRCh37, GRCh38; both if not given.")] = None,
    data: Annotated[Path, typer.Option("--data", help="Folder of the shared data.")] = DATA,
    target: Annotated[Path | None, typer.Option("--json", help="Write everything to this file too.")] = None,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Ask SnpEff and bcftools csq.")] = True,
    groups: Annotated[int, typer.Option("--groups", min=1, help="Groups of differences shown for each column.")] = 12,
) -> None:
    """Agreement with Ensembl VEP, and the causes of what differs."""
    console = out()
    result: dict[str, Any] = {}
    for name in build or BUILDS:
        with tempfile.TemporaryDirectory(prefix="agreement-") as folder:
            result[name] = _one(name, data / "vep_truth", Path(folder), peers, groups, console)
    if target is not None:
        target.write_text(json.dumps(result, indent=1) + "\n")
    if any(item["awkward"]["silent"] for item in result.values()):
        sys.exit(1)


def _one(build: str, data: Path, work: Path, peers: bool, groups: int, console: Console) -> dict[str, Any]:
    fasta, genes = data / f"ref.{build}.fa.gz", data / f"genes.{build}.gff3.gz"
    resources = resources_from_files(fasta, genes, build, work / "packs", provider="cpu")
    ours, variants, truth = work / "ours.tsv", data / f"input.{build}.vcf.gz", data / f"truth.{build}.tsv.gz"
    annotate_file(variants, ours, resources)
    scored = _score(data / "score.py", truth, ours)
    opinions = run_peers(work, build, genes, _unpacked(fasta, work / "ref.fa"), variants) if peers else {}
    comparison = compare(truth, ours, opinions)
    awkward = look_at_awkward(data / f"rawsplit.open.{build}.vcf.gz", work / "awkward.tsv", resources)
    _show(console, build, scored, comparison, awkward, groups)
    return {"score": scored, **comparison.to_json(), "awkward": vars(awkward)}


def _unpacked(fasta: Path, target: Path) -> Path:
    """The FASTA as plain text: the peers want it so."""
    with gzip.open(fasta) as source, target.open("wb") as handle:
        while block := source.read(1 << 24):
            handle.write(block)
    return target


def _score(program: Path, truth: Path, ours: Path) -> dict[str, Any]:
    command = [sys.executable, str(program), str(truth), str(ours), "--json", "--by", "biotype"]
    scored: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return scored


def look_at_awkward(vcf: Path, target: Path, resources: Resources) -> Awkward:
    """Annotate a file and look for each of its ALTs in the output."""
    annotate_file(vcf, target, resources)
    wanted: list[tuple[str, str]] = []
    with gzip.open(vcf, "rt") as handle:
        for line in handle:
            if not line.startswith("#"):
                field = line.split("\t")
                wanted += [(field[2], alt) for alt in field[4].split(",")]
    found: set[tuple[str, str]] = set()
    faults: Counter[str] = Counter()
    rows = 0
    for row in read_rows(target):
        rows += 1
        found.add((row["id"], row["alt"]))
        if row["consequence"] == ".":
            faults[row["flags"]] += 1
    silent = [f"{name} {alt}" for name, alt in wanted if (name, alt) not in found]
    return Awkward(len(wanted), rows, dict(faults), silent + ["a row without consequence and reason"] * faults["."])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3f}" if whole else "-"


def _show(console: Console, build: str, scored: dict[str, Any], comparison: Comparison, awkward: Awkward, shown: int) -> None:
    def table(title: str, *columns: str) -> Table:
        return Table(*columns, title=f"{build}: {title}", title_justify="left", box=None)

    head = table("the scorer's lines", "line", "consequence %", "HGVSc %", "HGVSp %", "pick %")
    for line in ("clean", "all"):
        head.add_row(line, *[f"{scored[line][key]}" for key in ("consequence", "hgvsc", "hgvsp", "pick")])
    console.print(head)
    console.print(f"rows missing {comparison.missing}, extra {comparison.extra}")
    columns = table("columns", "column", "rows", "clean %", "all %")
    for column, cell in comparison.cells["all"].items():
        clean = comparison.cells["clean"].get(column, Counter())
        columns.add_row(column, f"{cell['rows']:,}", _percent(clean["equal"], clean["rows"]), _percent(cell["equal"], cell["rows"]))
    console.print(columns)
    terms = table("terms, clean rows (all)", "term", "VEP", "ours", "precision %", "recall %")
    for term, count in sorted(comparison.terms["all"].items(), key=lambda item: -item[1]["vep"]):
        clean = comparison.terms["clean"].get(term, Counter())
        terms.add_row(
            term,
            f"{clean['vep']:,} ({count['vep']:,})",
            f"{clean['ours']:,} ({count['ours']:,})",
            f"{_percent(clean['both'], clean['ours'])} ({_percent(count['both'], count['ours'])})",
            f"{_percent(clean['both'], clean['vep'])} ({_percent(count['both'], count['vep'])})",
        )
    console.print(terms)
    kinds = table("biotypes, all rows", "biotype", "rows", "consequence %", "HGVSc %", "HGVSp %", "pick %")
    for name, group in sorted(scored["groups"].items(), key=lambda item: -item[1]["rows"]):
        if name.startswith("biotype=") and group["rows"] >= BIOTYPE_ROWS:
            values = [group[key] for key in ("exact_percent", "hgvsc_percent", "hgvsp_percent", "pick_percent")]
            kinds.add_row(name.removeprefix("biotype="), f"{group['rows']:,}", *["-" if value is None else f"{value}" for value in values])
    console.print(kinds)
    _show_groups(console, build, comparison, shown)
    console.print(f"{build}: awkward records: {awkward.alts} ALTs, {awkward.rows} rows, without a row: {len(awkward.silent)}")
    console.print("  not called: " + (", ".join(f"{count} {reason}" for reason, count in sorted(awkward.faults.items())) or "none"))
    for text in awkward.silent[:10]:
        console.print(f"  no row: {text}", style="red", markup=False)


def _show_groups(console: Console, build: str, comparison: Comparison, shown: int) -> None:
    console.print(f"{build}: differences by cause; count (of them clean)")
    count: Counter[str] = Counter()
    for group in comparison.groups:
        count[group.column] += 1
        if count[group.column] > shown:
            continue
        console.print(f"{group.count:>6} ({group.clean}) {group.column}: {group.situation}: {group.change}", markup=False)
        for peer, said in group.peers.items():
            if set(said) != {"nothing"}:
                console.print(f"         {peer}: " + ", ".join(f"{word} {n}" for word, n in said.most_common()), markup=False)
        for example in group.examples:
            words = " | ".join(f"{key} {value}" for key, value in example.items() if key not in ("allele", "transcript", "id"))
            console.print(f"         {example['id']} {example['allele']} {example['transcript']} | {words}", markup=False, soft_wrap=True)
    for column, number in count.items():
        if number > shown:
            console.print(f"  {column}: {number - shown} more groups (--groups, --json)")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
