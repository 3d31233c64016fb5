"""The interpret stage: the few alleles of a chunk that a person should see, with names and reasons.

It has two levels: what a plan says of an allele (`evidence_of`, all that a delta needs), and who carries it (`screen` does both).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from processors.annotate.columns import Column
from processors.annotate.render import TranscriptRows, alleles_of
from processors.interpret.rules import RARE, Screened, screen_alleles
from processors.knowledge.sources.clinvar_terms import LABELS, STARS_UNKNOWN, Significance
from schemas.chunks import CALL, Answer, Chunk, Region, Scored
from schemas.findings import EVIDENCE_SCHEMA, FINDING_SCHEMA

if TYPE_CHECKING:
    from processors.resources import Resources

NOT_ASSESSED = "not_assessed"


def screen(chunk: Chunk, resources: Resources) -> pa.RecordBatch:
    """Findings of a scored chunk as FINDING_SCHEMA rows, one a (sample, allele record) that carries the ALT; see `interpret.rules`."""
    screened = _screened(chunk, resources)
    kept = np.flatnonzero(screened.kept)
    if len(kept) == 0:
        return _empty(FINDING_SCHEMA)
    chosen = Screened(screened.clinvar[kept], screened.score[kept])
    rows = chunk.rows.take(pa.array(kept))
    return _of_samples(rows, _of_alleles(rows, chunk, chosen, resources))


def evidence_of(chunk: Chunk, resources: Resources) -> pa.RecordBatch:
    """What the plan says of each allele of a scored chunk, as EVIDENCE_SCHEMA rows in the chunk's order. Calls are not read."""
    if chunk.rows.num_rows == 0:
        return _empty(EVIDENCE_SCHEMA)
    screened = _screened(chunk, resources)
    columns = _of_alleles(chunk.rows, chunk, screened, resources)
    columns |= {name: chunk.rows.column(name) for name in ("allele_id", "ref", "alt")} | {"kept": pa.array(screened.kept)}
    return _ordered(columns, EVIDENCE_SCHEMA)


def _screened(chunk: Chunk, resources: Resources) -> Screened:
    rows = chunk.rows
    threshold = resources.model.threshold if resources.model is not None else float("nan")
    names = ("clinvar_answer", "scored", "score", "frequency_answer", "frequency", "region")
    columns: dict[str, Any] = {name: rows.column(name).to_numpy() for name in names}
    return screen_alleles(significance=rows.column("clinvar_significance").to_numpy(), threshold=threshold, **columns)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], type=field.type) for field in schema], schema=schema)


