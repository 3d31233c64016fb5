"""Outputs on their way: produced in order, counted until delivered, sent again where delivery failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from streams.broker import BrokerError, OnDelivery, Output, Producer, QueueFull, TooLarge
from streams.failpoints import FailPoint, FailPoints
from streams.inflight import Entry
from streams.logs import logger
from streams.metrics import Metrics

Replace = Callable[[Entry, Output, TooLarge], Sequence[Output]]
"""What goes out in place of all outputs of an entry, one of which no topic takes. Raises TooLarge where nothing can."""


class Deliveries:
    """A message is finished when every output of it is delivered: `finished` is called then, on the thread that calls these methods."""

    def __init__(
        self,
        name: str,
        producer: Producer,
        *,
        replace: Replace,
        finished: Callable[[Entry], None],
        metrics: Metrics,
        failpoints: FailPoints,
    ) -> None:
        self._producer = producer
        self._replace = replace
        self._finished = finished
        self._metrics = metrics
        self._points = failpoints
        self._log = logger(stage=name)
        self._unsent: deque[Entry] = deque()
        self._told: deque[tuple[Entry, Output, BrokerError | None]] = deque()

    def __bool__(self) -> bool:
        """Something could not be produced yet: the client's queue is full."""
        return bool(self._unsent)

    def emit(self, entry: Entry, outputs: Iterable[Output]) -> None:
        """The outputs of a message; it is finished at once where there are none."""
        entry.outputs.extend(outputs)
        if entry.outputs:
            self._unsent.append(entry)
            self._produce()
        else:
            self._finished(entry)

    def deliver(self, timeout: float) -> None:
        """Produce what is left, wait at most `timeout` seconds for the client, act on what it told."""
        self._produce()
        self._producer.poll(timeout)
        self.settle()

    def settle(self) -> None:
        """Act on deliveries that were told."""
        while self._told:
            entry, output, error = self._told.popleft()
            entry.undelivered -= 1
            if entry.dropped:
                continue
            if error is not None:
                self._metrics.delivery_failures.labels(output.topic).inc()
                self._log.warning("not delivered, sending again", topic=output.topic, error=str(error))
                if isinstance(error, TooLarge):
                    entry.outputs = deque(self._replace(entry, output, error))
                else:
                    entry.outputs.append(output)
                if entry not in self._unsent:
                    self._unsent.append(entry)
            elif entry.undelivered == 0 and not entry.outputs:
                self._finished(entry)

    def drop(self, gone: set[Entry]) -> None:
        self._unsent = deque(entry for entry in self._unsent if entry not in gone)
        for entry in gone:
            entry.outputs.clear()

    def _produce(self) -> None:
        while self._unsent:
            entry = self._unsent[0]
            while entry.outputs:
                output = entry.outputs[0]
                try:
                    self._producer.produce(output, self._on_delivery(entry, output))
                except QueueFull:
                    return
                except TooLarge as error:
                    entry.outputs = deque(self._replace(entry, output, error))
                    continue
                entry.outputs.popleft()
                entry.undelivered += 1
            self._unsent.popleft()
            self._points.reach(FailPoint.PRODUCED)

    def _on_delivery(self, entry: Entry, output: Output) -> OnDelivery:
        return lambda error: self._told.append((entry, output, error))
