"""A control plane on a real ClickHouse engine and a simulated broker, which a test may let die anywhere and start again."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deploy.local.clickhouse.launch import RunningClickHouse, running_clickhouse
from processors.knowledge.pack import activate, active_packs, write_pack
from processors.land.client import Client, connect
from processors.land.insert import land_chunk, land_faults
from processors.land.migrations import migrate
from schemas import chunks, identity
from schemas.chunks import Chunk, ChunkHeader, ChunkKind
from schemas.events import (
    ChunkCount,
    Command,
    CompletionEvent,
    Finding,
    Job,
    Lane,
    Receipt,
    SampleCount,
    SampleInterpreted,
    SampleManifest,
    SampleState,
    SourceFile,
)
from schemas.findings import FINDING_SCHEMA
from schemas.plan import Component, Plan
from streams import wire
from streams.broker import Message, Output
from streams.control.clickhouse import ClickHouseRecords
from streams.control.control import Control
from streams.control.desk import Clock, Desk
from streams.control.gate import Surroundings
from streams.control.outgoing import ProducerOutbox
from streams.control.plans import ActiveSet
from streams.control.projection import Projection
from streams.failpoints import Crash, FailPoint, SimulatedCrash
from streams.memory import MemoryBroker
from streams.metrics import Metrics
from streams.topics import QUARANTINE, RECEIPTS, RESULTS, RUN_EVENTS, SAMPLE_STATE

KEY = b"key of the test installation"
CALLS, FAULTS = 6, 2  # of each sample and file


@pytest.fixture(scope="package")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClickHouse]:
    """A ClickHouse of this folder's own: control looks at whole tables, so others' rows would be its business."""
    with running_clickhouse(tmp_path_factory.mktemp("control") / "state") as server:
        with connect(server.dsn("admin")) as client:
            migrate(client)
        yield server


@pytest.fixture
def client(engine: RunningClickHouse) -> Iterator[Client]:
    with connect(engine.dsn("admin")) as admin:
        for (table,) in admin.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 AND name != 'migration'"
        ):
            admin.command(f"TRUNCATE TABLE {table}")
    with connect(engine.dsn("writer")) as writer:
        yield writer


class TestClock(Clock):
    """Stands still unless told."""

    __test__ = False

    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> int:
        self.at += 0.001
        return round(self.at * 1000)

    def seconds(self) -> float:
        return self.at


class Backlog:
    """What the workers have not read, as the test says."""

    def __init__(self) -> None:
        self.waiting = 0

    def unread(self, lane: Lane) -> int:
        del lane
        return self.waiting


class Lab:
    """One installation: files, packs, broker, ClickHouse, and the present life of its control process."""

    calls, faults = CALLS, FAULTS

    def __init__(self, folder: Path, client: Client) -> None:
        self.folder = folder
        self.client = client
        self.records = ClickHouseRecords(client)
        self.broker = MemoryBroker(seed=7)
        # emptied tables remember the tokens of what was in them: equal ids in two tests would be taken for repeated inserts
        self.id = uuid.uuid4().hex
        self.cluster = self.id
        self.clock = TestClock()
        self.backlog = Backlog()
        self.samples_of: dict[Path, tuple[str, ...]] = {}
        self.points = Crash(None)
        self.committed = 0
        self.heard = 0
        self.random = random.Random(7)
        self.add_pack("genome", "toy")
        self.start()

    # --- the process -------------------------------------------------------------------------------------------------

    def start(self, point: FailPoint | None = None, nth: int = 1) -> Control:
        """A new life of control, which dies at a point. Its memory is empty; `restore` is the first thing it does."""
        self.points = Crash(point, nth)
        self.producer = self.broker.producer()
        outbox = ProducerOutbox(self.producer, timeout=5.0)
        desk = Desk(self.records, outbox, Projection(outbox), self.points, clock=self.clock)
        active = ActiveSet(self.folder / "packs", plan_of, lambda packs, plan: None)
        around = Surroundings((self.folder,), active.builds, lambda path: self.samples_of[path])
        self.control = Control(desk, around, active, KEY, self.backlog, metrics=Metrics(), worker="test")
        return self.control

    def run(self) -> None:
        """Let control and its workers go until nothing is left to do. Raises SimulatedCrash at its fail point."""
        try:
            self.control.restore()
            while self.step():
                pass
        except SimulatedCrash:
            self.broker.crash(self.producer)
            raise

    def step(self) -> bool:
        """Events, jobs, receipts, timers, once each. False when nothing happened."""
        events = self.broker.log(RUN_EVENTS.name)
        for message in events[self.committed :]:
            self.control.event(message, self.cluster)
            self.committed = message.offset + 1
        receipts = self.broker.log(RECEIPTS.name)
        for message in receipts[self.heard :]:
            self.control.receipt(message)
            self.heard = message.offset + 1
        self.clock.at += 1.0
        published = self.control.look()
        self.control.announce()
        self.control.show()
        return bool(published) or len(self.broker.log(RUN_EVENTS.name)) > self.committed or len(self.broker.log(RECEIPTS.name)) > self.heard

    # --- what people do ----------------------------------------------------------------------------------------------

    def add_pack(self, kind: str, version: str) -> None:
        pack = write_pack(
            self.folder / "packs",
            kind=kind,
            name=kind,
            version=version,
            build="toy",
            rows=1,
            arrays={"a": np.array([1])},
            extra={"v": version},
        )
        activate(self.folder / "packs", pack)

    def file(self, name: str, *samples: str, content: str = "") -> SourceFile:
        """A file with a content of its own."""
        path = (self.folder / f"{name}.vcf").resolve()
        path.write_text(f"{self.id} {content or name}")
        self.samples_of[path] = samples or ("S1",)
        return SourceFile(str(path))

    def announce(self, file: SourceFile, **over: Any) -> CompletionEvent:
        values: dict[str, Any] = {
            "id": "", "source": "lab", "type": "riverseq.sample.ready", "time": self.clock.now(), "run_id": "run", "build": "toy",
            "file": file,
        }  # fmt: skip
        event = CompletionEvent(**{**values, **over})
        self.send(RUN_EVENTS.name, event)
        return event

    def command(self, kind: str, sample: str = "S1", reason: str = "because", **arguments: str) -> None:
        self.send(RUN_EVENTS.name, Command(uuid.uuid4().hex, self.clock.now(), kind, sample, "tester", reason, arguments))

    def send(self, topic: str, event: Any) -> None:
        self.broker.append(Output(topic, b"k", wire.encode(event)))

    # --- what workers do ---------------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        sent = [message for lane in ("work.urgent", "work", "work.background") for message in self.broker.log(lane)]
        return [wire.decode(message.value, Job) for message in sorted(sent, key=lambda message: message.timestamp)]

    def work(self, job: Job | None = None, *, land: Callable[[int], bool] = lambda ordinal: True, manifest: bool = True) -> SampleManifest:
        """Ingest and chain do a job (the last one): chunks land, receipts and the manifest are sent."""
        job = job or self.jobs()[-1]
        plan = self.records.plan(job.plan_id)
        assert plan is not None
        made = make_chunks(job, plan)
        for chunk in made:
            self.send(RECEIPTS.name, receipt(job, chunk, "ingest", fraction=(chunk.header.ordinal + 1) / len(made)))
            if land(chunk.header.ordinal):
                self.land(job, plan, chunk)
        promised = manifest_of(job, made)
        if manifest:
            self.send(RUN_EVENTS.name, promised)
        return promised

    def land(self, job: Job, plan: Plan, chunk: Chunk) -> None:
        if chunk.header.kind is ChunkKind.FAULTS:
            land_faults(self.client, chunk, plan, worker="w")
        else:
            land_chunk(self.client, chunk, findings_of(chunk), plan, worker="w", provider="cpu")
        self.send(RECEIPTS.name, receipt(job, chunk, "land"))

    def fail_job(self, reason: str, job: Job | None = None) -> None:
        job = job or self.jobs()[-1]
        self.send(
            RECEIPTS.name,
            Receipt(job.submission_id, job.revision_id, "", -1, "ingest", "failed", 0, 0, -1.0, "w", "", reason, self.clock.now()),
        )

    # --- what consumers see ------------------------------------------------------------------------------------------

    def results(self) -> list[Finding | SampleInterpreted]:
        sent = sorted(self.broker.log(RESULTS.name), key=lambda message: message.timestamp)
        found: list[Any] = [wire.decode(message.value, Finding, SampleInterpreted) for message in sent]
        return found

    def interpreted(self) -> list[SampleInterpreted]:
        return [event for event in self.results() if isinstance(event, SampleInterpreted)]

    def state(self, sample: str = "S1") -> SampleState | None:
        """The sample's state as the compacted topic keeps it; None after a tombstone."""
        key = self.sample_id(sample).encode()
        values = [message.value for message in self.broker.log(SAMPLE_STATE.name) if message.key == key]
        return wire.decode(values[-1], SampleState) if values and values[-1] else None

    def states(self, sample: str = "S1") -> list[str]:
        """Every state that was shown of a sample, repeats left out."""
        key = self.sample_id(sample).encode()
        shown = [wire.decode(m.value, SampleState).state for m in self.broker.log(SAMPLE_STATE.name) if m.key == key and m.value]
        return [state for place, state in enumerate(shown) if place == 0 or shown[place - 1] != state]

    def quarantine(self) -> list[Message]:
        return self.broker.log(QUARANTINE.name)

    def sample_id(self, sample: str) -> str:
        return identity.person_id(KEY, "sample", sample)

    def count(self, table: str) -> int:
        return int(self.client.value(f"SELECT count() FROM {table} FINAL"))


