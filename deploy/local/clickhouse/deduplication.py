"""The logs of insert tokens, mended before the engine opens its folder.

A table writes the token of an insert into its log (`deduplication_logs/deduplication_log_N.txt`) and then gives the part its name, both
under one lock (ClickHouse's `MergeTreeSink`). A process that is killed between the two leaves a token without rows: the same insert again
would be acknowledged and stored nowhere. Only the last insert of a table can be in that state, so only that one is looked at.

A line of a log is `operation TAB part TAB token LF`; the operation is 1 for added, 2 for dropped with its part, 3 for a drop taken back. A
token is forgotten by making its 1 a 2, one byte in place, which a full disk does not prevent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

_ADDED, _DROPPED = b"1", b"2"
_LOG = re.compile(r"deduplication_log_([1-9][0-9]*)\.txt")
_PART = re.compile(r"(?P<partition>[^_]+)_(?P<first>\d+)_(?P<last>\d+)_\d+(?:_\d+)?")
"""partition, first block, last block, level, number of the last mutation; other names (`tmp_insert_...`) are no parts of the table."""


@dataclass(frozen=True)
class Mended:
    """What was wrong with a table's log: the part that an insert under way never came to, how many tokens it had (a part has one for each
    block that was squashed into it), and the bytes of an unfinished last line that were cut off."""

    table: str
    part: str
    tokens: int
    torn: int


@dataclass(frozen=True)
class _Line:
    path: Path
    offset: int
    operation: bytes
    part: str
    token: bytes


def mend(folder: Path) -> list[Mended]:
    """Mend the log of every table in an engine's folder, which no engine has open. Raises OSError."""
    mended = []
    for table, name in sorted(_tables(folder).items()):
        logs = _logs(table)
        if not logs:
            continue
        torn = _cut_unfinished_line(logs[-1])
        last = _last_insert(logs)
        lost = [line for line in last if not _is_there(line.part, table)]
        for line in lost:
            _overwrite(line.path, line.offset, _DROPPED)
        if lost or torn:
            mended.append(Mended(name, lost[0].part if lost else "", len(lost), torn))
    return mended


def _tables(folder: Path) -> dict[Path, str]:
    """Folder → name of every table: of an Atomic database below `store`, with a link from `data`, or of an Ordinary one below `data`."""
    tables = {path.parent.resolve(): path.parent.name for path in folder.glob("store/*/*/deduplication_logs")}
    for path in folder.glob("data/*/*/deduplication_logs"):
        tables[path.parent.resolve()] = f"{unquote(path.parent.parent.name)}.{unquote(path.parent.name)}"
    return tables


def _logs(table: Path) -> list[Path]:
    """The log's files, oldest first."""
    found = ((_LOG.fullmatch(path.name), path) for path in (table / "deduplication_logs").iterdir())
    return [path for _, path in sorted((int(name[1]), path) for name, path in found if name)]


def _cut_unfinished_line(path: Path) -> int:
    """Bytes cut off. The engine reads a file up to what is no line, so what it appends behind half a line is forgotten at the next start.

    The insert of half a line has no part yet, for the part comes after the line.
    """
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return len(data) - whole


def _last_insert(logs: Sequence[Path]) -> list[_Line]:
    """The lines that the last insert added and nothing dropped since; none where there are none."""
    last: list[_Line] = []
    later: dict[bytes, bytes] = {}
    part = None
    for line in _backwards(logs):
        if line.operation == _ADDED:
            if part not in (None, line.part):
                break
            part = line.part
            if later.get(line.token) != _DROPPED:
                last.append(line)
        later.setdefault(line.token, line.operation)
    return last


def _backwards(logs: Sequence[Path]) -> Iterator[_Line]:
    for path in reversed(logs):
        data = path.read_bytes()
        end = len(data)
        while end > 0:
            start = data.rfind(b"\n", 0, end - 1) + 1
            fields = data[start:end].rstrip(b"\n").split(b"\t")
            if len(fields) == 3:
                yield _Line(path, start, fields[0], fields[1].decode(errors="replace"), fields[2])
            end = start


def _is_there(part: str, table: Path) -> bool:
    """Whether a part on disk holds the blocks of `part`: itself, or what it was merged or mutated into. A name that is no part's is."""
    wanted = _PART.fullmatch(part)
    if wanted is None:
        return True
    found = (_PART.fullmatch(path.name) for path in table.iterdir())
    return any(
        other["partition"] == wanted["partition"]
        and int(other["first"]) <= int(wanted["first"])
        and int(wanted["last"]) <= int(other["last"])
        for other in found
        if other
    )


def _overwrite(path: Path, offset: int, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, data, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
