"""ClinGen's dosage sensitivity of genes: haploinsufficiency and triplosensitivity scores. Import, query, meta.

Read are `ClinGen_gene_curation_list_GRCh37/38.tsv` and the track `ClinGen_haploinsufficiency_gene_GRCh37/38.bed` with its twin
`ClinGen_triplosensitivity_gene`; the latter two give one score each (build from both files). Source: Riggs 2012, Clin Genet 81:403;
ClinGen's dosage sensitivity process; ClinGen's data are CC0. Coordinates are left out: genes are found by name, on any build.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from processors.knowledge.gene_pack import GeneKey, GenePack, GeneRecord, gene_id, write_gene_pack
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.gene_table import MISSING, GeneTable, read_gene_table
from processors.knowledge.sources.refused import SourceRefused

MEANING = {
    0: "no evidence",
    1: "little evidence",
    2: "emerging evidence",
    3: "sufficient evidence",
    30: "gene associated with autosomal recessive phenotype",
    40: "dosage sensitivity unlikely",
}
"""Score → what it says. No score is "not yet evaluated", which is not "no evidence"."""
_NOT_EVALUATED = frozenset({"Not yet evaluated", "-1", ""})
_SCORES = {"hi": "Haploinsufficiency", "ts": "Triplosensitivity"}
COLUMNS = {
    **{name: {"title": f"{title} score", "unit": ""} for name, title in _SCORES.items()},
    **{f"{name}_meaning": {"title": f"{title}, in words", "unit": ""} for name, title in _SCORES.items()},
    **{f"{name}_disease": {"title": f"disease of the {title.lower()} score", "unit": ""} for name, title in _SCORES.items()},
    **{f"{name}_pmids": {"title": f"publications of the {title.lower()} score", "unit": "PMID"} for name, title in _SCORES.items()},
    "evaluated": {"title": "last evaluated", "unit": "date"},
}
_BED = re.compile(r"track name=['\"]?ClinGen Gene Curation (Haploinsufficiency|Triplosensitivity)", re.IGNORECASE)
_DATE = re.compile(r"#\s*(\d{1,2}) (\w{3})[, ]\s*(\d{4})|#.*?(\d{4}-\d{2}-\d{2})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def build(request: Request) -> Pack:
    """Compile ClinGen's gene list, or its pair of tracks. Raises SourceRefused, also for a score that is none (named)."""
    if not request.files:
        raise SourceRefused("dosage is compiled from ClinGen's gene list, or from both of its tracks")
    tally: Counter[str] = Counter()
    tables = [_table(path) for path in request.files]
    if len({kind for kind, _ in tables}) != len(tables) or (len(tables) > 1 and any(kind == "list" for kind, _ in tables)):
        raise SourceRefused(f"{request.files[-1]}: give one gene list, or one track of each score")
    records: list[GeneRecord] = []
    if tables[0][0] == "list":
        records = list(_listed(tables[0][1], tally))
    else:
        joined: dict[str, dict[str, Any]] = {}
        for kind, table in tables:
            for line, row in table.rows():
                values = joined.setdefault(row["gene"], {"hi": None, "ts": None})
                if values[kind] is not None:
                    tally["duplicate"] += 1
                    continue
                values[kind] = _score(table, line, row, "score")
        records = [GeneRecord(GeneKey(symbol=symbol), _with_meaning(values)) for symbol, values in sorted(joined.items())]
    tally["not_evaluated"] += sum(record.values["hi"] is None and record.values["ts"] is None for record in records)
    if not records:
        raise SourceRefused(f"{request.files[0]}: lists no gene")
    digests = "+".join(table.sha256 for _, table in tables)
    return write_gene_pack(
        request, records, columns=COLUMNS, numbers=("hi", "ts"), identity=(),
        source="+".join(path.name for path in request.files), sha256=digests, date=_date(tables[0][1]), tally=tally,
    )  # fmt: skip


def open_pack(pack: Pack) -> GenePack:
    """The source of a pack; `number("hi")` and `number("ts")` are the scores, NaN where a gene is not yet evaluated."""
    return GenePack(pack)


def _table(path: Path) -> tuple[str, GeneTable]:
    """("list", table) or ("hi" / "ts", a track as a table of gene and score)."""
    track: list[str] = []

    def is_heading(names: Sequence[str]) -> bool:
        found = _BED.match(",".join(names))
        if found is not None:
            track.append("hi" if found[1].lower().startswith("haplo") else "ts")
        return bool(track) or "Haploinsufficiency Score" in names

    table = read_gene_table(path, is_heading, what="ClinGen's gene curation list (or track)")
    if track:
        rows: list[tuple[int, Sequence[str]]] = []
        for number, cells in table.lines:
            if len(cells) < 5:
                raise SourceRefused(f"{path}:{number}: is no line of ClinGen's track (contig, start, end, gene, score)")
            rows.append((number, cells[3:5]))
        return track[0], GeneTable(path, table.sha256, (), ("gene", "score"), tuple(rows))
    table.require("Gene Symbol", "Haploinsufficiency Score", "Triplosensitivity Score")
    return "list", table


def _listed(table: GeneTable, tally: Counter[str]) -> Iterator[GeneRecord]:
    for line, row in table.rows():
        if row["Gene Symbol"] in MISSING:
            tally["no_gene"] += 1
            continue
        values: dict[str, Any] = {name: _score(table, line, row, f"{title} Score") for name, title in _SCORES.items()}
        values = _with_meaning(values)
        for name, title in _SCORES.items():
            pmids = [row[column] for column in table.names if column.startswith(f"{title} PMID") and row[column] not in MISSING]
            phenotype = "Loss phenotype OMIM ID" if name == "hi" else "Triplosensitive phenotype OMIM ID"
            disease = row.get(f"{title} Disease ID", row.get(phenotype, ""))
            values |= {f"{name}_pmids": pmids} if pmids else {}
            values |= {f"{name}_disease": disease} if disease not in MISSING else {}
        values["evaluated"] = _day(row.get("Date Last Evaluated", ""))
        identity = gene_id(row.get("Gene ID", ""))
        yield GeneRecord(GeneKey(entrez=identity if identity.isdigit() else "", symbol=row["Gene Symbol"]), values)


def _score(table: GeneTable, line: int, row: dict[str, str], column: str) -> int | None:
    text = row[column]
    if text in _NOT_EVALUATED:
        return None
    # the list writes `30: Gene associated with ...` in some releases
    number = text.split(":", 1)[0].strip()
    if not number.isdigit() or int(number) not in MEANING:
        raise table.refuse(
            line, column, text, "is no score of ClinGen as known here; give it a meaning in processors/knowledge/sources/dosage.py"
        )
    return int(number)


def _with_meaning(values: dict[str, Any]) -> dict[str, Any]:
    words = {f"{name}_meaning": "not yet evaluated" if values[name] is None else MEANING[values[name]] for name in _SCORES}
    return {**values, **words}


def _day(text: str) -> str:
    return "" if text in MISSING else text[:10]


def _date(table: GeneTable) -> str:
    """ISO date that the preamble states, empty where it states none."""
    for line in table.preamble:
        if (found := _DATE.match(line)) is not None:
            if found[4]:
                return found[4]
            if found[2] in _MONTHS:
                return datetime.date(int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1])).isoformat()
    return ""
