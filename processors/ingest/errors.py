"""What can be wrong with a whole source file. Each error fails the sample: nothing of it is published, and a resubmission works.

Offsets are bytes of the *uncompressed* text, record numbers count data records from 0; -1 where a number does not apply.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class SourceError(Exception):
    """A source that cannot be read as a call set. `path`, `offset` and `record` say where; the message adds what to do."""

    def __init__(self, path: Path, problem: str, *, offset: int = -1, record: int = -1) -> None:
        self.path = path
        self.problem = problem
        self.offset = offset
        self.record = record
        where = ", ".join(
            text for text, number in ((f"uncompressed byte {offset:,}", offset), (f"record {record:,}", record)) if number >= 0
        )
        super().__init__(f"{path}{f' ({where})' if where else ''}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _raised_elsewhere, (type(self), self.path, self.problem, self.offset, self.record)

    def at_record(self, record: int) -> SourceError:
        """The same error, told with the number of the record that could not be read."""
        return self if self.record >= 0 else type(self)(self.path, self.problem, offset=self.offset, record=record)


def _raised_elsewhere(kind: type[SourceError], path: Path, problem: str, offset: int, record: int) -> SourceError:
    """The error of another process."""
    return kind(path, problem, offset=offset, record=record)


class SourceMissing(SourceError):
    """The file is not there, or cannot be opened."""


class SourceEmpty(SourceError):
    """The file has no byte."""


class SourceTruncated(SourceError):
    """The file ends too early: within a compressed block, without BGZF's end marker, or within a line."""


class SourceCorrupt(SourceError):
    """The compressed data or the BCF records do not hold together."""


class HeaderInvalid(SourceError):
    """No VCF header, or one that contradicts itself."""


class NoSamples(SourceError):
    """A sites-only file: there is no sample whose calls could be interpreted."""


class DuplicateSample(SourceError):
    """Two columns of one name."""


class UnknownSample(SourceError):
    """A sample that was announced and is not in the file."""


class LineTooLong(SourceError):
    """A line beyond the stated bound."""


class ContigsScattered(SourceError):
    """A contig's records do not stand together."""


class TooManyFilters(SourceError):
    """More distinct FILTER values than a chunk's dictionary can hold."""


class BuildContradiction(SourceError):
    """Contig names, lengths or REF bases contradict the declared build."""


class DigestMismatch(SourceError):
    """The bytes read are not the bytes that were announced: the manifest is withheld."""


class StageVersionMismatch(ValueError):
    """The plan was made for another version of this stage."""


class UnknownOption(ValueError):
    """An option that ingest does not know, and so cannot honour."""
