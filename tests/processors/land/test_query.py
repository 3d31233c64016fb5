"""Names and queries: codes become names, and a variant, a gene or a sample finds its carriers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from processors.land import query
from processors.land.client import Client, Rejected, connect
from processors.land.names import GeneNames, NamesContradict, TranscriptNames, named, record_names
from processors.land.query import NotAVariant, UnknownGene, VariantText
from schemas.assembly import contig_table
from schemas.chunks import TRANSCRIPT
from schemas.identity import allele_id
from tests.processors.land.conftest import note_sources_of

TERMS = tuple(f"term_{bit}" for bit in range(9))
TABLE = contig_table("GRCh38")
OFFSET = next(c.offset for c in TABLE.contigs if c.name == "21")
GENES = GeneNames(["ENSG1", "ENSG2", "ENSG3", "ENSG4"], ["APP", "DYRK1A", "SOD1", ""])
TRANSCRIPTS = TranscriptNames(
    [f"ENST{n}" for n in range(9)], np.array([0, 0, 0, 1, 1, 2, 2, 3, 3], np.uint32), ["protein_coding"] * 9,
    np.full(9, 20, np.int32), np.full(9, 1_000_000, np.int32), np.full(9, 3_000_000, np.int32),
)  # fmt: skip


@pytest.fixture
def published(client: Client, laboratory: Any, factory: Any) -> Any:
    """A published family whose alleles lie on GRCh38's chromosome 21, with names."""
    emission = factory.emit(("aa", "bb"), offset=OFFSET)
    for _ in range(2):
        record(client, factory, TERMS)
    note_sources_of(client, factory.plan)
    laboratory.publish(emission)
    return emission


def record(client: Client, factory: Any, terms: tuple[str, ...]) -> None:
    record_names(
        client, factory.plan, contigs=TABLE, transcripts=TRANSCRIPTS, genes=GENES, consequences=terms, effects=("nmd", "nmd_escape"),
        significances=("", "pathogenic"),
    )  # fmt: skip


