"""An installation with real packs, real stages and a real ClickHouse on a simulated broker, in which control may die anywhere."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy.local.clickhouse.launch import RunningClickHouse, running_clickhouse
from processors.ingest.source import read_header
from processors.knowledge.genome import Genome
from processors.knowledge.pack import Pack, activate, active_packs
from processors.knowledge.source import Request, build_source
from processors.land.client import Client, connect
from processors.land.migrations import migrate
from schemas import identity
from schemas.events import Command, CompletionEvent, Finding, Lane, Reclassified, SampleInterpreted, SampleState, SourceFile
from streams import wire
from streams.broker import Message, Output
from streams.chain_worker import Chain
from streams.control.clickhouse import ClickHouseRecords
from streams.control.control import Control
from streams.control.desk import Clock, Desk
from streams.control.gate import Surroundings
from streams.control.names import note_names
from streams.control.outgoing import ProducerOutbox
from streams.control.plans import ActiveSet, plan_of_active
from streams.control.projection import Projection
from streams.failpoints import Crash, FailPoint, Harmless, SimulatedCrash
from streams.ingest_worker import Reading
from streams.jobs import JobContext
from streams.memory import MemoryBroker
from streams.metrics import Metrics
from streams.outstanding import Outstanding
from streams.plans import PlanStore
from streams.shelf import Shelf
from streams.topics import CHUNKS_RAW, RECEIPTS, RESULTS, RUN_EVENTS, SAMPLE_STATE, WORK, lane_topics

KEY = b"key of the test installation"
STORES = (
    "migration", "annotation", "score", "evidence", "knowledge_clinvar", "knowledge_value", "source", "transcript", "gene", "vocabulary",
    "contig_name", "structural_overlap",
)  # fmt: skip
"""Once-only stores: emptied, they would remember the tokens of what was in them."""
OWN = {"sample_id", "submission_id", "revision_id", "call_set", "plan_id", "first_seen", "evidence_changed", "published_at"}
"""Columns that differ between two installations that know the same."""
VIEWS = ("finding_current", "variant", "calls_current", "fault_current", "compound_current", "structural_current")


@pytest.fixture(scope="package")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("delta") / "state") as server:
        with connect(server.dsn("admin")) as client:
            migrate(client)
        yield server


@pytest.fixture
def client(engine: RunningClickHouse) -> Iterator[Client]:
    with connect(engine.dsn("admin")) as admin:
        _empty(admin)
        yield admin


@pytest.fixture
def empty(client: Client) -> Callable[[], None]:
    """Empties the database, but for the once-only stores."""
    return lambda: _empty(client)


def _empty(admin: Client) -> None:
    for (table,) in admin.rows("SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0"):
        if table not in STORES:
            admin.command(f"TRUNCATE TABLE {table}")


class Time(Clock):
    """Stands still unless told."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> int:
        self.at += 0.001
        return round(self.at * 1000)

    def seconds(self) -> float:
        return self.at


class Nothing:
    """A backlog in which everything is read."""

    def unread(self, lane: Lane) -> int:
        del lane
        return 0


Site = tuple[int, str, str]
"""1-based position, REF, ALT of a substitution on contig 1."""