@pytest.fixture
def lab(tmp_path: Path, client: Client) -> Lab:
    return Lab(tmp_path.resolve(), client)


class Bench:
    """What a test that runs real processes needs of a worker."""

    @staticmethod
    def chunks(job: Job, plan: Plan) -> list[Chunk]:
        return make_chunks(job, plan)

    @staticmethod
    def land(client: Client, chunk: Chunk, plan: Plan) -> None:
        if chunk.header.kind is ChunkKind.FAULTS:
            land_faults(client, chunk, plan, worker="w")
        else:
            land_chunk(client, chunk, findings_of(chunk), plan, worker="w", provider="cpu")

    @staticmethod
    def manifest(job: Job, made: Sequence[Chunk]) -> SampleManifest:
        return manifest_of(job, made)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- a small worker --------------------------------------------------------------------------------------------------


def plan_of(packs: Path, build: str) -> Plan:
    return Plan(build, tuple(Component(p.kind, p.name, p.version, p.digest) for p in active_packs(packs, build).values()))


def make_chunks(job: Job, plan: Plan) -> list[Chunk]:
    """Two chunks of alleles that every sample carries, and one of faults."""
    samples = tuple(sample.sample_id for sample in job.samples)

    def header(ordinal: int, kind: ChunkKind, contig: str) -> ChunkHeader:
        chunk_id = identity.chunk_id(job.submission_id, 1, plan.cutting.key(), contig, ordinal)
        return ChunkHeader(
            chunk_id, job.submission_id, job.revision_id, job.plan_id, job.build, kind, contig, ordinal, job.lane, job.epoch, samples
        )

    half = CALLS // 2
    return [
        Chunk(header(0, ChunkKind.ALLELES, "1"), _alleles(range(half), len(samples))),
        Chunk(header(1, ChunkKind.ALLELES, "1"), _alleles(range(half, CALLS), len(samples))),
        Chunk(header(2, ChunkKind.FAULTS, ""), _faults(range(CALLS, CALLS + FAULTS), len(samples))),
    ]


