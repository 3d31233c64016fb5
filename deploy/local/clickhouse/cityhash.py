"""CityHash128 of version 1.0.2, the checksum of ClickHouse's compressed blocks (Pike and Alakuijala 2011; later versions differ)."""

from __future__ import annotations

import struct

import numpy as np


def cityhash128(data: bytes) -> bytes:
    """16 bytes: low half, high half, each little-endian. The first call of a process takes about a second."""
    from deploy.local.clickhouse.citykernel import hashed

    low, high = hashed(np.frombuffer(data, dtype=np.uint8))
    return struct.pack("<QQ", int(low), int(high))
