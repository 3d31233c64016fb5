"""The stages one after another on the small world: pure, whole, and unchanged unless a code version says so."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from processors.annotate.hgvs.style import Style
from processors.annotate.stage import annotate
from processors.ingest.chunker import ingest
from processors.interpret.stage import screen
from processors.knowledge.pack import PackError
from processors.pipeline import Choices
from processors.resources import Resources, plan_for
from processors.score.features import features_of
from processors.score.stage import score
from schemas.chunks import SCORE_FIELDS, Answer, Chunk, ChunkKind, Scored
from schemas.findings import FINDING_SCHEMA
from schemas.plan import STAGE_CODE, Component, CuttingRule, Plan

if TYPE_CHECKING:
    from tests.processors.conftest import World

GOLDEN = {
    ("annotate", 1): "2e8cd63e430248ae",
    ("annotate", 2): "d8af1b3f2788ac9d",
    ("annotate", 3): "c2247f6aea54a7e3",
    ("score", 1): "276c2d6f58d99e2e",
    ("interpret", 1): "59a6d2bcc393282b",
    ("interpret", 2): "17e184911a020a72",
}
"""Digest of each stage's output for the small world by its code version: changed output needs a new number in `schemas.plan.STAGE_CODE`."""


def chunks_of(world: World, resources: Resources, cutting: CuttingRule | None = None) -> list[Chunk]:
    path = world.folder / "sample.vcf"
    genotypes = ("0/1", "1/1", "1", "0|1")
    lines = [f"chrA\t{p}\tx{k}\t{r}\t{a}\t30\tPASS\t.\tGT\t{genotypes[k % 4]}" for k, (p, r, a) in enumerate(world.sites)]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n"
    path.write_text(header + "\n".join(lines) + "\n")
    plan = Plan(resources.plan.build, resources.plan.components, cutting=cutting or CuttingRule())
    found = ingest(
        path, genome=resources.genome, build="small", samples=[("S", "s" * 32)], submission_id="1" * 32, revision_id="2" * 32, plan=plan,
        lane="routine", epoch=0, options={},
    )  # fmt: skip
    return [emitted.chunk for emitted in found if emitted.chunk.header.kind is ChunkKind.ALLELES]


def digest(batches: list[pa.RecordBatch], columns: list[str]) -> str:
    """Of the values of some columns, floats to four decimals (a processor's last bits are its own)."""
    state = hashlib.sha256()
    for name in columns:
        for batch in batches:
            values = batch.column(name)
            if pa.types.is_floating(values.type):
                values = pa.array([None if value is None else f"{value:.4f}" for value in values.to_pylist()])
            state.update(repr(values.to_pylist()).encode())
    return state.hexdigest()[:16]


def test_output_changes_only_with_a_raised_code_version(small_world: World) -> None:
    resources = small_world.resources()
    raw = chunks_of(small_world, resources)
    annotated = [annotate(chunk, resources) for chunk in raw]
    features = [features_of(chunk.rows, resources.transcripts.layout, resources.bases(chunk.header.contig)) for chunk in annotated]
    # findings of a set threshold and set scores: the model itself is no code, its digest is in the plan
    assert resources.model is not None
    fixed = replace(resources, model=replace(resources.model, card={**resources.model.card, "threshold": 0.5}))
    findings = [screen(with_scores(chunk), fixed) for chunk in annotated]
    rounded = pa.record_batch({"features": pa.array(np.concatenate([part.matrix for part in features]).reshape(-1))})
    found = {
        "annotate": digest([chunk.rows for chunk in annotated], annotated[0].rows.schema.names[raw[0].rows.num_columns :]),
        "score": digest([rounded], ["features"]),
        "interpret": digest(findings, [name for name in FINDING_SCHEMA.names if name != "model"]),
    }
    wanted = {stage: GOLDEN.get((stage, STAGE_CODE[stage])) for stage in found}
    assert found == wanted, "output changed: raise the stage's number in schemas.plan.STAGE_CODE and add its digest to GOLDEN"


def with_scores(chunk: Chunk) -> Chunk:
    """Scores that depend on the place alone."""
    place = chunk.rows.column("start").to_numpy()
    values = ((place * 37) % 101 / 101).astype(np.float32)
    return chunk.append(SCORE_FIELDS, [pa.array(np.full(len(place), Scored.SCORED, dtype=np.uint8)), pa.array(values)])


def test_results_do_not_depend_on_how_the_chunks_were_cut(small_world: World) -> None:
    resources = small_world.resources()

    def results(cutting: CuttingRule) -> tuple[int, str]:
        chunks = chunks_of(small_world, resources, cutting)
        scored = score([annotate(chunk, resources) for chunk in chunks], resources)
        whole = pa.Table.from_batches([chunk.rows for chunk in scored]).combine_chunks().to_batches()
        return len(chunks), digest(whole, scored[0].rows.schema.names)

    (few, one), (many, other) = results(CuttingRule()), results(CuttingRule(alleles=97))
    assert few < many
    assert one == other