def _alleles(records: Sequence[int], samples: int) -> pa.RecordBatch:
    call = {
        "haplotypes": 1, "ploidy": 2, "other_alts": 0, "missing": 0, "phased": False, "phase_set": -1, "depth": 30, "quality": 99,
        "depth_ref": 15, "depth_alt": 15,
    }  # fmt: skip
    values: dict[str, list[Any]] = {
        "record": list(records),
        "alt_index": [1 for _ in records],
        "allele_id": [identity.allele_id(10 * n, "A", "C") for n in records],
        "start": [10 * n for n in records],
        "ref": ["A" for _ in records],
        "alt": ["C" for _ in records],
        "flags": [0 for _ in records],
        "qual": [50.0 for _ in records],
        "filter": ["PASS" for _ in records],
        "calls": [[{"sample": s, **call} for s in range(samples)] for _ in records],
        "transcripts": [[dict.fromkeys((f.name for f in chunks.TRANSCRIPT), 0) | {"terms": 1, "exon": 1}] for _ in records],
        "pick": [0 for _ in records],
        "gene": [0 for _ in records],
        "region": [1 for _ in records],
        "terms": [1 for _ in records],
        "clinvar_answer": [2 for _ in records],
        "clinvar_significance": [0 for _ in records],
        "clinvar_id": [chunks.NONE for _ in records],
        "frequency_answer": [2 for _ in records],
        "frequency": [float("nan") for _ in records],
        "frequency_source": [chunks.NO_SOURCE for _ in records],
        "looked_up": [[] for _ in records],
        "scored": [3 for _ in records],
        "score": [float("nan") for _ in records],
    }
    fields = [*chunks.RAW_FIELDS, *chunks.ANNOTATION_FIELDS, *chunks.LOOKUP_FIELDS, *chunks.SCORE_FIELDS]
    return pa.RecordBatch.from_arrays([pa.array(values[f.name], f.type) for f in fields], schema=pa.schema(fields))


