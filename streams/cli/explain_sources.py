"""The answers of a plan's sources about an allele, with what their packs hold at the row, where the packs are on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = {
    "found": "found",
    "absent": "absent: the source covers the place and does not hold the allele",
    "unknown": "unknown: the source does not tell (below its floor, outside what it covers, or its record failed its filter)",
    "not_loaded": "not loaded: the plan has no such source, which says nothing of the allele",
    "": "not on record: nothing is claimed",
}


def sources_of(
    packs: Path,
    of_allele: Sequence[dict[str, Any]],
    others: Sequence[dict[str, Any]],
    summary: dict[str, Any] | None,
    span: tuple[int, int],
) -> list[dict[str, Any]]:
    """Every source: those keyed by allele as the rows that landed say, those of genes and regions as their packs say, and what is not
    loaded. `span` is REF in linear coordinates of the build's table, half-open.
    """
    from processors.knowledge.kinds import KINDS

    told = [_of_allele(packs, row) for row in of_allele]
    told += [_of_gene(packs, row, summary) if row["keyed"] == "gene" else _of_region(packs, row, span) for row in others]
    there = {row["kind"] for row in told}
    told += [
        {"kind": kind.name, "source": kind.title, "version": "", "digest": "", "date": "", "licence": "", "keyed": str(kind.keyed),
         "answer": "not_loaded", "words": WORDS["not_loaded"], "value": None, "said": "", "details": None}
        for kind in KINDS.values() if kind.name not in there
    ]  # fmt: skip
    return told


def _of_allele(packs: Path, row: dict[str, Any]) -> dict[str, Any]:
    place = row["row"]
    told = {**row, "keyed": "allele", "words": WORDS[row["answer"]], "details": None}
    if place is None:
        return {**told, "words": _why_unknown(packs, row["digest"])} if row["answer"] == "unknown" else told
    source, why = _open(packs, row["digest"])
    if source is None:
        return {**told, "words": f"{told['words']}; {why}"}
    details = source.details(place)
    if row["answer"] == "unknown" and details.get("filtered"):
        told["words"] = "unknown: the source's record failed its filter"
    return {**told, "details": details}


def _why_unknown(packs: Path, digest: str) -> str:
    """Why a source that does not list an allele cannot call it absent."""
    source, _ = _open(packs, digest)
    if source is None:
        return WORDS["unknown"]
    if floor := source.meta().get("floor"):
        return f"unknown: not listed, and the source lists nothing below {floor:g}"
    return "unknown: not listed, and the source does not say that it covers the place"


def _of_region(packs: Path, row: dict[str, Any], span: tuple[int, int]) -> dict[str, Any]:
    import numpy as np

    told = {**row, "row": None, "value": None, "said": "", "details": None, "answer": "unknown"}
    source, why = _open(packs, row["digest"])
    if source is None:
        return {**told, "words": f"unknown: {why}"}
    place = int(source.query(*(np.array([end], dtype=np.int64) for end in span))[0])
    if place < 0:
        return {**told, "answer": "absent", "words": "absent: no region of the source overlaps the allele"}
    return {
        **told,
        "answer": "found",
        "words": "found for a region that overlaps the allele",
        "row": place,
        "details": source.details(place),
    }


def _of_gene(packs: Path, row: dict[str, Any], summary: dict[str, Any] | None) -> dict[str, Any]:
    told = {**row, "row": None, "value": None, "said": "", "details": None, "answer": "unknown"}
    if summary is None or not (summary["gene_id"] or summary["gene"]):
        return {**told, "words": "unknown: the allele is of no gene"}
    source, why = _open(packs, row["digest"])
    if source is None:
        return {**told, "words": f"unknown: {why}"}
    gene = summary["gene"] or summary["gene_id"]
    place = int(source.query([summary["gene_id"] or ""], [summary["gene"] or ""])[0])
    if place < 0:
        return {**told, "answer": "absent", "words": f"absent: the source does not list {gene}"}
    return {**told, "answer": "found", "words": f"found for {gene}", "row": place, "details": source.details(place)}


def _open(packs: Path, digest: str) -> tuple[Any, str]:
    """The source of a pack; None and why not."""
    from processors.knowledge.pack import PackError, find_pack
    from processors.knowledge.source import open_source

    try:
        return open_source(find_pack(packs, digest)), ""
    except PackError as error:
        return None, f"its pack is not on this machine ({error})" if "no pack" in str(error) else f"its pack cannot be read ({error})"
