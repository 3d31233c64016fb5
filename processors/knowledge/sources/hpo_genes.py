"""HPO's gene-phenotype annotations: which phenotypes the diseases of a gene have. Import, query, meta.

Read are `genes_to_phenotype.txt` and `phenotype_to_genes.txt` in the layouts of before and after 2023-06. Source: Gargano 2024, Nucleic
Acids Res 52:D1333; HPO licence (free with attribution, unchanged). A record is a phenotype of a disease of a gene; the frequency is an
HPO term (old) or a term, a share or a count (new), kept as written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from processors.knowledge.gene_pack import GeneKey, GenePack, GeneRecord, gene_id, write_gene_pack
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources.gene_table import MISSING, read_gene_table, single_file

COLUMNS = {
    "hpo": {"title": "phenotype", "unit": "HPO id"},
    "name": {"title": "phenotype, in words", "unit": ""},
    "frequency": {"title": "frequency among the disease's patients", "unit": "HPO id, share or count"},
    "disease": {"title": "disease", "unit": "OMIM, ORPHA or DECIPHER id"},
}
_SPELLED = {
    "entrez": ("ncbi_gene_id", "entrez-gene-id"),
    "symbol": ("gene_symbol", "entrez-gene-symbol"),
    "hpo": ("hpo_id", "HPO-Term-ID", "HPO-id"),
    "name": ("hpo_name", "HPO-Term-Name", "HPO label"),
    "frequency": ("frequency", "Frequency-HPO"),
    "raw": ("Frequency-Raw",),
    "disease": ("disease_id", "disease-ID for link"),
}
_HPO = re.compile(r"HP:\d{7}")
_FREQUENCY = re.compile(r"HP:\d{7}|\d+/\d+|\d+(\.\d+)?\s?%")


def build(request: Request) -> Pack:
    """Compile the table. Raises SourceRefused for a row whose gene, phenotype or frequency is none."""
    table = read_gene_table(single_file(request), lambda names: bool(_columns(names)), what="HPO's genes_to_phenotype.txt")
    columns = _columns(table.names)
    checked, raw = columns.get("frequency", ""), columns.get("raw", "")
    tally: Counter[str] = Counter()
    found: list[GeneRecord] = []
    for line, row in table.rows():
        hpo, entrez, symbol = row[columns["hpo"]], gene_id(row[columns["entrez"]]), row[columns["symbol"]]
        if not entrez.isdigit():
            raise table.refuse(line, columns["entrez"], entrez, "is no NCBI gene id")
        if not _HPO.fullmatch(hpo):
            raise table.refuse(line, columns["hpo"], hpo, "is no HPO id")
        frequency = "" if row.get(checked, "") in MISSING else row[checked]
        if frequency and not _FREQUENCY.fullmatch(frequency):
            raise table.refuse(line, checked, frequency, "is no frequency (HPO term, n/m or percent)")
        if not frequency and row.get(raw, "") not in MISSING:
            frequency = row[raw]  # the old files' own words, such as `obligate`
        values = {"hpo": hpo, "name": row[columns["name"]], "disease": row[columns["disease"]] if "disease" in columns else ""}
        found.append(
            GeneRecord(
                GeneKey(entrez=entrez, symbol="" if symbol in MISSING else symbol),
                {**values, "frequency": frequency} if frequency else values,
            )
        )
    return write_gene_pack(
        request, _once(found, tally), columns=COLUMNS, numbers=(), identity=("hpo", "disease"),
        source=table.path.name, sha256=table.sha256, date="", tally=tally,
    )  # fmt: skip


def open_pack(pack: Pack) -> GenePack:
    """The source of a pack."""
    return GenePack(pack)


def _columns(names: Sequence[str]) -> dict[str, str]:
    """Column → its name in this file; empty where this is no heading."""
    found = {name: next((one for one in spelled if one in names), "") for name, spelled in _SPELLED.items()}
    if not all(found[name] for name in ("entrez", "symbol", "hpo", "name")):
        return {}
    return {name: column for name, column in found.items() if column}


def _once(records: list[GeneRecord], tally: Counter[str]) -> list[GeneRecord]:
    """Sorted, each said once."""
    texts = {(record.key, *sorted(record.values.items())): record for record in records}
    tally["duplicate"] += len(records) - len(texts)
    return [texts[key] for key in sorted(texts)]
