"""Quarantine: messages that a stage could not process, kept as they came, with what is needed to understand and to replay them.

The value and the headers are the original ones; what riverseq adds stands in headers that begin with `quarantine.`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streams import receipts, wire
from streams.broker import BrokerError, Headers, Message, Output, Partition, Reader
from streams.clock import now_ms
from streams.logs import logger
from streams.outcomes import Quarantine
from streams.topics import MAX_MESSAGE, QUARANTINE

PREFIX = "quarantine."
_DETAIL = 4096
"""Characters of an error's text that are kept."""


# --- writing ---------------------------------------------------------------------------------------------------------


def quarantined(
    message: Message, reason: Quarantine, *, stage: str, worker: str, attempt: int, code: int, now: int | None = None
) -> Output:
    """What to produce to quarantine a message. `code` is the stage's code version, `now` ms since 1970 UTC."""
    added = {
        "topic": message.topic,
        "partition": str(message.number),
        "offset": str(message.offset),
        "error": reason.error,
        "detail": reason.detail[:_DETAIL],
        "stage": stage,
        "worker": worker,
        "attempt": str(attempt),
        "code": str(code),
        "time": str(now_ms() if now is None else now),
    }
    original = [(name, value) for name, value in message.headers if not name.startswith(PREFIX)]
    headers = original + [(PREFIX + name, text.encode()) for name, text in added.items()]
    if message.key is not None:
        headers.append((f"{PREFIX}key", message.key))
    key = message.header("chunk_id").encode() or message.key or message.place().encode()
    return Output(QUARANTINE.name, key, message.value, headers)


def receipt(message: Message, reason: Quarantine, *, stage: str, worker: str, now: int | None = None) -> Output | None:
    """The receipt that tells the control plane of a quarantined chunk; None for a message that names no submission."""
    submission = message.header("submission_id")
    if not submission:
        return None
    ordinal = message.header("ordinal")
    return receipts.receipt(
        submission,
        message.header("revision_id"),
        stage=stage,
        outcome="quarantined",
        worker=worker,
        chunk_id=message.header("chunk_id"),
        ordinal=int(ordinal) if ordinal.isdigit() else -1,
        size=message.size,
        reason=f"{reason.error}: {reason.detail}"[:_DETAIL],
        now=now,
    )


class QuarantineFull(Exception):
    """Too much goes to quarantine: the code or the plan is wrong, not the messages. The worker stops with the offset uncommitted."""


@dataclass(frozen=True)
class QuarantineLimit:
    """`max_ratio` over the last `window` messages (once `minimum` were quarantined among them), and `max_consecutive` in a row."""

    max_ratio: float = 0.2
    window: int = 200
    minimum: int = 20
    max_consecutive: int = 20


class Guard:
    """Counts what goes to quarantine, against the limit."""

    def __init__(self, limit: QuarantineLimit) -> None:
        self._limit = limit
        self._recent: deque[bool] = deque(maxlen=limit.window)
        self._row = 0

    def passed(self) -> None:
        """A message was processed."""
        self._recent.append(False)
        self._row = 0

    def failed(self, message: Message, reason: Quarantine) -> None:
        """A message is about to be quarantined. Raises QuarantineFull where that would be one too many."""
        self._recent.append(True)
        self._row += 1
        bad, limit = sum(self._recent), self._limit
        ratio = bad / len(self._recent)
        over = f"{self._row} messages in a row" if self._row > limit.max_consecutive else ""
        if not over and bad > limit.minimum and ratio > limit.max_ratio:
            over = f"{bad} of the last {len(self._recent)} messages"
        if over:
            raise QuarantineFull(
                f"{over} could not be processed, the last one {message.place()} ({reason.error}: {reason.detail[:200]}). Stopped so that "
                "the topic is not drained into quarantine. Look at `riverseq quarantine list`, mend the cause, start the worker again"
            )


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quarantined:
    """One quarantined message: where it lies, where it came from, why."""

    place: Message
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    error: str
    detail: str
    stage: str
    worker: str
    attempt: int
    code: int
    time: int

    @property
    def chunk_id(self) -> str:
        return self.place.header("chunk_id")

    @property
    def submission_id(self) -> str:
        return self.place.header("submission_id")

    @property
    def revision_id(self) -> str:
        return self.place.header("revision_id")

    def replay(self) -> Output:
        """The original message, to its original topic. Raises ValueError where it is above what that topic takes."""
        if len(self.place.value) > MAX_MESSAGE:
            raise ValueError(
                f"quarantined message {self.place.place()} has {len(self.place.value)} bytes, {self.topic} takes {MAX_MESSAGE}"
            )
        return Output(self.topic, self.key or b"", self.place.value, self.headers)

    def describe(self) -> dict[str, str | int]:
        """For a table, or as JSON."""
        return {
            "offset": self.place.offset,
            "time": self.time,
            "origin": f"{self.topic}/{self.partition}/{self.offset}",
            "chunk_id": self.chunk_id,
            "submission_id": self.submission_id,
            "contig": self.place.header("contig"),
            "span": self.place.header("span"),
            "stage": self.stage,
            "error": self.error,
            "detail": self.detail,
            "attempt": self.attempt,
            "code": self.code,
            "bytes": len(self.place.value),
        }


