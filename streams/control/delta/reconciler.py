"""The reconciler: current samples whose plan is not the one assigned to their build are brought there, by what differs alone.

It keeps no state: who waits is read from the tables each time, so releases, releases of releases, samples that were in flight meanwhile,
rollbacks and deaths are one case. A step that was begun by a process that died is begun again and finds what was done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from processors.delta.batch import Batch
from processors.delta.changed import Affected
from processors.delta.chunks import delta_chunks
from processors.delta.landing import NotLanded
from processors.delta.outcome import EvidenceMissing, Outcome
from processors.delta.waiting import Waiting
from processors.knowledge.pack import PackError
from processors.land.publication import PublicationRow
from processors.land.store import DecisionRow
from schemas import identity
from schemas.chunks import Chunk
from schemas.events import Lane, Receipt
from schemas.plan import Plan, differ_in_knowledge_alone
from streams import wire
from streams.broker import Output
from streams.control.desk import Desk
from streams.control.plans import ActiveSet, send_plan
from streams.control.records import Position, Quarantined
from streams.failpoints import FailPoint
from streams.logs import logger
from streams.metrics import Metrics
from streams.topics import CHUNKS_RAW, lane_topic

BATCH = 500
"""Samples of one delta at most."""
BUSY, IDLE = 0.25, 2.0
"""Seconds to the next look while a delta is under way, and while nothing is known to wait; a receipt or a command wakes at once."""
LEDGER_EVERY = 1.0
"""Seconds between two looks at the ledger while receipts of chunks are still to come."""
AGAIN = 1.0
"""Seconds after sending at which evidence that is still missing is asked for again."""
CONTROL = Position("control", 0, 0)


class Announcer(Protocol):
    def announce_all(self) -> int: ...


@dataclass(frozen=True)
class DeltaProgress:
    """How a delta stands, for whoever listens. `state`: begun, sent, held, published, dropped; counts are known from then on."""

    delta_id: str
    build: str
    old: Plan
    new: Plan
    state: str
    samples: int
    alleles: int = 0
    touched: int = 0
    keys: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[int, int] = field(default_factory=dict)
    detail: str = ""


@dataclass
class _UnderWay:
    batch: Batch
    affected: Affected
    chunks: dict[int, Chunk]  # by ordinal
    outstanding: set[int]
    begun: float
    sent_at: float
    seconds: dict[str, float]
    again: bool = False  # rows that were written are not in the tables
    told: set[int] = field(default_factory=set)
    """Ordinals of which a receipt came since the last look at the ledger."""
    look_after: float = 0.0
    suspected: bool = True
    """Whether a chunk may be in quarantine: after a receipt that says so, and at first."""

    def due(self, seconds: float) -> bool:
        """Whether the ledger is worth a question: every receipt came, or none for a while (they are hints, which may be lost)."""
        return self.outstanding <= self.told or seconds >= self.look_after


class Reconciler:
    """Does one step at a time; one thread at a time takes it."""

    def __init__(self, desk: Desk, active: ActiveSet, announcer: Announcer, metrics: Metrics | None = None, *, size: int = BATCH) -> None:
        self.listeners: list[Callable[[DeltaProgress], None]] = []
        self.lane_of: Callable[[Plan, Plan], Lane] = lambda old, new: Lane.BACKGROUND
        self._desk = desk
        self._active = active
        self._announcer = announcer
        self._metrics = metrics
        self._size = size
        self._one = threading.Lock()
        self._changed = threading.Event()
        self._under_way: dict[str, _UnderWay] = {}  # by build: what is held of one build stops no other
        self._held: dict[str, str] = {}
        self._noted: set[tuple[str, str]] = set()

    # --- told --------------------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """Something changed: look now, not at the next tick."""
        self._changed.set()

    def wait(self) -> None:
        """Return when it is time for the next look."""
        self._changed.wait(BUSY if self._under_way else IDLE)
        self._changed.clear()

    def held(self, build: str) -> tuple[str, ...]:
        """What of a build's re-interpretation needs a person, in words."""
        return tuple(reason for reason in (self._held.get(build, ""),) if reason)

    def receipt(self, receipt: Receipt) -> bool:
        """Take a hint; a chunk in quarantine is written down, since no other table says so. False: it is of no delta. Raises StoreError."""
        if receipt.submission_id != receipt.revision_id:
            return False
        if receipt.outcome == "quarantined":
            held = Quarantined(receipt.chunk_id, receipt.ordinal, receipt.stage, receipt.reason, receipt.time)
            self._desk.records.record_quarantined(receipt.submission_id, receipt.revision_id, held)
        for now in list(self._under_way.values()):
            if now.batch.delta_id == receipt.submission_id:
                now.told.add(receipt.ordinal)
                if receipt.outcome == "quarantined":
                    now.suspected, now.look_after = True, 0.0
                if not now.due(self._desk.clock.seconds()):
                    return True
        self.poke()
        return True

    # --- steps -------------------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Do what can be done now; True where something was done, and more may follow. Raises StoreError, BrokerError."""
        with self._one:
            moved = [self._go_on(now) for now in list(self._under_way.values())]
            return self._begin() or any(moved)

    def _begin(self) -> bool:
        """Begin one delta of every build of which none is under way."""
        if not set(self._active.builds()) - self._under_way.keys():
            return False
        plans = {build: plan for build, plan in self._assigned().items() if build not in self._under_way}
        deltas = self._desk.records.deltas
        waiting = deltas.waiting({build: plan.plan_id for build, plan in plans.items()}) if plans else []
        groups = self._groups(self._taking_part(waiting), plans) if waiting else {}
        begun = [self._begin_one(old, plans[build], members) for build, (old, members) in groups.items()]
        return any(begun)

    def _begin_one(self, old: Plan, new: Plan, chosen: list[Waiting]) -> bool:
        records, desk = self._desk.records, self._desk
        started = desk.clock.seconds()
        batch = Batch(old, new, records.deltas.bases(chosen), {w.sample_id: w.step for w in chosen})
        try:
            records.record_plan(new)
            self._active.note_names(self._active.packs, new)
            affected = records.deltas.affected(batch, self._active.packs)
        except PackError as error:
            self._hold(batch, str(error))
            return False
        send_plan(desk, new)
        desk.points.reach(FailPoint.DELTA_KEYS)
        missing = records.deltas.evidence_missing(batch)
        chunks = {chunk.header.ordinal: chunk for chunk in delta_chunks(batch, affected.alleles, self.lane_of(old, new).value)}
        owed = {n for n, chunk in chunks.items() if not missing.isdisjoint(chunk.rows.column("allele_id").to_pylist())}
        found = desk.clock.seconds()
        under_way = _UnderWay(batch, affected, chunks, owed, started, found, {"keys": found - started})
        self._tell(under_way, "begun")
        self._send(under_way)
        self._under_way[new.build] = under_way
        return True

    def _go_on(self, now: _UnderWay) -> bool:
        desk, records = self._desk, self._desk.records
        if now.outstanding:
            if not now.due(desk.clock.seconds()):
                return False
            now.told.clear()
            now.look_after = desk.clock.seconds() + LEDGER_EVERY
            landed = {row.ordinal: row.chunk_id for row in records.landed(now.batch.delta_id)}
            before = len(now.outstanding)
            now.outstanding -= {n for n in now.outstanding if landed.get(n) == now.chunks[n].header.chunk_id}
            if now.outstanding:
                return self._wait_for_chunks(now, len(now.outstanding) < before)
        if now.batch.new.build in records.releases.paused():
            if not self._still_wanted(now):
                self._drop(now, "another plan is assigned by now")
                return True
            return False
        now.seconds["stages"] = desk.clock.seconds() - now.sent_at
        desk.points.reach(FailPoint.DELTA_LANDED)
        return self._finish(now)

    def _wait_for_chunks(self, now: _UnderWay, moved: bool) -> bool:
        suspected, now.suspected = now.suspected, False
        quarantined = {row.ordinal: row for row in self._desk.records.quarantined(now.batch.delta_id)} if suspected else {}
        held = [quarantined[n] for n in sorted(now.outstanding) if n in quarantined]
        if held:
            now.suspected = True
            self._hold(
                now.batch, f"{len(held)} chunks of a delta in quarantine; chunk {held[0].ordinal} ({held[0].stage}): {held[0].reason}"
            )
        elif self._desk.clock.seconds() - now.sent_at > self._desk.patience:
            logger().warning("delta chunks sent again", delta=now.batch.delta_id, missing=len(now.outstanding))
            self._send(now)
        if not self._still_wanted(now):
            self._drop(now, "another plan is assigned by now")
            return True
        return moved

    def _finish(self, now: _UnderWay) -> bool:
        """Write and publish what the delta changes. Everything about samples is decided under the lock."""
        desk, batch = self._desk, now.batch
        started = desk.clock.seconds()
        try:
            found = desk.records.deltas.outcome(batch, now.affected)
        except EvidenceMissing:  # a ledger row without its rows: the engine was killed at the wrong moment
            if desk.clock.seconds() - now.sent_at < AGAIN:
                return False
            now.outstanding = set(now.chunks)
            self._send(now)
            return False
        with desk.lock:
            if not self._still_wanted(now):
                self._drop(now, "another plan is assigned by now")
                return True
            if batch.new.build in desk.records.releases.paused():
                return False
            still = self._still_there(batch)
            found = found.without(frozenset(row.sample_id for row in batch.bases) - still)
            touched = [row for row in batch.bases if row.sample_id in found.touched]
            untouched = [row for row in batch.bases if row.sample_id in still and row.sample_id not in found.touched]
            try:
                rows = self._write(now, found, touched, untouched)
            except NotLanded as error:
                logger().warning("delta differs", delta=batch.delta_id, reason=str(error))
                now.again = True
                return False
            del self._under_way[batch.new.build]
        now.seconds["write"] = desk.clock.seconds() - started
        desk.points.reach(FailPoint.DELTA_PUBLISHED)
        self._held.pop(batch.new.build, None)
        announcing = desk.clock.seconds()
        self._announcer.announce_all()
        now.seconds["announce"] = desk.clock.seconds() - announcing
        self._tell(now, "published", touched=len(rows), tiers=desk.records.deltas.tiers([row.revision_id for row in rows]))
        self._measure(now, len(touched), len(untouched))
        self.poke()
        return True

    def _write(
        self, now: _UnderWay, found: Outcome, touched: list[PublicationRow], untouched: list[PublicationRow]
    ) -> tuple[PublicationRow, ...]:
        desk, deltas, batch = self._desk, self._desk.records.deltas, now.batch
        revisions = batch.revisions(touched)
        numbers = deltas.numbers(revisions, touched)
        if touched:
            deltas.record_revisions(batch, revisions, numbers, touched, desk.clock.now())
            desk.points.reach(FailPoint.DELTA_REVISIONS)
            written = deltas.record_rows(batch, found, revisions, touched, again=now.again)
            desk.points.reach(FailPoint.DELTA_ROWS)
            deltas.read_back(batch, written, revisions)
        deltas.carry(batch, untouched, desk.clock.now())
        desk.points.reach(FailPoint.DELTA_CARRIED)
        return deltas.publish(batch, found, revisions, numbers, touched, desk.clock.now())

    # --- who and under what ------------------------------------------------------------------------------------------

    def _assigned(self) -> dict[str, Plan]:
        """Build → assigned plan, of builds that are not paused."""
        paused = self._desk.records.releases.paused()
        plans = {}
        for build in self._active.builds():
            if build in paused:
                continue
            try:
                plans[build] = self._active.assigned(build)
            except PackError as error:
                self._held[build] = str(error)
        return plans

    def _taking_part(self, waiting: list[Waiting]) -> list[Waiting]:
        busy = self._desk.records.deltas.busy()
        answers = self._desk.records.releases.reanalysis([w.sample_id for w in waiting])
        return [w for w in waiting if w.sample_id not in busy and answers.get(w.sample_id, True)]

    def _groups(self, waiting: list[Waiting], plans: Mapping[str, Plan]) -> dict[str, tuple[Plan, list[Waiting]]]:
        """Build → the first samples under one plan that differs from the assigned one in knowledge alone."""
        together: dict[tuple[str, str], list[Waiting]] = {}
        for one in waiting:
            together.setdefault((one.build, one.plan_id), []).append(one)
        groups: dict[str, tuple[Plan, list[Waiting]]] = {}
        for (build, plan_id), members in together.items():
            old = self._desk.records.plan(plan_id)
            if old is None or not differ_in_knowledge_alone(old, plans[build]):
                for one in members:
                    self._note(one, plans[build])
            else:
                groups.setdefault(build, (old, members[: self._size]))
        return groups

    def _note(self, one: Waiting, assigned: Plan) -> None:
        """Write down, once, that a sample's plan is not the assigned one, and that no delta leads there: a person replays it."""
        key = (one.revision_id, assigned.plan_id)
        if key in self._noted:
            return
        self._noted.add(key)
        self._desk.records.record_plan(assigned)
        self._desk.records.record_decision(
            DecisionRow(
                *CONTROL,
                event_id=identity.digest("plan_changed", one.revision_id, assigned.plan_id),
                kind="plan_changed",
                sample_id="",
                revision_id=one.revision_id,
                actor="control",
                reason=f"published under plan {one.plan_id}, assigned is {assigned.plan_id}",
                outcome="recorded",
                time=self._desk.clock.now(),
            )
        )

    def _still_wanted(self, now: _UnderWay) -> bool:
        try:
            return self._active.assigned(now.batch.new.build).plan_id == now.batch.new.plan_id
        except PackError:
            return False

    def _still_there(self, batch: Batch) -> frozenset[str]:
        """Samples of a batch that still stand where they stood and take part; the caller holds the lock."""
        samples = [row.sample_id for row in batch.bases]
        waiting = self._desk.records.deltas.waiting({batch.new.build: batch.new.plan_id}, samples)
        standing = {(w.sample_id, w.revision_id) for w in self._taking_part(waiting) if w.plan_id == batch.old.plan_id}
        return frozenset(row.sample_id for row in batch.bases if (row.sample_id, row.revision_id) in standing)

    # --- the outside -------------------------------------------------------------------------------------------------

    def _send(self, now: _UnderWay) -> None:
        desk, lane = self._desk, self.lane_of(now.batch.old, now.batch.new)
        outputs = []
        for ordinal in sorted(now.outstanding):
            message = wire.chunk_message(now.chunks[ordinal], desk.clock.now())
            outputs.append(Output(lane_topic(CHUNKS_RAW, lane), message.key, message.value, message.headers))
        for part in (outputs[:1], outputs[1:]):  # in two steps: a delta of which some chunks were sent is a case that tests can make
            if part:
                desk.outbox.send(*part)
                desk.points.reach(FailPoint.DELTA_CHUNK)
        now.sent_at = desk.clock.seconds()
        desk.points.reach(FailPoint.DELTA_SENT)

    def _drop(self, now: _UnderWay, why: str) -> None:
        self._under_way.pop(now.batch.new.build, None)
        self._held.pop(now.batch.new.build, None)
        self._tell(now, "dropped", detail=why)
        if self._metrics is not None:
            self._metrics.delta_samples.labels("dropped").inc(len(now.batch.bases))

    def _hold(self, batch: Batch, reason: str) -> None:
        build = batch.new.build
        if self._held.get(build) != reason:
            self._held[build] = reason
            logger().warning("delta held", delta=batch.delta_id, build=build, reason=reason)
            self._listen(DeltaProgress(batch.delta_id, build, batch.old, batch.new, "held", len(batch.bases), detail=reason))

    def _tell(self, now: _UnderWay, state: str, touched: int = 0, tiers: Mapping[int, int] | None = None, detail: str = "") -> None:
        batch = now.batch
        keys, alleles = now.affected.keys, len(now.affected.alleles)
        seconds = {name: round(value, 3) for name, value in now.seconds.items()}
        logger().info(
            "delta", state=state, delta=batch.delta_id, build=batch.new.build, samples=len(batch.bases), changed=dict(keys),
            alleles=alleles, touched=touched, tiers=dict(tiers or {}), seconds=seconds, detail=detail,
        )  # fmt: skip
        self._listen(
            DeltaProgress(
                batch.delta_id, batch.new.build, batch.old, batch.new, state, len(batch.bases), alleles, touched, keys, tiers or {}, detail
            )
        )

    def _listen(self, progress: DeltaProgress) -> None:
        for listener in self.listeners:
            listener(progress)

    def _measure(self, now: _UnderWay, touched: int, carried: int) -> None:
        if self._metrics is None:
            return
        for step, seconds in now.seconds.items():
            self._metrics.delta_seconds.labels(step).observe(seconds)
        for kind, count in now.affected.keys.items():
            self._metrics.delta_keys.labels(kind).inc(count)
        self._metrics.delta_alleles.inc(len(now.affected.alleles))
        self._metrics.delta_samples.labels("touched").inc(touched)
        self._metrics.delta_samples.labels("carried").inc(carried)
