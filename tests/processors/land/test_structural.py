"""Structural alleles of a chunk of faults land once, are seen with a complete revision, and go with their sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from processors.annotate.pick import pick_order
from processors.annotate.structural import stage
from processors.annotate.structural.places import places_of
from processors.annotate.structural.sites import sites_of_faults
from processors.annotate.structural.stage import Structural
from processors.annotate.terms import NAMES
from processors.knowledge.transcripts import Transcripts
from processors.land.client import Client
from processors.land.delete import delete_sample
from processors.land.insert import land_faults
from processors.land.manifests import record_manifest
from processors.land.names import GeneNames, TranscriptNames, record_names
from processors.land.publication import publish
from processors.land.readback import verify
from schemas.chunks import Chunk
from tests.processors.annotate.test_structural_alleles import fault_rows, site
from tests.processors.annotate.test_structural_overlap import TABLE, compiled, neighbours

LINES = [
    site("<DEL>", "SVTYPE=DEL;END=21000", 11_000),
    site("<DEL>", "SVTYPE=DEL;END=21000", 11_000),
    site("<CN0>", "END=60000;CIPOS=-5,5", 1),
    site("N[2:11000[", "SVTYPE=BND;MATEID=other", 11_000),
    site("<DEL>"),
    site("<NON_REF>"),
]


@dataclass(frozen=True)
class Prepared:
    """An admitted emission whose only chunk of faults holds LINES, carried by every sample."""

    chunk: Chunk
    structural: Structural
    emission: Any


@pytest.fixture
def prepared(client: Client, laboratory: Any, factory: Any, tmp_path: Path) -> Prepared:
    found: Transcripts = compiled(tmp_path, neighbours())
    emission = factory.emit(("aa", "bb"), chunks=0, faults=len(LINES))
    rows = fault_rows(LINES)
    samples = emission.chunks[0].rows.column("samples")
    rows = rows.set_column(rows.schema.get_field_index("samples"), rows.schema.field("samples"), samples)
    chunk = replace(emission.chunks[0], rows=rows)
    people = tuple(replace(one, quarantined={"symbolic": len(LINES)}) for one in emission.manifest.samples)
    emission = replace(emission, chunks=(chunk,), manifest=replace(emission.manifest, samples=people))
    sites = sites_of_faults(rows)
    laboratory.admit(emission)
    names = range(len(found))
    record_names(
        client,
        factory.plan,
        contigs=TABLE,
        transcripts=TranscriptNames(
            [found.name[row] for row in names], found.layout.gene, ["protein_coding"] * len(found), found.layout.contig,
            found.layout.start, found.layout.end,
        ),
        genes=GeneNames([found.gene_id[row] for row in names], [found.gene_symbol[row] for row in names]),
        consequences=NAMES,
        effects=(),
        significances=(),
    )  # fmt: skip
    structural = Structural(sites, places_of(sites, TABLE), TABLE, found.layout, pick_order(found), 5_000, 5_000)
    return Prepared(chunk, structural, emission)


def land(client: Client, prepared: Prepared, factory: Any) -> None:
    land_faults(client, prepared.chunk, factory.plan, worker="w", structural=prepared.structural)


def test_what_is_placed_is_seen_named_once_its_revision_is_complete(client: Client, factory: Any, prepared: Prepared) -> None:
    land(client, prepared, factory)
    assert client.value("SELECT count() FROM structural") == 10
    assert client.value("SELECT count() FROM structural_current") == 0
    record_manifest(client, prepared.emission.manifest)
    published = publish(client, prepared.emission.submission_id, prepared.emission.revision_id, at=1)
    assert [(row.sample_id, dict(row.quarantined)) for row in published] == [(who, {"symbolic": len(LINES)}) for who in ("aa", "bb")]
    sql = """SELECT record, structural_id, kind, position, end, copies, exact, reason, consequence, genes, genes_broken, fusions, class
        FROM structural_current WHERE sample_id = 'aa' ORDER BY record"""
    deletion = ["deletion:1:11001-21000", "deletion", 11_001, 21_000, None, True, "", "feature_truncation,coding_sequence_variant,"
                "3_prime_UTR_variant,intron_variant", ["SA", "SB"], ["SA", "SB"], ["SA::SB"], "not_assessed"]  # fmt: skip
    assert [list(row) for row in client.rows(sql)] == [
        [0, *deletion],
        [1, *deletion],
        [2, "copy_number_loss:1:2-60000", "copy_number", 2, 60_000, 0, False, "", "transcript_ablation", ["SA", "SB", "SC"], [], [],
         "not_assessed"],
        [3, "breakend:1:11000>2:10999<", "breakend", 11_000, 11_000, None, True, "", "feature_truncation,intron_variant", ["SA", "SD"],
         ["SA", "SD"], ["SA::SD"], "not_assessed"],
        [4, "", "deletion", None, None, None, False, "structural_without_end", "", [], [], [], "not_assessed"],
    ]  # fmt: skip
    shares = """SELECT arrayZip(`transcripts.exon_first`, `transcripts.exon_last`, `transcripts.exonic_share`, `transcripts.coding_share`)
        FROM structural_current WHERE sample_id = 'bb' AND record = 0"""
    assert client.value(shares)[0] == (2, 2, 5_000, 5_000)
    assert client.value("SELECT count() FROM structural_overlap FINAL") == 3


def test_landing_again_adds_nothing_however_it_is_cut(
    client: Client, factory: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(client, prepared, factory)
    counts = [client.value(f"SELECT count() FROM {table} FINAL") for table in ("structural", "structural_overlap")]
    client.command("TRUNCATE TABLE ledger")
    land(client, prepared, factory)
    assert client.value("SELECT count() FROM structural") == counts[0]
    client.command("TRUNCATE TABLE ledger")
    monkeypatch.setattr(stage, "BATCH_ROWS", 2)
    land(client, prepared, factory)
    assert [client.value(f"SELECT count() FROM {table} FINAL") for table in ("structural", "structural_overlap")] == counts


def test_structural_alleles_go_with_their_sample(client: Client, factory: Any, prepared: Prepared) -> None:
    land(client, prepared, factory)
    record_manifest(client, prepared.emission.manifest)
    publish(client, prepared.emission.submission_id, prepared.emission.revision_id, at=1)
    delete_sample(client, "aa", 1)
    for table in ("structural", "structural_current"):
        assert {row[0] for row in client.rows(f"SELECT DISTINCT sample_id FROM {table}")} == {"bb"}


def test_a_revision_whose_structural_alleles_are_missing_is_not_complete(client: Client, factory: Any, prepared: Prepared) -> None:
    land_faults(client, prepared.chunk, factory.plan, worker="w")
    record_manifest(client, prepared.emission.manifest)
    found = verify(client, prepared.emission.submission_id, prepared.emission.revision_id)
    assert [str(one) for one in found.differences] == [f"sample {who}: structural: expected 5, found 0" for who in ("aa", "bb")]
    client.command("TRUNCATE TABLE ledger")
    land(client, prepared, factory)
    assert verify(client, prepared.emission.submission_id, prepared.emission.revision_id).ok
