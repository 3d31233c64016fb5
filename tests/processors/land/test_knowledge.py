"""Sources in the tables: whole or with their alleles, never half; and views that tell an absent source from an absent allele."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from processors.annotate.stage import annotate
from processors.interpret.stage import screen
from processors.knowledge.pack import find_pack
from processors.knowledge.source import Request
from processors.knowledge.sources import frequency
from processors.knowledge.strings import string_buffers
from processors.land.client import Client
from processors.land.insert import land_chunk
from processors.land.knowledge import clinvar_rows, note_sources, noted_sources, spellings_of_pack
from processors.land.manifests import record_manifest
from processors.land.publication import publish
from processors.resources import Resources, plan_for
from processors.score.stage import score
from schemas import identity
from schemas.chunks import Answer
from schemas.events import ChunkCount, SampleCount, SampleManifest
from schemas.plan import MACHINERY, Component, Plan
from tests.processors.land.conftest import Emission, call_hashes, signed
from tests.processors.test_chain import chunks_of

if TYPE_CHECKING:
    from tests.processors.conftest import World


@pytest.fixture(scope="module")
def resources(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Resources:
    """ClinVar, a sites file without a floor, one that claims absence on half the contig, and identifiers."""
    folder, genome = tmp_path_factory.mktemp("sources"), small_world.genome()
    plan = plan_for(small_world.packs, "small")
    (folder / "covered.bed").write_text("chrA\t0\t60000\n")
    extra = []
    for kind, every, options in (("gnomad_exomes", 3, {"covered": str(folder / "covered.bed")}), ("dbsnp", 2, {})):
        sites = [(k, *site) for k, site in enumerate(small_world.sites) if k % every == 0]
        lines = [f"chrA\t{p}\t.\t{r}\t{a}\t.\t{'PASS' if k % 4 else 'AC0'}\tAF={0.3 / (1 + k % 7):.6f}" for k, p, r, a in sites]
        path = folder / f"{kind}.vcf"
        path.write_text("\n".join(["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO", *lines]) + "\n")
        extra.append(frequency.build(Request(kind, (path,), small_world.packs, "small", "1", genome, name=kind, options=options)))
    more = tuple(Component(pack.kind, pack.name, pack.version, pack.digest) for pack in extra)
    return Resources.load(Plan("small", (*plan.components, *more)), small_world.packs, "cpu")


def emission(world: World, resources: Resources) -> Emission:
    """The small world's sample through every stage."""
    sample, chunks, findings, counts, total = "s" * 32, [], {}, [], 0
    for chunk in score([annotate(chunk, resources) for chunk in chunks_of(world, resources)], resources):
        header = replace(chunk.header, plan_id=resources.plan.plan_id)
        chunks.append(replace(chunk, header=header))
        findings[header.ordinal] = screen(chunk, resources)
        ((_, hashes),) = call_hashes(chunk.rows).items()
        summed = identity.sum_mod64(hashes)
        total = (total + summed) % 2**64
        counts.append(ChunkCount(header.ordinal, header.chunk_id, "alleles", header.contig, len(chunk.rows), len(hashes), signed(summed)))
    n = sum(len(chunk.rows) for chunk in chunks)
    people = (SampleCount(sample, n, n, {}, signed(total), {}),)
    manifest = SampleManifest("1" * 32, "2" * 32, resources.plan.plan_id, "d", n, 0, 0, tuple(counts), people)
    return Emission(tuple(chunks), findings, manifest)


def knowledge_of(resources: Resources) -> list[Any]:
    assert resources.clinvar is not None
    return [resources.clinvar, *resources.allele_sources]


@pytest.fixture
def published(client: Client, laboratory: Any, small_world: World, resources: Resources) -> Emission:
    made = emission(small_world, resources)
    laboratory.admit(made, plan=resources.plan)
    for chunk in made.chunks:
        land_chunk(client, chunk, made.findings[chunk.header.ordinal], resources.plan, worker="w", provider="CPU")
    record_manifest(client, made.manifest)
    publish(client, made.submission_id, made.revision_id, at=100)
    return made


def test_clinvar_stands_whole_with_the_spelling_of_every_allele(client: Client, small_world: World, resources: Resources) -> None:
    source = resources.clinvar
    assert source is not None
    note_sources(client, knowledge_of(resources))
    note_sources(client, knowledge_of(resources))
    stored = client.rows("SELECT allele_id, spelling, row, significance, stars FROM knowledge_clinvar ORDER BY row")
    assert len(stored) == source.pack.rows == len(small_world.sites) / 3
    rows = [row for chunk in chunks_of(small_world, resources) for row in chunk.rows.to_pylist() if row["record"] % 3 == 0]
    ids = np.array([row["allele_id"] for row in rows], np.uint64)
    texts = [string_buffers(pa.array([row[name] for row in rows])) for name in ("ref", "alt")]
    spelled = identity.spellings(ids, *texts[0], *texts[1])
    every = dict(zip(ids.tolist(), spelled.tolist(), strict=True))
    assert {row[0]: row[1] for row in stored} == every
    assert any(every.values())
    assert [row[3] for row in stored] == source.significance.tolist()
    assert np.array_equal(spellings_of_pack(source.pack), [row[1] for row in stored])
    parts = list(clinvar_rows(source, 7))
    assert [len(part) for part in parts[:-1]] == [7] * (len(parts) - 1)
    assert sum(len(part) for part in parts) == source.pack.rows