class Installation:
    """Packs, files, broker, workers, and the present life of control."""

    def __init__(self, folder: Path, client: Client, packs: Path, calls: Path | None = None, build: str = "toy") -> None:
        self.folder, self.client, self.build = folder, client, build
        self.id = uuid.uuid4().hex
        self.packs = folder / "packs"
        shutil.copytree(packs, self.packs)
        self.genome = Genome(active_packs(self.packs, build)["genome"])
        self.header, self.sites = _sites(calls) if calls is not None else ("", [])
        self.records = ClickHouseRecords(client)
        self.broker = MemoryBroker(seed=7)
        self.clock = Time()
        self.samples: dict[str, str] = {}  # name → sample_id
        self.refuse: set[int] = set()  # ordinals of delta chunks that the chain cannot process
        self.read: dict[str, int] = {}
        plans = PlanStore(self.broker.reader())
        self.reading = Reading(Shelf(plans, self.packs, "cpu"), Outstanding(Nothing(), 10**9), "w")
        self.chain = Chain(Shelf(plans, self.packs, "cpu"), client, "w", Harmless())
        self.size = 500
        self.start()

    # --- the process -------------------------------------------------------------------------------------------------

    def start(self, point: FailPoint | None = None, nth: int = 1) -> Control:
        """A new life of control, which dies at a point."""
        self.points = Crash(point, nth)
        self.producer = self.broker.producer()
        outbox = ProducerOutbox(self.producer, timeout=5.0)
        desk = Desk(self.records, outbox, Projection(outbox), self.points, clock=self.clock)
        active = ActiveSet(self.packs, plan_of_active, lambda packs, plan: note_names(self.client, packs, plan))
        around = Surroundings((self.folder,), active.builds, lambda path: read_header(path).samples)
        self.control = Control(desk, around, active, KEY, Nothing(), metrics=Metrics(), worker="test")
        self.control.reconciler._size = self.size
        return self.control

    def run(self) -> None:
        """Until nothing is left to do. Raises SimulatedCrash."""
        try:
            self.control.restore()
            quiet = 0
            while quiet < 3:
                quiet = 0 if self.step() else quiet + 1
        except SimulatedCrash:
            self.broker.crash(self.producer)
            raise

    def step(self) -> bool:
        done = 0
        for message in self._new(RUN_EVENTS.name):
            self.control.event(message, self.id)
            self.read[message.topic] = message.offset + 1
            done += 1
        done += self.work()
        for message in self._new(RECEIPTS.name):
            self.control.receipt(message)
            self.read[message.topic] = message.offset + 1
            done += 1
        self.clock.at += 1.0
        done += self.control.look()
        self.control.announce()
        done += self.control.reconcile()
        self.control.show()
        return done > 0

    def work(self, *, chunks: bool = True) -> int:
        """Ingest and chain do what is on their topics."""
        done = 0
        for topic in lane_topics(WORK):
            for message in self._new(topic):
                self.read[topic + str(message.number)] = message.offset + 1
                for emission in self.reading.open(message, JobContext(Lane.ROUTINE, lambda: False)):
                    for output in emission.outputs:
                        self.broker.append(output)
                done += 1
        for topic in lane_topics(CHUNKS_RAW) if chunks else ():
            for message in self._new(topic):
                self.read[topic + str(message.number)] = message.offset + 1
                self._chunk(message)
                done += 1
        return done

    def _chunk(self, message: Message) -> None:
        from streams.outcomes import Quarantine
        from streams.quarantine import receipt

        if message.header("submission_id") == message.header("revision_id") and int(message.header("ordinal")) in self.refuse:
            told = receipt(message, Quarantine("ValueError", "poisoned"), stage="chain", worker="w")
            assert told is not None
            self.broker.append(told)
            return
        passing = self.chain.interpret(self.chain.score([self.chain.annotate(message)])[0])
        for output in self.chain.land(passing).outputs:  # type: ignore[union-attr]
            self.broker.append(output)

    def _new(self, topic: str) -> list[Message]:
        """Messages not read yet, by partition and offset."""
        keyed = topic not in (RUN_EVENTS.name,)
        logs = self.broker.log(topic)
        if keyed:
            return (
                [m for m in logs if m.offset >= self.read.get(topic + str(m.number), 0)] if topic != RECEIPTS.name else self._receipts(logs)
            )
        return [m for m in logs if m.offset >= self.read.get(topic, 0)]

    def _receipts(self, logs: list[Message]) -> list[Message]:
        fresh = [m for m in logs if m.offset >= self.read.get(RECEIPTS.name + str(m.number), 0)]
        for m in fresh:
            self.read[RECEIPTS.name + str(m.number)] = m.offset + 1
        return fresh

    # --- knowledge ---------------------------------------------------------------------------------------------------

    def clinvar(self, version: str, said: Mapping[Site, str], *, release: bool = True) -> Pack:
        """A release of ClinVar: site → CLNSIG. The first line makes it this installation's own."""
        rows = [
            f"1\t{p}\t{p}\t{r}\t{a}\t.\t.\tCLNSIG={text};CLNREVSTAT=criteria_provided,_single_submitter" for (p, r, a), text in said.items()
        ]
        return self._pack("clinvar", version, rows, release)

    def frequency(self, version: str, said: Mapping[Site, float], *, release: bool = True) -> Pack:
        return self._pack("frequency", version, [f"1\t{p}\t.\t{r}\t{a}\t.\tPASS\tAF={af}" for (p, r, a), af in said.items()], release)

    def _pack(self, kind: str, version: str, rows: Sequence[str], release: bool) -> Pack:
        path = self.folder / f"{kind}-{version}.vcf"
        ordered = sorted(rows, key=lambda row: int(row.split("\t")[1]))
        path.write_text("##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(f"{row}\n" for row in ordered))
        return self.release(kind, path, version, f"2020-01-{int(version):02d}", release)

    def release(self, kind: str, path: Path, version: str, date: str, release: bool = True, build: str = "") -> Pack:
        """Build a pack of a file, with a version that is this installation's own, and activate it."""
        own = f"{version}-{self.id[:8]}"
        pack = build_source(Request(kind, (path,), self.packs, build or self.build, own, self.genome, date=date, jobs=1))
        if release:
            activate(self.packs, pack)
            self.control.reconciler.poke()
        return pack

    # --- people ------------------------------------------------------------------------------------------------------

    def submit(self, name: str, sites: Sequence[Site], *, also: Mapping[str, Sequence[Site]] | None = None) -> None:
        """Announce a file of one sample, or of several."""
        everyone = {name: sites, **(also or {})}
        rows = sorted({site for theirs in everyone.values() for site in theirs})
        lines = []
        for site in rows:
            calls = "\t".join("0/1" if site in theirs else "0/0" for theirs in everyone.values())
            lines.append(f"1\t{site[0]}\t.\t{site[1]}\t{site[2]}\t.\tPASS\t.\tGT\t{calls}\n")
        named = {person: f"{person}-{self.id[:8]}" for person in everyone}
        columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(named.values()) + "\n"
        path = self.folder / f"{name}-{uuid.uuid4().hex[:6]}.vcf"
        path.write_text(self.header + columns + "".join(lines))
        self.announce(path, named)

    def announce(self, path: Path, named: Mapping[str, str]) -> None:
        """Announce a file; `named`: name in the test → name in the file."""
        for person, text in named.items():
            self.samples[person] = identity.person_id(KEY, "sample", text)
        event = CompletionEvent("", "lab", "riverseq.sample.ready", self.clock.now(), "run", self.build, SourceFile(str(path)))
        self.broker.append(Output(RUN_EVENTS.name, b"k", wire.encode(event)))

    def command(self, kind: str, sample: str = "", **arguments: str) -> None:
        named = self.samples.get(sample, sample)
        command = Command(uuid.uuid4().hex, self.clock.now(), kind, named, "tester", "because", arguments)
        self.broker.append(Output(RUN_EVENTS.name, b"k", wire.encode(command)))

    # --- what is seen ------------------------------------------------------------------------------------------------

    def seen(self, samples: Sequence[str] | None = None) -> dict[str, list[tuple[Any, ...]]]:
        """Rows of every current view by sample name, without what is an installation's own."""
        names = {sample_id: name for name, sample_id in self.samples.items() if samples is None or name in samples}
        found = {}
        for view in VIEWS:
            records = self.client.records(f"SELECT * FROM {view} WHERE sample_id IN {{ids:Array(String)}}", {"ids": list(names)})
            rows = [
                (names[record["sample_id"]].rstrip("'"), *[(key, repr(value)) for key, value in sorted(record.items()) if key not in OWN])
                for record in records
            ]
            found[view] = sorted(rows)
        return found

    def results(self) -> list[Any]:
        sent = sorted(self.broker.log(RESULTS.name), key=lambda message: message.timestamp)
        return [wire.decode(message.value, Finding, SampleInterpreted, Reclassified) for message in sent]

    def reclassified(self) -> list[Reclassified]:
        return [event for event in self.results() if isinstance(event, Reclassified)]

    def state(self, sample: str) -> SampleState:
        key = self.samples[sample].encode()
        return [wire.decode(m.value, SampleState) for m in self.broker.log(SAMPLE_STATE.name) if m.key == key and m.value][-1]

    def revision(self, sample: str) -> tuple[int, str]:
        """(number, base) of a sample's current publication."""
        row = self.records.current(self.samples[sample])
        assert row is not None
        return row.number, row.base

    def publications(self, sample: str) -> list[tuple[int, str, str]]:
        sql = "SELECT number, base, root FROM publication FINAL WHERE sample_id = {id:String} ORDER BY ordinal, number"
        return [tuple(row) for row in self.client.rows(sql, {"id": self.samples[sample]})]

    def behind(self) -> int:
        """Current samples that stand under another plan than the assigned one."""
        assigned = {self.build: plan_of_active(self.packs, self.build).plan_id}
        return len(self.records.deltas.waiting(assigned))

    def scratch(self, names: Mapping[str, Sequence[Site]]) -> dict[str, list[tuple[Any, ...]]]:
        """What is seen of the same calls, submitted only now: the names with an apostrophe behind."""
        for name, sites in names.items():
            self.submit(f"{name}'", sites)
        self.run()
        return self.seen([f"{name}'" for name in names])


def _sites(calls: Path) -> tuple[str, list[Site]]:
    lines = calls.read_text().splitlines()
    header = "".join(f"{line}\n" for line in lines if line.startswith("##"))
    fields = [line.split("\t") for line in lines if not line.startswith("#")]
    return header, [(int(f[1]), f[3], f[4]) for f in fields if f[4] != "*"]


@pytest.fixture
def lab(tmp_path: Path, client: Client, interpreted: Any) -> Installation:
    return Installation(tmp_path.resolve(), client, interpreted.packs, interpreted.calls)


@pytest.fixture
def make_lab(client: Client) -> Any:
    """Make an installation on packs of one's own: (folder, packs, build[, calls])."""
    return lambda folder, packs, build, calls=None: Installation(folder, client, packs, calls, build)
