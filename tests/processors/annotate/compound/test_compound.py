"""Phased neighbours: who is called with whom, what it does to the protein, what it is named."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.annotate import terms
from processors.annotate.compound import haplotypes
from processors.knowledge.transcripts import Status
from schemas.compounds import CompoundFlag, CompoundKind, Phase
from schemas.plan import CuttingRule
from tests.processors.annotate.compound.conftest import Genes, Line, Made
from tests.processors.annotate.compound.oracle import compounds, spelled_proteins


def call(genes: Genes, *lines: Line, cutting: CuttingRule | None = None, name: str = "calls.vcf") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = compounds(genes.write(lines, name), genes.resources, cutting).to_pylist()
    return rows


def two(genes: Genes, gene: Made, codon: int, first: str, second: str) -> list[dict[str, Any]]:
    """Two substitutions of one codon with these genotypes."""
    one = genes.substitution(gene, 3 * codon, genes.other(gene, 3 * codon))
    other = genes.substitution(gene, 3 * codon + 1, genes.other(gene, 3 * codon + 1))
    return call(genes, (*one, [first]), (*other, [second]))


def test_the_made_genes_are_read_without_a_doubt(genes: Genes) -> None:
    assert set(genes.resources.transcripts.layout.status.tolist()) == {int(Status(0))}


@pytest.mark.parametrize("number", [0, 1])
def test_two_substitutions_of_one_codon_in_phase_are_one_change(genes: Genes, number: int) -> None:
    gene = genes.genes[number]
    (row,) = two(genes, gene, 20, "0|1", "0|1")
    name = genes.resources.transcripts.name[row["transcript"]]
    changed = genes.other(gene, 60) + genes.other(gene, 61)
    assert (name, row["kind"], row["phase"], row["haplotypes"]) == (f"T{number}.1", CompoundKind.CODON, Phase.PHASED, 0b10)
    assert row["hgvsc"] == f"T{number}.1:c.61_62delins{changed}"
    assert (row["residue"], row["cds_start"], row["cds_end"]) == (21, 61, 62)
    assert (row["ref_codons"], row["alt_codons"]) == (gene.text[60:62] + gene.text[62].lower(), changed + gene.text[62].lower())
    assert [part["record"] for part in row["parts"]] == [0, 1]


@pytest.mark.parametrize(
    ("first", "second", "phase", "haplotypes"),
    [
        ("0|1", "0|1", Phase.PHASED, 0b10),
        ("0|1:7", "0|1:7", Phase.PHASED, 0b10),
        ("1|0:7", "1|0:7", Phase.PHASED, 0b01),
        ("1/1", "1/1", Phase.HOMOZYGOUS, 0b11),
        ("1", "1", Phase.HEMIZYGOUS, 0b1),
        ("1/1", "0|1:7", Phase.PHASED, 0b10),
        ("0/1", "1/1", Phase.CARRIED, 0b10),
    ],
)
def test_alleles_of_one_haplotype_are_called_together(genes: Genes, first: str, second: str, phase: Phase, haplotypes: int) -> None:
    (row,) = two(genes, genes.genes[0], 30, first, second)
    assert (Phase(row["phase"]), row["haplotypes"]) == (phase, haplotypes)
    assert row["phase_set"] == (7 if ":7" in first + second else -1)


@pytest.mark.parametrize(
    ("first", "second"),
    [("0/1", "0/1"), ("0|1", "1|0"), ("0|1:7", "0|1:8"), ("0|1:7", "0|1"), ("0|1", "0/1"), ("0|0", "1|1"), ("1", "0|1:3")],
)
def test_alleles_that_may_stand_apart_are_not(genes: Genes, first: str, second: str) -> None:
    rows = two(genes, genes.genes[0], 30, first, second)
    assert [row for row in rows if row["phase"] != Phase.PHASED or ":3" not in second] == []


def test_a_second_heterozygote_of_unknown_phase_is_told(genes: Genes) -> None:
    gene = genes.genes[0]
    at = [genes.substitution(gene, 90 + k, genes.other(gene, 90 + k)) for k in range(3)]
    rows = call(genes, (*at[0], ["1/1"]), (*at[1], ["0/1"]), (*at[2], ["0/1"]))
    assert [[part["record"] for part in row["parts"]] for row in rows] == [[0, 1], [0, 2]]
    assert all(CompoundFlag(row["flags"]) & CompoundFlag.NEIGHBOUR_UNPHASED for row in rows)


def test_two_alts_of_one_record_exclude_each_other(genes: Genes) -> None:
    gene = genes.genes[0]
    position, ref, first = genes.substitution(gene, 90, genes.other(gene, 90))
    _, _, second = genes.substitution(gene, 90, genes.other(gene, 90, 2))
    near = genes.substitution(gene, 91, genes.other(gene, 91))
    rows = call(genes, (position, ref, f"{first},{second}", ["1/2"]), (*near, ["1/1"]))
    assert [sorted((part["record"], part["alt_index"]) for part in row["parts"]) for row in rows] == [[(0, 1), (1, 1)], [(0, 2), (1, 1)]]
    assert [row["haplotypes"] for row in rows] == [0b01, 0b10]


def test_a_codon_split_by_an_intron_is_one_codon(genes: Genes) -> None:
    for gene in genes.genes[:2]:
        border = next(k for k in range(1, len(gene.places)) if abs(gene.places[k] - gene.places[k - 1]) > 1 and k % 3)
        parts = [(*genes.substitution(gene, k, genes.other(gene, k)), ["1|0"]) for k in (border - 1, border)]
        (row,) = call(genes, *parts)
        assert (row["kind"], row["cds_start"], row["cds_end"]) == (CompoundKind.CODON, border, border + 1)
        assert row["end"] - row["start"] > 150


def test_a_shift_that_is_brought_back_is_no_frameshift(genes: Genes) -> None:
    gene = genes.genes[0]
    lines = [(*genes.deletion(gene, 121, 1), ["0|1"]), (*genes.substitution(gene, 127, genes.other(gene, 127)), ["0|1"])]
    lines.append((*genes.insertion(gene, 133, "C"), ["0|1"]))
    (row,) = call(genes, *lines)
    assert row["kind"] == CompoundKind.RESCUE
    assert not row["terms"] & terms.mask("frameshift_variant")
    assert len(row["parts"]) == 3
    assert CompoundFlag(row["flags"]) & CompoundFlag.MILDER
    assert row["hgvsc"].startswith("T0.1:c.[")
    assert row["hgvsc"].count(";") == 2


def test_nothing_behind_the_stop_of_a_shifted_frame_is_read(genes: Genes) -> None:
    gene = genes.genes[0]
    far = [genes.substitution(gene, 330 + k, genes.other(gene, 330 + k)) for k in range(2)]
    assert len(call(genes, *((*one, ["0|1"]) for one in far))) == 1
    shift = genes.deletion(gene, 10, 1)
    rows = call(genes, (*shift, ["0|1"]), *((*one, ["0|1"]) for one in far))
    assert rows == []


def test_an_unrescued_shift_is_called_with_what_is_read_in_its_frame(genes: Genes) -> None:
    gene = genes.genes[0]
    (row,) = call(genes, (*genes.deletion(gene, 10, 1), ["0|1"]), (*genes.substitution(gene, 13, genes.other(gene, 13)), ["0|1"]))
    assert row["kind"] == CompoundKind.SHIFTED
    assert terms.names_of(row["terms"]) == ["frameshift_variant"]
    assert "fsTer" in row["hgvsp"]
    assert row["alt_aa"].endswith("*")


def test_what_stands_behind_the_stop_of_a_shifted_frame_makes_neither_a_second_row_nor_a_phase(genes: Genes) -> None:
    gene = genes.genes[0]
    near = [(*genes.deletion(gene, 10, 1), ["1/1"]), (*genes.substitution(gene, 13, genes.other(gene, 13)), ["1/1"])]
    far = [(*genes.substitution(gene, at, genes.other(gene, at)), ["0/1"]) for at in (330, 350, 370)]
    (row,) = call(genes, *near, *far)
    assert (row["phase"], row["haplotypes"], row["phase_set"]) == (Phase.HOMOZYGOUS, 0b11, -1)
    assert [part["record"] for part in row["parts"]] == [0, 1]


def identity_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a row of the table `compound` one row."""
    parts = tuple((part["record"], part["alt_index"]) for part in row["parts"])
    return row["sample"], row["transcript"], row["haplotypes"], row["phase_set"], parts


