"""The data-plane runner: takes messages from Kafka by lanes, hands them to a stage, and commits only what has had its whole effect.

One thread calls `turn` for ever: take, submit, settle, produce, commit. In this order, and for these reasons:

1. A message is *taken* (its offset is open) before anything is done with it.
2. The stage ends messages in any order. Outputs are produced when a message ends, and it is *finished* when every one is delivered.
3. The lowest unfinished offset of a partition is committed. So a crash at any point repeats work, and loses none.
4. On revoke the runner stops taking, gives messages in flight `revoke_seconds` to end, commits, and drops the rest. The limit lies
   below the broker's rebalance timeout: a member that is late for that loses its commits as well.

Backpressure is an exception: a full stage, a full queue or a dependency that is away pauses partitions, and the runner keeps polling.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas.events import Lane
from streams.broker import BrokerError, Consumer, Message, Partition, Producer
from streams.deliveries import Deliveries
from streams.failpoints import FailPoint, FailPoints, Harmless
from streams.health import Health
from streams.hold import Hold
from streams.inflight import Entry, Inside, Queues, rows_of
from streams.limits import Limits
from streams.logs import logger
from streams.metrics import Metrics
from streams.offsets import Offsets
from streams.outcomes import Backpressure, Done, Outcome, Quarantine, Retry, Stage, Wait
from streams.quarantine import QuarantineLimit
from streams.readings import Readings
from streams.refusals import Refusals


class Runner:
    """Runs one stage over the lanes of its topics, see the module's docstring."""

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        producer: Producer,
        stage: Stage,
        topics: Mapping[str, Lane],
        *,
        metrics: Metrics,
        health: Health,
        limits: Limits | None = None,
        quarantine_limit: QuarantineLimit | None = None,
        failpoints: FailPoints | None = None,
        rows: Callable[[Message], int] = rows_of,
        worker: str = "",
        code: int = 0,
        clock: Callable[[], float] = time.monotonic,
        random: random.Random | None = None,
    ) -> None:
        """`topics` maps each topic to its lane (`topics.lane_topics`). `code` is the stage's code version, `worker` this process's name."""
        self._name = name
        self._consumer = consumer
        self._producer = producer
        self._stage = stage
        self._topics = topics
        self._metrics = metrics
        self._health = health
        self._limits = limits or Limits()
        self._points = failpoints or Harmless()
        self._rows_of = rows
        self._clock = clock
        self._log = logger(stage=name)

        self._offsets = Offsets()
        self._entries: dict[Message, Entry] = {}
        self._queues = Queues(self._limits)
        self._inside = Inside(self._limits)
        self._hold = Hold(name, self._limits, metrics=metrics, health=health, clock=clock, random=random or _jitter())
        self._refusals = Refusals(name, quarantine_limit or QuarantineLimit(), metrics, worker=worker, code=code)
        self._readings = Readings(name, metrics, health, clock)
        self._deliveries = Deliveries(
            name, producer, replace=self._refusals.too_large, finished=self._finish, metrics=metrics, failpoints=self._points
        )
        self._assigned: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._last_commit = clock()
        self._stopping = False

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then end in order. Raises QuarantineFull, BrokerError; what was finished is committed first."""
        self.start()
        try:
            while not stop.is_set():
                self.turn(0.01 if self._entries else 0.1)
        except Exception:
            self._stage.terminate()
            self._leave()
            raise
        self.stop()

    def start(self) -> None:
        """Join the group."""
        self._consumer.subscribe(list(self._topics), self._on_assign, self._on_revoke, self._on_lost)
        self._health.ready()

    def turn(self, timeout: float = 0.0) -> None:
        """Go round once, waiting at most `timeout` seconds for messages."""
        for message in self._consumer.consume(64, timeout):
            self._take(message)
        self._submit()
        self._settle_all()
        self._commit(wait=False)
        self._set_pauses()
        self._readings.show(self._consumer, self._queues, self._inside, self._hold, len(self._paused))

    def stop(self) -> None:
        """Finish what is in flight within `stop_seconds`, commit, leave the group."""
        self._stopping = True
        self._drop(self._untouched(self._assigned))
        self._stage.hasten([message for message, entry in self._entries.items() if entry.in_flight])
        self._stage.close()
        deadline = self._clock() + self._limits.stop_seconds
        while self._entries and self._clock() < deadline:
            self._consumer.pause(sorted(self._assigned - self._paused))
            self._paused |= self._assigned
            self._consumer.consume(1, 0.0)  # a member that does not poll is thrown out of its group
            for message, outcome in self._stage.join(0.05):
                self._settle(message, outcome)
            self._drop(self._untouched(self._assigned))
            self._deliveries.deliver(0.01)
        self._stage.terminate()
        self._leave()

    def _leave(self) -> None:
        self._stopping = True
        try:
            self._producer.flush(self._limits.revoke_seconds)
            self._deliveries.settle()
            self._commit(wait=True)
        except BrokerError as error:
            self._log.warning("last commit failed; the messages will be done again", error=str(error))
        self._consumer.close()

    @property
    def idle(self) -> bool:
        """Nothing is taken and unfinished, nothing is left to commit."""
        return not self._entries and not self._offsets.due()

    @property
    def away(self) -> str | None:
        """Why the worker takes nothing: the dependency that does not answer. None: all is well."""
        return self._hold.away

    # --- taking and submitting ---------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        if message.partition not in self._assigned:
            return  # fetched before its partition went elsewhere
        lane = self._topics[message.topic]
        entry = Entry(message, lane, self._rows_of(message), self._clock())
        self._offsets.begin(message.partition, message.offset)
        self._points.reach(FailPoint.TAKEN)
        self._entries[message] = entry
        self._queues.put(entry)

    def _submit(self) -> None:
        if self._hold.away is not None:
            probe = self._hold.due_probe()
            if probe is not None and self._try(probe):
                self._hold.probing(probe)
            return
        full: set[Lane] = set()
        for entry in self._hold.due():
            if not self._inside.has_room(entry):
                return
            if entry.lane in full or not self._try(entry):
                full.add(entry.lane)
            else:
                self._hold.release(entry)
        while not self._deliveries and (first := self._queues.peek(full)) is not None:
            if not self._inside.has_room(first):
                return
            if self._try(first):
                self._queues.take(first.lane)
            else:
                full.add(first.lane)

    def _try(self, entry: Entry) -> bool:
        try:
            self._stage.submit(entry.message)
        except Backpressure:
            return False
        self._inside.enter(entry)
        self._points.reach(FailPoint.SUBMITTED)
        return True

    # --- settling ----------------------------------------------------------------------------------------------------

    def _settle_all(self) -> None:
        for message, outcome in self._stage.poll():
            self._settle(message, outcome)
        self._deliveries.deliver(0.0)

    def _settle(self, message: Message, outcome: Outcome) -> None:
        entry = self._entries.get(message)
        if entry is None:
            return  # its partition went elsewhere meanwhile
        self._points.reach(FailPoint.OUTCOME)
        if isinstance(outcome, Retry):
            self._inside.leave(entry)
            self._hold.retry(entry, outcome.reason)
            return
        self._hold.answered(entry)
        match outcome:
            case Wait(reason):
                self._inside.leave(entry)
                self._hold.wait(entry, reason)
            case Quarantine():
                self._refusals.count(entry, outcome)
                self._points.reach(FailPoint.QUARANTINING)
                self._deliveries.emit(entry, self._refusals.outputs(entry, outcome))
            case Done(outputs, rows):
                entry.rows_done = rows or entry.rows
                self._refusals.passed()
                self._deliveries.emit(entry, outputs)

    def _finish(self, entry: Entry) -> None:
        message = entry.message
        self._points.reach(FailPoint.QUARANTINED if entry.ending == "quarantined" else FailPoint.DELIVERED)
        self._inside.leave(entry)
        del self._entries[message]
        self._offsets.finish(message.partition, message.offset)
        self._readings.finished(entry)

    # --- committing --------------------------------------------------------------------------------------------------

    def _commit(self, *, wait: bool, partitions: Iterable[Partition] | None = None) -> None:
        now = self._clock()
        if not wait and now - self._last_commit < self._limits.commit_seconds:
            return
        self._offsets.again(self._consumer.not_committed())
        due = self._offsets.due(partitions)
        if not due:
            return
        self._consumer.commit(due, wait=wait)
        self._offsets.committed(due)
        self._last_commit = now
        self._metrics.commits.labels(self._name).inc()
        self._points.reach(FailPoint.COMMITTED)

    # --- partitions come and go --------------------------------------------------------------------------------------

    def _on_assign(self, partitions: Sequence[Partition]) -> None:
        self._assigned.update(partitions)
        self._metrics.rebalances.labels(self._name, "assigned").inc(len(partitions))

    def _on_revoke(self, partitions: Sequence[Partition]) -> None:
        self._metrics.rebalances.labels(self._name, "revoked").inc(len(partitions))
        going = set(partitions)
        self._points.reach(FailPoint.REVOKING)
        self._drop(self._untouched(going))
        self._stage.hasten([message for message in self._entries if message.partition in going])
        deadline = self._clock() + (0.0 if self._stopping else self._limits.revoke_seconds)
        while self._clock() < deadline and any(message.partition in going for message in self._entries):
            self._settle_all()
            self._drop(self._untouched(going))  # what was told to retry or wait has no time to
            self._deliveries.deliver(0.01)
        try:
            self._commit(wait=True, partitions=partitions)
        except BrokerError as error:
            self._log.warning("commit before giving partitions away failed; they will be done again", error=str(error))
        self._points.reach(FailPoint.REVOKED)
        self._give_up(going)

    def _on_lost(self, partitions: Sequence[Partition]) -> None:
        """Somebody else has them already: nothing may be committed."""
        self._metrics.rebalances.labels(self._name, "lost").inc(len(partitions))
        self._log.warning("partitions lost", partitions=len(partitions))
        self._give_up(set(partitions))

    def _give_up(self, going: set[Partition]) -> None:
        self._drop([entry for entry in self._entries.values() if entry.message.partition in going])
        for partition in going:
            self._offsets.forget(partition)
        self._assigned -= going
        if stopped := sorted(self._paused & going):
            self._consumer.resume(stopped)  # the client remembers a pause, also for a partition that goes and comes back
        self._paused -= going

    def _untouched(self, going: set[Partition]) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.message.partition in going and entry.untouched]

    def _drop(self, entries: Sequence[Entry]) -> None:
        """Forget messages; whoever gets their partition takes them again."""
        if not entries:
            return
        gone = set(entries)
        self._queues.drop(gone)
        self._hold.drop(gone)
        self._deliveries.drop(gone)
        running = [entry.message for entry in entries if entry.in_flight]
        for entry in entries:
            entry.dropped = True
            self._inside.leave(entry)
            del self._entries[entry.message]
        if running:
            self._stage.abandon(running)
            self._metrics.abandoned.labels(self._name).inc(len(running))

    def _set_pauses(self) -> None:
        full = self._queues.full()
        wanted = self._hold.waiting_partitions()
        wanted |= self._assigned if self._hold.away is not None else {p for p in self._assigned if self._topics[p.topic] in full}
        if stop := sorted(wanted - self._paused):
            self._consumer.pause(stop)
        if go := sorted(self._paused - wanted):
            self._consumer.resume(go)
        self._paused = wanted


def _jitter() -> random.Random:
    return random.Random()  # noqa: S311  spreads retries, keeps no secret
