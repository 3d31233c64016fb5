"""Bytes that nobody would write: never a crash, never a record lost, whatever stands between the tabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.ingest.errors import BuildContradiction, ContigsScattered

HEADER = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n"
GOOD = b"one\t1\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\t0/1\n"

FIELD = st.sampled_from(
    [b"one", b"two", b"1",
     b"9", b".", b"A", b"ACG", b"*", b"<DEL>", b"A,C,,", b"C,<*>", b"GT", b"GT:AD:DP", b"AD:GT", b"0/1", b"1|2:3,4:5",
     b"./.", b"1", b":", b"::", b"-1", b"1e9", b"PASS", b"END=5", b"END=", b"0/1/", b"|", b"\xff\xc3", b"", b"A]1:2]",
     b"4294967296", b"nan"]
) | st.binary(max_size=6)  # fmt: skip
LINE = st.lists(FIELD, max_size=13).map(b"\t".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, max_size=8), block=st.sampled_from([16, 200, 1 << 20]))
def test_any_lines_are_counted_or_refused(lines: list[bytes], block: int, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "odd.vcf"
    body = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    path.write_bytes(HEADER + GOOD + body + GOOD)
    try:
        outcome = run(path, block=block)
    except (BuildContradiction, ContigsScattered):
        return
    records = sum(1 for line in (GOOD + body + GOOD).split(b"\n") if line.removesuffix(b"\r"))
    assert outcome.manifest.records == records
    malformed = {row["record"] for row in outcome.faults if row["alt_index"] == 0}
    touched = {row["record"] for row in outcome.rows} | {row["record"] for row in outcome.faults}
    assert max(touched, default=0) < records
    assert {0, records - 1} <= touched - malformed
