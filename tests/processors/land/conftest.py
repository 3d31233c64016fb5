"""Small synthetic chunks that went through every stage, and a database of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deploy.local.clickhouse.launch import RunningClickHouse, running_clickhouse
from processors.land.client import Client, connect
from processors.land.insert import land_chunk, land_faults
from processors.land.manifests import record_manifest
from processors.land.migrations import migrate
from processors.land.publication import PublicationRow, publish
from processors.land.store import RevisionRow, RevisionStatus, SubmissionRow, record_plan, record_revision, record_submission
from schemas import identity
from schemas.chunks import (
    ANNOTATION_FIELDS,
    CALL,
    FAULT_FIELDS,
    LOOKED_UP,
    NO_SOURCE,
    NONE,
    RAW_FIELDS,
    SCORE_FIELDS,
    TRANSCRIPT,
    Answer,
    Chunk,
    ChunkHeader,
    ChunkKind,
    Scored,
    lookup_fields,
)
from schemas.events import ChunkCount, Lane, SampleCount, SampleManifest, SampleName, SourceFile
from schemas.findings import FINDING_SCHEMA
from schemas.plan import Component, CuttingRule, Plan

PLAN = Plan(
    "GRCh38",
    (
        Component("genome", "grch38", "1", "01"),
        Component("transcripts", "genes", "1", "02"),
        Component("clinvar", "clinvar", "2026-01", "03"),
        Component("frequency", "cohort", "1", "04"),
        Component("model", "small", "1", "05"),
    ),
    {"ingest": 1, "annotate": 1, "score": 1, "interpret": 1},
    CuttingRule(),
)


def signed(total: int) -> int:
    return total - 2**64 if total >= 2**63 else total


@dataclass(frozen=True)
class Emission:
    """A submission as ingest and the stages would give it: chunks, findings of each allele chunk, and the manifest."""

    chunks: tuple[Chunk, ...]
    findings: dict[int, pa.RecordBatch]
    manifest: SampleManifest

    @property
    def submission_id(self) -> str:
        return self.manifest.submission_id

    @property
    def revision_id(self) -> str:
        return self.manifest.revision_id


@dataclass
class Factory:
    """Makes emissions from a seed. `alleles` a chunk, every sample carries about two thirds of them (the only one carries all)."""

    salt: str = ""  # of the test: a table remembers tokens of rows that are long gone, so tests share no content
    plan: Plan = PLAN

    def emit(
        self,
        samples: Sequence[str] = ("aa",),
        *,
        chunks: int = 2,
        alleles: int = 50,
        faults: int = 3,
        ordinal: int = 1,
        epoch: int = 0,
        seed: int = 7,
        offset: int = 2_000_000_000,
        plan: Plan | None = None,
        submission_id: str | None = None,
    ) -> Emission:
        plan = plan or self.plan
        random = np.random.default_rng(seed)
        submission = submission_id or identity.submission_id(samples, f"source{self.salt}{seed}", plan.build, {}, ordinal)
        revision = identity.revision_id(submission, plan.plan_id)
        made, findings, counts = [], {}, []
        landed = dict.fromkeys(samples, 0)
        sums = dict.fromkeys(samples, 0)
        quarantined = dict.fromkeys(samples, 0)
        for number in range(chunks):
            header = self._header(submission, revision, plan, ChunkKind.ALLELES, "21", number, epoch, tuple(samples))
            rows = self._alleles(random, len(samples), alleles, 1_000_000 * (number + 1), number * alleles, offset)
            chunk = Chunk(header, rows)
            made.append(chunk)
            findings[number] = self.findings(chunk)
            total = 0
            for place, hashes in call_hashes(rows).items():
                landed[samples[place]] += len(hashes)
                sums[samples[place]] = (sums[samples[place]] + identity.sum_mod64(hashes)) % 2**64
                total = (total + identity.sum_mod64(hashes)) % 2**64
            calls = len(rows.column("calls").flatten())
            counts.append(ChunkCount(number, header.chunk_id, "alleles", "21", alleles, calls, signed(total)))
        if faults:
            header = self._header(submission, revision, plan, ChunkKind.FAULTS, "", chunks, epoch, tuple(samples))
            made.append(Chunk(header, self._faults(len(samples), faults, chunks * alleles)))
            counts.append(ChunkCount(chunks, header.chunk_id, "faults", "", faults, faults * len(samples), 0))
            for sample in samples:
                quarantined[sample] += faults
        people = tuple(
            SampleCount(s, landed[s] + quarantined[s], landed[s], {"bad_ref": faults} if faults else {}, signed(sums[s]), {"titv": 2.0})
            for s in sorted(samples)
        )
        manifest = SampleManifest(
            submission, revision, plan.plan_id, f"source{self.salt}{seed}", chunks * alleles + faults, 0, 0, tuple(counts), people
        )
        return Emission(tuple(made), findings, manifest)

    def _header(
        self, submission: str, revision: str, plan: Plan, kind: ChunkKind, contig: str, number: int, epoch: int, samples: tuple[str, ...]
    ) -> ChunkHeader:
        chunk_id = identity.chunk_id(submission, plan.code["ingest"], plan.cutting.key(), contig, number)
        return ChunkHeader(chunk_id, submission, revision, plan.plan_id, plan.build, kind, contig, number, "routine", epoch, samples)

    def _alleles(self, random: np.random.Generator, samples: int, n: int, start: int, record: int, offset: int) -> pa.RecordBatch:
        starts = np.sort(random.choice(np.arange(start, start + 40 * n), n, replace=False)).astype(np.int32)
        bases = np.array(list("ACGT"))
        kinds = random.random(n)
        refs, alts = [], []
        for kind in kinds:
            base = random.integers(0, 4)
            if kind < 0.85:
                refs.append(bases[base])
                alts.append(bases[(base + random.integers(1, 4)) % 4])
            else:
                inserted = "".join(bases[random.integers(0, 4, int(random.integers(1, 30)))])
                refs.append(bases[base] + (inserted if kind < 0.93 else ""))
                alts.append(bases[base] + ("" if kind < 0.93 else inserted))
        ref, alt = pa.array([str(r) for r in refs]), pa.array([str(a) for a in alts])
        ids = pa.array(
            [identity.allele_id(offset + int(s), str(r), str(a)) for s, r, a in zip(starts, refs, alts, strict=True)], pa.uint64()
        )
        return self.stages(random, samples, n, record, ids, pa.array(starts), ref, alt)

    def stages(
        self, random: np.random.Generator, samples: int, n: int, record: int, ids: Any, starts: Any, ref: Any, alt: Any
    ) -> pa.RecordBatch:
        """Calls, annotation, lookup and scores for given alleles."""
        carried = np.ones((n, samples), dtype=bool) if samples == 1 else random.random((n, samples)) < 2 / 3
        carried[np.arange(n), random.integers(0, samples, n)] = True
        offsets = np.concatenate([[0], np.cumsum(carried.sum(axis=1))]).astype(np.int32)
        m = int(offsets[-1])
        depth = random.integers(5, 80, m)
        calls = {
            "sample": np.nonzero(carried)[1], "haplotypes": random.integers(1, 4, m), "ploidy": np.full(m, 2), "other_alts": np.zeros(m),
            "missing": np.zeros(m), "phased": random.random(m) < 0.5, "phase_set": np.where(random.random(m) < 0.5, -1, 1000),
            "depth": depth, "quality": random.integers(-1, 99, m), "depth_ref": depth // 2, "depth_alt": depth - depth // 2,
        }  # fmt: skip
        inner = pa.StructArray.from_arrays([pa.array(calls[f.name]).cast(f.type) for f in CALL], fields=list(CALL))
        texts = pa.DictionaryArray.from_arrays(pa.array(random.integers(0, 2, n).astype(np.int16)), pa.array(["PASS", "q10"]))
        raw = [
            pa.array(np.arange(record, record + n, dtype=np.uint32)), pa.array(np.ones(n, dtype=np.uint16)), ids, starts, ref, alt,
            pa.array(np.zeros(n, dtype=np.uint32)), pa.array(random.integers(10, 900, n).astype(np.float32)), texts,
            pa.ListArray.from_arrays(pa.array(offsets), inner),
        ]  # fmt: skip
        hits = random.integers(0, 7, n)
        hit_offsets = np.concatenate([[0], np.cumsum(hits)]).astype(np.int32)
        k = int(hit_offsets[-1])
        transcripts = pa.StructArray.from_arrays(
            [
                pa.array(random.integers(0, 9, k).astype(np.uint32)), pa.array(np.uint64(1) << random.integers(0, 9, k).astype(np.uint64)),
                pa.array(random.integers(0, 20, k).astype(np.uint16)), pa.array(random.integers(0, 20, k).astype(np.uint16)),
                pa.array(random.integers(0, 5000, k).astype(np.int32)),
                *[pa.array(random.integers(0, 60, k)).cast(field.type) for field in list(TRANSCRIPT)[5:]],
            ],
            fields=list(TRANSCRIPT),
        )  # fmt: skip
        none = hits == 0
        annotation = [
            pa.ListArray.from_arrays(pa.array(hit_offsets), transcripts),
            pa.array(np.where(none, NONE, random.integers(0, 9, n)).astype(np.uint32)),
            pa.array(np.where(none, NONE, random.integers(0, 4, n)).astype(np.uint32)),
            pa.array(np.where(none, 9, random.integers(1, 9, n)).astype(np.uint8)),
            pa.array(np.uint64(1) << random.integers(0, 9, n).astype(np.uint64)),
        ]
        common = random.random(n) < 0.6
        frequency = np.where(common, random.random(n), np.nan).astype(np.float32)
        rows = np.flatnonzero(common)
        looked_up = pa.StructArray.from_arrays(
            [
                pa.array(np.zeros(len(rows), np.uint8)), pa.array(np.full(len(rows), Answer.FOUND, np.uint8)),
                pa.array(frequency[rows]), pa.array(rows.astype(np.uint32)),
            ],
            fields=list(LOOKED_UP),
        )  # fmt: skip
        lookup = [
            pa.array(np.full(n, Answer.ABSENT, np.uint8)), pa.array(np.zeros(n, np.uint8)), pa.array(np.full(n, NONE, np.uint32)),
            pa.array(np.where(common, Answer.FOUND, Answer.UNKNOWN).astype(np.uint8)), pa.array(frequency),
            pa.array(np.where(common, 0, NO_SOURCE).astype(np.uint8)),
            pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(common)]).astype(np.int32)), looked_up),
        ]  # fmt: skip
        asked = random.random(n) < 0.3
        score = [
            pa.array(np.where(asked, Scored.SCORED, Scored.NOT_APPLICABLE).astype(np.uint8)),
            pa.array(np.where(asked, random.random(n), np.nan).astype(np.float32)),
        ]
        known = [component.digest for component in self.plan.components if component.kind == "frequency"]
        schema = pa.schema([*RAW_FIELDS, *ANNOTATION_FIELDS, *lookup_fields(known), *SCORE_FIELDS])
        return pa.RecordBatch.from_arrays([*raw, *annotation, *lookup, *score], schema=schema)

    def _faults(self, samples: int, n: int, record: int) -> pa.RecordBatch:
        arrays = [
            pa.array(np.arange(record, record + n, dtype=np.uint32)), pa.array(np.ones(n, dtype=np.uint16)),
            pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int16)), pa.array(["bad_ref"])), pa.array(["REF is not the base"] * n),
            pa.array(["21\t1\t.\tA\tC"] * n), pa.array([list(range(samples))] * n, pa.list_(pa.uint32())),
        ]  # fmt: skip
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(FAULT_FIELDS))

    def findings(self, chunk: Chunk) -> pa.RecordBatch:
        """A finding for every tenth allele and each of its samples."""
        found = []
        for row in chunk.rows.slice(0).to_pylist()[::10]:
            for call in row["calls"]:
                found.append(
                    {
                        "sample": call["sample"], "record": row["record"], "alt_index": row["alt_index"], "allele_id": row["allele_id"],
                        "start": row["start"], "ref": row["ref"], "alt": row["alt"], "gene": "APP", "transcript": "ENST1", "clinvar": "",
                        "consequence": "missense_variant", "impact": "MODERATE", "hgvsc": "ENST1:c.34C>T", "hgvsp": "ENSP1:p.Arg12Cys",
                        "zygosity": "heterozygous", "frequency": None, "frequency_answer": "absent",
                        "score": 0.5, "score_answer": "scored", "model": "small@1", "class": "not_assessed", "reasons": ["rare"],
                    }
                )  # fmt: skip
        return pa.RecordBatch.from_pylist(found, schema=FINDING_SCHEMA)


def call_hashes(rows: pa.RecordBatch) -> dict[int, Any]:
    """Hashes of a chunk's calls by sample, written apart from the code under test: from Python rows."""
    by_sample: dict[int, list[dict[str, int]]] = {}
    for row in rows.select(["allele_id", "record", "alt_index", "calls"]).to_pylist():
        for call in row["calls"]:
            values = {**{name: row[name] for name in ("allele_id", "record", "alt_index")}, **call}
            by_sample.setdefault(call["sample"], []).append(values)
    answer = {}
    for sample, calls in by_sample.items():
        columns: dict[str, Any] = {name: np.array([int(c[name]) for c in calls], dtype=np.int64) for name in identity.CALL_HASH_COLUMNS[1:]}
        columns["allele_id"] = np.array([c["allele_id"] for c in calls], dtype=np.uint64)
        answer[sample] = identity.call_hashes(columns)
    return answer


