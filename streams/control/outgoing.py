"""The outgoing port: a message counts as sent when the broker says that it holds it, and not before."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from streams.broker import BrokerAway, BrokerError, Output, Producer, QueueFull


class Outbox(Protocol):
    """Where control's messages go. Returns only after delivery."""

    def send(self, *outputs: Output) -> None:
        """Send messages, in order within a partition. Raises BrokerError; the same messages may then be sent again."""
        ...


class ProducerOutbox:
    """Outbox on a producer (the real one, or the in-memory one). Safe to share between threads."""

    def __init__(self, producer: Producer, *, timeout: float = 30.0) -> None:
        """`timeout`: seconds to wait for the confirmation of one call's messages."""
        self._producer = producer
        self._timeout = timeout

    def send(self, *outputs: Output) -> None:
        pending = _Pending(len(outputs))
        deadline = time.monotonic() + self._timeout
        for output in outputs:
            self._produce(output, pending, deadline)
        while not pending.done.is_set():
            self._producer.poll(0.02)
            if time.monotonic() > deadline:
                raise BrokerAway(f"{pending.open} of {len(outputs)} messages to {outputs[0].topic} unconfirmed after {self._timeout:.0f} s")
        if pending.error is not None:
            raise pending.error

    def _produce(self, output: Output, pending: _Pending, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(output, pending.on_delivery)
                return
            except QueueFull:
                if time.monotonic() > deadline:
                    raise
                self._producer.poll(0.1)

    def close(self) -> None:
        """Wait for what is under way."""
        self._producer.flush(self._timeout)


class _Pending:
    """Confirmations that one call waits for; they may arrive in another thread that polls the same producer."""

    def __init__(self, count: int) -> None:
        self.open = count
        self.error: BrokerError | None = None
        self.done = threading.Event()
        self._lock = threading.Lock()
        if count == 0:
            self.done.set()

    def on_delivery(self, error: BrokerError | None) -> None:
        with self._lock:
            self.open -= 1
            self.error = self.error or error
            if self.open == 0:
                self.done.set()
