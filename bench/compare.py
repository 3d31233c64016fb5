"""Comparison of our table with VEP's: exact agreement by column and by term, and every difference with its cause."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.causes import NONE, Row, change, situation
from bench.peers import Calls, accession, mapped, vep_style

HGVS = ("hgvsc", "hgvsp", "hgvsg")
PLAIN = (
    "gene", "symbol", "biotype", "impact", "exon", "intron", "cdna_position", "cds_position", "protein_position", "amino_acids", "codons",
    "distance",
)  # fmt: skip
EXAMPLES = 3


@dataclass
class Group:
    """Differences of one cause. `peers` counts what each peer says: as VEP, as ours, something else, nothing."""

    column: str
    situation: str
    change: str
    clean: int = 0
    count: int = 0
    peers: dict[str, Counter[str]] = field(default_factory=dict)
    examples: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Comparison:
    """`cells[line][column]` counts `rows` and `equal`; `terms[line][term]` counts `vep`, `ours` and `both`; lines are `clean` and `all`."""

    cells: dict[str, dict[str, Counter[str]]]
    terms: dict[str, dict[str, Counter[str]]]
    groups: list[Group]
    missing: int
    extra: int

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": self.cells,
            "terms": self.terms,
            "missing_rows": self.missing,
            "extra_rows": self.extra,
            "differences": [vars(group) for group in self.groups],
        }


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a TSV with a header line, gzipped or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as handle:
        names = handle.readline().rstrip("\n").split("\t")
        for line in handle:
            yield dict(zip(names, line.rstrip("\n").split("\t"), strict=True))


def compare(truth: Path, ours: Path, peers: dict[str, Calls]) -> Comparison:
    """Compare two tables, joined on id and transcript without version."""
    mine = {(row["id"], accession(row["transcript"])): row for row in read_rows(ours)}
    picks: dict[str, set[str]] = defaultdict(set)
    for (name, transcript), row in mine.items():
        if row["pick"] == "1" or transcript == ".":
            picks[name].add(transcript)
    cells: dict[str, dict[str, Counter[str]]] = {"clean": defaultdict(Counter), "all": defaultdict(Counter)}
    terms: dict[str, dict[str, Counter[str]]] = {"clean": defaultdict(Counter), "all": defaultdict(Counter)}
    found: dict[tuple[str, str, str], Group] = {}
    missing, seen = 0, 0
    for row in read_rows(truth):
        key = (row["id"], accession(row["transcript"]))
        lines = ("clean", "all") if row["note"] in NONE else ("all",)
        got = mine.get(key)
        if got is None:
            missing += 1
            for line in lines:
                cells[line]["consequence"]["rows"] += 1
            _add(found, row, {"consequence": "."}, "consequence", peers)
            continue
        seen += 1
        _count_terms(terms, lines, set(row["consequence"].split(",")), set(got["consequence"].split(",")))
        for column in ("consequence", *HGVS, *PLAIN):
            vep, value = _value(row, column), _value(got, column)
            if not (vep in NONE and value == vep):
                for line in lines:
                    cells[line][column].update(rows=1, equal=int(value == vep))
            if value != vep:
                _add(found, row, got, column, peers)
        if row["pick"] == "1":
            right = picks[row["id"]] == {key[1]}
            for line in lines:
                cells[line]["pick"].update(rows=1, equal=int(right))
            if not right:
                _add(found, row, {**got, "pick": ",".join(sorted(picks[row["id"]]))}, "pick", peers)
    groups = sorted(found.values(), key=lambda group: (_ORDER[group.column], -group.count))
    return Comparison({k: dict(v) for k, v in cells.items()}, {k: dict(v) for k, v in terms.items()}, groups, missing, len(mine) - seen)


def _value(row: Row, column: str) -> str:
    """A value as it is compared: terms sorted, HGVS without accession."""
    if column == "consequence":
        return ",".join(sorted(row[column].split(",")))
    return row[column].rpartition(":")[2].replace("%3D", "=") if column in HGVS else row[column]


_ORDER = {column: number for number, column in enumerate(("consequence", "pick", *HGVS, *PLAIN))}


def _count_terms(terms: dict[str, dict[str, Counter[str]]], lines: tuple[str, ...], vep: set[str], ours: set[str]) -> None:
    for line in lines:
        for term in vep | ours:
            terms[line][term].update(vep=int(term in vep), ours=int(term in ours), both=int(term in vep and term in ours))


def _add(found: dict[tuple[str, str, str], Group], row: Row, got: Row, column: str, peers: dict[str, Calls]) -> None:
    vep, ours = row[column] if column != "pick" else accession(row["transcript"]), got[column]
    if column == "pick":
        where = "a tie in VEP's order" if row["pick_tie"] == "1" else situation(row, vep, ours)
        names = (where, "several or none" if "," in ours or not ours else "another")
    else:
        names = (situation(row, vep, ours), change(column, vep, ours))
    group = found.setdefault((column, *names), Group(column, *names))
    group.count += 1
    group.clean += row["note"] in NONE
    said = {name: calls.get((row["id"], accession(row["transcript"]))) for name, calls in peers.items()}
    for name, call in said.items():
        word = "nothing"
        if call is not None and column == "consequence":
            theirs = mapped(call.terms)
            word = _side(theirs, mapped(frozenset(vep.split(","))), mapped(frozenset(ours.split(","))))
        elif call is not None and column in ("hgvsc", "hgvsp"):
            text = call.hgvsc if column == "hgvsc" else call.hgvsp if name == "SnpEff" else ""
            word = _side(vep_style(text), vep.rpartition(":")[2], ours.rpartition(":")[2]) if text else "nothing"
        group.peers.setdefault(name, Counter())[word] += 1
    if len(group.examples) < EXAMPLES:
        where = f"{row['chrom']}:{row['pos']} {row['ref'][:24]}>{row['alt'][:24]}"
        group.examples.append(
            {
                "id": row["id"], "allele": where, "transcript": row["transcript"], "note": row["note"], "edge": row["edge"],
                "consequence": row["consequence"], "vep": vep, "ours": ours,
                **{name: str(call) for name, call in said.items() if call is not None},
            }
        )  # fmt: skip


def _side(theirs: object, vep: object, ours: object) -> str:
    if theirs == vep:
        return "as both" if vep == ours else "as VEP"
    return "as ours" if theirs == ours else "something else"
