"""The compiled part of `cityhash`: imported only where a checksum is wanted, because numba takes a second to import."""

# numba's decorators carry no types.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_K0, _K1 = np.uint64(0xC3A5C85C97CB3127), np.uint64(0xB492B66FBE98F273)
_K2, _K3 = np.uint64(0x9AE16A3B2F90404F), np.uint64(0xC949D7C7509E6557)
_MULTIPLIER = np.uint64(0x9DDFEA08EB382D69)
_SHIFT = np.uint64(47)
_BLOCK = 128
"""Bytes of a round of the long form."""


@njit(cache=True, nogil=True)
def _fetch64(s: Any, i: Any) -> Any:
    value = np.uint64(0)
    for j in range(8):
        value |= np.uint64(s[i + j]) << np.uint64(8 * j)
    return value


@njit(cache=True, nogil=True)
def _fetch32(s: Any, i: Any) -> Any:
    return (
        np.uint64(s[i])
        | (np.uint64(s[i + 1]) << np.uint64(8))
        | (np.uint64(s[i + 2]) << np.uint64(16))
        | (np.uint64(s[i + 3]) << np.uint64(24))
    )


@njit(cache=True, nogil=True)
def _rotate(x: Any, n: Any) -> Any:
    return (x >> np.uint64(n)) | (x << np.uint64(64 - n))


@njit(cache=True, nogil=True)
def _mix(x: Any) -> Any:
    return x ^ (x >> _SHIFT)


@njit(cache=True, nogil=True)
def _pair(a: Any, b: Any) -> Any:
    x = _mix((a ^ b) * _MULTIPLIER)
    return _mix((b ^ x) * _MULTIPLIER) * _MULTIPLIER


@njit(cache=True, nogil=True)
def _short(s: Any, i: Any, n: Any) -> Any:
    if n > 8:
        a, b = _fetch64(s, i), _fetch64(s, i + n - 8)
        return _pair(a, _rotate(b + np.uint64(n), n)) ^ b
    if n >= 4:
        return _pair(np.uint64(n) + (_fetch32(s, i) << np.uint64(3)), _fetch32(s, i + n - 4))
    if n > 0:
        y = np.uint64(s[i]) + (np.uint64(s[i + (n >> 1)]) << np.uint64(8))
        z = np.uint64(n) + (np.uint64(s[i + n - 1]) << np.uint64(2))
        return _mix(y * _K2 ^ z * _K3) * _K2
    return _K2


@njit(cache=True, nogil=True)
def _weak(s: Any, i: Any, a: Any, b: Any) -> Any:
    w, x, y, z = _fetch64(s, i), _fetch64(s, i + 8), _fetch64(s, i + 16), _fetch64(s, i + 24)
    a += w
    b = _rotate(b + a + z, 21)
    c = a
    a += x + y
    b += _rotate(a, 44)
    return a + z, b + c


@njit(cache=True, nogil=True)
def _murmur(s: Any, i: Any, n: Any, a: Any, b: Any) -> Any:
    if n <= 16:
        a = _mix(a * _K1) * _K1
        c = b * _K1 + _short(s, i, n)
        d = _mix(a + (_fetch64(s, i) if n >= 8 else c))
    else:
        c = _pair(_fetch64(s, i + n - 8) + _K1, a)
        d = _pair(b + np.uint64(n), c + _fetch64(s, i + n - 16))
        a += d
        left = n - 16
        while left > 0:
            a = (a ^ _mix(_fetch64(s, i) * _K1) * _K1) * _K1
            b ^= a
            c = (c ^ _mix(_fetch64(s, i + 8) * _K1) * _K1) * _K1
            d ^= c
            i += 16
            left -= 16
    a, b = _pair(a, c), _pair(d, b)
    return a ^ b, _pair(b, a)


@njit(cache=True, nogil=True)
def _seeded(s: Any, i: Any, n: Any, x: Any, y: Any) -> Any:
    if n < _BLOCK:
        return _murmur(s, i, n, x, y)
    z = np.uint64(n) * _K1
    v0 = _rotate(y ^ _K1, 49) * _K1 + _fetch64(s, i)
    v1 = _rotate(v0, 42) * _K1 + _fetch64(s, i + 8)
    w0 = _rotate(y + z, 35) * _K1 + x
    w1 = _rotate(x + _fetch64(s, i + 88), 53) * _K1
    while n >= _BLOCK:
        for _ in range(2):
            x = _rotate(x + y + v0 + _fetch64(s, i + 16), 37) * _K1
            y = _rotate(y + v1 + _fetch64(s, i + 48), 42) * _K1
            x ^= w1
            y ^= v0
            z = _rotate(z ^ w0, 33)
            v0, v1 = _weak(s, i, v1 * _K1, x + w0)
            w0, w1 = _weak(s, i + 32, z + w1, y)
            z, x = x, z
            i += 64
        n -= _BLOCK
    y += _rotate(w0, 37) * _K0 + z
    x += _rotate(v0 + z, 49) * _K0
    done = 0
    while done < n:
        done += 32
        y = _rotate(y - x, 42) * _K0 + v1
        w0 += _fetch64(s, i + n - done + 16)
        x = _rotate(x, 49) * _K0 + w0
        w0 += v0
        v0, v1 = _weak(s, i + n - done, v0, v1)
    x, y = _pair(x, v0), _pair(y, w0)
    return _pair(x + v1, w1) + y, _pair(x + w1, y + v1)


@njit(cache=True, nogil=True)
def hashed(s: Any) -> Any:
    n = len(s)
    if n >= 16:
        return _seeded(s, 16, n - 16, _fetch64(s, 0) ^ _K3, _fetch64(s, 8))
    if n >= 8:
        return _seeded(s, 0, 0, _fetch64(s, 0) ^ (np.uint64(n) * _K0), _fetch64(s, n - 8) ^ _K1)
    return _seeded(s, 0, n, _K0, _K1)
