"""CityHash128 of version 1.0.2, the checksum of ClickHouse's compressed blocks (Pike and Alakuijala 2011; later versions differ).

Compiled on first use: a client that asks for compressed blocks pays a second once, the compiled code is cached on disk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

_K0, _K1, _K2, _K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_MULTIPLIER = 0x9DDFEA08EB382D69
_BLOCK = 128
"""Bytes of a round of the long form."""


def cityhash128(data: bytes) -> bytes:
    """16 bytes: low half, high half, each little-endian."""
    low, high = _compiled()(np.frombuffer(data, dtype=np.uint8))
    return struct.pack("<QQ", int(low), int(high))


@cache
def _compiled() -> Callable[[Any], tuple[int, int]]:
    from numba import njit

    u = np.uint64
    k0, k1, k2, k3, mul = u(_K0), u(_K1), u(_K2), u(_K3), u(_MULTIPLIER)
    s47 = u(47)

    compile_ = njit(cache=True, nogil=True)

    @compile_
    def fetch64(s: Any, i: Any) -> Any:
        value = u(0)
        for j in range(8):
            value |= u(s[i + j]) << u(8 * j)
        return value

    @compile_
    def fetch32(s: Any, i: Any) -> Any:
        return u(s[i]) | (u(s[i + 1]) << u(8)) | (u(s[i + 2]) << u(16)) | (u(s[i + 3]) << u(24))

    @compile_
    def rotate(x: Any, n: Any) -> Any:
        return (x >> u(n)) | (x << u(64 - n))

    @compile_
    def mix(x: Any) -> Any:
        return x ^ (x >> s47)

    @compile_
    def pair(a: Any, b: Any) -> Any:
        x = mix((a ^ b) * mul)
        return mix((b ^ x) * mul) * mul

    @compile_
    def short(s: Any, i: Any, n: Any) -> Any:
        if n > 8:
            a, b = fetch64(s, i), fetch64(s, i + n - 8)
            return pair(a, rotate(b + u(n), n)) ^ b
        if n >= 4:
            return pair(u(n) + (fetch32(s, i) << u(3)), fetch32(s, i + n - 4))
        if n > 0:
            y = u(s[i]) + (u(s[i + (n >> 1)]) << u(8))
            z = u(n) + (u(s[i + n - 1]) << u(2))
            return mix(y * k2 ^ z * k3) * k2
        return k2

    @compile_
    def weak(s: Any, i: Any, a: Any, b: Any) -> Any:
        w, x, y, z = fetch64(s, i), fetch64(s, i + 8), fetch64(s, i + 16), fetch64(s, i + 24)
        a += w
        b = rotate(b + a + z, 21)
        c = a
        a += x + y
        b += rotate(a, 44)
        return a + z, b + c

    @compile_
    def murmur(s: Any, i: Any, n: Any, a: Any, b: Any) -> Any:
        if n <= 16:
            a = mix(a * k1) * k1
            c = b * k1 + short(s, i, n)
            d = mix(a + (fetch64(s, i) if n >= 8 else c))
        else:
            c = pair(fetch64(s, i + n - 8) + k1, a)
            d = pair(b + u(n), c + fetch64(s, i + n - 16))
            a += d
            left = n - 16
            while left > 0:
                a = (a ^ mix(fetch64(s, i) * k1) * k1) * k1
                b ^= a
                c = (c ^ mix(fetch64(s, i + 8) * k1) * k1) * k1
                d ^= c
                i += 16
                left -= 16
        a, b = pair(a, c), pair(d, b)
        return a ^ b, pair(b, a)

    @compile_
    def seeded(s: Any, i: Any, n: Any, x: Any, y: Any) -> Any:
        if n < _BLOCK:
            return murmur(s, i, n, x, y)
        z = u(n) * k1
        v0 = rotate(y ^ k1, 49) * k1 + fetch64(s, i)
        v1 = rotate(v0, 42) * k1 + fetch64(s, i + 8)
        w0 = rotate(y + z, 35) * k1 + x
        w1 = rotate(x + fetch64(s, i + 88), 53) * k1
        while n >= _BLOCK:
            for _ in range(2):
                x = rotate(x + y + v0 + fetch64(s, i + 16), 37) * k1
                y = rotate(y + v1 + fetch64(s, i + 48), 42) * k1
                x ^= w1
                y ^= v0
                z = rotate(z ^ w0, 33)
                v0, v1 = weak(s, i, v1 * k1, x + w0)
                w0, w1 = weak(s, i + 32, z + w1, y)
                z, x = x, z
                i += 64
            n -= _BLOCK
        y += rotate(w0, 37) * k0 + z
        x += rotate(v0 + z, 49) * k0
        done = 0
        while done < n:
            done += 32
            y = rotate(y - x, 42) * k0 + v1
            w0 += fetch64(s, i + n - done + 16)
            x = rotate(x, 49) * k0 + w0
            w0 += v0
            v0, v1 = weak(s, i + n - done, v0, v1)
        x, y = pair(x, v0), pair(y, w0)
        return pair(x + v1, w1) + y, pair(x + w1, y + v1)

    @compile_
    def hashed(s: Any) -> Any:
        n = len(s)
        if n >= 16:
            return seeded(s, 16, n - 16, fetch64(s, 0) ^ k3, fetch64(s, 8))
        if n >= 8:
            return seeded(s, 0, 0, fetch64(s, 0) ^ (u(n) * k0), fetch64(s, n - 8) ^ k1)
        return seeded(s, 0, n, k0, k1)

    return hashed  # type: ignore[no-any-return]
