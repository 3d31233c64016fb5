"""Genes by every name they have, and what a release changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processors.knowledge.gene_pack import GeneKey, GenePack, GeneRecord, changed_genes, write_gene_pack
from processors.knowledge.source import Request


def pack(folder: Path, *records: GeneRecord, version: str = "1", identity: Sequence[str] = ("disease",)) -> GenePack:
    return GenePack(
        write_gene_pack(
            Request("validity", (), folder, "any", version),
            records,
            columns={"disease": {"title": "disease", "unit": ""}},
            numbers=(),
            identity=identity,
            source="s",
            sha256="0",
            date="",
            tally=Counter(),
        )
    )


def said(symbol: str = "", hgnc: str = "", ensembl: str = "", aliases: tuple[str, ...] = (), **values: Any) -> GeneRecord:
    return GeneRecord(GeneKey(hgnc=hgnc, ensembl=ensembl, symbol=symbol), values, aliases)


def test_ids_go_before_symbols_and_symbols_before_aliases(tmp_path: Path) -> None:
    found = pack(tmp_path, said("A", "HGNC:1", aliases=("B", "OLD")), said("B", "HGNC:2", "ENSG2"), said("C"))
    assert found.query(["HGNC:1", "ENSG2.7", "", "", "ENSG5"], ["B", "A", "B", "OLD", "C"]).tolist() == [0, 1, 1, 0, 2]


def test_a_gene_with_another_id_is_another_gene_whatever_its_symbol(tmp_path: Path) -> None:
    found = pack(tmp_path, said("A", "HGNC:1"), said("A", "HGNC:2"), said("B", ensembl="ENSG1"))
    assert found.query(["HGNC:1", "HGNC:2", "HGNC:3", "", "ENSG7"], ["A", "A", "A", "A", "B"]).tolist() == [0, 1, -1, -1, -1]
    assert found.pack.extra["counts"]["ambiguous_name"] == 1


def test_a_pack_does_not_depend_on_the_order_of_its_genes(tmp_path: Path) -> None:
    rows = (said("A", "HGNC:1", disease="x"), said("B", "HGNC:2", disease="y"))
    assert pack(tmp_path, *rows).pack.digest == pack(tmp_path, *reversed(rows)).pack.digest


def test_changed_genes_name_the_columns_that_changed(tmp_path: Path) -> None:
    old = pack(
        tmp_path,
        said("A", "HGNC:1", disease="x", says="Limited", date="1"),
        said("A", "HGNC:1", disease="y", says="Definitive", date="1"),
        said("B", "HGNC:2", disease="z", says="Strong", date="1"),
        said("C", "HGNC:3", disease="w", says="Strong", date="1"),
    )
    new = pack(
        tmp_path,
        said("A", "HGNC:1", disease="x", says="Definitive", date="2"),
        said("A", "HGNC:1", disease="y", says="Limited", date="1"),
        said("B2", "HGNC:2", disease="z", says="Strong", date="1"),
        said("D", "HGNC:4", disease="v", says="Strong", date=""),
        version="2",
    )
    assert [(str(key), key.symbol, fields) for key, fields in changed_genes(old.pack, new.pack)] == [
        ("HGNC:1", "A", ("date", "says")),
        ("HGNC:3", "C", ("date", "disease", "says")),
        ("HGNC:4", "D", ("disease", "says")),
    ]
    assert changed_genes(old.pack, old.pack) == []


def test_a_disease_that_a_gene_gains_changes_every_column(tmp_path: Path) -> None:
    old, both = said("A", disease="x", says="Strong"), (said("A", disease="x", says="Strong"), said("A", disease="y", says="Strong"))
    assert changed_genes(pack(tmp_path, old).pack, pack(tmp_path, *both).pack) == [(GeneKey(symbol="A"), ("disease", "says"))]


def test_a_gene_that_only_gains_an_id_is_not_changed_and_keeps_all_its_names(tmp_path: Path) -> None:
    old, new = pack(tmp_path, said("A", disease="x", says="Limited")), pack(tmp_path, said("A", "HGNC:1", disease="x", says="Strong"))
    assert changed_genes(old.pack, new.pack) == [(GeneKey(hgnc="HGNC:1", symbol="A"), ("says",))]
    assert changed_genes(old.pack, pack(tmp_path, said("A", "HGNC:1", disease="x", says="Limited")).pack) == []


def test_another_record_in_front_is_a_change(tmp_path: Path) -> None:
    one, two = said("A", disease="x"), said("A", disease="y")
    assert changed_genes(pack(tmp_path, one, two).pack, pack(tmp_path, two, one).pack) == [(GeneKey(symbol="A"), ("order",))]