def test_alleles_that_overlap_are_linked_and_not_called(genes: Genes) -> None:
    gene = genes.genes[0]
    inside = gene.places[62]
    (row,) = call(genes, (*genes.deletion(gene, 61, 3), ["0|1"]), (inside + 1, genes.sequence[inside], "N", ["0|0"]),
                  (*genes.substitution(gene, 62, genes.other(gene, 62)), ["0|1"]))  # fmt: skip
    assert CompoundFlag(row["flags"]) & CompoundFlag.OVERLAP
    assert (row["terms"], row["hgvsp"], len(row["parts"])) == (0, "", 2)


def test_a_part_that_reaches_into_an_intron_is_linked_and_not_called(genes: Genes) -> None:
    gene = genes.genes[0]
    border = next(k for k in range(1, len(gene.places)) if gene.places[k] - gene.places[k - 1] > 1)
    low = gene.places[border - 1]
    deletion = (low, genes.sequence[low - 1 : low + 5], genes.sequence[low - 1])
    near = genes.substitution(gene, border - 2, genes.other(gene, border - 2))
    rows = call(genes, (*deletion, ["0|1"]), (*near, ["0|1"]))
    if (border - 1) // 3 == (border - 2) // 3:
        assert [CompoundFlag(row["flags"]) & CompoundFlag.BORDER for row in rows] == [CompoundFlag.BORDER]
        assert rows[0]["terms"] == 0


