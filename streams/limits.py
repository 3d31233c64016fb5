"""What a runner holds at most, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from streams.topics import MIB


@dataclass(frozen=True)
class Limits:
    """Bounds of one runner. At least one message is always let in."""

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