def test_a_source_is_noted_once_with_its_kind_licence_and_default(client: Client, resources: Resources) -> None:
    for _ in range(2):
        note_sources(client, knowledge_of(resources))
    found = client.rows("SELECT kind, keyed, moving, frequency, default_answer, rows, digest FROM source ORDER BY kind")
    assert [row[:5] for row in found] == [
        ("clinvar", "allele", True, False, "absent"),
        ("dbsnp", "allele", False, False, "unknown"),
        ("frequency", "allele", False, True, "unknown"),
        ("gnomad_exomes", "allele", False, True, "unknown"),
    ]
    assert noted_sources(client, [row[6] for row in found] + ["other"]) == {row[6] for row in found}


def test_a_clinvar_that_died_half_way_claims_nothing_until_it_is_whole(
    client: Client, published: Emission, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resources.clinvar is not None
    first = next(iter(clinvar_rows(resources.clinvar, 100)))
    client.insert("knowledge_clinvar", first, "half")
    answers = "SELECT DISTINCT clinvar_answer, clinvar_stars, clinvar, frequency_answer IN ('', 'found') FROM variant"
    assert client.rows(answers) == [("", None, "", 1)]
    assert client.rows("SELECT DISTINCT answer, value FROM knowledge") == [("", None)]
    note_sources(client, knowledge_of(resources))
    assert sorted(client.rows("SELECT clinvar_answer, count() FROM variant GROUP BY 1")) == [("absent", 1000), ("found", 500)]


def test_the_view_says_what_the_chunk_said(client: Client, published: Emission, resources: Resources) -> None:
    note_sources(client, knowledge_of(resources))
    names = ("clinvar_answer", "frequency_answer", "frequency", "frequency_source", "clinvar_stars")
    stored = {row["record"]: row for row in client.records(f"SELECT record, {', '.join(names)} FROM variant")}
    kinds = [source.pack.kind for source in resources.frequencies]
    seen = set()
    for chunk in published.chunks:
        for row in chunk.rows.to_pylist():
            there, found = stored[row["record"]], row["frequency_answer"] == Answer.FOUND
            assert there["clinvar_answer"] == Answer(row["clinvar_answer"]).name.lower()
            assert there["clinvar_stars"] == (1 if row["clinvar_answer"] == Answer.FOUND else None)
            assert there["frequency_answer"] == Answer(row["frequency_answer"]).name.lower()
            assert there["frequency"] == (row["frequency"] if found else None)
            assert there["frequency_source"] == (kinds[row["frequency_source"]] if found else "")
            seen.add(there["frequency_answer"])
    assert seen == {"found", "absent", "unknown"}


def test_every_value_names_source_version_digest_and_row(client: Client, published: Emission, resources: Resources) -> None:
    note_sources(client, knowledge_of(resources))
    rows = client.records("SELECT * FROM knowledge")
    alleles = sum(len(chunk.rows) for chunk in published.chunks)
    assert len(rows) == 4 * alleles
    digests = {c.kind: (c.name, c.version, c.digest) for c in resources.plan.components}
    assert {(r["kind"], r["source"], r["version"], r["digest"]) for r in rows} == {
        (kind, *named) for kind, named in digests.items() if kind not in MACHINERY
    }
    said = {(row["record"], row["digest"]): row for row in rows}
    for chunk in published.chunks:
        for row in chunk.rows.to_pylist():
            noted = {entry["source"]: entry for entry in row["looked_up"]}
            for number, source in enumerate(resources.allele_sources):
                there = said[row["record"], source.pack.digest]
                entry = noted.get(number)
                assert there["answer"] == Answer(entry["answer"] if entry else source.default).name.lower()
                found = entry is not None and entry["answer"] == Answer.FOUND
                assert there["value"] == (entry["value"] if entry and found else None)
                assert (there["row"] is not None) == (entry is not None and entry["row"] != 0xFFFFFFFF)
    assert {row["said"] for row in rows if row["kind"] == "clinvar" and row["answer"] == "found"} == {""}


def test_a_plan_without_a_source_says_not_loaded(client: Client, laboratory: Any, small_world: World, resources: Resources) -> None:
    bare = Plan("small", tuple(c for c in resources.plan.components if c.kind in MACHINERY))
    alone = Resources.load(bare, small_world.packs, "cpu")
    made = emission(small_world, alone)
    laboratory.admit(made, plan=bare)
    for chunk in made.chunks:
        land_chunk(client, chunk, made.findings[chunk.header.ordinal], bare, worker="w", provider="CPU")
    record_manifest(client, made.manifest)
    publish(client, made.submission_id, made.revision_id, at=100)
    assert client.rows("SELECT DISTINCT clinvar_answer, frequency_answer FROM variant") == [("not_loaded", "not_loaded")]
    assert client.value("SELECT count() FROM knowledge_value") == client.value("SELECT count() FROM knowledge") == 0


def test_a_pack_is_found_by_the_digest_that_stands_beside_a_value(client: Client, published: Emission, resources: Resources) -> None:
    note_sources(client, knowledge_of(resources))
    packs = resources.genome.pack.path.parents[1]
    row = client.records("SELECT digest, row, value FROM knowledge WHERE kind = 'gnomad_exomes' AND answer = 'found' LIMIT 1")[0]
    pack = find_pack(packs, row["digest"])
    assert frequency.open_pack(pack).details(row["row"])["frequency"] == pytest.approx(row["value"])
