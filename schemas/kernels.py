"""The compiled loops behind `schemas.identity`, which imports them at first use: compiling machinery takes a second to load, and a
command that only needs names of things must not wait for it.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def mix(x: np.uint64) -> np.uint64:
    """MurmurHash3's 64-bit finaliser. ClickHouse's `intHash64(x)` is this of `x` XOR a constant, see `identity.call_hash_sql`."""
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    x ^= x >> np.uint64(33)
    return x


@njit(cache=True, nogil=True)
def text_hash(ref_bytes, r0, r1, alt_bytes, a0, a1):  # type: ignore[no-untyped-def]
    """64-bit FNV-1a of `REF>ALT`, mixed. An id takes the upper 31 bits, a spelling the lower 32."""
    h = np.uint64(0xCBF29CE484222325)
    for j in range(r0, r1):
        h = (h ^ np.uint64(ref_bytes[j])) * np.uint64(0x100000001B3)
    h = (h ^ np.uint64(62)) * np.uint64(0x100000001B3)
    for j in range(a0, a1):
        h = (h ^ np.uint64(alt_bytes[j])) * np.uint64(0x100000001B3)
    return mix(h)


@njit(cache=True, nogil=True)
def allele_ids(  # type: ignore[no-untyped-def]
    linear, ref_offsets, ref_bytes, alt_offsets, alt_bytes, code, out
):
    for i in range(linear.shape[0]):
        r0, r1 = ref_offsets[i], ref_offsets[i + 1]
        a0, a1 = alt_offsets[i], alt_offsets[i + 1]
        r, a = r1 - r0, a1 - a0
        short = r >= 1 and a >= 1 and r + a <= 11
        payload = np.uint64(0)
        if short:
            for j in range(r0, r1):
                c = code[ref_bytes[j]]
                if c > 3:
                    short = False
                payload = (payload << np.uint64(2)) | np.uint64(c & 3)
            for j in range(a0, a1):
                c = code[alt_bytes[j]]
                if c > 3:
                    short = False
                payload = (payload << np.uint64(2)) | np.uint64(c & 3)
        if short:
            # bases stand left-aligned in their 23 bits, so ids of one length sort as their letters do
            payload <<= np.uint64(22 - 2 * (r + a))
            payload |= (np.uint64(r) << np.uint64(27)) | (np.uint64(a) << np.uint64(23))
        else:
            payload = (text_hash(ref_bytes, r0, r1, alt_bytes, a0, a1) >> np.uint64(33)) | np.uint64(1 << 31)
        out[i] = (np.uint64(linear[i]) << np.uint64(32)) | payload


@njit(cache=True, nogil=True)
def spellings(ids, ref_offsets, ref_bytes, alt_offsets, alt_bytes, out):  # type: ignore[no-untyped-def]
    for i in range(ids.shape[0]):
        if ids[i] & np.uint64(1 << 31):
            h = text_hash(ref_bytes, ref_offsets[i], ref_offsets[i + 1], alt_bytes, alt_offsets[i], alt_offsets[i + 1])
            out[i] = np.uint32(h & np.uint64(0xFFFFFFFF))
        else:
            out[i] = 0


@njit(cache=True, nogil=True)
def call_hashes(  # type: ignore[no-untyped-def]
    allele, record, alt_index, haplotypes, ploidy, other, missing, phased, phase_set, depth, quality, dref, dalt, out
):
    low = np.uint64(0xFFFFFFFF)
    s32, s16, s8, s24 = np.uint64(32), np.uint64(16), np.uint64(8), np.uint64(24)
    for i in range(allele.shape[0]):
        h = mix(np.uint64(allele[i]))
        h = mix(h ^ ((np.uint64(record[i]) << s16) | np.uint64(alt_index[i])))
        genotype = (
            np.uint64(haplotypes[i]) | (np.uint64(ploidy[i]) << s8) | (np.uint64(other[i]) << s16)
            | (np.uint64(missing[i]) << s24) | (np.uint64(phased[i]) << s32)
        )  # fmt: skip
        h = mix(h ^ genotype)
        h = mix(h ^ (np.uint64(phase_set[i]) & low))
        h = mix(h ^ ((np.uint64(depth[i]) & low) | ((np.uint64(quality[i]) & low) << s32)))
        h = mix(h ^ ((np.uint64(dref[i]) & low) | ((np.uint64(dalt[i]) & low) << s32)))
        out[i] = h
