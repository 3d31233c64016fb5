"""`riverseq query` writes every column that a SELECT may give."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pyarrow as pa

from streams.cli import query
from streams.cli.query import Format, write


def test_arrays_maps_and_tuples_are_json_text_in_csv(tmp_path: Path) -> None:
    pair = pa.struct([("gene", pa.string()), ("hgvsc", pa.list_(pa.string()))])
    table = pa.table(
        {
            "sample": pa.array(["S1", None]),
            "reasons": pa.array([["rare", 'a "quoted", word'], []], pa.list_(pa.string())),
            "counts": pa.array([[("tier 1", 2)], None], pa.map_(pa.string(), pa.int32())),
            "pairs": pa.array([[{"gene": "APP", "hgvsc": ["c.1A>G"]}], None], pa.list_(pair)),
            "share": pa.array([0.5, None]),
        }
    )
    write(table, Format.CSV, tmp_path / "rows.csv", None)
    first, second = csv.DictReader(StringIO((tmp_path / "rows.csv").read_text()))
    assert json.loads(first["reasons"]) == ["rare", 'a "quoted", word']
    assert json.loads(first["counts"]) == {"tier 1": 2}
    assert json.loads(first["pairs"]) == [{"gene": "APP", "hgvsc": ["c.1A>G"]}]
    assert (first["sample"], first["share"]) == ("S1", "0.5")
    assert second == {"sample": "", "reasons": "[]", "counts": "", "pairs": "", "share": ""}


def test_a_blank_says_whether_a_source_was_asked() -> None:
    """A blank in ClinVar or in a frequency may be an absent allele or an absent source: each stands beside its answer."""
    for statement, values in ((query._VARIANT, ("clinvar", "frequency")), (query._FINDING, ("frequency",))):
        columns = [name.strip() for name in statement.split("FROM", 1)[0].replace("\n", " ").split(",")]
        for name in values:
            assert columns[columns.index(name) + 1] == f"{name}_answer"
