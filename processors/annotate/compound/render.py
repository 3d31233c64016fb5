"""Compounds with their codes as text, for the table `compound`, for files and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from processors.annotate import terms
from schemas.compounds import NAMED_SCHEMA, CompoundFlag, CompoundKind, Phase

if TYPE_CHECKING:
    from processors.resources import Resources


def named(compounds: pa.RecordBatch, resources: Resources, *, parentheses: bool = False) -> pa.RecordBatch:
    """Rows of COMPOUND_SCHEMA as rows of NAMED_SCHEMA: gene, transcript, kind, phase, flags, consequence and impact as text.

    `parentheses`: `p.(Arg12Cys)`, see `hgvs.style`.
    """
    transcripts = resources.transcripts
    gene = compounds.column("gene").to_pylist()
    bits = compounds.column("terms").to_numpy()
    symbols = [transcripts.gene_symbol[row] or transcripts.gene_id[row] for row in gene]
    impacts = [terms.Impact(code).name if value else "" for code, value in zip(terms.impacts(bits).tolist(), bits.tolist(), strict=True)]
    texts: dict[str, list[Any]] = {
        "gene": symbols,
        "transcript": [transcripts.name[row] for row in compounds.column("transcript").to_pylist()],
        "kind": [CompoundKind(code).name.lower() for code in compounds.column("kind").to_pylist()],
        "phase": [Phase(code).name.lower() for code in compounds.column("phase").to_pylist()],
        "flags": [flag_names(code) for code in compounds.column("flags").to_pylist()],
        "consequence": [",".join(terms.names_of(value)) for value in bits.tolist()],
        "impact": impacts,
    }
    if parentheses:
        texts["hgvsp"] = [_in_parentheses(name) for name in compounds.column("hgvsp").to_pylist()]
    columns = [
        pa.array(texts[field.name], type=field.type) if field.name in texts else compounds.column(field.name) for field in NAMED_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=NAMED_SCHEMA)


def _in_parentheses(name: str) -> str:
    owner, at, change = name.partition(":p.")
    return f"{owner}{at}({change})" if change not in ("", "?") else name


def flag_names(bits: int) -> list[str]:
    """Names of CompoundFlag bits, lower case."""
    return [str(flag.name).lower() for flag in CompoundFlag if bits & flag]
