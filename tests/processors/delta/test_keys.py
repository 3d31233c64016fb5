"""Alleles on file that hold a changed key, each kind of key beside a plain search over generated rows."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deploy.local.clickhouse.launch import RunningClickHouse
from processors.delta.batch import Batch
from processors.delta.keys import Keys, held, merged, of_alleles, record_changed
from processors.interpret.reads import RULES, Key, keys_read
from processors.knowledge.kinds import KINDS
from processors.land.client import Client, connect
from processors.land.migrations import migrate
from processors.land.publication import PublicationRow, insert_publications
from schemas import identity
from schemas.chunks import NONE
from schemas.plan import Component, Plan

GENES, TRANSCRIPTS, PLACES = 5, 12, 300


class File:
    """Two samples with random alleles, each in a few transcripts."""

    def __init__(self, client: Client, name: str) -> None:
        seed = zlib.crc32(name.encode())
        random = np.random.default_rng(seed)
        self.old, new = (Plan("b", (Component("genome", "g", "1", name), Component("clinvar", "c", v, name + v))) for v in ("1", "2"))
        self.client, self.random = client, random
        places = np.sort(random.choice(np.arange(1000, 1000 + 4 * PLACES), PLACES, replace=False))
        self.refs = ["A" * int(n) for n in random.integers(1, 6, PLACES)]
        self.low = places.astype(np.uint64)
        self.high = self.low + np.array([len(ref) for ref in self.refs], dtype=np.uint64)
        self.ids = np.array([identity.allele_id(int(p), r, "C") for p, r in zip(places, self.refs, strict=True)], dtype=np.uint64)
        self.carried = random.random((2, PLACES)) < 0.5
        self.gene_of = random.integers(0, GENES, TRANSCRIPTS)
        self.hits = [random.choice(TRANSCRIPTS, int(n), replace=False) for n in random.integers(0, 4, PLACES)]
        self.residues = [random.integers(0, 8, len(hit)) for hit in self.hits]
        self.gene = np.array([self.gene_of[hit[0]] if len(hit) else NONE for hit in self.hits], dtype=np.int64)
        self.batch = Batch(self.old, new, tuple(self._publication(n, seed) for n in range(2)))
        self._land()

    def _publication(self, number: int, seed: int) -> PublicationRow:
        name = f"keys{seed}-{number}"
        return PublicationRow(
            f"r{name}", name, f"s{name}", f"c{name}", self.old.plan_id, "b", self.old.annotation_key,
            "", "", 1, 1, "", "live", 0, True, 1, 1, {}, 0, "", "", 1, f"r{name}",
        )  # fmt: skip

    def _land(self) -> None:
        insert_publications(self.client, self.batch.bases, f"keys {self.batch.delta_id}")
        for row, mine in zip(self.batch.bases, self.carried, strict=True):
            at = np.flatnonzero(mine)
            columns = {
                **{name: [getattr(row, name)] * len(at) for name in ("submission_id", "sample_id", "call_set")},
                "allele_id": self.ids[at], "record": at.astype(np.uint32), "ref": [self.refs[k] for k in at], "haplotypes": [1] * len(at),
            }  # fmt: skip
            self.client.insert("calls", pa.RecordBatch.from_pydict(columns), f"calls {row.sample_id}")
        annotated = {
            "annotation_key": [self.old.annotation_key] * PLACES, "allele_id": self.ids, "gene": pa.array(self.gene, pa.uint32()),
            "transcripts.transcript": pa.array([hit.tolist() for hit in self.hits], pa.list_(pa.uint32())),
            "transcripts.residue": pa.array([r.tolist() for r in self.residues], pa.list_(pa.int32())),
        }  # fmt: skip
        for name, type_ in (("terms", pa.uint64()), ("exon", pa.uint16()), ("intron", pa.uint16()), ("distance", pa.int32()),
                            ("position", pa.int32()), ("offset", pa.int32()), ("ref_aa", pa.uint8()), ("alt_aa", pa.uint8()),
                            ("effect", pa.uint32()), ("lost", pa.uint16())):  # fmt: skip
            annotated[f"transcripts.{name}"] = pa.array([[0] * len(hit) for hit in self.hits], pa.list_(type_))
        self.client.insert("annotation", pa.RecordBatch.from_pydict(annotated), f"annotation {self.batch.delta_id}")
        names = {
            "annotation_key": [self.old.annotation_key] * TRANSCRIPTS, "transcript": np.arange(TRANSCRIPTS, dtype=np.uint32),
            "gene": self.gene_of.astype(np.uint32),
        }  # fmt: skip
        self.client.insert("transcript", pa.RecordBatch.from_pydict(names), f"transcript {self.batch.delta_id}")

    def found(self, key: Key, rows: Any) -> set[int]:
        keys = Keys({key: np.asarray(rows, dtype=np.uint64).reshape(-1, 2)})
        record_changed(self.client, self.batch.delta_id, keys)
        return {int(number) for number in held(self.client, self.batch, keys)}

    def wanted(self, mask: Any) -> set[int]:
        on_file = self.carried.any(axis=0)
        return {int(self.ids[k]) for k in np.flatnonzero(np.asarray(mask) & on_file)}


@pytest.fixture
def file(clickhouse: RunningClickHouse, request: pytest.FixtureRequest) -> File:
    client = connect(clickhouse.dsn("admin"))
    migrate(client)
    return File(client, request.node.nodeid)


def test_by_allele(file: File) -> None:
    chosen = file.random.choice(file.ids, 40, replace=False)
    assert file.found(Key.ALLELE, of_alleles(chosen)) == file.wanted(np.isin(file.ids, chosen))


def test_by_residue_of_any_transcript_of_the_gene(file: File) -> None:
    keys = {(int(g), int(r)) for g, r in zip(file.random.integers(0, GENES, 4), file.random.integers(1, 8, 4), strict=True)}
    hold = [
        any((int(file.gene_of[t]), int(r)) in keys for t, r in zip(hit, residues, strict=True))
        for hit, residues in zip(file.hits, file.residues, strict=True)
    ]
    assert file.found(Key.RESIDUE, sorted(keys)) == file.wanted(hold) != set()


def test_no_residue_is_no_key(file: File) -> None:
    assert file.found(Key.RESIDUE, [(gene, 0) for gene in range(GENES)]) == set()


def test_by_region_also_where_regions_overlap_or_lie_within_one_another(file: File) -> None:
    starts = file.random.integers(1000, 1000 + 4 * PLACES, 12)
    regions = [(int(s), int(s) + int(n)) for s, n in zip(starts, file.random.integers(1, 60, 12), strict=True)]
    hold = [any(low < end and start < high for start, end in regions) for low, high in zip(file.low, file.high, strict=True)]
    assert file.found(Key.REGION, regions) == file.wanted(hold) != set()


def test_by_gene_of_any_transcript(file: File) -> None:
    hold = [any(int(file.gene_of[t]) in (1, 3) for t in hit) for hit in file.hits]
    assert file.found(Key.GENE, [(1, 0), (3, 0)]) == file.wanted(hold) != set()


def test_by_partner_reaches_the_other_alleles_of_the_gene_in_the_same_sample(file: File) -> None:
    chosen = {int(file.random.choice(np.flatnonzero(file.carried[0] & (file.gene != NONE)))) for _ in range(3)}
    hold = np.zeros(PLACES, dtype=bool)
    for mine in file.carried:
        for changed in chosen:
            if mine[changed]:
                others = mine & (file.gene == file.gene[changed])
                others[changed] = False
                hold |= others
    assert file.found(Key.PARTNER, of_alleles(file.ids[sorted(chosen)])) == file.wanted(hold) != set()


def test_merged_regions_cover_what_they_covered_and_do_not_touch() -> None:
    random = np.random.default_rng(1)
    starts = random.integers(0, 500, 60)
    rows = np.stack([starts, starts + random.integers(1, 30, 60)], axis=1).astype(np.uint64)
    joined = merged(rows)
    covered = {place for start, end in rows.tolist() for place in range(start, end)}
    assert {place for start, end in joined.tolist() for place in range(start, end)} == covered
    assert bool(np.all(joined[1:, 0] > joined[:-1, 1]))


def test_every_rule_reads_kinds_that_there_are() -> None:
    assert all(kind in KINDS for rule in RULES for kind in rule.kinds)
    assert keys_read("clinvar") == {Key.ALLELE}
    assert keys_read("dosage") == frozenset()
