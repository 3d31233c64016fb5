"""ClinGen's gene-disease validity: how sure it is that a gene causes a disease. Import, query, meta.

Read are the download `Clingen-Gene-Disease-Summary-DATE.csv` with its preamble, and tab-separated tables with the columns gene, hgnc_id,
disease, mondo_id, classification. Source: Strande 2017, Am J Hum Genet 100:895; ClinGen's data are CC0. Every disease and mode of
inheritance of a gene is kept; the strongest stands first. A word outside the vocabulary stops the build.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from processors.knowledge.gene_pack import GeneKey, GenePack, GeneRecord, write_gene_pack
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.gene_table import MISSING, read_gene_table, single_file
from processors.knowledge.sources.refused import SourceRefused

STRENGTH = {
    "Definitive": 6,
    "Strong": 5,
    "Moderate": 4,
    "Limited": 3,
    "No Known Disease Relationship": 2,
    "Disputed": 1,
    "Refuted": 0,
}
"""Classification → its place among a gene's, the greatest first."""
_CLASSES = {**{name: name for name in STRENGTH}, "No Reported Evidence": "No Known Disease Relationship"}
_MODES = {
    "AD": "autosomal dominant",
    "AR": "autosomal recessive",
    "XL": "X-linked",
    "XLD": "X-linked dominant",
    "XLR": "X-linked recessive",
    "SD": "semidominant",
    "MT": "mitochondrial",
    "UD": "undetermined",
}
MODES = {**{code: code for code in _MODES}, "Undetermined": "UD", "": ""}
"""Mode of inheritance as written → code. Meanings: AD, AR, XL(D/R), SD semidominant, MT mitochondrial, UD undetermined."""
COLUMNS = {
    "disease": {"title": "disease", "unit": ""},
    "mondo": {"title": "disease id", "unit": "MONDO"},
    "inheritance": {"title": "mode of inheritance", "unit": ""},
    "classification": {"title": "classification", "unit": ""},
    "strength": {"title": "classification, 6 definitive to 0 refuted", "unit": ""},
    "evaluated": {"title": "date of the classification", "unit": "date"},
    "panel": {"title": "expert panel", "unit": ""},
    "procedure": {"title": "version of the operating procedure", "unit": ""},
    "report": {"title": "report", "unit": "URL"},
}
_OWN = {
    "GENE SYMBOL": "gene", "GENE ID (HGNC)": "hgnc_id", "DISEASE LABEL": "disease", "DISEASE ID (MONDO)": "mondo_id", "MOI": "moi",
    "SOP": "sop", "CLASSIFICATION": "classification", "ONLINE REPORT": "report", "CLASSIFICATION DATE": "date", "GCEP": "gcep",
}  # fmt: skip
_NEEDED = ("gene", "hgnc_id", "disease", "mondo_id", "classification")
_HERE = "processors/knowledge/sources/validity.py"
_CREATED = re.compile(r"FILE CREATED:\s*(\d{4}-\d{2}-\d{2})")


def build(request: Request) -> Pack:
    """Compile the table. Raises SourceRefused, also for an unknown classification or mode of inheritance (named)."""
    table = read_gene_table(single_file(request), _is_heading, what="ClinGen's gene-disease validity download")
    spelled = {_OWN.get(name, name): name for name in table.names}
    if missing := [name for name in _NEEDED if name not in spelled]:
        raise SourceRefused(f"{table.path}: has no column for {', '.join(missing)}; it has {', '.join(table.names)[:400]}")
    tally: Counter[str] = Counter()
    found: list[GeneRecord] = []
    for line, row in table.rows():
        cell = {name: row[written] for name, written in spelled.items()}
        if not cell["hgnc_id"].startswith("HGNC:") or not cell["hgnc_id"][5:].isdigit():
            raise table.refuse(line, spelled["hgnc_id"], cell["hgnc_id"], "is no HGNC id")
        classification = table.word(line, row, spelled["classification"], _CLASSES, _HERE)
        inheritance = table.word(line, row, spelled["moi"], MODES, _HERE) if "moi" in spelled else ""
        values = {
            "disease": cell["disease"],
            "mondo": cell["mondo_id"].replace("_", ":"),
            "classification": classification,
            "strength": STRENGTH[classification],
            **({"inheritance": inheritance} if inheritance else {}),
            **{
                name: text[:10] if name == "evaluated" else text
                for name, column in (("evaluated", "date"), ("panel", "gcep"), ("procedure", "sop"), ("report", "report"))
                if (text := cell.get(column, "")) not in MISSING
            },
        }
        found.append(GeneRecord(GeneKey(hgnc=cell["hgnc_id"], symbol=cell["gene"]), values))
    found.sort(key=lambda record: (-record.values["strength"], record.values["mondo"], record.values.get("inheritance", "")))
    created = (match for line in table.preamble if (match := _CREATED.search(line)) is not None)
    return write_gene_pack(
        request, found, columns=COLUMNS, numbers=("strength",), identity=("mondo", "inheritance"),
        source=table.path.name, sha256=table.sha256, date=next((match[1] for match in created), ""), tally=tally,
    )  # fmt: skip


def open_pack(pack: Pack) -> GenePack:
    """The source of a pack; `number("strength")` is that of a gene's strongest disease."""
    return GenePack(pack)


def _is_heading(names: Sequence[str]) -> bool:
    return "GENE SYMBOL" in names or {"gene", "hgnc_id"} <= set(names)
