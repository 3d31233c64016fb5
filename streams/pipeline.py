"""A stage of several steps on threads: each step takes a value and gives the next, some one by one, some many at a time.

`Pipeline([Each("annotate", f, threads=2), Together("score", g, ...), Each("land", h, threads=2)])`: the first step gets the Message, the
last one gives the Outcome. A step that raises ends its message with `classify(error)`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.broker import Message
from streams.metrics import Metrics
from streams.outcomes import Backpressure, Classify, Outcome, Wait, classify


@dataclass(frozen=True)
class Each:
    """A step that takes one value at a time, in `threads` threads. numpy, Arrow, numba kernels and sockets release the interpreter."""

    name: str
    function: Callable[[Any], Any]
    threads: int = 1


@dataclass(frozen=True)
class Together:
    """A step that takes several values at once and gives as many, in order: a micro-batch ends at `max_rows`, or after `delay` seconds.

    Where a batch raises, its values are tried one by one, so that one bad value does not take the others with it.
    """

    name: str
    function: Callable[[list[Any]], Sequence[Any]]
    rows: Callable[[Any], int]
    max_rows: int = 65_536
    delay: float = 0.005
    threads: int = 1


@dataclass(eq=False)
class _Item:
    message: Message
    value: Any
    abandoned: bool = False


_Queue = queue.SimpleQueue["_Item | None"]


class Pipeline:
    """Runs steps on threads behind the `Stage` contract; `capacity` messages are inside at most."""

    def __init__(
        self,
        steps: Sequence[Each | Together],
        *,
        capacity: int = 64,
        classify: Classify = classify,
        metrics: Metrics | None = None,
    ) -> None:
        self._capacity = capacity
        self._classify = classify
        self._metrics = metrics
        self._inside: dict[Message, _Item] = {}
        self._ended: deque[tuple[_Item, Outcome]] = deque()
        self._crash: BaseException | None = None
        self._wake = threading.Event()
        self._stopped = False
        self._queues: list[_Queue] = [queue.SimpleQueue() for _ in steps]
        self._threads = []
        for place, step in enumerate(steps):
            target = self._each if isinstance(step, Each) else self._together
            for number in range(step.threads):
                thread = threading.Thread(target=self._guarded, args=(target, place, step), name=f"{step.name}-{number}", daemon=True)
                thread.start()
                self._threads.append((place, thread))

    def submit(self, message: Message) -> None:
        if self._stopped or len(self._inside) >= self._capacity:
            raise Backpressure
        item = self._inside[message] = _Item(message, message)
        self._queues[0].put(item)

    def poll(self) -> list[tuple[Message, Outcome]]:
        if self._crash is not None:
            raise self._crash
        found = []
        while self._ended:
            item, outcome = self._ended.popleft()
            if self._inside.pop(item.message, None) is not None and not item.abandoned:
                found.append((item.message, outcome))
        return found

    def hasten(self, messages: Sequence[Message]) -> None:
        """Every step is short: nothing to do."""

    def abandon(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message in self._inside:
                self._inside[message].abandoned = True

    def close(self) -> None:
        self._stopped = True

    def terminate(self) -> None:
        self._stopped = True
        for item in self._inside.values():
            item.abandoned = True
        self._inside.clear()
        for place, _ in self._threads:
            self._queues[place].put(None)

    def join(self, timeout: float) -> list[tuple[Message, Outcome]]:
        deadline = time.monotonic() + timeout
        found = self.poll()
        while self._inside and time.monotonic() < deadline:
            self._wake.wait(0.01)
            self._wake.clear()
            found += self.poll()
        return found

    # --- on the steps' threads ---------------------------------------------------------------------------------------

    def _guarded(self, target: Callable[[int, Any], None], place: int, step: Each | Together) -> None:
        try:
            target(place, step)
        except BaseException as crash:  # a simulated crash, or a defect here: the runner's thread must see it
            self._crash = crash

    def _each(self, place: int, step: Each) -> None:
        while (item := self._queues[place].get()) is not None:
            if item.abandoned:
                self._end(item, Wait("abandoned"))
                continue
            try:
                value = self._timed(step.name, step.function, item.value)
            except Exception as error:
                self._end(item, self._classify(error))
            else:
                self._pass(place, item, value)

    def _together(self, place: int, step: Together) -> None:
        while (first := self._queues[place].get()) is not None:
            items, ends = self._gather(self._queues[place], first, step)
            if self._metrics is not None:
                self._metrics.batch_rows.labels(step.name).observe(sum(step.rows(item.value) for item in items))
            self._run_batch(place, step, items)
            if ends:
                return

    def _gather(self, source: _Queue, first: _Item, step: Together) -> tuple[list[_Item], bool]:
        """A micro-batch, and whether the end of the queue was met."""
        items, rows, deadline = [first], step.rows(first.value), time.monotonic() + step.delay
        while rows < step.max_rows:
            try:
                item = source.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if item is None:
                return items, True
            items.append(item)
            rows += step.rows(item.value)
        return items, False

    def _run_batch(self, place: int, step: Together, items: list[_Item]) -> None:
        try:
            values = self._timed(step.name, step.function, [item.value for item in items])
            if len(values) != len(items):
                raise RuntimeError(f"step {step.name} gave {len(values)} values for {len(items)}")
        except Exception as error:
            if len(items) == 1:
                self._end(items[0], self._classify(error))
            else:
                for item in items:
                    self._run_batch(place, step, [item])
            return
        for item, value in zip(items, values, strict=True):
            self._pass(place, item, value)

    def _pass(self, place: int, item: _Item, value: Any) -> None:
        if place + 1 == len(self._queues):
            self._end(item, value)
        else:
            item.value = value
            self._queues[place + 1].put(item)

    def _end(self, item: _Item, outcome: Outcome) -> None:
        item.value = None
        self._ended.append((item, outcome))
        self._wake.set()

    def _timed(self, name: str, function: Callable[[Any], Any], value: Any) -> Any:
        if self._metrics is None:
            return function(value)
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return function(value)
        finally:
            self._metrics.step_seconds.labels(name).observe(time.perf_counter() - wall)
            self._metrics.step_cpu_seconds.labels(name).inc(time.thread_time() - cpu)
