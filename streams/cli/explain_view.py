"""What `riverseq explain` shows a person: a few short tables, readable at 100 columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.cli.session import out

WIDTH = 100
MOST_DETAILS = 12
"""Columns of a source's row that are shown; JSON has all."""


def show(told: dict[str, Any]) -> None:
    """Print everything told of an allele."""
    console = out()
    revision = told["revision"]
    console.print(
        Text(f"{told['contig']}:{told['position']} {told['ref']}>{told['alt']}  {told['build']}  in {told['sample']}", style="bold")
    )
    incomplete = "" if revision["complete"] else ", published incomplete"
    console.print(
        f"revision {revision['number']} of submission {revision['ordinal']}, published {_time(revision['published_at'])}{incomplete}"
    )
    if not told["carried"]:
        console.print()
        console.print(Text(told["absence"]["words"]), width=min(WIDTH, console.width))
        for row in told["absence"]["faults"]:
            console.print(Text(f"  record {row['record']}, {row['reason']}: {row['site'][:120]!r}"))
    else:
        _calls(console, told)
        _transcripts(console, told["transcripts"])
        _sources(console, told["sources"])
        _score(console, told["score"])
        _finding(console, told)
    _history(console, told)


def _table(console: Console, title: str, columns: list[str], rows: list[list[Any]]) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[_cell(value) for value in row])
    console.print(table, width=min(WIDTH, console.width))


def _calls(console: Console, told: dict[str, Any]) -> None:
    rows = [
        [
            call["genotype"], call["depth"], f"{_cell(call['depth_ref'])}/{_cell(call['depth_alt'])}", call["quality"], call["qual"],
            call["filter"], f"{call['record']}.{call['alt_index']}", ", ".join(call["flags"]),
        ]
        for call in told["calls"]
    ]  # fmt: skip
    _table(console, "Call", ["GT", "depth", "ref/alt", "GQ", "QUAL", "FILTER", "record.ALT", "noted"], rows)
    console.print(f"file sha256 {told['file_digest'][:12] or 'not on record'}")


def _transcripts(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        _table(console, "Consequence", ["none within reach, or the gene models are not on this machine"], [])
        return
    names = ("transcript", "gene", "consequence", "impact", "hgvsc", "hgvsp")
    shown = [[("* " if row["pick"] else "  ") + row["transcript"], *[_short(row, name) for name in names[1:]]] for row in rows]
    _table(console, "Consequence (* speaks for the allele)", list(names), shown)


def _short(row: dict[str, Any], name: str) -> str:
    """A name without its accession, which stands in the first column."""
    value = row.get(name) or ""
    return value.partition(":")[2] or value if name in ("hgvsc", "hgvsp") else value


def _sources(console: Console, sources: list[dict[str, Any]]) -> None:
    loaded = [row for row in sources if row["answer"] != "not_loaded"]
    rows = [
        [row["kind"], f"{row['source']} {row['version']}", row["digest"][:12], row["date"] or "-", row["licence"] or "-", _answer(row)]
        for row in loaded
    ]
    _table(console, "Sources", ["kind", "source", "digest", "date", "licence", "answer"], rows)
    for row in loaded:
        if row["answer"] != "found":
            console.print(Text(f"  {row['kind']}: {row['words']}"), width=min(WIDTH, console.width))
        if row["details"]:
            console.print(Text(f"  {row['kind']}: {_details(row['details'])}"), width=min(WIDTH, console.width))
    missing = ", ".join(row["kind"] for row in sources if row["answer"] == "not_loaded")
    if missing:
        console.print(Text(f"not loaded, which says nothing of the allele: {missing}", style="dim"), width=min(WIDTH, console.width))


def _answer(row: dict[str, Any]) -> str:
    if row["answer"] != "found":
        return str(row["answer"]).replace("_", " ") or "not on record"
    value = row["said"] or _cell(row["value"]).plain
    rest = row["words"].removeprefix("found")
    return f"found{': ' + value if value else ''}{rest}"


def _details(details: dict[str, Any]) -> str:
    said = [(name, value) for name, value in details.items() if value not in (None, "", [], {}, False)]
    text = ", ".join(f"{name} {_plain(value)}" for name, value in said[:MOST_DETAILS])
    return text + (f", and {len(said) - MOST_DETAILS} more (--json)" if len(said) > MOST_DETAILS else "")


def _score(console: Console, score: dict[str, Any]) -> None:
    words = {
        "no_model": "the plan has no model",
        "not_applicable": "none: outside what the model is for",
        "failed": "the model gave no number",
    }
    said = f"{score['score']:.6g}" if score["score"] is not None else words.get(score["answer"], score["answer"])
    provider = f" on {score['provider']}" if score["provider"] else ""
    where = f"  {score['model']} {score['digest'][:12]}{provider}" if score["model"] else ""
    console.print()
    console.print(Text.assemble(("Score  ", "bold"), f"{said}{where}"))


def _finding(console: Console, told: dict[str, Any]) -> None:
    finding = told["finding"]
    console.print()
    if finding is None:
        console.print(Text.assemble(("Finding  ", "bold"), "none: nothing that is known makes it one"))
        return
    reasons = ", ".join(finding["reasons"])
    console.print(Text.assemble(("Finding  ", "bold"), f"{finding['class']}; {reasons}"), width=min(WIDTH, console.width))
    console.print(f"first seen {_time(finding['first_seen'])}, evidence changed {_time(finding['evidence_changed'])}")


def _history(console: Console, told: dict[str, Any]) -> None:
    rows = []
    for row in told["history"]:
        changed = ", ".join(f"{one['kind']} {one['from'] or 'none'} to {one['to'] or 'none'}" for one in row["changed"])
        what = f"{'* ' if row['shown'] else '  '}{row['number']}"
        rows.append(
            [what, row["kind"] if row["what"] == "published" else "carried", row["knowledge_date"] or "?", _time(row["at"]), changed]
        )
    _table(console, "History (* what is shown)", ["revision", "kind", "knowledge", "published", "changed"], rows)
    for row in told.get("reclassified", []):
        part = "clinvar" if row["basis"] == "clinvar" else "class"
        classes = f"{row[f'old_{part}'] or 'nothing'} to {row[f'new_{part}'] or 'nothing'}"
        console.print(Text(f"  {_time(row['at'])} reclassified, tier {row['tier']} by {row['basis']}: {classes}"))


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_plain(one)}" for name, one in value.items() if one not in (None, "", [], {}))
    if isinstance(value, list):
        return "; ".join(map(_plain, value[:5])) + (f"; and {len(value) - 5} more" if len(value) > 5 else "")
    return _cell(value).plain


def _cell(value: Any) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value:.6g}" if isinstance(value, float) else str(value))
