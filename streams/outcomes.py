"""What became of a message: done, not now, never, or not yet. A step returns or raises one of these; the runner acts on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.broker import Message, Output


class Backpressure(Exception):
    """A stage is full: keep the message, submit it again later. The runner pauses and keeps polling."""


@dataclass(frozen=True)
class Done:
    """The message has had its effect, once these outputs are delivered. `rows` are counted in the metrics."""

    outputs: Sequence[Output] = ()
    rows: int = 0


@dataclass(frozen=True)
class Retry:
    """Something the step depends on is away. The runner takes nothing new and tries again, with jitter, for as long as it takes."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """The message is ahead of something (a plan, a pack) that is not here yet. It is held, and asked again; other work goes on."""

    reason: str


@dataclass(frozen=True)
class Quarantine:
    """The step cannot process the message, now or later. Its original bytes go to quarantine with this reason."""

    error: str
    detail: str
    outputs: Sequence[Output] = field(default=())


Outcome = Done | Retry | Wait | Quarantine


class Interrupted(Exception):
    """Raised inside a step in place of returning an outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class DependencyAway(Interrupted):
    """Raise it where a database, a device or a disk does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(Retry(reason))


class NotYet(Interrupted):
    """Raise it where a plan or pack is not on this machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(Wait(reason))


class Unprocessable(Interrupted):
    """Raise it where the message itself is at fault."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(Quarantine(error, detail))


Classify = Callable[[Exception], Outcome]


def classify(error: Exception) -> Outcome:
    """The outcome of a step that raised: an interruption says it itself, anything else is the message's fault."""
    if isinstance(error, Interrupted):
        return error.outcome
    return Quarantine(type(error).__name__, str(error) or repr(error))


class Stage(Protocol):
    """Work on messages beside the poll loop. One thread calls these methods; what runs inside is the stage's own matter.

    A message that was submitted comes back from `poll` or `join` exactly once, with its outcome, unless `terminate` was called.
    """

    def submit(self, message: Message) -> None:
        """Take a message. Raises Backpressure where the stage is full. Does not block."""

    def poll(self) -> list[tuple[Message, Outcome]]:
        """What has ended since the last call, in any order. Does not block."""

    def hasten(self, messages: Sequence[Message]) -> None:
        """Their partition is about to go, or the worker to stop: short work on them should end, long work give up with Wait."""

    def abandon(self, messages: Sequence[Message]) -> None:
        """Nobody waits for these any more (their partition went elsewhere): no outcome is wanted."""

    def close(self) -> None:
        """No more messages will come; finish what is there."""

    def terminate(self) -> None:
        """Drop everything, at once."""

    def join(self, timeout: float) -> list[tuple[Message, Outcome]]:
        """After `close`: wait for the rest, at most `timeout` seconds, and return what has ended."""
