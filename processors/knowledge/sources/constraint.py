"""gnomAD's constraint of genes: pLI, LOEUF, missense z. Import, query, meta.

Read are `lof_metrics.by_gene` and `by_transcript` of v2.1.1, `constraint_metrics` of v4.0 and v4.1, and ExAC's table (pLI and z only).
Sources: Karczewski 2020, Nature 581:434 (LOEUF: upper bound of the 90 % interval of observed/expected loss of function; pLI); Samocha
2014, Nat Genet 46:944 (missense z); gnomAD's data are open. A gene's value is that of its MANE Select transcript, else the canonical one,
Ensembl before RefSeq; all transcripts of the file stay in the details. In v4, pLI is `lof.pLI`, of high-confidence variants alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from processors.knowledge.gene_pack import GeneKey, GenePack, GeneRecord, gene_id, write_gene_pack
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.gene_table import MISSING, GeneTable, read_gene_table, single_file
from processors.knowledge.sources.refused import SourceRefused

COLUMNS = {
    "transcript": {"title": "transcript", "unit": ""},
    "mane_select": {"title": "MANE Select", "unit": ""},
    "canonical": {"title": "canonical", "unit": ""},
    "pli": {"title": "probability of intolerance to loss of function", "unit": ""},
    "loeuf": {"title": "LOEUF: upper bound of observed/expected loss of function", "unit": ""},
    "mis_z": {"title": "missense z", "unit": "SD"},
    "flags": {"title": "gnomAD's flags", "unit": ""},
}
NUMBERS = ("pli", "loeuf", "mis_z")
_SPELLED = {
    "pli": ("lof.pLI", "pLI"),
    "loeuf": ("lof.oe_ci.upper", "oe_lof_upper"),
    "mis_z": ("mis.z_score", "mis_z"),
}
"""Column → its names in the generations of the file, newest first."""
_BOUNDS = {"pli": (0.0, 1.0), "loeuf": (0.0, 1000.0), "mis_z": (-1000.0, 1000.0)}
_TRUTH = {"true": True, "TRUE": True, "false": False, "FALSE": False}


def build(request: Request) -> Pack:
    """Compile a constraint table. Raises SourceRefused for a column that is missing or a value that cannot be."""
    table = read_gene_table(single_file(request), _is_heading, what="gnomAD's lof_metrics or constraint_metrics")
    columns = {name: next(spelled for spelled in names if spelled in table.names) for name, names in _SPELLED.items()
               if any(spelled in table.names for spelled in names)}  # fmt: skip
    if "lof.pLI" in table.names:
        table.require("lof.oe_ci.upper", "mis.z_score", "gene_id")
    elif "oe_mis" in table.names:
        table.require("oe_lof_upper", "mis_z", "gene_id")
    tally: Counter[str] = Counter()
    found: list[tuple[tuple[bool, bool, bool, int], GeneRecord]] = []
    for line, row in table.rows():
        symbol, identity = row["gene"], gene_id(row.get("gene_id", ""))
        if symbol in MISSING and identity in MISSING:
            tally["no_gene"] += 1
            continue
        values = {name: table.number(line, row, column, *_BOUNDS[name]) for name, column in columns.items()}
        if values["pli"] is None and values.get("loeuf") is None and values.get("mis_z") is None:
            tally["no_value"] += 1
            continue
        mane, canonical = (_truth(table, line, row, name) for name in ("mane_select", "canonical"))
        transcript = row.get("transcript", "")
        flags = row.get("constraint_flags", row.get("constraint_flag", ""))
        record = {
            "transcript": transcript,
            **({"mane_select": mane} if mane is not None else {}),
            **({"canonical": canonical} if canonical is not None else {}),
            **values,
            **({"flags": flags.strip("[]").replace('"', "")} if flags not in MISSING and flags != "[]" else {}),
        }
        ensembl = identity if identity.startswith("ENS") else ""
        key = GeneKey(ensembl=ensembl, entrez=identity if identity.isdigit() else "", symbol="" if symbol in MISSING else symbol)
        found.append(((not mane, not canonical, not transcript.startswith("ENS"), line), GeneRecord(key, record)))
    if not found:
        raise SourceRefused(f"{table.path}: no gene has pLI, LOEUF or missense z")
    found.sort(key=lambda pair: pair[0])
    return write_gene_pack(
        request, (record for _, record in found), columns=COLUMNS, numbers=tuple(columns), identity=("transcript",),
        source=table.path.name, sha256=table.sha256, date="", tally=tally,
    )  # fmt: skip


def open_pack(pack: Pack) -> GenePack:
    """The source of a pack; `number("pli")`, `number("loeuf")`, `number("mis_z")` are its columns where the file has them."""
    return GenePack(pack)


def _is_heading(names: Sequence[str]) -> bool:
    return "gene" in names and ("pLI" in names or "lof.pLI" in names)


def _truth(table: GeneTable, line: int, row: dict[str, str], column: str) -> bool | None:
    text = row.get(column, "")
    if text in MISSING:
        return None
    if text not in _TRUTH:
        raise table.refuse(line, column, text, "is neither true nor false")
    return _TRUTH[text]
