"""Ranges of a BGZF file: every line in exactly one, whatever the blocks and the cuts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.ingest.errors import SourceCorrupt, SourceTruncated
from processors.knowledge import bgzf_ranges
from processors.knowledge.bgzf_ranges import Range, RangeSource, cut
from tests.processors.knowledge.bgzf import MARKER, block, write_bgzf


def text_of(path: Path, span: Range, size: int = 7) -> bytes:
    source = RangeSource(path, span)
    out = bytearray()
    while True:
        piece = bytearray(size)
        count = source.fill(memoryview(piece))
        out += piece[:count]
        if count == 0:
            source.close()
            return bytes(out)


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.binary(min_size=0, max_size=30).map(lambda raw: raw.replace(b"\n", b"x")), min_size=1, max_size=20),
    closed=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=15),
    picked=st.sets(st.integers(0, 20), max_size=6),
)
def test_every_line_lies_in_one_range_wherever_blocks_end_and_ranges_are_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], closed: bool, cuts: list[int], picked: set[int]
) -> None:
    text = b"\n".join(lines) + (b"\n" if closed else b"")
    borders = sorted({0, len(text), *(border for border in cuts if border < len(text))})
    offsets, raw = [0], b""
    for start, end in pairwise(borders):
        raw += block(text[start:end])
        offsets.append(len(raw))
    path = tmp_path_factory.mktemp("bgzf") / "x.gz"
    path.write_bytes(raw + MARKER)
    starts = sorted({0, *(offsets[place] for place in picked if place < len(offsets))})
    spans = [Range(start, end) for start, end in zip(starts, [*starts[1:], len(raw) + len(MARKER)], strict=True)]
    assert b"".join(text_of(path, span) for span in spans) == text


def test_cuts_lie_on_blocks_cover_the_file_and_depend_on_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgzf_ranges, "LEAST", 3_000)
    text = b"".join(b"%d\tline\n" % (number * 7919 % 100_003) for number in range(6_000))
    path = write_bgzf(tmp_path / "x.gz", text, 1_000)
    spans = cut(path)
    assert len(spans) > 5
    assert [span.end for span in spans[:-1]] == [span.start for span in spans[1:]]
    assert (spans[0].start, spans[-1].end) == (0, path.stat().st_size)
    assert b"".join(text_of(path, span, 5_000) for span in spans) == text
    assert cut(path) == spans


def test_what_is_not_bgzf_or_is_small_is_not_cut_and_a_cut_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"##fileformat=VCFv4.2\n" * 100)
    assert cut(tmp_path / "plain") == []
    assert cut(write_bgzf(tmp_path / "small.gz", b"a\n" * 10_000)) == []
    whole = (tmp_path / "small.gz").read_bytes()
    (tmp_path / "short.gz").write_bytes(whole[: -len(MARKER)])
    with pytest.raises(SourceTruncated, match="end marker"):
        cut(tmp_path / "short.gz")


def test_a_damaged_block_is_named_with_its_place(tmp_path: Path) -> None:
    path = write_bgzf(tmp_path / "x.gz", b"abcdefgh\n" * 3_000, 9_000)
    raw = bytearray(path.read_bytes())
    second = int.from_bytes(raw[16:18], "little") + 1
    raw[second + 30] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(SourceCorrupt, match=f"at byte {second}"):
        text_of(path, Range(0, len(raw)), 100_000)
