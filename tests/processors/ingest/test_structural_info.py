"""What a record that is too long to keep whole keeps of its text."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.ingest.structural_info import KEPT, kept_sites

SIZE = 256


def kept(*lines: str) -> list[str]:
    text = np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)
    ends = np.cumsum([len(line.encode()) + 1 for line in lines]) - 1
    offsets, data = kept_sites(text, ends - [len(line.encode()) for line in lines], ends, SIZE)
    return [data[a:b].tobytes().decode() for a, b in itertools.pairwise(offsets)]


def test_a_text_that_fits_is_as_it_stands() -> None:
    lines = ["1\t5\t.\tA\t<DEL>\t.\t.\tCSQ=x;END=9", "broken", ""]
    assert kept(*lines) == lines


def test_what_places_a_variant_stands_before_what_does_not_fit() -> None:
    line = "1\t5\t.\tA\t<DEL>\t.\t.\tCSQ=" + "x" * 300 + ";BEND=1;END=900;SVLEN=-895;CIPOS=0,0;IMPRECISE;MATEID=m"
    [found] = kept(line)
    assert found.startswith("1\t5\t.\tA\t<DEL>\t.\t.\tEND=900;SVLEN=-895;CIPOS=0,0;IMPRECISE;MATEID=m;CSQ=xxx")
    assert len(found) == SIZE


def test_a_long_ref_takes_no_room_from_alt_and_info() -> None:
    line = "1\t5\t.\t" + "A" * 5_000 + "\tG[2:77[\t.\tPASS\tSVTYPE=BND;MATEID=b2"
    assert kept(line)[0].split("\t")[4:] == ["G[2:77[", ".", "PASS", "SVTYPE=BND;MATEID=b2"]


entries = st.lists(st.sampled_from([*(f"{key}=1" for key in KEPT), "CSQ=" + "x" * 90, "A", "", "=", "AC=" + "1," * 40]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(st.sampled_from("ACG<>[]:.\t1"), max_size=200), entries), min_size=1, max_size=5))
def test_no_record_takes_more_than_its_room_nor_loses_where_it_lies(records: list[tuple[str, list[str]]]) -> None:
    lines = ["\t".join(["1", "5", ".", "A", alt.replace("\t", ""), ".", "."]) + "\t" + ";".join(info) for alt, info in records]
    for line, found in zip(lines, kept(*lines), strict=True):
        assert len(found) <= SIZE
        if len(line) > SIZE:
            told = found.split("\t")[7].split(";")
            wanted = [entry for entry in line.split("\t")[7].split(";") if entry.split("=")[0] in KEPT]
            assert told[: len(wanted)] == wanted or len(found) == SIZE
        else:
            assert found == line
