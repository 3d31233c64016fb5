"""Backpressure from the far end: ingest pauses while too many bytes are emitted and not landed, long before retention could eat them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from schemas.events import Lane
from streams.backlog import Backlog
from streams.broker import BrokerError
from streams.logs import logger

EVERY = 1.0
"""Seconds between two questions to the broker."""


class Outstanding:
    """Emitted and not landed bytes a lane: unread chunks times the mean size of those emitted here. Asks from a thread of its own."""

    def __init__(self, backlog: Backlog, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit` in bytes; half of the topics' `retention.bytes` at most."""
        self._backlog = backlog
        self._limit = limit
        self._clock = clock
        self._sizes: dict[Lane, tuple[int, int]] = {}
        self._reasons: Mapping[Lane, str] = {}
        self._asked = float("-inf")
        self._asking = threading.Lock()

    def emitted(self, lane: Lane, size: int) -> None:
        """A chunk of this many bytes is on its way."""
        count, total = self._sizes.get(lane, (0, 0))
        self._sizes[lane] = (count + 1, total + size)

    def reason(self, lane: Lane) -> str:
        """Why a job of this lane must pause; empty: it need not."""
        if self._clock() - self._asked >= EVERY and self._asking.acquire(blocking=False):
            self._asked = self._clock()
            threading.Thread(target=self._ask, name="outstanding", daemon=True).start()
        return self._reasons.get(lane, "")

    def _ask(self) -> None:
        try:
            reasons = {}
            for lane, (count, total) in list(self._sizes.items()):
                outstanding = self._backlog.unread(lane) * total // count
                if outstanding > self._limit:
                    reasons[lane] = f"{outstanding:,} bytes are emitted and not landed, the limit is {self._limit:,}"
            self._reasons = reasons
        except BrokerError as error:
            logger().warning("backlog unknown; going on as before", error=str(error))
        finally:
            self._asking.release()