def read(message: Message) -> Quarantined:
    """A message of the topic `quarantine`. Raises wire.WireError where its headers are not what `quarantined` writes."""

    def text(name: str) -> str:
        return wire.header(message.headers, PREFIX + name)

    def number(name: str) -> int:
        try:
            return int(text(name))
        except ValueError as error:
            raise wire.WireError(f"header {PREFIX}{name} is no number") from error

    return Quarantined(
        place=message,
        topic=text("topic"),
        partition=number("partition"),
        offset=number("offset"),
        key=next((value for name, value in message.headers if name == f"{PREFIX}key"), None),
        headers=[(name, value) for name, value in message.headers if not name.startswith(PREFIX)],
        error=text("error"),
        detail=text("detail"),
        stage=text("stage"),
        worker=text("worker"),
        attempt=number("attempt"),
        code=number("code"),
        time=number("time"),
    )


def listed(reader: Reader, *, timeout: float = 10.0) -> Iterator[Quarantined]:
    """Everything in quarantine now, oldest first; what is not riverseq's is passed over and logged.

    Raises BrokerError where the topic does not answer within `timeout` seconds.
    """
    bounds = {partition: reader.bounds(partition) for partition in reader.partitions(QUARANTINE.name)}
    for message in through(reader, bounds, timeout=timeout):
        try:
            yield read(message)
        except wire.WireError as error:
            logger().warning("no quarantined message of ours", place=message.place(), error=str(error))


def find(reader: Reader, offset: int, *, timeout: float = 10.0) -> Quarantined:
    """The quarantined message at an offset, as `list` shows it. Raises BrokerError where there is none."""
    partition = Partition(QUARANTINE.name, 0)
    first, end = reader.bounds(partition)
    if first <= offset < end:
        for message in through(reader, {partition: (offset, offset + 1)}, timeout=timeout):
            return read(message)
    raise BrokerError(f"no quarantined message {offset}: the topic holds {first} to {end - 1}; see `riverseq quarantine list`")


def through(reader: Reader, bounds: Mapping[Partition, tuple[int, int]], *, timeout: float = 10.0) -> Iterator[Message]:
    """Every message of `[from, to)` of each partition. Raises BrokerError where nothing comes for `timeout` seconds."""
    left = {partition: end for partition, (first, end) in bounds.items() if first < end}
    reader.assign({partition: bounds[partition][0] for partition in left})
    deadline = time.monotonic() + timeout
    while left:
        messages = reader.consume(500, 0.1)
        for message in messages:
            if message.offset < left.get(message.partition, -1):
                yield message
        for partition in [partition for partition, end in left.items() if reader.position(partition) >= end]:
            del left[partition]
        if messages:
            deadline = time.monotonic() + timeout
        elif left and time.monotonic() > deadline:
            raise BrokerError(f"{next(iter(left)).topic}: nothing came for {timeout:.0f} s; is Kafka up?")
