"""What the demo ends with: every variant accounted for, the findings that matter, and where to look next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from deploy.local.demo.make import DemoFiles
from streams.cli.session import Session, out

TOP = 10
"""Findings shown."""


@dataclass(frozen=True)
class SampleSummary:
    """One sample. `variants_in` is what ingest counted; `landed` and `quarantined` are counted in the tables."""

    sample: str
    variants_in: int
    landed: int
    quarantined: Mapping[str, int]
    findings: int

    @property
    def conserved(self) -> bool:
        """True where nothing is lost and nothing is doubled."""
        return self.variants_in == self.landed + sum(self.quarantined.values()) and self.variants_in > 0


@dataclass(frozen=True)
class Summary:
    """All of it. `stories` counts the changes put in on purpose, `stories_found` those among the findings of each who carries them."""

    samples: tuple[SampleSummary, ...]
    seconds: float
    top: tuple[dict[str, Any], ...]
    stories: int
    stories_found: int

    @property
    def conserved(self) -> bool:
        return all(sample.conserved for sample in self.samples)

    @property
    def variants_in(self) -> int:
        return sum(sample.variants_in for sample in self.samples)

    @property
    def rate(self) -> float:
        """Variants a second, from the first event to the last publication."""
        return self.variants_in / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """The content of demo/summary.json."""
        landed = sum(sample.landed for sample in self.samples)
        quarantined = sum(sum(sample.quarantined.values()) for sample in self.samples)
        return {
            "conserved": self.conserved,
            "variants_in": self.variants_in,
            "landed": landed,
            "quarantined": quarantined,
            "quarantined_by_reason": reasons(self),
            "variants_per_second": round(self.rate),
            "samples": [{**asdict(sample), "conserved": sample.conserved} for sample in self.samples],
            "stories": self.stories,
            "stories_found": self.stories_found,
            "top_findings": list(self.top),
        }


def collect(session: Session, files: DemoFiles, seconds: float) -> Summary:
    """Read everything back from ClickHouse, with a reader's rights."""
    names = {session.sample_id(name): name for name in files.people}
    with session.clickhouse() as client:
        promised = dict(client.rows("SELECT sample_id, variants_in FROM sample_current"))
        landed = dict(client.rows("SELECT sample_id, count() FROM calls_current GROUP BY sample_id"))
        faults = client.rows("SELECT sample_id, reason, count() FROM fault_current GROUP BY sample_id, reason ORDER BY reason")
        findings = dict(client.rows("SELECT sample_id, count() FROM finding_current GROUP BY sample_id"))
        rows = client.records(
            "SELECT sample_id, contig, position, ref, alt, zygosity, gene, consequence, clinvar, frequency, score FROM finding_current"
            " ORDER BY clinvar = 'Pathogenic' DESC, clinvar LIKE '%athogenic%' DESC, ifNull(frequency, 0), score DESC, contig, position"
        )
    samples = tuple(
        SampleSummary(
            name,
            int(promised.get(key, 0)),
            int(landed.get(key, 0)),
            {reason: int(count) for owner, reason, count in faults if owner == key},
            int(findings.get(key, 0)),
        )
        for key, name in names.items()
    )
    seen = {(names[row["sample_id"]], f"{row['contig']}-{row['position']}-{row['ref']}-{row['alt']}") for row in rows}
    stories = json.loads((files.fasta.parent / "stories.json").read_text())
    carried = [(member, story["variant"]) for story in stories for member in story["members"]]
    top = _by_allele(rows, names)
    return Summary(samples, seconds, top, len(carried), sum(pair in seen for pair in carried))


def _by_allele(rows: list[dict[str, Any]], names: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """The first findings, one row an allele with all who carry it."""
    alleles: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["contig"], row["position"], row["ref"], row["alt"])
        entry = alleles.setdefault(
            key,
            {
                "variant": "-".join(map(str, key)),
                "gene": row["gene"],
                "consequence": row["consequence"],
                "clinvar": row["clinvar"],
                "frequency": row["frequency"],
                "score": row["score"],
                "carriers": {},
            },
        )
        entry["carriers"][names[row["sample_id"]]] = row["zygosity"]
    return tuple(list(alleles.values())[:TOP])


def reasons(summary: Summary) -> dict[str, int]:
    """Quarantined of all samples by reason."""
    total: dict[str, int] = {}
    for sample in summary.samples:
        for reason, count in sample.quarantined.items():
            total[reason] = total.get(reason, 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def show(summary: Summary, folder: Path, target: Path, *, kept: bool) -> None:
    """Print it."""
    console = out()
    table = Table("sample", box=None, header_style="bold", pad_edge=False)
    for heading in ("in", "landed", "quarantined", "conserved", "findings"):
        table.add_column(heading, justify="right")
    for sample in summary.samples:
        held = sum(sample.quarantined.values())
        mark = "[green]yes[/green]" if sample.conserved else "[red]NO[/red]"
        table.add_row(sample.sample, f"{sample.variants_in:,}", f"{sample.landed:,}", f"{held:,}", mark, f"{sample.findings:,}")
    console.print()
    console.print(table)
    landed = sum(sample.landed for sample in summary.samples)
    by_reason = reasons(summary)
    sign = "=" if summary.conserved else "≠"
    console.print(f"\n{summary.variants_in:,} in {sign} {landed:,} landed + {sum(by_reason.values()):,} quarantined", style="bold")
    console.print("quarantined: " + ", ".join(f"{reason} {count:,}" for reason, count in by_reason.items()))
    console.print(f"{summary.variants_in:,} variants in {summary.seconds:.1f} s, submit to published: {summary.rate:,.0f} a second")
    console.print(f"{summary.stories_found} of {summary.stories} changes put in on purpose are among their carriers' findings\n")
    findings = Table("variant", "gene", "consequence", "ClinVar", "AF", "score", "carriers", box=None, header_style="bold", pad_edge=False)
    for row in summary.top:
        carriers = ", ".join(f"{name} {zygosity[:3]}" for name, zygosity in row["carriers"].items())
        findings.add_row(
            row["variant"], row["gene"], row["consequence"], row["clinvar"], _number(row["frequency"]), _number(row["score"]), carriers
        )
    console.print(findings)
    at = f"--state {folder}"
    console.print(f"\nfigures: {target}", markup=False)
    if not kept:
        console.print(f"look around: riverseq up --detach {at}", markup=False)
    gene = summary.top[0]["gene"] if summary.top else "RVS1"
    variant = summary.top[0]["variant"] if summary.top else "1-1-A-C"
    for command in (
        f"status child {at}",
        f"query --gene {gene} {at}",
        f"query --variant {variant} {at}",
        f'query "SHOW TABLES" {at}',
        f"quarantine list {at}",
        f"subscribe --from beginning --to-end --filter sample=child {at}",
        f"down {at}",
    ):
        console.print(f"  riverseq {command}", markup=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
