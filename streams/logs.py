"""Structured logs: one JSON object a line on standard error, with the process, and the trace, chunk and revision at hand.

People appear by pseudonym: keys that hold names are refused, so that none can slip into a log by habit.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

NAMES_OF_PEOPLE = frozenset({"sample", "sample_name", "name_of_sample", "family", "pedigree", "hpo", "patient"})
"""Keys that would carry a person's name; `sample_id` is the pseudonym."""

REPEATS_AFTER = 30.0
"""Seconds for which a repeated complaint of a Kafka client is kept quiet."""

Logger = structlog.stdlib.BoundLogger


def _refuse_names(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in NAMES_OF_PEOPLE & event.keys():
        event[key] = "(withheld: log sample_id)"
    return event


def configure(process: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging of a process, standard library loggers included. Called once, by an entry point."""

    def name_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    shared: list[Any] = [
        name_process,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _refuse_names,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def logger(**values: Any) -> Logger:
    """A logger with values bound to it."""
    return cast(Logger, structlog.get_logger(**values))


def kafka_log(name: str) -> logging.Logger:
    """Logger for a librdkafka client, which prints a dead broker's refusals to standard error unless it is given one."""
    log = logging.getLogger(f"kafka.{name}")
    log.filters[:] = []
    log.addFilter(_Thinned(REPEATS_AFTER))
    return log


class _Thinned(logging.Filter):
    """Lets a repeated complaint through once in a while: reconnects are many and say one thing."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._seen: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.getMessage().split(" ", 1)[0][:40]
        last = self._seen.get(kind)
        if last is not None and record.created - last < self._seconds:
            return False
        self._seen[kind] = record.created
        return True
