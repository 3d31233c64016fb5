"""Bounds of the server: what one request may cost, and how many run at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bytes, seconds and counts. The defaults suit one machine with a few GiB to spare for the engine."""

    slots: int = 8
    """Requests inside the engine at once; the product with `query_memory` bounds the engine's memory."""
    waiting: int = 64
    """Requests that may wait for a slot; more are refused with 202 TOO_MANY_SIMULTANEOUS_QUERIES."""
    wait_seconds: float = 30.0
    """Longest wait for a slot."""
    body_bytes: int = 256 * 1024 * 1024
    """Largest body, after decompression."""
    held_bytes: int = 512 * 1024 * 1024
    """Bytes of all bodies in memory at once; a request beyond waits."""
    query_bytes: int = 1024 * 1024
    """Longest statement (data of an insert not counted)."""
    result_bytes: int = 512 * 1024 * 1024
    """Largest result of a format that cannot be written block by block (JSON, Parquet, Arrow), which the engine holds whole."""
    hold_bytes: int = 64 * 1024 * 1024
    """Bytes of an answer that `wait_end_of_query` holds back; a longer answer is sent while it is made."""
    query_memory: int = 1024**3
    """max_memory_usage of one request."""
    query_seconds: int = 300
    """max_execution_time of one request."""
    idle_seconds: float = 60.0
    """A client that sends nothing of its body, or takes nothing of its result, for this long is dropped."""
    threads: int = 2
    """max_threads of one request."""