@dataclass(frozen=True)
class Laboratory:
    """The control plane and the workers in one: admits, lands and records an emission, without publishing it."""

    client: Client
    factory: Factory

    def admit(self, emission: Emission, *, ordinal: int = 1, number: int = 1, kind: str = "live", plan: Plan | None = None) -> None:
        plan = plan or self.factory.plan
        record_plan(self.client, plan)
        people = tuple(SampleName(f"name of {s.sample_id}", s.sample_id) for s in emission.manifest.samples)
        epoch = emission.chunks[0].header.epoch
        submission = SubmissionRow(
            emission.submission_id, "e", ordinal, "cluster", 0, ordinal, plan.build, Lane.ROUTINE, SourceFile("file:///aa.vcf", "d", 9),
            people, {}, "run", "test", "ped", ("HP:0000001",), "", 1, 2,
        )  # fmt: skip
        record_submission(self.client, submission)
        revision = RevisionRow(
            emission.revision_id, emission.submission_id, plan.plan_id, "", number, kind, epoch, RevisionStatus.OPEN, "", 3
        )
        record_revision(self.client, revision)

    def land(self, emission: Emission, *, skip: Sequence[int] = (), plan: Plan | None = None) -> None:
        plan = plan or self.factory.plan
        for chunk in emission.chunks:
            if chunk.header.ordinal in skip:
                continue
            if chunk.header.kind == ChunkKind.FAULTS:
                land_faults(self.client, chunk, plan, worker="w")
            else:
                land_chunk(self.client, chunk, emission.findings[chunk.header.ordinal], plan, worker="w", provider="CPU")
        record_manifest(self.client, emission.manifest)

    def publish(self, emission: Emission, *, at: int = 100, ordinal: int = 1, **options: Any) -> tuple[PublicationRow, ...]:
        """Admit, land, publish."""
        self.admit(emission, ordinal=ordinal, **options)
        self.land(emission, plan=options.get("plan"))
        return publish(self.client, emission.submission_id, emission.revision_id, at=at)


