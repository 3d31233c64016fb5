"""Writing text in kernels: bytes and numbers into a growing column of strings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit


@njit(cache=True, nogil=True)
def put(out, at, text):  # type: ignore[no-untyped-def]
    """Write bytes; the place behind them."""
    for i in range(text.shape[0]):
        out[at + i] = text[i]
    return at + text.shape[0]


@njit(inline="always")
def put_byte(out, at, byte):  # type: ignore[no-untyped-def]
    """Write one byte; the place behind it. Put into its callers as it stands: numba would compile it anew for each constant byte."""
    out[at] = byte
    return at + 1


@njit(cache=True, nogil=True)
def put_number(out, at, value):  # type: ignore[no-untyped-def]
    """Write an integer in decimal; the place behind it."""
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    digits = 1
    rest = value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for i in range(digits - 1, -1, -1):
        out[at + i] = 48 + value % 10
        value //= 10
    return at + digits


def literal(text: str) -> npt.NDArray[np.uint8]:
    """Text as the bytes that `put` takes; for constants of a kernel's module."""
    return np.frombuffer(text.encode(), dtype=np.uint8)


def column(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> pa.Array[Any]:
    """A string column of n + 1 offsets and the bytes they point into (large strings, without a copy)."""
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