def rows(table: pa.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def everything(client: Client, sample: str) -> list[dict[str, Any]]:
    return [row for table in query.sample(client, sample) for row in rows(table)]


def test_names_are_written_once_and_known_to_be_there(client: Client, factory: Any) -> None:
    assert not named(client, factory.plan)
    record(client, factory, TERMS)
    record(client, factory, TERMS)
    assert named(client, factory.plan)
    assert client.rows("SELECT name, gene_id, symbol FROM transcript WHERE transcript = 3") == [("ENST3", "ENSG2", "DYRK1A")]
    assert client.rows("SELECT contig, start, end FROM gene WHERE symbol = 'SOD1'") == [("21", 1_000_000, 3_000_000)]
    assert client.value("SELECT count() FROM contig_name") == 25


def test_a_term_bit_that_means_something_else_is_refused(client: Client, factory: Any) -> None:
    record(client, factory, TERMS)
    record(client, factory, (*TERMS, "an appended term"))
    with pytest.raises(NamesContradict, match="bit 1 is term_1 in the database and changed here"):
        record(client, factory, ("term_0", "changed"))


def test_a_row_of_the_view_says_what_the_chunk_said(client: Client, published: Any) -> None:
    seen = {(row["sample_id"], row["record"]): row for row in everything(client, "aa") + everything(client, "bb")}
    assert len(seen) == sum(s.landed for s in published.manifest.samples)
    for chunk in published.chunks[:2]:
        for row in chunk.rows.to_pylist():
            for call in row["calls"]:
                there = seen["aabb"[2 * call["sample"] :][:2], row["record"]]
                assert (there["position"], there["ref"], there["alt"]) == (row["start"] + 1, row["ref"], row["alt"])
                hit = row["gene"] < 4
                assert (there["gene"], there["gene_id"]) == ((GENES.symbol[row["gene"]], GENES.gene_id[row["gene"]]) if hit else ("", ""))
                assert there["transcript"] == (f"ENST{row['pick']}" if hit else "")
                assert there["consequence"] == TERMS[row["terms"].bit_length() - 1]
                assert_codes_are_read(there, row)
                assert there["frequency"] == (row["frequency"] if row["frequency_answer"] == 1 else None)
                assert there["score"] == (row["score"] if row["scored"] == 1 else None)
                assert there["quality"] == (None if call["quality"] == -1 else call["quality"])
                assert there["zygosity"] == ("homozygous" if call["haplotypes"] == 3 else "heterozygous")


def assert_codes_are_read(there: dict[str, Any], row: dict[str, Any]) -> None:
    """The codes of the pick's row, where it has one, as SQL shows them."""
    own = next((t for t in row["transcripts"] if t["transcript"] == row["pick"]), dict.fromkeys((f.name for f in TRANSCRIPT), 0))
    assert there["cdna_position"] == (own["position"] or None)
    assert there["intron_offset"] == own["offset"]
    assert there["protein_position"] == (own["residue"] or None)
    change = f"{chr(own['ref_aa'])}{own['residue']}{chr(own['alt_aa'])}" if own["ref_aa"] else ""
    assert there["residue_change"] == change
    assert there["protein_lost"] == own["lost"] / 10_000
    assert there["effect"].split(",")[0] == ("nmd" if own["effect"] & 1 else "nmd_escape" if own["effect"] & 2 else "")


def test_names_of_a_finding_stand_beside_its_call(client: Client, published: Any) -> None:
    named = {(row["sample_id"], row["allele_id"]) for row in everything(client, "aa") if row["hgvsc"] == "ENST1:c.34C>T"}
    found = client.rows("SELECT sample_id, allele_id FROM finding_current WHERE sample_id = 'aa' AND impact = 'MODERATE'")
    assert named == set(found)
    assert len(named) > 0


def test_a_sample_comes_in_parts_by_place_that_together_are_all_of_it(
    client: Client, published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = everything(client, "aa")
    monkeypatch.setattr(query, "PART", 10)
    parts = [rows(table) for table in query.sample(client, "aa")]
    assert len(parts) > 5
    assert all(parts)
    assert [row for part in parts for row in part] == whole
    assert [row["position"] for row in whole] == sorted(row["position"] for row in whole)
    assert len(next(query.sample(client, "nobody"))) == 0


def test_a_variant_finds_its_carriers(client: Client, published: Any) -> None:
    row = max(published.chunks[0].rows.to_pylist(), key=lambda row: len(row["calls"]) * 1000 + len(row["alt"]))
    assert row["allele_id"] == allele_id(OFFSET + row["start"], row["ref"], row["alt"])
    for text in (f"21-{row['start'] + 1}-{row['ref']}-{row['alt']}", f"chr21:{row['start'] + 1}:{row['ref']}>{row['alt'].lower()}"):
        found = rows(query.variant(client, text))
        assert [r["sample_id"] for r in found] == ["ab"[call["sample"]] * 2 for call in row["calls"]]
        assert {r["record"] for r in found} == {row["record"]}
    assert rows(query.variant(client, f"21-{row['start'] + 2}-{row['ref']}-{row['alt']}")) == []


def test_a_gene_finds_the_alleles_named_after_it_by_symbol_or_id(client: Client, published: Any) -> None:
    expected = sorted(
        (row["record"], "ab"[call["sample"]] * 2)
        for chunk in published.chunks[:2]
        for row in chunk.rows.to_pylist()
        if row["gene"] == 0
        for call in row["calls"]
    )
    for name in ("APP", "app", "ENSG1"):
        assert sorted((r["record"], r["sample_id"]) for r in rows(query.gene(client, name))) == expected
    assert {r["sample_id"] for r in rows(query.gene(client, "APP", ["bb"]))} == {"bb"}
    with pytest.raises(UnknownGene, match="'NOPE'"):
        query.gene(client, "NOPE")


@pytest.mark.parametrize("text", ["", "21", "21-5-A", "21-x-A-C", "21-5-A-<DEL>", "21-5-A-C-G"])
def test_what_is_no_variant_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NotAVariant, match="21-45989090-G-A"):
        query.parse_variant(text)


def test_a_variant_is_read_as_people_write_it() -> None:
    assert query.parse_variant(" chrM:3243:a>g ") == VariantText("MT", 3243, "A", "G")


def test_a_reader_reads_the_views_and_changes_nothing(client: Client, server: Any, published: Any) -> None:
    with connect(server.dsn("reader")) as reader:
        assert query.free(reader, "SELECT count() AS n FROM variant").to_pylist() == [
            {"n": client.value("SELECT count() FROM calls_current")}
        ]
        with pytest.raises(Rejected):
            reader.command("TRUNCATE TABLE calls")