def _ordered(columns: dict[str, pa.Array[Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [columns[field.name] for field in schema]
    cast = [array if array.type == field.type else array.cast(field.type) for array, field in zip(arrays, schema, strict=True)]
    return pa.RecordBatch.from_arrays(cast, schema=schema)


def _of_alleles(rows: pa.RecordBatch, chunk: Chunk, screened: Screened, resources: Resources) -> dict[str, pa.Array[Any]]:
    """The columns of a finding that do not depend on who carries it, one row an allele of `rows` (some of the chunk's)."""
    number = resources.genome.table.resolve(chunk.header.contig)
    picked = _picked(rows, -1 if number is None else number, resources)
    n = rows.num_rows
    return {
        "gene": pc.if_else(pc.equal(picked["symbol"], ""), picked["gene"], picked["symbol"]),
        **{name: picked[name] for name in ("transcript", "consequence", "impact", "hgvsc", "hgvsp")},
        "clinvar": _labels(rows),
        "frequency": _or_null(rows, "frequency", rows.column("frequency_answer").to_numpy() == Answer.FOUND),
        "frequency_answer": _enum(rows.column("frequency_answer").to_numpy(), Answer),
        "score": _or_null(rows, "score", rows.column("scored").to_numpy() == Scored.SCORED),
        "score_answer": _enum(rows.column("scored").to_numpy(), Scored),
        "model": pa.array([resources.model.name if resources.model is not None else ""] * n, type=pa.string()),
        "class": pa.array([NOT_ASSESSED] * n, type=pa.string()),
        "reasons": pa.array(reasons_of(rows, screened, resources), type=pa.list_(pa.string())),
    }


def _of_samples(rows: pa.RecordBatch, said: dict[str, pa.Array[Any]]) -> pa.RecordBatch:
    """What is said of alleles, as FINDING_SCHEMA rows of those who carry them."""
    lists = rows.column("calls")
    calls = {field.name: lists.flatten().field(number).to_numpy(zero_copy_only=False) for number, field in enumerate(CALL)}
    site = np.repeat(np.arange(rows.num_rows), np.diff(lists.offsets.to_numpy()))
    carried = np.flatnonzero(calls["haplotypes"] != 0)
    at = pa.array(site[carried])
    places = {name: rows.column(name) for name in ("record", "alt_index", "allele_id", "start", "ref", "alt")}
    columns = {name: column.take(at) for name, column in (places | said).items()}
    columns["sample"] = pa.array(calls["sample"][carried].astype(np.uint32))
    columns["zygosity"] = zygosity_of(calls["haplotypes"][carried], calls["ploidy"][carried])
    return _ordered(columns, FINDING_SCHEMA)


def _picked(rows: pa.RecordBatch, contig: int, resources: Resources) -> dict[str, pa.Array[Any]]:
    """Names of each allele's pick."""
    wanted = ("gene", "symbol", "transcript", "consequence", "impact", "hgvsc", "hgvsp")
    picks = TranscriptRows.of_picks(rows)
    found: dict[str, Column] = resources.renderer.columns(alleles_of(rows, contig), rows.column("flags").to_numpy(), picks, wanted)
    return {name: column.arrow().cast(pa.string()) for name, column in found.items()}


def zygosity_of(haplotypes: npt.NDArray[np.uint8], ploidy: npt.NDArray[np.uint8]) -> pa.Array[Any]:
    """`hemizygous` (one allele in GT), `homozygous` (all of several are this ALT), else `heterozygous`."""
    full = ((1 << ploidy.astype(np.uint16)) - 1) == haplotypes
    text = np.where(ploidy == 1, "hemizygous", np.where(full, "homozygous", "heterozygous"))
    return pa.array(text, type=pa.string())


def reasons_of(rows: pa.RecordBatch, screened: Screened, resources: Resources) -> list[list[str]]:
    """Machine-readable reasons of kept alleles, few by construction."""
    region = rows.column("region").to_numpy()
    significance = rows.column("clinvar_significance").to_numpy()
    record = rows.column("clinvar_id").to_numpy()
    answer = rows.column("frequency_answer").to_numpy()
    result: list[list[str]] = []
    for row in range(rows.num_rows):
        reasons: list[str] = []
        if screened.clinvar[row]:
            reasons.append(f"clinvar:{LABELS[Significance(int(significance[row]))]}")
            if resources.clinvar is not None:
                stars = int(resources.clinvar.stars[record[row]])
                reasons.append(f"clinvar_stars:{'unknown' if stars == STARS_UNKNOWN else stars}")
                if int(resources.clinvar.terms[record[row]]) >> Significance.OTHER & 1:
                    # old releases write "conflicting" as 255, "other"
                    reasons.append("clinvar_conflict:cannot_tell")
        if screened.score[row] and resources.model is not None:
            reasons.append(f"score_at_least:{resources.model.threshold}")
            found = answer[row] == Answer.FOUND
            reasons.append(f"frequency_at_most:{RARE}" if found else f"frequency:{Answer(int(answer[row])).name.lower()}")
        reasons.append(f"region:{Region(int(region[row])).name.lower()}")
        result.append(reasons)
    return result


def _labels(rows: pa.RecordBatch) -> pa.Array[Any]:
    labels = pa.array([LABELS[code] for code in Significance], type=pa.string())
    return labels.take(rows.column("clinvar_significance").cast(pa.int64()))


def _or_null(rows: pa.RecordBatch, name: str, present: npt.NDArray[np.bool_]) -> pa.Array[Any]:
    return pc.if_else(pa.array(present), rows.column(name), pa.scalar(None, pa.float32()))


def _enum(values: npt.NDArray[np.uint8], kind: type[Answer] | type[Scored]) -> pa.Array[Any]:
    names = {int(member): member.name.lower() for member in kind}
    table = pa.array([names.get(number, "") for number in range(max(names) + 1)], type=pa.string())
    return table.take(pa.array(values.astype(np.int64)))
