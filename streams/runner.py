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
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.events import Lane
from streams import quarantine
from streams.broker import BrokerError, Consumer, Message, OnDelivery, Output, Partition, Producer, QueueFull, TooLarge
from streams.failpoints import FailPoint, FailPoints, Harmless
from streams.health import Health
from streams.lanes import Lanes
from streams.logs import logger
from streams.metrics import Metrics
from streams.offsets import Offsets
from streams.outcomes import Backpressure, Done, Outcome, Quarantine, Retry, Stage, Wait
from streams.quarantine import Guard, QuarantineLimit

MIB = 1024 * 1024
BYTES_A_ROW = 20
"""Of a chunk message, roughly: the cost of a message that does not say its rows."""


@dataclass(frozen=True)
class Limits:
    """What a runner holds at most, and how long it waits. At least one message is always let in."""

    rows: int = 262_144
    """Rows submitted and not finished."""
    size: int = 128 * MIB
    """Bytes submitted and not finished."""
    queue_messages: int = 128
    """Messages fetched and waiting for their turn, a lane; taking resumes at half of it."""
    queue_size: int = 32 * MIB
    """Bytes fetched and waiting for their turn, a lane."""
    commit_seconds: float = 0.2
    """Between commits: what a crash repeats beside the work in flight."""
    revoke_seconds: float = 10.0
    """For messages in flight to end when their partition is taken away."""
    stop_seconds: float = 20.0
    """For messages in flight to end when the worker is stopped."""
    retry_seconds: tuple[float, float] = (0.2, 10.0)
    """First and longest pause while a dependency is away; doubled each time, with jitter."""
    wait_seconds: float = 1.0
    """Between looks for a plan or pack that is not here yet."""


@dataclass(eq=False)
class _Entry:
    """A message that was taken."""

    message: Message
    lane: Lane
    rows: int
    taken: float
    attempt: int = 1
    in_flight: bool = False
    undelivered: int = 0
    rows_done: int = 0
    ending: str = "done"
    again: float = 0.0
    outputs: deque[Output] = field(default_factory=deque)