def test_every_allele_gets_an_answer_from_every_source(small_world: World) -> None:
    resources = small_world.resources()
    rows = pa.Table.from_batches(
        [chunk.rows for chunk in score([annotate(c, resources) for c in chunks_of(small_world, resources)], resources)]
    )
    clinvar = np.array(rows["clinvar_answer"])
    assert (clinvar == Answer.FOUND).sum() == len(small_world.sites) / 3
    assert (clinvar == Answer.ABSENT).sum() == len(small_world.sites) - len(small_world.sites) / 3
    assert (np.array(rows["frequency_answer"]) == Answer.FOUND).sum() == len(small_world.sites) / 2
    assert set(np.array(rows["scored"]).tolist()) == {Scored.SCORED, Scored.NOT_APPLICABLE}
    assert np.isfinite(np.array(rows["score"])[np.array(rows["scored"]) == Scored.SCORED]).all()


def test_a_nan_from_the_model_is_a_failed_score_and_no_finding(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from processors.score.session import Session

    resources = small_world.resources()
    annotated = [annotate(chunk, resources) for chunk in chunks_of(small_world, resources)]
    monkeypatch.setattr(Session, "run", lambda self, matrix: np.full(len(matrix), np.nan, dtype=np.float32))
    scored = score(annotated, resources)
    states = np.concatenate([chunk.rows.column("scored").to_numpy() for chunk in scored])
    assert (states == Scored.FAILED).sum() > 0
    assert not (states == Scored.SCORED).any()
    reasons = [reason for chunk in scored for row in screen(chunk, resources).column("reasons").to_pylist() for reason in row]
    assert not any(reason.startswith("score") for reason in reasons)


def test_findings_carry_names_reasons_and_no_class(small_world: World) -> None:
    resources = small_world.resources()
    scored = score([annotate(chunk, resources) for chunk in chunks_of(small_world, resources)], resources)
    found = pa.Table.from_batches([screen(chunk, resources) for chunk in scored]).to_pylist()
    assert found
    assert {row["class"] for row in found} == {"not_assessed"}
    known = [row for row in found if any(reason.startswith("clinvar:") for reason in row["reasons"])]
    assert {row["clinvar"] for row in known} == {"Pathogenic", "Likely_pathogenic"}
    assert all("clinvar_stars:1" in row["reasons"] for row in known)
    coding = next(row for row in found if row["transcript"].endswith("A.1"))
    assert coding["gene"].startswith("S")
    assert coding["model"] == resources.model.name if resources.model else False


def test_findings_are_named_by_the_nomenclature_whatever_annotate_writes(small_world: World) -> None:
    resources = small_world.resources()
    assert (resources.renderer.style, Choices().style) == (Style(parentheses=True, vep=False), Style(vep=True))
    scored = score([annotate(chunk, resources) for chunk in chunks_of(small_world, resources)], resources)
    found = pa.Table.from_batches([screen(chunk, resources) for chunk in scored]).to_pylist()
    proteins = [row["hgvsp"].partition(":p.")[2] for row in found if row["hgvsp"]]
    assert proteins
    assert all(name == "?" or (name.startswith("(") and name.endswith(")")) for name in proteins)


def test_without_optional_packs_the_answers_say_not_loaded(small_world: World) -> None:
    plan = plan_for(small_world.packs, "small")
    bare = Plan("small", tuple(c for c in plan.components if c.kind in ("genome", "transcripts")))
    resources = Resources.load(bare, small_world.packs, "cpu")
    (chunk,) = score([annotate(chunks_of(small_world, small_world.resources())[0], resources)], resources)
    assert set(chunk.rows.column("clinvar_answer").to_pylist()) == {Answer.NOT_LOADED}
    assert set(chunk.rows.column("frequency_answer").to_pylist()) == {Answer.NOT_LOADED}
    assert set(chunk.rows.column("scored").to_pylist()) == {Scored.NO_MODEL}
    assert screen(chunk, resources).num_rows == 0


def test_a_digest_that_is_not_here_is_told_apart_from_a_bad_chunk(small_world: World, tmp_path: Path) -> None:
    plan = plan_for(small_world.packs, "small")
    rest = [part for part in plan.components if part.kind != "model"]
    other = Plan("small", (*rest, Component("model", "m", "1", "0" * 32)))
    with pytest.raises(PackError, match="no pack 000000000000"):
        Resources.load(other, small_world.packs, "cpu")
    with pytest.raises(PackError, match="has no genome"):
        plan_for(tmp_path, "GRCh38")