def _faults(records: Sequence[int], samples: int) -> pa.RecordBatch:
    values: dict[str, list[Any]] = {
        "record": list(records),
        "alt_index": [1 for _ in records],
        "reason": ["bad_ref" for _ in records],
        "detail": ["" for _ in records],
        "site": ["1\t1" for _ in records],
        "samples": [list(range(samples)) for _ in records],
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(values[f.name], f.type) for f in chunks.FAULT_FIELDS], schema=pa.schema(chunks.FAULT_FIELDS)
    )


def findings_of(chunk: Chunk) -> pa.RecordBatch:
    """One finding a sample: the chunk's first allele."""
    first = chunk.rows.slice(0, 1).to_pylist()[0]
    rows = [
        {
            "sample": sample, "record": first["record"], "alt_index": 1, "allele_id": first["allele_id"], "start": first["start"],
            "ref": "A",
            "alt": "C", "gene": "G", "transcript": "T", "consequence": "missense_variant", "impact": "MODERATE", "hgvsc": "",
            "hgvsp": "", "zygosity": "heterozygous", "clinvar": "",
            "frequency": None, "frequency_answer": "absent", "score": None, "score_answer": "no_model", "model": "",
            "class": "not_assessed",
            "reasons": ["rare"],
        }
        for sample in range(len(chunk.header.samples))
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema=FINDING_SCHEMA)


def receipt(job: Job, chunk: Chunk, stage: str, outcome: str = "done", fraction: float = -1.0, reason: str = "") -> Receipt:
    return Receipt(
        job.submission_id, job.revision_id, chunk.header.chunk_id, chunk.header.ordinal, stage, outcome, len(chunk.rows), 1000, fraction,
        "w",
        "cpu" if stage == "land" else "", reason, 1_700_000_000_000,
    )  # fmt: skip


def manifest_of(job: Job, made: Sequence[Chunk]) -> SampleManifest:
    """What ingest promises of these chunks."""
    samples = tuple(sample.sample_id for sample in job.samples)
    counts, sums = [], dict.fromkeys(range(len(samples)), 0)
    for chunk in made:
        total = 0
        for row in chunk.rows.to_pylist() if chunk.header.kind is ChunkKind.ALLELES else ():
            for call in row["calls"]:
                columns = {name: np.array([{**row, **call}[name]]) for name in identity.CALL_HASH_COLUMNS}
                columns["allele_id"] = columns["allele_id"].astype(np.uint64)
                value = identity.sum_mod64(identity.call_hashes(columns))
                sums[call["sample"]] += value
                total += value
        rows = len(chunk.rows) * len(samples)
        counts.append(
            ChunkCount(
                chunk.header.ordinal, chunk.header.chunk_id, chunk.header.kind, chunk.header.contig, len(chunk.rows),
                rows,
                total % 2**64,
            )
        )  # fmt: skip
    per_sample = tuple(
        SampleCount(sample, CALLS + FAULTS, CALLS, {"bad_ref": FAULTS}, sums[number] % 2**64, {}) for number, sample in enumerate(samples)
    )
    return SampleManifest(job.submission_id, job.revision_id, job.plan_id, job.file.digest, CALLS + FAULTS, 0, 0, tuple(counts), per_sample)
