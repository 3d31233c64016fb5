"""The pick order: VEP's criteria one after another, in whatever order they are asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from processors.annotate import terms
from processors.annotate.pick import VEP_ORDER, Criterion, PickOrder, PickOrderRefused, parse_order, pick_alleles, pick_order, pick_rows
from processors.knowledge.strings import ranks_of
from processors.knowledge.transcripts import Tag
from schemas.chunks import NONE

MISSENSE, INTRON, STOP = (terms.mask(name) for name in ("missense_variant", "intron_variant", "stop_gained"))


def models(*rows: dict[str, Any]) -> Any:
    """Gene models made by hand; what a row does not say is as in a bare file."""
    bare: dict[str, Any] = {
        "name": "T", "tags": 0, "appris": 0, "support": 0, "biotype": "protein_coding", "cds_length": 300, "length": 900, "gene": 0,
        "pad": 0,
    }  # fmt: skip
    full = [bare | row for row in rows]
    names = sorted({row["biotype"] for row in full})

    def column(key: str, kind: Any) -> Any:
        return np.array([row[key] for row in full], dtype=kind)

    class Models(SimpleNamespace):
        def __len__(self) -> int:
            return len(full)

    return Models(
        name_rank=ranks_of([row["name"] for row in full]), tags=column("tags", np.uint16), appris=column("appris", np.uint8),
        support=column("support", np.uint8), biotypes=tuple(names), biotype=np.array([names.index(row["biotype"]) for row in full]),
        cds_length=column("cds_length", np.int32), length=column("length", np.int32),
        layout=SimpleNamespace(gene=column("gene", np.uint32), pad=column("pad", np.uint8)),
    )  # fmt: skip


def picked(pack: Any, order: PickOrder, *bits: int) -> int:
    """Row of the pack that speaks for one allele that has `bits` on each transcript."""
    n = len(bits)
    out = np.empty(1, dtype=np.uint32), np.empty(1, dtype=np.uint32), np.empty(1, dtype=np.uint64)
    rows, offsets = np.arange(n, dtype=np.uint32), np.array([0, n], dtype=np.int32)
    pick_alleles(order.keys, order.shift, pack.layout.gene, offsets, rows, np.array(bits, dtype=np.uint64), *out)
    assert out[2][0] == bits[int(out[0][0])]
    return int(out[0][0])


LADDER: list[dict[str, Any]] = [
    {"tags": int(Tag.MANE_SELECT)}, {"tags": int(Tag.MANE_PLUS_CLINICAL)}, {"tags": int(Tag.CANONICAL)}, {"appris": 1}, {"appris": 5},
    {"appris": 6}, {"support": 1}, {"support": 5}, {"tags": int(Tag.CCDS)},
]  # fmt: skip
"""Each is preferred to all behind it."""


def test_each_criterion_of_veps_order_beats_those_behind_it() -> None:
    pack = models(*({"name": f"T{9 - number}", **row} for number, row in enumerate(LADDER)), {"name": "T0"})
    order = pick_order(pack)
    for first in range(len(LADDER)):
        hidden = [NONE] * first
        rows = np.array([*hidden, *range(first, len(pack))], dtype=np.uint32)[first:]
        marked = np.zeros(len(rows), dtype=np.bool_)
        bits = np.full(len(rows), MISSENSE, dtype=np.uint64)
        pick_rows(order.keys, order.shift, pack.layout.gene, False, np.array([0, len(rows)]), rows, bits, marked)
        assert np.flatnonzero(marked).tolist() == [0]


def test_coding_biotype_then_severity_then_length_then_name() -> None:
    pack = models(
        {"name": "D", "biotype": "lncRNA", "cds_length": 0, "length": 9_000}, {"name": "C", "cds_length": 300},
        {"name": "B", "cds_length": 299, "pad": 2}, {"name": "A", "cds_length": 300},
    )  # fmt: skip
    order = pick_order(pack)
    assert picked(pack, order, STOP, INTRON, INTRON, INTRON) == 2  # unknown bases of its first codon count: 301
    assert picked(pack, order, STOP, MISSENSE, INTRON, INTRON) == 1
    assert picked(pack, order, STOP, MISSENSE, INTRON, MISSENSE) == 3  # a tie goes to the name


def test_another_order_is_followed_and_what_it_leaves_out_does_not_count() -> None:
    pack = models({"name": "A", "tags": int(Tag.MANE_SELECT)}, {"name": "B", "appris": 1}, {"name": "C", "cds_length": 3_000})
    bits = (INTRON, MISSENSE, INTRON)
    assert picked(pack, pick_order(pack), *bits) == 0
    assert picked(pack, pick_order(pack, parse_order("appris,mane_select")), *bits) == 1
    assert picked(pack, pick_order(pack, parse_order("length,rank")), *bits) == 2
    assert picked(pack, pick_order(pack, parse_order("rank,length")), *bits) == 1
    assert picked(pack, pick_order(pack, parse_order("ccds")), *bits) == 0


def test_any_order_of_all_criteria_fits_the_key() -> None:
    pack = models({"name": "A", "cds_length": 1}, {"name": "B", "cds_length": 9})
    for order in (VEP_ORDER, VEP_ORDER[::-1], (*VEP_ORDER[4:], *VEP_ORDER[:4])):
        made = pick_order(pack, order)
        assert made.keys[0] > made.keys[1]
        assert picked(pack, made, INTRON, STOP) == 1


def test_per_gene_each_gene_of_an_allele_has_its_own_pick() -> None:
    pack = models({"name": "A", "gene": 0}, {"name": "B", "gene": 1}, {"name": "C", "gene": 0, "tags": int(Tag.CANONICAL)}, {"gene": 1})
    order = pick_order(pack)
    rows = np.array([0, 1, 2, 3, NONE, 1], dtype=np.uint32)
    bits = np.array([MISSENSE, INTRON, INTRON, STOP, terms.INTERGENIC, INTRON], dtype=np.uint64)
    marked = np.zeros(6, dtype=np.bool_)
    pick_rows(order.keys, order.shift, pack.layout.gene, True, np.array([0, 4, 5, 6]), rows, bits, marked)
    assert np.flatnonzero(marked).tolist() == [2, 3, 4, 5]


def test_an_order_is_read_as_vep_reads_it() -> None:
    assert parse_order(" RANK, length ") == (Criterion.RANK, Criterion.LENGTH)
    assert parse_order(",".join(VEP_ORDER)) == VEP_ORDER


@pytest.mark.parametrize(("text", "said"), [("rank,size", "size"), ("rank,rank", "twice"), ("", "no criterion"), (" , ", "no criterion")])
def test_an_order_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(PickOrderRefused, match=said):
        parse_order(text)
