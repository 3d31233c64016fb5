"""Names of codes, written when a plan is first used: transcripts, genes, consequence terms, significances, contigs.

Rows of one key never change, so every writer may be repeated, and two workers may write at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.land.client import Client, StoreError
from processors.land.keys import record_token, rows_token
from processors.land.rows import constant
from schemas.assembly import ContigTable
from schemas.plan import Plan


class NamesContradict(StoreError):
    """A code has another name in the database: bits of consequence terms are appended, never renumbered."""


@dataclass(frozen=True)
class TranscriptNames:
    """Columns of a transcript pack by its row; `gene` is a row of the genes, `contig` one of the build's table.

    `start` and `end` are 0-based half-open.
    """

    name: Sequence[str]
    gene: npt.NDArray[np.uint32]
    biotype: Sequence[str]
    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]


@dataclass(frozen=True)
class GeneNames:
    """Columns of a pack's genes by row."""

    gene_id: Sequence[str]
    symbol: Sequence[str]


def named(client: Client, plan: Plan) -> bool:
    """Whether the names of a plan are on record."""
    return _on_record(client, plan.plan_id)


def _on_record(client: Client, key: str) -> bool:
    sql = """SELECT count() FROM vocabulary WHERE vocabulary = 'named' AND key = {key:String}"""
    return int(client.value(sql, {"key": key})) > 0


def record_names(
    client: Client,
    plan: Plan,
    *,
    contigs: ContigTable,
    transcripts: TranscriptNames,
    genes: GeneNames,
    consequences: Sequence[str],
    effects: Sequence[str],
    significances: Sequence[str],
) -> None:
    """Write what the codes of a plan's rows mean.

    `consequences` by bit of `terms`, `effects` by bit of a row's `effect`, `significances` by code (0: none, an empty name).

    Raises NamesContradict where a bit already means another term.
    """
    _append_only(client, "consequence", consequences)
    _append_only(client, "effect", effects)
    if not _on_record(client, plan.annotation_key):  # plans that differ in knowledge alone share them
        _record_models(client, plan, contigs, transcripts, genes)
    rows = [("consequence", "", code, name) for code, name in enumerate(consequences)]
    rows += [("effect", "", code, name) for code, name in enumerate(effects)]
    clinvar = plan.component("clinvar")
    if clinvar is not None:
        rows += [("clinvar", clinvar.digest, code, name) for code, name in enumerate(significances)]
    columns = ("vocabulary", "key", "code", "name")
    client.insert_rows("vocabulary", columns, rows, record_token("vocabulary", rows))
    places = [(plan.build, contig.name, number, contig.offset, contig.length) for number, contig in enumerate(contigs.contigs)]
    client.insert_rows("contig_name", ("build", "contig", "number", "offset", "length"), places, record_token("contig_name", places))
    named_now = [("named", key, 0, "") for key in (plan.annotation_key, plan.plan_id)]
    client.insert_rows("vocabulary", columns, named_now, record_token("named", plan.plan_id))


def _record_models(client: Client, plan: Plan, contigs: ContigTable, transcripts: TranscriptNames, genes: GeneNames) -> None:
    """Write the rows of `transcript` and `gene`."""
    gene_rows = len(genes.symbol)
    owner = np.where(transcripts.gene < gene_rows, transcripts.gene, gene_rows)
    ids, symbols = pa.array([*genes.gene_id, ""], pa.string()), pa.array([*genes.symbol, ""], pa.string())
    n = len(transcripts.name)
    _insert(
        client,
        plan,
        "transcript",
        {
            "annotation_key": constant(plan.annotation_key, n),
            "transcript": pa.array(np.arange(n, dtype=np.uint32)),
            "name": pa.array(transcripts.name, pa.string()),
            "gene": pa.array(transcripts.gene, pa.uint32()),
            "gene_id": ids.take(pa.array(owner)),
            "symbol": symbols.take(pa.array(owner)),
            "biotype": pa.array(transcripts.biotype, pa.string()),
        },
    )
    _insert(
        client,
        plan,
        "gene",
        {
            "annotation_key": constant(plan.annotation_key, gene_rows),
            "gene": pa.array(np.arange(gene_rows, dtype=np.uint32)),
            "gene_id": ids.slice(0, gene_rows),
            "symbol": symbols.slice(0, gene_rows),
            **_extents(transcripts, gene_rows, contigs),
        },
    )


def _append_only(client: Client, vocabulary: str, names: Sequence[str]) -> None:
    known = dict(client.rows("SELECT code, name FROM vocabulary FINAL WHERE vocabulary = {of:String}", {"of": vocabulary}))
    for code, name in enumerate(names):
        if known.get(code, name) != name:
            raise NamesContradict(
                f"{vocabulary} bit {code} is {known[code]} in the database and {name} here: append terms, never renumber them"
            )


def _extents(transcripts: TranscriptNames, genes: int, contigs: ContigTable) -> dict[str, Any]:
    """Where each gene lies: from the first to the last base of its transcripts."""
    kept = transcripts.gene < genes
    gene = transcripts.gene[kept]
    contig = np.zeros(genes, dtype=np.int32)
    contig[gene] = transcripts.contig[kept]
    start, end = np.full(genes, np.iinfo(np.int32).max, dtype=np.int32), np.zeros(genes, dtype=np.int32)
    np.minimum.at(start, gene, transcripts.start[kept])
    np.maximum.at(end, gene, transcripts.end[kept])
    names = pa.array([c.name for c in contigs.contigs], pa.string())
    return {"contig": names.take(pa.array(contig)), "start": pa.array(np.minimum(start, end)), "end": pa.array(end)}


def _insert(client: Client, plan: Plan, table: str, columns: dict[str, Any]) -> None:
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    if len(batch):
        client.insert(table, batch, rows_token(plan.annotation_key, plan.annotation_key, table, 0, batch))
