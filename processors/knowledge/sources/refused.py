"""Why a knowledge file does not become a pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class SourceRefused(ValueError):
    """A knowledge file that must not become a pack; the message names file, cause and what to do."""


class RecordRefused(SourceRefused):
    """A record for which the whole file is refused. `record` counts data records of the file from 0; people read it from 1."""

    def __init__(self, path: Path, record: int, problem: str) -> None:
        self.path = path
        self.record = record
        self.problem = problem
        super().__init__(f"{path}: data record {record + 1}{problem}")

    def behind(self, records: int) -> RecordRefused:
        """The same of a file that is read in parts, `records` of it before this one."""
        return RecordRefused(self.path, self.record + records, self.problem)

    def __reduce__(self) -> tuple[Any, ...]:
        return RecordRefused, (self.path, self.record, self.problem)
