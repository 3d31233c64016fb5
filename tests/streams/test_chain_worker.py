"""The chain on the in-memory broker and a real ClickHouse: what each step hands on, and who is at fault when it does not."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from prometheus_client import generate_latest

from deploy.local.clickhouse.launch import RunningClickHouse, running_clickhouse
from processors.ingest.chunker import ingest
from processors.land.client import Client, connect
from processors.land.delete import delete_sample
from processors.land.migrations import migrate
from processors.resources import Resources
from processors.score import session
from processors.score.session import ProviderRefused, has_device
from schemas.chunks import Answer, Chunk, ChunkKind
from schemas.events import Lane, Receipt
from schemas.plan import STAGE_CODE, Plan
from streams import chain_worker, topics, wire
from streams.broker import Message, Output
from streams.chain_worker import Chain
from streams.failpoints import Harmless
from streams.health import Health
from streams.limits import Limits
from streams.memory import Clock, MemoryBroker
from streams.metrics import Metrics
from streams.outcomes import DependencyAway, Quarantine, Unprocessable
from streams.pipeline import Each, Pipeline, Together
from streams.plans import PlanStore
from streams.runner import Runner
from streams.shelf import Shelf

INPUTS = topics.lane_topics(topics.CHUNKS_RAW)
ROOT = Path(__file__).resolve().parents[2]
NO_CLIENT: Any = None
"""For steps before landing."""


@pytest.fixture(scope="module")
def client(clickhouse: RunningClickHouse) -> Client:
    migrate(connect(clickhouse.dsn("admin"), create=True))
    return connect(clickhouse.dsn("admin"))


class World:
    """A broker with a plan, and the chunks that a job of it makes."""

    def __init__(self, interpreted: Any, client: Client = NO_CLIENT, salt: str = "") -> None:
        self.interpreted = interpreted
        self.broker = MemoryBroker(topics.catalogue(partitions=2), clock=Clock())
        interpreted.announce(self.broker)
        self.salt = salt
        self.chain = Chain(Shelf(PlanStore(self.broker.reader()), interpreted.packs, "cpu"), client, "w1", Harmless())

    @property
    def sample(self) -> str:
        found: str = self.interpreted.job(self.salt).samples[0].sample_id
        return found

    def chunks(self, plan: Plan | None = None) -> list[Chunk]:
        job, plan = self.interpreted.job(self.salt), plan or self.interpreted.plan
        genome = Resources.load(self.interpreted.plan, self.interpreted.packs, "cpu").genome
        people = [(sample.name, sample.sample_id) for sample in job.samples]
        with ingest(
            self.interpreted.calls, genome=genome, build="toy", samples=people, submission_id=job.submission_id,
            revision_id=job.revision_id, plan=replace(plan, code=STAGE_CODE), lane=Lane.ROUTINE, epoch=0, options={},
        ) as reading:  # fmt: skip
            found = [emitted.chunk for emitted in reading]
        return [Chunk(replace(chunk.header, plan_id=plan.plan_id), chunk.rows) for chunk in found]

    def messages(self, plan: Plan | None = None) -> list[Message]:
        made = [wire.chunk_message(chunk, 5) for chunk in self.chunks(plan)]
        return [Message("chunks.raw", 0, number, key, value, headers) for number, (key, value, headers) in enumerate(made)]

    def run(self, messages: Sequence[Message]) -> None:
        """A worker over these messages, until it has finished them all."""
        chain = self.chain
        steps: list[Each | Together] = [
            Each("annotate", chain.annotate),
            Together("score", chain.score, rows=lambda passing: passing.chunk.rows.num_rows),
            Each("interpret", chain.interpret),
            Each("land", chain.land, threads=2),
        ]
        consumer, producer, metrics = self.broker.consumer("chain"), self.broker.producer(), Metrics("test")
        runner = Runner(
            "chain", consumer, producer, Pipeline(steps, metrics=metrics), INPUTS, metrics=metrics, health=Health(),
            limits=Limits(commit_seconds=0.0), random=random.Random(1), worker="w1", code=1,
        )  # fmt: skip
        runner.start()
        for message in messages:
            self.broker.append(Output(message.topic, message.key or b"", message.value, message.headers or []))
        for _ in range(200_000):
            runner.turn(0.001)
            if self.broker.behind("chain", INPUTS) == 0:
                break
        assert self.broker.behind("chain", INPUTS) == 0
        runner.stop()

    def receipts(self) -> list[Receipt]:
        return [wire.decode(message.value, Receipt) for message in self.broker.log("receipts")]


def plain(rows: Any) -> str:
    """Rows as text: NaN, which stands for no quality and no score, equals nothing but itself as text."""
    return repr(rows.to_pylist())


def count(client: Client, table: str, job: Any) -> int:
    found: int = client.value(f"SELECT count() FROM {table} FINAL WHERE submission_id = {{id:String}}", {"id": job.submission_id})
    return found


def test_the_steps_annotate_score_and_screen_a_chunk_and_leave_its_rows_and_identity_alone(interpreted: Any) -> None:
    world = World(interpreted)
    (message, *_) = world.messages()
    annotated = world.chain.annotate(message)
    (scored,) = world.chain.score([annotated])
    screened = world.chain.interpret(scored)
    raw = wire.read_chunk(message.value, message.headers)
    assert screened.chunk.header == raw.header
    assert plain(screened.chunk.rows.select(raw.rows.schema.names)) == plain(raw.rows)
    added = set(screened.chunk.rows.schema.names) - set(raw.rows.schema.names)
    assert {"transcripts", "clinvar_answer", "frequency_answer", "score"} <= added
    assert set(screened.chunk.rows.column("clinvar_answer").to_pylist()) == {Answer.NOT_LOADED}
    assert screened.findings is not None


def test_an_allele_met_before_is_a_hit_on_the_metrics_and_has_the_same_rows(interpreted: Any) -> None:
    world, metrics = World(interpreted), Metrics("test")
    shelf = Shelf(PlanStore(world.broker.reader()), interpreted.packs, "cpu", cache_bytes=1 << 20)
    cached = Chain(shelf, NO_CLIENT, "w1", Harmless(), metrics)
    (message, *_) = world.messages()
    plainly = world.chain.annotate(message).chunk
    for _ in range(2):
        assert plain(cached.annotate(message).chunk.rows) == plain(plainly.rows)
    exposed = generate_latest(metrics.registry).decode()
    n = plainly.rows.num_rows
    for outcome in ("hit", "miss"):
        assert re.search(rf'annotation_cache_alleles_total{{[^}}]*outcome="{outcome}"[^}}]*}} {float(n)}', exposed), exposed
    assert float(re.findall(r"^\w*annotation_cache_bytes\S* (\S+)", exposed, re.MULTILINE)[0]) > 0
    assert "annotation_cache_evictions_total" in exposed


def test_chunks_of_one_micro_batch_get_the_scores_they_would_get_alone(interpreted: Any) -> None:
    world = World(interpreted)
    passing = [world.chain.annotate(message) for message in world.messages()]
    together = world.chain.score(passing)
    alone = [world.chain.score([one])[0] for one in passing]
    assert [one.message for one in together] == [one.message for one in passing]
    for one, other in zip(together, alone, strict=True):
        assert plain(one.chunk.rows) == plain(other.chunk.rows)
    assert {one.faulty for one in together} == {True, False}


def test_every_chunk_lands_with_its_receipt_and_once_however_often_it_is_delivered(interpreted: Any, client: Client) -> None:
    world = World(interpreted, client, "landed")
    messages = world.messages()
    world.run([*messages, *messages])
    job = interpreted.job("landed")
    assert count(client, "calls", job) == 60
    assert count(client, "fault", job) == 1
    receipts = world.receipts()
    assert {(r.stage, r.outcome, r.worker) for r in receipts} == {("land", "done", "w1")}
    assert {r.chunk_id for r in receipts} == {message.header("chunk_id") for message in messages}
    assert {r.provider for r in receipts if r.rows > 1} == {"CPUExecutionProvider"}


def test_a_chunk_of_another_code_version_is_quarantined_with_what_to_do(interpreted: Any, client: Client) -> None:
    world = World(interpreted, client, "version")
    other = replace(interpreted.plan, code={**STAGE_CODE, "annotate": STAGE_CODE["annotate"] + 1})
    interpreted.announce(world.broker, other)
    message = world.messages(other)[0]
    with pytest.raises(Unprocessable) as raised:
        world.chain.annotate(message)
    assert isinstance(raised.value.outcome, Quarantine)
    assert raised.value.outcome.error == "StageVersionMismatch"
    assert "plan the sample anew" in raised.value.outcome.detail
    world.run([message])
    (kept,) = world.broker.log("quarantine")
    assert kept.value == message.value
    assert [receipt.outcome for receipt in world.receipts()] == ["quarantined"]
    assert count(client, "calls", interpreted.job("version")) == 0


def test_bytes_that_are_no_chunk_are_quarantined_and_the_chunks_beside_them_land(interpreted: Any, client: Client) -> None:
    world = World(interpreted, client, "poison")
    first, second, *_ = world.messages()
    spoilt = replace(first, value=first.value[:-1] + bytes([first.value[-1] ^ 1]))
    world.run([spoilt, second])
    (kept,) = world.broker.log("quarantine")
    assert kept.value == spoilt.value
    assert {receipt.outcome for receipt in world.receipts()} == {"quarantined", "done"}
    assert count(client, "calls", interpreted.job("poison")) == 20


def test_chunks_of_a_deleted_sample_are_passed_over_without_a_row_or_a_receipt(interpreted: Any, client: Client) -> None:
    world = World(interpreted, client, "deleted")
    delete_sample(client, world.sample, 1)
    world.run(world.messages())
    assert world.receipts() == []
    assert world.broker.log("quarantine") == []
    assert count(client, "calls", interpreted.job("deleted")) == count(client, "fault", interpreted.job("deleted")) == 0


def test_a_clickhouse_that_is_away_is_no_fault_of_the_chunk(interpreted: Any, tmp_path: Path) -> None:
    with running_clickhouse(tmp_path / "away") as server:
        opened = connect(server.dsn("admin"), patience=0.2, create=True)
        migrate(opened)
    world = World(interpreted, opened, "away")
    (scored,) = world.chain.score([world.chain.annotate(world.messages()[0])])
    with pytest.raises(DependencyAway, match="ClickHouse does not answer"):
        world.chain.land(world.chain.interpret(scored))


# --- the gate at the start -------------------------------------------------------------------------------------------


def surroundings(provider: str) -> Any:
    """Of a worker whose settings name a provider and nothing else: the gate must not need more."""

    class Settings:
        pass

    class Worker:
        settings = Settings()

    Worker.settings.provider = provider  # type: ignore[attr-defined]
    return Worker()


@pytest.mark.skipif(has_device(), reason="this machine has a GPU")
def test_a_chain_that_must_have_cuda_does_not_start_without_it() -> None:
    with pytest.raises(ProviderRefused, match="CUDA is required"):
        chain_worker.build(surroundings("cuda"))


def test_a_chain_does_not_start_over_two_onnxruntime_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "distributions", lambda: ["onnxruntime", "onnxruntime-gpu"])
    with pytest.raises(ProviderRefused, match="overwrite each other"):
        chain_worker.build(surroundings("auto"))


@pytest.mark.broker
@pytest.mark.skipif(has_device(), reason="this machine has a GPU")
def test_the_process_ends_at_once_with_one_clear_error(
    kafka: str, tmp_path: Path, clean_environment: Callable[..., dict[str, str]]
) -> None:
    topics.create_topics(kafka, topics.catalogue(partitions=2))
    environment = clean_environment(RIVERSEQ_STATE=str(tmp_path), RIVERSEQ_KAFKA=kafka, RIVERSEQ_PROVIDER="cuda")
    ended = subprocess.run(
        [sys.executable, "-m", "streams.chain_worker"], check=False, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1
    assert "CUDA is required" in ended.stderr
    assert "Traceback" not in ended.stderr


def delta(chunk: Chunk, revision: str) -> Message:
    """The alleles of a chunk as a delta chunk: of no sample."""
    header = replace(chunk.header, kind=ChunkKind.DELTA, samples=(), submission_id=revision, revision_id=revision)
    calls = pa.array([[]] * chunk.rows.num_rows, chunk.rows.schema.field("calls").type)
    rows = chunk.rows.set_column(chunk.rows.schema.get_field_index("calls"), chunk.rows.schema.field("calls"), calls)
    key, value, headers = wire.chunk_message(Chunk(header, rows), 5)
    return Message("chunks.raw.background", 0, 0, key, value, headers)


def test_a_delta_chunk_lands_what_the_plan_says_of_its_alleles_and_no_calls(interpreted: Any, client: Client) -> None:
    world = World(interpreted, client, "delta")
    chunk = world.chunks()[0]
    revision = f"{abs(hash(chunk.header.chunk_id)):032x}"[:32]
    passing = world.chain.interpret(world.chain.score([world.chain.annotate(delta(chunk, revision))])[0])
    [told] = world.chain.land(passing).outputs  # type: ignore[union-attr]
    receipt = wire.decode(told.value, Receipt)
    assert (receipt.outcome, receipt.revision_id, receipt.rows) == ("done", revision, chunk.rows.num_rows)
    key = {"key": interpreted.plan.evidence_key}
    assert client.value("SELECT uniqExact(allele_id) FROM evidence WHERE evidence_key = {key:String}", key) == chunk.rows.num_rows
    assert client.value("SELECT count() FROM calls WHERE submission_id = {id:String}", {"id": revision}) == 0
    kept = client.rows("SELECT allele_id FROM evidence FINAL WHERE evidence_key = {key:String} AND kept ORDER BY allele_id", key)
    (plain_message, *_) = world.messages()
    screened = world.chain.interpret(world.chain.score([world.chain.annotate(plain_message)])[0])
    assert screened.findings is not None
    assert [row[0] for row in kept] == sorted(set(screened.findings.column("allele_id").to_pylist()))


def test_evidence_that_a_killed_server_lost_lands_when_its_chunk_comes_again(interpreted: Any, client: Client) -> None:
    world = World(interpreted, client, "lost")
    chunk = world.chunks()[0]
    message = delta(chunk, "f" * 32)
    passing = world.chain.interpret(world.chain.score([world.chain.annotate(message)])[0])
    world.chain.land(passing)
    key = {"key": interpreted.plan.evidence_key}
    client.command("ALTER TABLE evidence DELETE WHERE evidence_key = {key:String}", key)
    world.chain.land(passing)
    assert client.value("SELECT uniqExact(allele_id) FROM evidence WHERE evidence_key = {key:String}", key) == chunk.rows.num_rows
