"""ClickHouse's own compressed blocks, and the checksum that they carry."""

from __future__ import annotations

import struct
from typing import Any

import lz4.block
import pytest
import zstandard

from deploy.local.clickhouse.blocks import Packer, unpack
from deploy.local.clickhouse.cityhash import cityhash128
from deploy.local.clickhouse.errors import ClickHouseError

# Golden values, made with clickhouse-cityhash 1.0.2.5 over bytes(i % 251 for i in range(n)); low half first.
GOLDEN = {
    0: "2b9ac064fc9df03d291ee592c340b53c",
    3: "c20a85b02619dc106f0edd5cad0dc280",
    7: "162bcb0c29db38aada57521ac2344a68",
    12: "3f87120e38602718c20c93712b6ca989",
    16: "45f9c277e6adce17dcfec87506d69e57",
    40: "abdca2f867361920f3ed11ac71746928",
    127: "c6eecaaca0ef9c6e18a7e666ba8b8156",
    128: "905592545b03ef7d3890ca4a5c7634de",
    200: "fdb6239e697457279c28e7eb01ef8256",
    1000: "450f243c877c37445d221cca06d1a19d",
}


@pytest.mark.parametrize("n", GOLDEN)
def test_the_checksum_is_clickhouses(n: int) -> None:
    assert cityhash128(bytes(i % 251 for i in range(n))).hex() == GOLDEN[n]


def _block(method: int, packed: bytes, size: int) -> bytes:
    body = struct.pack("<BII", method, len(packed) + 9, size) + packed
    return cityhash128(body) + body


def test_what_is_packed_is_unpacked_whatever_the_pieces() -> None:
    data = bytes(i * 7 % 256 for i in range(3_000_000))
    packer = Packer()
    packed = b"".join(packer.feed(data[i : i + 70_001]) for i in range(0, len(data), 70_001)) + packer.end()
    assert b"".join(unpack([packed[:1000], packed[1000:]], 10_000_000)) == data
    with pytest.raises(ClickHouseError, match="more than 1000000 bytes"):
        unpack([packed], 1_000_000)


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    whole = _block(0x82, lz4.block.compress(b"abc" * 100, store_size=False), 300)
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        with pytest.raises(ClickHouseError):
            unpack([bytes(damaged)], 10_000)
    for length in range(1, len(whole)):
        with pytest.raises(ClickHouseError):
            unpack([whole[:length]], 10_000)


@pytest.mark.parametrize("method", [0x02, 0x82, 0x90])
def test_inserts_come_in_blocks_of_every_method(wire: Any, table: str, method: int) -> None:
    plain = f"INSERT INTO {table} (n) FORMAT CSV\n".encode() + b"".join(b"%d\n" % n for n in range(1000))
    packed = plain
    if method == 0x82:
        packed = bytes(lz4.block.compress(plain, store_size=False))
    elif method == 0x90:
        packed = zstandard.compress(plain)
    assert wire.ask(_block(method, packed, len(plain)), decompress=1).status == 200
    assert wire.ask(f"SELECT count(), sum(n) FROM {table}").text == "1000\t499500\n"


def test_answers_go_out_in_blocks(wire: Any) -> None:
    answer = wire.ask("SELECT number FROM numbers(300_000)", compress=1)
    assert b"".join(unpack([answer.body], 10_000_000)).count(b"\n") == 300_000
    assert wire.ask(b"\x01" * 40, decompress=1).code in (40, 271)
