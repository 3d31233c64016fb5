"""Messages that were told "not now": those that wait for a plan or pack, and all of them while a dependency is away.

While something is away, nothing new enters the stage. One message at a time, the probe, asks whether it is back, at growing intervals with
jitter; the others go on when it is.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from streams.broker import Partition
from streams.health import Health
from streams.inflight import Entry
from streams.limits import Limits
from streams.logs import logger
from streams.metrics import Metrics


class Hold:
    """What a runner keeps back, and when it asks again. `name` is the stage's, in health, logs and metrics."""

    def __init__(
        self, name: str, limits: Limits, *, metrics: Metrics, health: Health, clock: Callable[[], float], random: random.Random
    ) -> None:
        self._name = name
        self._limits = limits
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._random = random
        self._log = logger(stage=name)
        self._held: deque[Entry] = deque()
        self._waiting: list[Entry] = []
        self._probe: Entry | None = None
        self._failures = 0
        self._again = 0.0
        self.away: str | None = None
        """The dependency that does not answer, and why; None: all is well."""

    def wait(self, entry: Entry, reason: str) -> None:
        """The message is ahead of something; ask it again a little later. Other work goes on."""
        entry.attempt += 1
        entry.again = self._clock() + self._limits.wait_seconds * self._random.uniform(0.5, 1.0)
        self._waiting.append(entry)
        self._health.hindered(f"{self._name}.wait", reason)
        self._log.info("waiting", reason=reason, place=entry.message.place())

    def retry(self, entry: Entry, reason: str) -> None:
        """A dependency is away."""
        entry.attempt += 1
        self._held.append(entry)
        self._metrics.retries.labels(self._name).inc()
        if self.away is not None and entry is not self._probe:
            return  # it was in flight when the dependency went; the probe alone sets the pace
        self._probe = None
        first, longest = self._limits.retry_seconds
        pause = min(longest, first * 2**self._failures) * self._random.uniform(0.5, 1.0)
        self._failures = min(self._failures + 1, 16)
        self._again = self._clock() + pause
        if self.away != reason:
            self._log.warning("dependency away", reason=reason, retry_in_seconds=round(pause, 3))
        self.away = reason
        self._health.hindered(f"{self._name}.away", reason)

    def answered(self, entry: Entry) -> None:
        """A message came back without a retry. Where it was the probe, the dependency is back."""
        if entry is self._probe:
            self._back()

    def due(self) -> list[Entry]:
        """What may enter the stage again; nothing while a dependency is away."""
        now = self._clock()
        return [*self._held, *[entry for entry in self._waiting if entry.again <= now]]

    def due_probe(self) -> Entry | None:
        """While a dependency is away: the message that should ask now, if it is time."""
        return self._held[0] if self._probe is None and self._held and self._clock() >= self._again else None

    def probing(self, entry: Entry) -> None:
        """The due probe has entered the stage."""
        self._held.remove(entry)
        self._probe = entry

    def release(self, entry: Entry) -> None:
        """A due message has entered the stage."""
        if entry in self._waiting:
            self._waiting.remove(entry)
        else:
            self._held.remove(entry)

    def drop(self, gone: set[Entry]) -> None:
        self._held = deque(entry for entry in self._held if entry not in gone)
        self._waiting = [entry for entry in self._waiting if entry not in gone]
        if self._probe in gone:
            self._probe = None
        if not self._held and self.away is not None and self._probe is None:
            self._back()  # nobody is left to ask; the next message will

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def waiting_partitions(self) -> set[Partition]:
        """What lies behind a waiting message of a partition would wait as well, most likely."""
        return {entry.message.partition for entry in self._waiting}

    def _back(self) -> None:
        self._probe = None
        self.away = None
        self._failures = 0
        self._health.ready(f"{self._name}.away")
        self._log.info("dependency is back")