def note_sources_of(client: Client, plan: Plan) -> None:
    """Rows of `source` for a plan's ClinVar and frequencies, whose packs nobody has."""
    for kind, default in (("clinvar", "absent"), ("frequency", "unknown")):
        component = plan.component(kind)
        if component is not None:
            values = (component.digest, kind, component.name, "allele", kind == "frequency", default)
            client.insert_rows("source", ("digest", "kind", "name", "keyed", "frequency", "default_answer"), [values], f"noted {values}")


@pytest.fixture
def factory(request: pytest.FixtureRequest) -> Factory:
    return Factory(request.node.nodeid)


@pytest.fixture
def laboratory(client: Client, factory: Factory) -> Laboratory:
    return Laboratory(client, factory)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClickHouse]:
    """A ClickHouse process of these tests' own: its one database is emptied before each test."""
    with running_clickhouse(tmp_path_factory.mktemp("landing") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def admin(server: RunningClickHouse) -> Iterator[Client]:
    with connect(server.dsn("admin")) as opened:
        migrate(opened)
        yield opened


@pytest.fixture
def client(admin: Client) -> Client:
    """The migrated, empty database, as admin."""
    full = "SELECT name FROM system.tables WHERE database = 'riverseq' AND total_rows > 0 AND name != 'migration'"
    for (table,) in admin.rows(full):
        admin.command(f"TRUNCATE TABLE {table}")
    return admin
