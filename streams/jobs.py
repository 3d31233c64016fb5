"""Long jobs beside the poll loop: a job is an iterator of emissions, and between two of them the worker may turn to a more urgent job.

One thread advances the open jobs by lanes (90 : 9 : 1 by rows); the runner keeps polling, so a job of an hour costs no rebalance. What a
job emits is produced at once; the job ends when all of it is delivered. A job that is interrupted begins again from its message, and
must emit the same bytes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.events import Lane
from streams.broker import BrokerError, Message, OnDelivery, Output, Producer, QueueFull, TooLarge
from streams.failpoints import FailPoint, FailPoints, Harmless
from streams.lanes import Shares
from streams.logs import logger
from streams.metrics import Metrics
from streams.outcomes import Backpressure, Classify, Done, Outcome, Quarantine, Retry, Wait, classify


@dataclass(frozen=True)
class Emission:
    """What a job gives at one border; nothing at all where it only offers to yield. `rows` are its share of the lane.

    `after_delivery`: produce these only when everything the job emitted before is delivered (a manifest comes last).
    """

    outputs: Sequence[Output] = ()
    rows: int = 0
    after_delivery: bool = False


class JobContext:
    """What a job may ask while it runs."""

    def __init__(self, lane: Lane, more_urgent: Callable[[], bool]) -> None:
        self.lane = lane
        self.cancelled = False
        self._more_urgent = more_urgent

    def should_yield(self) -> bool:
        """True where a more urgent job waits, or nobody waits for this one any more: give an emission, empty if need be, soon."""
        return self.cancelled or self._more_urgent()


Open = Callable[[Message, JobContext], Iterator[Emission]]
Gate = Callable[[Message], str]
"""Why a job may not emit now (downstream is full), empty: it may."""


@dataclass(eq=False)
class _Job:
    message: Message
    context: JobContext
    emissions: Iterator[Emission]
    rows: int = 0
    undelivered: int = 0
    undelivered_size: int = 0
    exhausted: bool = False
    abandoned: bool = False
    ends_with: Outcome | None = None
    after: Emission | None = None
    outputs: deque[Output] = field(default_factory=deque)


class Jobs:
    """Runs jobs behind the `Stage` contract: at most `per_lane` open in each lane, and `window` undelivered bytes a job."""

    def __init__(
        self,
        open: Open,  # noqa: A002
        producer: Producer,
        topics: Mapping[str, Lane],
        *,
        window: int = 32 * 1024 * 1024,
        per_lane: int = 1,
        gate: Gate | None = None,
        classify: Classify = classify,
        failpoints: FailPoints | None = None,
        metrics: Metrics | None = None,
        name: str = "ingest",
        thread: bool = True,
    ) -> None:
        """`thread=False`: `poll` advances one job by one emission, for simulations."""
        self._open = open
        self._producer = producer
        self._topics = topics
        self._window = window
        self._per_lane = per_lane
        self._gate = gate or (lambda message: "")
        self._classify = classify
        self._points = failpoints or Harmless()
        self._metrics = metrics
        self._name = name
        self._log = logger(stage=name)
        self._lock = threading.RLock()
        self._jobs: dict[Message, _Job] = {}
        self._ended: deque[tuple[Message, Outcome]] = deque()
        self._shares = Shares()
        self._gated = ""
        self._crash: BaseException | None = None
        self._closed = False
        self._terminated = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True) if thread else None
        if self._thread is not None:
            self._thread.start()

    @property
    def gated(self) -> str:
        """Why jobs pause; empty: they do not."""
        return self._gated

    def submit(self, message: Message) -> None:
        lane = self._topics[message.topic]
        with self._lock:
            if self._closed or sum(job.context.lane is lane for job in self._jobs.values()) >= self._per_lane:
                raise Backpressure
            context = JobContext(lane, lambda: self._more_urgent_than(lane))
            self._jobs[message] = _Job(message, context, self._open(message, context))
            self._count(lane)
        self._wake.set()

    def poll(self) -> list[tuple[Message, Outcome]]:
        if self._crash is not None:
            raise self._crash
        if self._thread is None:
            self.step()
        with self._lock:
            found = list(self._ended)
            self._ended.clear()
        return found

    def hasten(self, messages: Sequence[Message]) -> None:
        """A job that has emitted everything may end; any other one gives up at its next border."""
        with self._lock:
            for message in messages:
                job = self._jobs.get(message)
                if job is not None and not job.exhausted:
                    job.context.cancelled = True
                    self._fail(job, Wait("given up; it begins again"))
        self._wake.set()

    def abandon(self, messages: Sequence[Message]) -> None:
        with self._lock:
            for message in messages:
                if message in self._jobs:
                    self._jobs[message].context.cancelled = self._jobs[message].abandoned = True
        self._wake.set()

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def terminate(self) -> None:
        with self._lock:
            self._closed = self._terminated = True
            for job in self._jobs.values():
                job.context.cancelled = job.abandoned = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def join(self, timeout: float) -> list[tuple[Message, Outcome]]:
        deadline = time.monotonic() + timeout
        found = self.poll()
        while self._jobs and time.monotonic() < deadline:
            time.sleep(0.005)
            found += self.poll()
        return found

    # --- on the job thread -------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        try:
            while not self._terminated:
                if not self.step():
                    self._wake.wait(0.01)
                    self._wake.clear()
            for job in list(self._jobs.values()):
                self._close(job)
        except BaseException as crash:  # a simulated crash, or a defect here: the runner's thread must see it
            self._crash = crash

    def step(self) -> bool:
        """Advance one job by one emission; False where none can move now."""
        with self._lock:
            for job in list(self._jobs.values()):
                self._end_if_due(job)
            runnable = {job.context.lane: job for job in reversed(self._jobs.values()) if self._can_run(job)}
            lane = self._shares.choose(list(runnable))
        if lane is None:
            return False
        job = runnable[lane]
        before = job.rows
        moved = self._advance(job)
        self._shares.charge(lane, job.rows - before)
        return moved

    def _advance(self, job: _Job) -> bool:
        if not job.outputs and job.after is not None:
            self._points.reach(FailPoint.INGEST_ALL_CHUNKS)
            job.outputs.extend(job.after.outputs)
            job.after = None
        if not job.outputs:
            try:
                emission = next(job.emissions)
            except StopIteration:
                job.exhausted = True
                return True
            except Exception as error:
                self._fail(job, self._classify(error))
                return True
            job.rows += emission.rows
            if emission.after_delivery:
                job.after = emission
                return True
            job.outputs.extend(emission.outputs)
        return self._produce(job)

    def _produce(self, job: _Job) -> bool:
        while job.outputs:
            output = job.outputs[0]
            with self._lock:
                job.undelivered += 1
                job.undelivered_size += output.size
            try:
                self._producer.produce(output, self._on_delivery(job, output))
            except QueueFull:
                self._settle(job, output)
                return False
            except TooLarge as error:
                self._settle(job, output)
                self._fail(job, Quarantine("TooLarge", f"output for {output.topic}: {error}"))
                return True
            job.outputs.popleft()
        self._points.reach(FailPoint.INGEST_CHUNK)
        return True

    def _on_delivery(self, job: _Job, output: Output) -> OnDelivery:
        def delivered(error: BrokerError | None) -> None:
            self._settle(job, output)
            if error is not None:
                too_large = isinstance(error, TooLarge)
                self._fail(job, Quarantine("TooLarge", f"{output.topic}: {error}") if too_large else Retry(f"kafka: {error}"))
            self._wake.set()

        return delivered

    def _settle(self, job: _Job, output: Output) -> None:
        with self._lock:
            job.undelivered -= 1
            job.undelivered_size -= output.size

    def _fail(self, job: _Job, outcome: Outcome) -> None:
        with self._lock:
            job.ends_with = job.ends_with or outcome
            job.outputs.clear()
            job.after = None

    def _end_if_due(self, job: _Job) -> None:
        if job.abandoned:
            self._close(job)
        elif job.ends_with is not None:
            self._close(job)
            self._ended.append((job.message, job.ends_with))
        elif job.exhausted and not job.outputs and job.undelivered == 0:
            self._points.reach(FailPoint.INGEST_MANIFEST)
            self._close(job)
            self._ended.append((job.message, Done(rows=job.rows)))

    def _close(self, job: _Job) -> None:
        with self._lock:
            self._jobs.pop(job.message, None)
            self._count(job.context.lane)
        close = getattr(job.emissions, "close", None)
        if close is not None:
            close()

    def _can_run(self, job: _Job) -> bool:
        if job.exhausted or job.ends_with is not None:
            return False
        if job.after is not None and job.undelivered:
            return False
        if job.undelivered_size >= self._window:
            return False
        self._gated = self._gate(job.message)
        if self._metrics is not None:
            self._metrics.job_gate.labels(self._name).set(bool(self._gated))
        return not self._gated

    def _more_urgent_than(self, lane: Lane) -> bool:
        order = list(Lane)
        with self._lock:
            return any(order.index(job.context.lane) < order.index(lane) for job in self._jobs.values())

    def _count(self, lane: Lane) -> None:
        if self._metrics is not None:
            self._metrics.open_jobs.labels(self._name, lane.value).set(sum(job.context.lane is lane for job in self._jobs.values()))
