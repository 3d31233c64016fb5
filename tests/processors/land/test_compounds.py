"""Compounds land with a revision, are read back, seen when it is published, named by findings, and gone with their sample."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from processors.land.client import Client
from processors.land.delete import delete_sample, next_epoch
from processors.land.insert import land_chunk
from processors.land.manifests import record_manifest
from processors.land.publication import current, findings_of, publish
from processors.land.readback import verify
from schemas.chunks import Chunk, ChunkKind
from schemas.compounds import NAMED_SCHEMA


def compounds(chunk: Chunk, flags: list[str], terms: int = 8) -> pa.RecordBatch:
    """One compound a sample, of the chunk's alleles 0 and 1, on the transcript of the findings."""
    rows = chunk.rows.slice(0, 2).to_pylist()
    parts = [
        {**{k: row[k] for k in ("record", "alt_index", "allele_id", "start", "ref", "alt")}, "spelling": 0, "terms": 4096} for row in rows
    ]
    made = {
        "haplotypes": 2, "phase": "phased", "phase_set": 7, "transcript": "ENST1", "gene": "APP", "kind": "codon", "flags": flags,
        "start": rows[0]["start"], "end": rows[1]["start"] + 1, "terms": terms, "cds_start": 4, "cds_end": 6, "residue": 2,
        "ref_codons": "GAt", "alt_codons": "TGt", "ref_aa": "D", "alt_aa": "*", "hgvsc": "ENST1:c.4_6delinsTGA", "hgvsp": "ENSP1:p.Asp2Ter",
        "consequence": "stop_gained", "impact": "HIGH", "parts": parts,
    }  # fmt: skip
    return pa.RecordBatch.from_pylist([{"sample": number, **made} for number in range(len(chunk.header.samples))], schema=NAMED_SCHEMA)


def land(client: Client, laboratory: Any, emission: Any, flags: list[str], terms: int = 8) -> None:
    laboratory.admit(emission)
    for chunk in emission.chunks:
        if chunk.header.kind == ChunkKind.ALLELES:
            together = compounds(chunk, flags, terms) if chunk.header.ordinal == 1 else None
            land_chunk(
                client,
                chunk,
                emission.findings[chunk.header.ordinal],
                laboratory.factory.plan,
                worker="w",
                provider="CPU",
                compounds=together,
            )
    record_manifest(client, emission.manifest)


@pytest.fixture
def emission(client: Client, laboratory: Any, factory: Any) -> Any:
    """Two samples whose second chunk brings a compound of each."""
    made = factory.emit(("aa", "bb"), faults=0)
    land(client, laboratory, made, ["worse"])
    return made


def test_compounds_are_seen_when_their_revision_is_published_and_not_before(client: Client, emission: Any) -> None:
    assert client.value("SELECT count() FROM compound_current") == 0
    publish(client, emission.submission_id, emission.revision_id, at=1)
    seen = client.rows("SELECT sample_id, chunk, position, phase, flags, hgvsp, parts.record FROM compound_current ORDER BY sample_id")
    first = emission.chunks[1].rows.slice(0, 2).to_pylist()
    place, records = first[0]["start"] + 1, [row["record"] for row in first]
    assert [tuple(row) for row in seen] == [(sample, 1, place, "phased", ["worse"], "ENSP1:p.Asp2Ter", records) for sample in ("aa", "bb")]


def test_a_lost_compound_is_found_by_reading_back(client: Client, emission: Any) -> None:
    assert verify(client, emission.submission_id, emission.revision_id).ok
    client.command("ALTER TABLE compound DELETE WHERE sample_id = 'aa'")
    differences = verify(client, emission.submission_id, emission.revision_id).differences
    assert [str(difference) for difference in differences] == ["chunk 1: compounds: expected 2, found 1"]


def test_a_chunk_landed_again_adds_no_compound(client: Client, laboratory: Any, emission: Any) -> None:
    client.command("TRUNCATE TABLE ledger")
    chunk = emission.chunks[1]
    land_chunk(
        client, chunk, emission.findings[1], laboratory.factory.plan, worker="other", provider="CPU", compounds=compounds(chunk, ["worse"])
    )
    assert client.value("SELECT count() FROM compound") == 2


@pytest.mark.parametrize(
    ("flags", "terms", "reason"),
    [
        (["worse"], 8, ["compound:ENSP1:p.Asp2Ter"]),
        (["milder"], 8, ["compound_milder:ENSP1:p.Asp2Ter"]),
        ([], 8, ["compound_same:ENSP1:p.Asp2Ter"]),
        (["overlap"], 0, []),
    ],
)
def test_a_finding_names_the_compound_of_its_allele(
    client: Client, laboratory: Any, factory: Any, flags: list[str], terms: int, reason: list[str]
) -> None:
    emission = factory.emit(("aa",), faults=0)
    land(client, laboratory, emission, flags, terms)
    publish(client, emission.submission_id, emission.revision_id, at=1)
    part = emission.chunks[1].rows.column("record")[0].as_py()
    seen = dict(client.rows("SELECT record, reasons FROM finding_current"))
    assert len(seen) == client.value("SELECT count() FROM finding")
    assert seen.pop(part) == ["rare", *reason]
    assert {tuple(reasons) for reasons in seen.values()} == {("rare",)}
    row = current(client, "aa")
    assert row is not None
    sent = [event.reasons for event in findings_of(client, row, 5)]
    assert sorted(sent) == sorted([("rare", *reason), *((("rare",),) * len(seen))])


def test_compounds_go_with_their_sample(client: Client, emission: Any) -> None:
    publish(client, emission.submission_id, emission.revision_id, at=1)
    delete_sample(client, "aa", next_epoch(client, "aa"))
    for table in ("compound", "compound_current"):
        assert {row[0] for row in client.rows(f"SELECT DISTINCT sample_id FROM {table}")} == {"bb"}, table
