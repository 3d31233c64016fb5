"""Arrow streams that the engine writes block by block, joined into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from deploy.local.clickhouse.engine import Held


class _Sink:
    """A file that only takes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def joined(streams: Iterator[Held], count: Callable[[Held], None]) -> Iterator[bytes]:
    """One Arrow stream of results that are each a whole stream of the same schema; nothing for no results. `count` sees each result."""
    sink = _Sink()
    writer: Any = None
    for held in streams:
        count(held)
        reader = pa.ipc.open_stream(held.data)
        if writer is None:
            writer = pa.ipc.new_stream(sink, reader.schema)
        for batch in reader:
            writer.write_batch(batch)
        yield sink.take()
    if writer is not None:
        writer.close()
        yield sink.take()
