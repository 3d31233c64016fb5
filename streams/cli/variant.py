"""What one allele does to every transcript: its codes from ClickHouse, named with the packs of the plan that made them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.cli.asof import moved

if TYPE_CHECKING:
    import pyarrow as pa

    from processors.land.asof import Shadows
    from processors.land.client import Client

_CODES = """SELECT DISTINCT s.plan_id AS plan_id, a.pick AS pick, `transcripts.transcript` AS transcript, `transcripts.terms` AS terms,
`transcripts.exon` AS exon, `transcripts.intron` AS intron, `transcripts.distance` AS distance, `transcripts.position` AS position,
`transcripts.offset` AS offset, `transcripts.residue` AS residue, `transcripts.ref_aa` AS ref_aa, `transcripts.alt_aa` AS alt_aa,
`transcripts.effect` AS effect, `transcripts.lost` AS lost
FROM annotation AS a FINAL
INNER JOIN (
    SELECT DISTINCT c.annotation_key AS annotation_key, p.plan_id AS plan_id FROM sample_current AS c
    INNER JOIN sample_plan AS p USING (sample_id)
) AS s ON s.annotation_key = a.annotation_key
WHERE allele_id IN {alleles:Array(UInt64)} AND (a.ref = '' OR a.ref = {ref:String}) AND (a.alt = '' OR a.alt = {alt:String})"""
_NAMED = ("gene", "transcript", "consequence", "impact", "exon", "intron", "hgvsc", "hgvsp")


def every_transcript(
    client: Client,
    packs: Path,
    carriers: pa.Table,
    contig: str,
    start: int,
    ref: str,
    alt: str,
    alleles: list[int],
    shadows: Shadows | None = None,
) -> pa.Table:
    """Rows of carriers (the view `variant`, with `plan_id`), one for each transcript, `pick` first; without `plan_id`.

    A carrier whose packs are not on this machine, or whose allele has no transcript within reach, keeps its one row.
    """
    import pyarrow as pa

    codes = client.arrow(moved(shadows, _CODES), {"alleles": alleles, "ref": ref, "alt": alt}).to_pylist()
    named = {row["plan_id"]: _named(client, packs, row, contig, start, ref, alt) for row in codes}
    rows: list[dict[str, Any]] = []
    for carrier in carriers.to_pylist():
        plan_id = carrier.pop("plan_id")
        carrier["pick"] = True
        rows += [{**carrier, **one} for one in named.get(plan_id, [])] or [carrier]
    schema = carriers.drop_columns(["plan_id"]).schema
    for field in (pa.field("exon", pa.string()), pa.field("intron", pa.string()), pa.field("pick", pa.bool_())):
        schema = schema.append(field)
    schema = pa.schema([field.with_type(pa.string()) if field.name in _NAMED else field for field in schema])
    return pa.Table.from_pylist(rows, schema=schema)


def transcripts_of(
    client: Client, packs: Path, plan_id: str, contig: str, start: int, ref: str, alt: str, allele: int, shadows: Shadows | None
) -> list[dict[str, Any]]:
    """What an allele does to each transcript under a plan, the pick first; none where a pack of the plan is not on this machine."""
    codes = client.arrow(moved(shadows, _CODES), {"alleles": [allele], "ref": ref, "alt": alt}).to_pylist()
    return next((_named(client, packs, row, contig, start, ref, alt) for row in codes if row["plan_id"] == plan_id), [])


def _named(client: Client, packs: Path, row: dict[str, Any], contig: str, start: int, ref: str, alt: str) -> list[dict[str, Any]]:
    """Transcripts of a row of codes, the pick first; none where a pack is not here."""
    import numpy as np
    import pyarrow as pa

    from processors.annotate.hgvs.names import Alleles
    from processors.annotate.hgvs.style import NOMENCLATURE
    from processors.annotate.render import Renderer, TranscriptRows
    from processors.knowledge.genome import Genome
    from processors.knowledge.pack import PackError, find_pack
    from processors.knowledge.transcripts import Transcripts
    from processors.land import store
    from schemas.chunks import TRANSCRIPT

    plan = store.plan(client, row["plan_id"])
    parts = [plan.component(kind) if plan is not None else None for kind in ("genome", "transcripts")]
    try:
        found = [find_pack(packs, part.digest) for part in parts if part is not None]
    except PackError:
        return []
    n = len(row["transcript"])
    if len(found) != len(parts) or n == 0:
        return []
    genome, transcripts = Genome(found[0]), Transcripts(found[1])
    number = genome.table.resolve(contig)
    fields = {field.name: np.array(row[field.name], dtype=field.type.to_pandas_dtype()) for field in TRANSCRIPT}
    rows = TranscriptRows(np.zeros(n, dtype=np.int32), **fields)
    rows = rows.take(np.argsort(rows.transcript != row["pick"], kind="stable"))
    allele = Alleles.of(-1 if number is None else number, np.array([start], dtype=np.int32), pa.array([ref]), pa.array([alt]))
    columns = Renderer(transcripts, genome, style=NOMENCLATURE).columns(allele, np.zeros(1, dtype=np.uint32), rows, (*_NAMED, "symbol"))
    texts = {name: column.arrow().to_pylist() for name, column in columns.items()}
    symbols = texts.pop("symbol")
    texts["gene"] = [symbol or gene for symbol, gene in zip(symbols, texts["gene"], strict=True)]
    return [{name: values[k] for name, values in texts.items()} | {"pick": int(rows.transcript[k]) == row["pick"]} for k in range(n)]