def test_the_same_allele_twice_is_no_compound(genes: Genes) -> None:
    gene = genes.genes[0]
    one = genes.substitution(gene, 60, genes.other(gene, 60))
    assert call(genes, (*one, ["0|1"]), (*one, ["0|1"])) == []


def test_a_stop_that_only_both_make_is_worse_than_each(genes: Genes) -> None:
    gene = genes.genes[0]
    codon = next(k for k in range(5, 100) if gene.text[3 * k] != "T" and gene.text[3 * k + 1 : 3 * k + 3] in ("CA", "GA", "CG"))
    wanted = "TAA" if gene.text[3 * codon + 2] == "A" else "TAG"
    lines = [(*genes.substitution(gene, 3 * codon + k, wanted[k]), ["1|1"]) for k in range(3) if gene.text[3 * codon + k] != wanted[k]]
    (row,) = call(genes, *lines)
    assert row["terms"] & terms.mask("stop_gained")
    assert CompoundFlag(row["flags"]) & CompoundFlag.WORSE
    assert row["hgvsp"].endswith(f"{codon + 1}Ter")


def random_lines(genes: Genes, rng: random.Random, count: int, samples: int) -> list[Line]:
    """Substitutions and small indels crowded into a few places of the genes, phased by half."""
    lines: dict[int, Line] = {}
    crowded = [(rng.choice(genes.genes), rng.randrange(6, 380)) for _ in range(max(1, count // 6))]
    while len(lines) < count:
        gene, middle = rng.choice(crowded)
        at = middle + rng.randrange(0, 30)
        kind = rng.randrange(5)
        if kind < 3:
            change = genes.substitution(gene, at, genes.other(gene, at, rng.randrange(1, 4)))
        elif kind == 3:
            change = genes.insertion(gene, at, "".join(rng.choice("ACGT") for _ in range(rng.choice([1, 2, 3, 4]))))
        else:
            change = genes.deletion(gene, at, 1)
        genotypes = [rng.choice(["0|0", "0|1", "1|0", "1|1", "0/1", "0|1:5", "1|0:5"]) for _ in range(samples)]
        lines.setdefault(change[0], (*change, genotypes))
    return list(lines.values())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 60), block=st.sampled_from([300, 1 << 20]))
def test_compounds_do_not_depend_on_where_chunks_are_cut(genes: Genes, seed: int, cut: int, block: int) -> None:
    path = genes.write(random_lines(genes, random.Random(seed), 80, 2), "cuts.vcf")
    whole = compounds(path, genes.resources)
    assert whole.num_rows > 0
    cut_up = compounds(path, genes.resources, CuttingRule(alleles=cut))
    assert cut_up.to_pylist() == whole.to_pylist()
    assert len({identity_of(row) for row in whole.to_pylist()}) == whole.num_rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_every_compound_is_what_the_spliced_haplotype_reads(genes: Genes, seed: int) -> None:
    """The protein is read anew from the contig with the parts' letters; flagged ones claim nothing."""
    path = genes.write(random_lines(genes, random.Random(seed), 60, 1), "read.vcf")
    for row in compounds(path, genes.resources).to_pylist():
        if row["terms"] == 0:
            continue
        parts = [(part["start"] + 1, part["ref"], part["alt"]) for part in row["parts"]]
        before, after = spelled_proteins(genes.resources, row["transcript"], parts)
        head = before[: row["residue"] - 1]
        if row["kind"] == CompoundKind.SHIFTED:
            assert head + row["alt_aa"] == after, row
        else:
            whole = head + row["alt_aa"] + before[len(head) + len(row["ref_aa"]) :]
            assert (whole[: whole.find("*") + 1] or whole) == after or after.startswith(head + row["alt_aa"]), row


def test_beyond_the_most_phase_sets_alleles_are_linked_and_told_never_lost(genes: Genes, monkeypatch: pytest.MonkeyPatch) -> None:
    gene = genes.genes[0]
    homozygous = genes.substitution(gene, 30, genes.other(gene, 30))
    lines: list[Line] = [(*homozygous, ["1/1"])]
    lines += [(*genes.substitution(gene, 31, genes.other(gene, 31, turn)), [f"0|1:{turn}"]) for turn in (1, 2, 3)]
    whole = call(genes, *lines)
    assert [len(row["parts"]) for row in whole] == [2, 2, 2]
    monkeypatch.setattr(haplotypes, "MOST_BLOCKS", 2)
    rows = call(genes, *lines)
    left_out = [row for row in rows if row["flags"] & CompoundFlag.LEFT_OUT]
    assert [row for row in rows if row not in left_out] == whole[:2]
    assert [(row["terms"], row["haplotypes"], row["hgvsp"], [part["record"] for part in row["parts"]]) for row in left_out] == [
        (0, 0, "", [0, 3])
    ]


def test_many_phase_sets_of_one_allele_each_leave_nothing_out(genes: Genes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haplotypes, "MOST_BLOCKS", 2)
    gene = genes.genes[0]
    lines: list[Line] = [(*genes.deletion(gene, 20, 1), ["0|1:1"])]
    lines += [(*genes.substitution(gene, at, genes.other(gene, at)), [f"0|1:{at}"]) for at in range(30, 60, 3)]
    lines.append((*genes.insertion(gene, 27, "C"), ["0|1:1"]))
    (row,) = call(genes, *lines)
    assert (row["kind"], row["phase_set"], len(row["parts"])) == (CompoundKind.RESCUE, 1, 2)
    assert not row["flags"] & CompoundFlag.LEFT_OUT
