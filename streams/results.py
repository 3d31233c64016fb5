"""The results client: follow findings, publications and reclassifications, from any place in the topic, through a filter.

`--from` takes `beginning`, `end`, an offset (`1234`, of every partition, or `PARTITION:OFFSET[,...]`) or a time (ISO 8601; without a zone
it is UTC). `--filter` takes `field=value` pairs that must all hold; a value may end in `*`, and `type=Finding` chooses the record.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from schemas.events import Finding, Reclassified, SampleInterpreted
from streams import wire
from streams.broker import Message, Partition, Reader
from streams.logs import logger
from streams.topics import RESULTS

Result = Finding | SampleInterpreted | Reclassified
_TYPES = (Finding, SampleInterpreted, Reclassified)
_FIELDS = {field.name.rstrip("_"): field.name for type_ in _TYPES for field in dataclasses.fields(type_)}


class ResultsError(ValueError):
    """A place or a filter is not one; the message says what is."""


@dataclass(frozen=True)
class Received:
    """One result and where it stands."""

    result: Result
    message: Message

    def to_json(self) -> dict[str, Any]:
        """Plain values: the result's fields under their public names, `type`, and the place as `partition`, `offset`."""
        fields = {name.rstrip("_"): value for name, value in dataclasses.asdict(self.result).items()}
        place = {"partition": self.message.number, "offset": self.message.offset}
        return {"type": type(self.result).__name__, **fields, **place}


class Filter:
    """Conditions of `--filter`, all of which must hold."""

    def __init__(self, conditions: Mapping[str, str]) -> None:
        """Raises ResultsError for a field that no result has."""
        for name in conditions:
            if name != "type" and name not in _FIELDS:
                raise ResultsError(f"no result has a field {name}; there are type, {', '.join(sorted(_FIELDS))}")
        self._conditions = dict(conditions)

    @classmethod
    def parse(cls, text: str) -> Filter:
        """`field=value[,field=value...]`; empty text lets everything through. Raises ResultsError."""
        conditions = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = part.partition("=")
            if not equals:
                raise ResultsError(f"{part!r} is not field=value")
            conditions[name.strip()] = value.strip()
        return cls(conditions)

    def matches(self, result: Result) -> bool:
        """True where every condition holds; a field that the record does not have holds for none."""
        return all(self._holds(result, name, wanted) for name, wanted in self._conditions.items())

    @staticmethod
    def _holds(result: Result, name: str, wanted: str) -> bool:
        value = type(result).__name__ if name == "type" else getattr(result, _FIELDS[name], None)
        if value is None:
            return False
        texts = (
            [str(part) for part in value] if isinstance(value, tuple) else [str(value).lower() if isinstance(value, bool) else str(value)]
        )
        if wanted.endswith("*"):
            return any(text.startswith(wanted[:-1]) for text in texts)
        return wanted in texts


def starts(reader: Reader, place: str) -> dict[Partition, int]:
    """Offset of each partition at a place as `--from` takes it. Raises ResultsError."""
    partitions = reader.partitions(RESULTS.name)
    bounds = {partition: reader.bounds(partition) for partition in partitions}
    if place == "beginning":
        return {partition: first for partition, (first, _) in bounds.items()}
    if place == "end":
        return {partition: end for partition, (_, end) in bounds.items()}
    if place.isdigit():
        chosen = dict.fromkeys(partitions, int(place))
    elif all(left.isdigit() and right.isdigit() for left, _, right in (part.partition(":") for part in place.split(","))):
        chosen = {Partition(RESULTS.name, int(number)): int(offset) for number, offset in (part.split(":") for part in place.split(","))}
        if unknown := sorted(set(chosen) - set(partitions)):
            raise ResultsError(f"{RESULTS.name} has no partition {unknown[0].number}; it has {len(partitions)}")
        chosen = {partition: bounds[partition][1] for partition in partitions} | chosen
    else:
        time = _milliseconds(place)
        return {partition: reader.at_time(partition, time) for partition in partitions}
    return {partition: min(max(offset, bounds[partition][0]), bounds[partition][1]) for partition, offset in chosen.items()}


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ResultsError(f"{text!r} is none of beginning, end, OFFSET, PARTITION:OFFSET[,...] or a time like 2026-01-31T12:00") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def follow(
    reader: Reader,
    *,
    place: str = "end",
    wanted: Filter | None = None,
    stop: threading.Event | None = None,
    to_end: bool = False,
    timeout: float = 0.5,
) -> Iterator[Received]:
    """Results from a place on, as they come, until `stop` is set; `to_end` ends at what the topic holds now.

    A message of a record that this version does not know is passed over and logged: the topic is a public contract and grows. Raises
    ResultsError at once for a bad place.
    """
    begin = starts(reader, place)
    ends = {partition: reader.bounds(partition)[1] for partition in begin}
    reader.assign(begin)
    return _follow(reader, ends if to_end else {}, wanted or Filter({}), stop or threading.Event(), timeout)


def _follow(reader: Reader, ends: Mapping[Partition, int], wanted: Filter, stop: threading.Event, timeout: float) -> Iterator[Received]:
    while not stop.is_set():
        if ends and all(reader.position(partition) >= end for partition, end in ends.items()):
            return
        for message in reader.consume(500, timeout):
            if ends and message.offset >= ends[message.partition]:
                continue
            try:
                result = cast(Result, wire.decode(message.value, *_TYPES))
            except wire.WireError as error:
                logger().warning("result passed over", place=message.place(), error=str(error))
                continue
            if wanted.matches(result):
                yield Received(result, message)