def rows_of(message: Message) -> int:
    """Rows of a message by its header `rows`, else estimated from its size."""
    text = message.header("rows")
    return int(text) if text.isdigit() else max(1, message.size // BYTES_A_ROW)


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
        self._guard = Guard(quarantine_limit or QuarantineLimit())
        self._points = failpoints or Harmless()
        self._rows_of = rows
        self._worker = worker
        self._code = code
        self._clock = clock
        self._random = random or _jitter()
        self._log = logger(stage=name)

        self._offsets = Offsets()
        self._entries: dict[Message, _Entry] = {}
        self._lanes: Lanes[_Entry] = Lanes(lambda entry: entry.rows)
        self._queue_size = dict.fromkeys(Lane, 0)
        self._queue_full: set[Lane] = set()
        self._rows = 0
        self._size = 0
        self._outbox: deque[_Entry] = deque()
        self._deliveries: deque[tuple[_Entry, Output, BrokerError | None]] = deque()
        self._assigned: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._held: deque[_Entry] = deque()
        self._waiting: list[_Entry] = []
        self._away: str | None = None
        self._failures = 0
        self._again = 0.0
        self._probe: _Entry | None = None
        self._last_commit = clock()
        self._last_lag = 0.0
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
        self._show()

    def stop(self) -> None:
        """Finish what is in flight within `stop_seconds`, commit, leave the group."""
        self._stopping = True
        self._drop(self._queued_or_held(self._assigned))
        self._stage.hasten([message for message, entry in self._entries.items() if entry.in_flight])
        self._stage.close()
        deadline = self._clock() + self._limits.stop_seconds
        while self._entries and self._clock() < deadline:
            self._consumer.pause(sorted(self._assigned - self._paused))
            self._paused |= self._assigned
            self._consumer.consume(1, 0.0)  # a member that does not poll is thrown out of its group
            for message, outcome in self._stage.join(0.05):
                self._settle(message, outcome)
            self._drop(self._queued_or_held(self._assigned))
            self._deliver(0.01)
        self._stage.terminate()
        self._leave()

    def _leave(self) -> None:
        self._stopping = True
        try:
            self._producer.flush(self._limits.revoke_seconds)
            self._finish_delivered()
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
        return self._away

    # --- taking and submitting ---------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        if message.partition not in self._assigned:
            return  # fetched before its partition went elsewhere
        lane = self._topics[message.topic]
        entry = _Entry(message, lane, self._rows_of(message), self._clock())
        self._offsets.begin(message.partition, message.offset)
        self._points.reach(FailPoint.TAKEN)
        self._entries[message] = entry
        self._lanes.put(lane, entry)
        self._queue_size[lane] += message.size

    def _submit(self) -> None:
        if self._away is not None:
            self._submit_probe()
            return
        now = self._clock()
        full: set[Lane] = set()
        for entry in [*self._held, *[entry for entry in self._waiting if entry.again <= now]]:
            if not self._room(entry):
                return
            if entry.lane in full or not self._try(entry):
                full.add(entry.lane)
            elif entry in self._waiting:
                self._waiting.remove(entry)
            else:
                self._held.remove(entry)
        while not self._outbox and (first := self._lanes.peek(full)) is not None:
            lane, entry = first
            if not self._room(entry):
                return
            if self._try(entry):
                self._lanes.take(lane)
                self._queue_size[lane] -= entry.message.size
            else:
                full.add(lane)

    def _submit_probe(self) -> None:
        """While a dependency is away, one message at a time asks whether it is back."""
        if self._probe is None and self._held and self._clock() >= self._again and self._try(self._held[0]):
            self._probe = self._held.popleft()

    def _room(self, entry: _Entry) -> bool:
        if self._rows == 0:
            return True
        return self._rows + entry.rows <= self._limits.rows and self._size + entry.message.size <= self._limits.size

    def _try(self, entry: _Entry) -> bool:
        try:
            self._stage.submit(entry.message)
        except Backpressure:
            return False
        entry.in_flight = True
        self._rows += max(entry.rows, 1)
        self._size += entry.message.size
        self._points.reach(FailPoint.SUBMITTED)
        return True

    def _land(self, entry: _Entry) -> None:
        """The message is no longer in the stage."""
        if entry.in_flight:
            entry.in_flight = False
            self._rows -= max(entry.rows, 1)
            self._size -= entry.message.size

    # --- settling ----------------------------------------------------------------------------------------------------

    def _settle_all(self) -> None:
        for message, outcome in self._stage.poll():
            self._settle(message, outcome)
        self._deliver(0.0)

    def _settle(self, message: Message, outcome: Outcome) -> None:
        entry = self._entries.get(message)
        if entry is None:
            return  # its partition went elsewhere meanwhile
        self._points.reach(FailPoint.OUTCOME)
        if isinstance(outcome, Retry):
            self._land(entry)
            self._retry(entry, outcome.reason)
            return
        if entry is self._probe:
            self._back()
        match outcome:
            case Wait(reason):
                self._land(entry)
                entry.attempt += 1
                entry.again = self._clock() + self._limits.wait_seconds * self._random.uniform(0.5, 1.0)
                self._waiting.append(entry)
                self._health.hindered(f"{self._name}.wait", reason)
                self._log.info("waiting", reason=reason, place=message.place())
            case Quarantine():
                self._quarantine(entry, outcome)
            case Done(outputs, rows):
                entry.rows_done = rows or entry.rows
                self._guard.passed()
                self._emit(entry, outputs)

    def _retry(self, entry: _Entry, reason: str) -> None:
        entry.attempt += 1
        self._held.append(entry)
        self._metrics.retries.labels(self._name).inc()
        if self._away is not None and entry is not self._probe:
            return  # it was in flight when the dependency went; the probe alone sets the pace
        self._probe = None
        first, longest = self._limits.retry_seconds
        pause = min(longest, first * 2**self._failures) * self._random.uniform(0.5, 1.0)
        self._failures = min(self._failures + 1, 16)
        self._again = self._clock() + pause
        if self._away != reason:
            self._log.warning("dependency away", reason=reason, retry_in_seconds=round(pause, 3))
        self._away = reason
        self._health.hindered(f"{self._name}.away", reason)

    def _back(self) -> None:
        self._probe = None
        self._away = None
        self._failures = 0
        self._health.ready(f"{self._name}.away")
        self._log.info("dependency is back")

    def _quarantine(self, entry: _Entry, reason: Quarantine) -> None:
        self._guard.failed(entry.message, reason)
        self._points.reach(FailPoint.QUARANTINING)
        self._emit(entry, self._quarantine_outputs(entry, reason))

    def _quarantine_outputs(self, entry: _Entry, reason: Quarantine) -> list[Output]:
        message = entry.message
        entry.ending = "quarantined"
        entry.rows_done = 0
        self._metrics.quarantined.labels(self._name, reason.error).inc()
        ids = {name: message.header(name) for name in ("chunk_id", "revision_id")}
        self._log.error("quarantined", place=message.place(), error=reason.error, detail=reason.detail[:500], **ids)
        kept = quarantine.quarantined(message, reason, stage=self._name, worker=self._worker, attempt=entry.attempt, code=self._code)
        told = quarantine.receipt(message, reason, stage=self._name, worker=self._worker)
        return [kept, *reason.outputs, *([told] if told is not None else [])]

    def _emit(self, entry: _Entry, outputs: Iterable[Output]) -> None:
        entry.outputs.extend(outputs)
        if entry.outputs:
            self._outbox.append(entry)
            self._drain_outbox()
        else:
            self._finish(entry)

    def _drain_outbox(self) -> None:
        while self._outbox:
            entry = self._outbox[0]
            while entry.outputs:
                output = entry.outputs[0]
                try:
                    self._producer.produce(output, self._on_delivery(entry, output))
                except QueueFull:
                    return
                except TooLarge as error:
                    entry.outputs.popleft()
                    self._too_large(entry, output, error)
                    continue
                entry.outputs.popleft()
                entry.undelivered += 1
            self._outbox.popleft()
            self._points.reach(FailPoint.PRODUCED)

    def _on_delivery(self, entry: _Entry, output: Output) -> OnDelivery:
        return lambda error: self._deliveries.append((entry, output, error))

    def _too_large(self, entry: _Entry, output: Output, error: BrokerError) -> None:
        """A message that no topic takes would be tried for ever: its cause goes to quarantine instead."""
        if entry.ending == "quarantined":
            raise error
        entry.outputs.clear()
        reason = Quarantine("TooLarge", f"output for {output.topic}: {error}")
        self._guard.failed(entry.message, reason)
        entry.outputs.extend(self._quarantine_outputs(entry, reason))

    def _deliver(self, timeout: float) -> None:
        self._drain_outbox()
        self._producer.poll(timeout)
        self._finish_delivered()

    def _finish_delivered(self) -> None:
        while self._deliveries:
            entry, output, error = self._deliveries.popleft()
            entry.undelivered -= 1
            if self._entries.get(entry.message) is not entry:
                continue  # dropped meanwhile
            if error is not None:
                self._metrics.delivery_failures.labels(output.topic).inc()
                self._log.warning("not delivered, sending again", topic=output.topic, error=str(error))
                if isinstance(error, TooLarge):
                    self._too_large(entry, output, error)
                else:
                    entry.outputs.append(output)
                if entry not in self._outbox:
                    self._outbox.append(entry)
            elif entry.undelivered == 0 and not entry.outputs:
                self._finish(entry)

    def _finish(self, entry: _Entry) -> None:
        message = entry.message
        self._points.reach(FailPoint.QUARANTINED if entry.ending == "quarantined" else FailPoint.DELIVERED)
        self._land(entry)
        del self._entries[message]
        self._offsets.finish(message.partition, message.offset)
        labels = (self._name, entry.lane.value)
        self._metrics.messages.labels(*labels, entry.ending).inc()
        self._metrics.rows.labels(*labels).inc(entry.rows_done)
        self._metrics.bytes.labels(*labels).inc(message.size)
        self._metrics.message_seconds.labels(*labels).observe(self._clock() - entry.taken)
        origin = message.header("origin")
        if origin.isdigit():
            self._metrics.age_seconds.labels(*labels).observe(max(0.0, time.time() - int(origin) / 1000))

    # --- committing --------------------------------------------------------------------------------------------------

    def _commit(self, *, wait: bool, partitions: Iterable[Partition] | None = None) -> None:
        now = self._clock()
        if not wait and now - self._last_commit < self._limits.commit_seconds:
            return
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
        self._drop(self._queued_or_held(going))
        self._stage.hasten([message for message in self._entries if message.partition in going])
        deadline = self._clock() + (0.0 if self._stopping else self._limits.revoke_seconds)
        while self._clock() < deadline and any(message.partition in going for message in self._entries):
            self._settle_all()
            self._drop(self._queued_or_held(going))  # what was told to retry or wait has no time to
            self._deliver(0.01)
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

    def _queued_or_held(self, going: set[Partition]) -> list[_Entry]:
        return [
            entry
            for entry in self._entries.values()
            if entry.message.partition in going and not entry.in_flight and not entry.undelivered and not entry.outputs
        ]

    def _drop(self, entries: Sequence[_Entry]) -> None:
        """Forget messages; whoever gets their partition takes them again."""
        if not entries:
            return
        gone = set(entries)
        for entry in self._lanes.drop(lambda entry: entry in gone):
            self._queue_size[entry.lane] -= entry.message.size
        self._held = deque(entry for entry in self._held if entry not in gone)
        self._waiting = [entry for entry in self._waiting if entry not in gone]
        self._outbox = deque(entry for entry in self._outbox if entry not in gone)
        if self._probe in gone:
            self._probe = None
        running = [entry.message for entry in entries if entry.in_flight]
        for entry in entries:
            self._land(entry)
            entry.outputs.clear()
            del self._entries[entry.message]
        if not self._held and self._away is not None and self._probe is None:
            self._back()
        if running:
            self._stage.abandon(running)
            self._metrics.abandoned.labels(self._name).inc(len(running))

    def _set_pauses(self) -> None:
        limits = self._limits
        for lane in Lane:
            count = sum(1 for _ in self._lanes.waiting(lane))
            if count >= limits.queue_messages or self._queue_size[lane] >= limits.queue_size:
                self._queue_full.add(lane)
            elif count <= limits.queue_messages // 2 and self._queue_size[lane] <= limits.queue_size // 2:
                self._queue_full.discard(lane)
        wanted = {entry.message.partition for entry in self._waiting}
        wanted |= self._assigned if self._away is not None else {p for p in self._assigned if self._topics[p.topic] in self._queue_full}
        if stop := sorted(wanted - self._paused):
            self._consumer.pause(stop)
        if go := sorted(self._paused - wanted):
            self._consumer.resume(go)
        self._paused = wanted

    def _show(self) -> None:
        self._health.beat()
        if not self._waiting:
            self._health.ready(f"{self._name}.wait")
        now = self._clock()
        if now - self._last_lag < 1.0:
            return
        self._last_lag = now
        metrics, name = self._metrics, self._name
        metrics.rows_in_flight.labels(name).set(self._rows)
        metrics.bytes_in_flight.labels(name).set(self._size)
        metrics.paused.labels(name).set(len(self._paused))
        metrics.waiting.labels(name).set(len(self._waiting))
        metrics.away.labels(name).set(self._away is not None)
        for lane in Lane:
            metrics.queued.labels(name, lane.value).set(sum(1 for _ in self._lanes.waiting(lane)))
        for partition, lag in self._consumer.lag().items():
            metrics.lag.labels(name, partition.topic, str(partition.number)).set(lag)


def _jitter() -> random.Random:
    return random.Random()  # noqa: S311  spreads retries, keeps no secret
