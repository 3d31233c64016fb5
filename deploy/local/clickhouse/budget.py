"""Bytes of request bodies that are in memory at once."""

from __future__ import annotations

import asyncio

from deploy.local.clickhouse.errors import ClickHouseError, Code


class Budget:
    """A number of bytes that requests share; one that would exceed it waits until others have let go. For one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._released = asyncio.Event()

    async def reserve(self, size: int, seconds: float) -> None:
        """Take `size` bytes. Raises ClickHouseError 241 after `seconds` of waiting."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._used and self._used + size > self._most:
            self._released.clear()
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._released.wait(), max(left, 0))
            except TimeoutError:
                raise ClickHouseError.of(
                    Code.MEMORY_LIMIT_EXCEEDED, f"bodies of other requests hold {self._used} bytes; try again later"
                ) from None
        self._used += size

    def release(self, size: int) -> None:
        """Give `size` bytes back."""
        self._used -= size
        self._released.set()
