"""chDB: one folder, one process, one short-lived connection a request.

A chDB connection is one lane with its own settings and current database. Opening one costs 0.2 ms, so each request has a fresh one
and nothing of a request reaches the next.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.clickhouse.deduplication import Mended, mend
from deploy.local.clickhouse.errors import ClickHouseError

DATABASE = "riverseq"


class FolderInUse(Exception):
    """Another process owns the engine's folder."""


class EngineRefused(Exception):
    """The engine did not come up as it must be; the message says which condition failed."""


@dataclass(frozen=True)
class Held:
    """A whole result: what was read from tables, what came out, what went in."""

    data: bytes = b""
    result_rows: int = 0
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0


def literal(value: str) -> str:
    """A ClickHouse string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Lane:
    """One connection, used by one thread. Every failure of the engine is a ClickHouseError."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def set(self, settings: Mapping[str, str]) -> None:
        """Apply settings (values as in a URL)."""
        if settings:
            self.query(b"SET " + ", ".join(f"{name} = {literal(value)}" for name, value in settings.items()).encode())

    def use(self, database: str) -> None:
        """Choose the current database."""
        quoted = database.replace("\\", "\\\\").replace("`", "\\`")
        self.query(f"USE `{quoted}`".encode())

    def query(self, sql: bytes, output_format: str = "TabSeparated", parameters: Mapping[str, str] | None = None) -> Held:
        """Run a statement to its end and hold its result."""
        try:
            result = self._raw.query(sql, output_format, params=dict(parameters or {}))
        except (RuntimeError, UnicodeDecodeError) as error:
            raise _exception(error) from None
        return _held(result)

    def stream(self, sql: bytes, output_format: str, parameters: Mapping[str, str]) -> Iterator[Held]:
        """Run a query and yield its result block by block, each block formatted by itself. Closing the iterator cancels the query."""
        try:
            handle = self._raw.send_query(sql, output_format, params=dict(parameters))
            ended = False
            try:
                while True:
                    result = self._raw.streaming_fetch_result(handle)
                    if result is None or result.rows_read() == 0:
                        ended = True
                        return
                    yield _held(result)
            except (RuntimeError, UnicodeDecodeError):
                ended = True
                raise
            finally:
                if not ended:
                    self._raw.streaming_cancel_query(handle)
        except (RuntimeError, UnicodeDecodeError) as error:
            raise _exception(error) from None

    def insert(self, sql: bytes, source_at: int, data_format: str, data: Sequence[bytes]) -> Held:
        """Insert formatted data. All or nothing for a body of one block; an error commits nothing of the block that it is in.

        The data goes in as a file of this process's memory. chDB's own streamed insert reports errors of parsing only: rows that a
        constraint, a limit or a full disk keeps out of the table are acknowledged there as written.
        """
        with _as_file(data) as path:
            source = b"\nFROM INFILE " + literal(path).encode() + b"\n"
            return self.query(sql[:source_at] + source + sql[source_at:] + b"\nFORMAT " + data_format.encode())

    def close(self) -> None:
        self._raw.close()


class Engine:
    """The engine on one folder. Holds a lock beside the folder, so that a second process is refused with a clear message.

    `mended` says of which inserts the tokens were forgotten, since the process before this one died in the middle of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = _lock(folder)
        try:
            # chDB opens and closes a connection in memory on import and installs signal handlers; ours come after
            import chdb
        except ImportError as error:
            raise EngineRefused(f"chdb is not installed ({error}); `pip install chdb`") from error
        folder.mkdir(parents=True, exist_ok=True)
        self.mended = _mended(folder)
        self._chdb: Any = chdb._chdb
        try:
            self._keeper = self._chdb.connect(str(folder))
        except RuntimeError as error:
            raise EngineRefused(f"{folder}: the engine cannot open it: {error}") from error
        self._chdb.reset_signal_handlers()
        with self.lane() as lane:
            lane.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE}".encode())
            row = lane.query(b"SELECT version(), timezone(), displayName()").data.decode().rstrip("\n").split("\t")
        self.version, self.timezone, self.display_name = row

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """A fresh connection, closed at the end."""
        try:
            lane = Lane(self._chdb.connect(str(self._folder)))
        except (RuntimeError, UnicodeDecodeError) as error:
            raise _exception(error) from None
        try:
            yield lane
        finally:
            lane.close()

    def cancel(self, query_id: str) -> None:
        """Cancel the request that carries this id, if it still runs."""
        self._kill(f"Settings['log_comment'] = {literal(query_id)}")

    def cancel_all(self) -> None:
        """Cancel every request that runs."""
        self._kill("Settings['log_comment'] != ''")

    def _kill(self, condition: str) -> None:
        with suppress(ClickHouseError), self.lane() as lane:
            lane.query(f"KILL QUERY WHERE {condition} ASYNC".encode())

    def close(self) -> None:
        """Close the engine; all lanes are closed before."""
        self._keeper.close()
        os.close(self._lock)


def _lock(folder: Path) -> int:
    path = folder.with_name(folder.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise FolderInUse(
            f"{folder} is in use by process {holder}: one engine owns a folder; stop that process or choose another state folder"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _mended(folder: Path) -> tuple[Mended, ...]:
    try:
        return tuple(mend(folder))
    except OSError as error:
        raise EngineRefused(f"{folder}: a log of insert tokens cannot be read or mended: {error}") from error


def _exception(error: RuntimeError | UnicodeDecodeError) -> ClickHouseError:
    # the binding fails to decode a message that quotes damaged data; the message is in that failure
    text = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)
    return ClickHouseError.from_engine(text)


def _held(result: Any) -> Held:
    return Held(
        data=result.bytes() or b"",
        result_rows=result.rows_read(),
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
    )


@contextmanager
def _as_file(data: Sequence[bytes]) -> Iterator[str]:
    """A path under which this process reads `data`; in memory where the system has that, so that a full disk takes nothing from it."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("insert"), "wb") as memory:
            memory.writelines(data)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(data)
        file.flush()
        yield file.name
