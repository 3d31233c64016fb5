"""The structural kernel against sets of bases, on mirrored transcripts, and whatever the batch; genes, fusions, and whole chromosomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.annotate import terms
from processors.annotate.pick import pick_order
from processors.annotate.structural import stage
from processors.annotate.structural.kinds import Direction
from processors.annotate.structural.overlap import WHOLE, Queries, count_rows, fill_rows
from processors.annotate.structural.places import places_of
from processors.annotate.structural.sites import sites_of_faults
from processors.annotate.structural.stage import Called, Structural
from processors.knowledge.gff import Gene, GeneModels, Model
from processors.knowledge.layout import Layout
from processors.knowledge.transcript_build import pack_models
from processors.knowledge.transcripts import Transcripts
from schemas.assembly import contig_table
from schemas.chunks import NONE
from tests.processors.annotate.test_structural_alleles import fault_rows, site

LENGTH = 60_000
TABLE = contig_table("test", [("1", LENGTH), ("2", LENGTH)])
EXONS = [(10_000, 10_100), (10_300, 10_400), (10_600, 10_700)]
SPAN = st.tuples(st.integers(9_000, 11_600), st.integers(0, 1_800))


def model(
    name: str,
    exons: list[tuple[int, int]],
    cds: tuple[int, int] | None,
    strand: int = 1,
    biotype: str = "protein_coding",
    contig: str = "1",
) -> Model:
    spans = [(max(a, cds[0]), min(b, cds[1])) for a, b in exons if max(a, cds[0]) < min(b, cds[1])] if cds else []
    return Model(name, contig, strand, Gene(f"G{name}", f"S{name}", biotype), biotype, frozenset(), 0, False, exons, spans, 0)


def compiled(root: Path, models: list[Model]) -> Transcripts:
    return Transcripts(pack_models(GeneModels(models, Counter()), root, TABLE, name="t", version="1", source="test", sha256=""))


def queries(spans: Sequence[tuple[int, int, int]], contig: int = 0) -> Queries:
    start, end, direction = (np.array(column) for column in zip(*spans, strict=True))
    n = len(spans)
    return Queries(
        np.full(n, contig, dtype=np.int32), start.astype(np.int32), end.astype(np.int32), direction.astype(np.uint8),
        np.zeros(n, dtype=np.uint8),
    )  # fmt: skip


def rows_of(layout: Layout, spans: Sequence[tuple[int, int, int]], reach: int = 5_000) -> tuple[Any, Any]:
    asked = queries(spans)
    offsets = count_rows(layout, asked, reach, reach)
    return fill_rows(layout, asked, reach, reach, int(offsets[-1])), offsets


def named(row: Any) -> set[str]:
    return set(terms.names_of(int(row["terms"])))


def called(found: Transcripts, sites: list[str]) -> list[Called]:
    read = sites_of_faults(fault_rows(sites))
    structural = Structural(read, places_of(read, TABLE), TABLE, found.layout, pick_order(found), 5_000, 5_000)
    batches = list(structural.call())
    assert structural.row_counts().tolist() == np.concatenate([np.diff(batch.offsets) for batch in batches]).tolist()
    return batches


LOSS, GAIN, INSERTED, NONE_, BREAK = Direction.LOSS, Direction.GAIN, Direction.INSERTED, Direction.NONE, Direction.BREAK


@pytest.mark.parametrize(
    ("start", "end", "direction", "wanted"),
    [
        (9_000, 12_000, LOSS, {"transcript_ablation"}),
        (9_000, 12_000, GAIN, {"transcript_amplification"}),
        (9_000, 12_000, NONE_, {"coding_transcript_variant"}),
        (9_000, 10_050, LOSS, {"feature_truncation", "coding_sequence_variant", "5_prime_UTR_variant"}),
        (9_000, 10_050, GAIN, {"coding_sequence_variant", "5_prime_UTR_variant"}),
        (10_150, 10_250, LOSS, {"intron_variant"}),
        (10_150, 10_250, GAIN, {"intron_variant"}),
        (10_280, 10_299, LOSS, {"intron_variant", "splice_polypyrimidine_tract_variant"}),
        (10_250, 10_450, LOSS, {"feature_truncation", "coding_sequence_variant", "intron_variant"}),
        (10_310, 10_320, GAIN, {"feature_elongation", "coding_sequence_variant"}),
        (10_310, 10_320, NONE_, {"coding_sequence_variant"}),
        (10_050, 10_050, INSERTED, {"feature_elongation", "coding_sequence_variant"}),
        (10_660, 10_660, INSERTED, {"feature_elongation", "3_prime_UTR_variant"}),
        (10_200, 10_200, INSERTED, {"intron_variant"}),
        (10_101, 10_101, INSERTED, {"coding_transcript_variant"}),
        (10_200, 10_200, BREAK, {"feature_truncation", "intron_variant"}),
        (9_000, 10_000, LOSS, {"upstream_gene_variant"}),
        (10_700, 10_700, INSERTED, {"downstream_gene_variant"}),
    ],
)
def test_a_structural_event_has_veps_terms(tmp_path: Path, start: int, end: int, direction: Direction, wanted: set[str]) -> None:
    rows, _ = rows_of(compiled(tmp_path, [model("T", EXONS, (10_020, 10_650))]).layout, [(start, end, direction)])
    assert named(rows[0]) == wanted


def test_noncoding_and_nmd_transcripts_say_what_they_are(tmp_path: Path) -> None:
    models = [model("D", EXONS, (10_020, 10_650), biotype="nonsense_mediated_decay"), model("N", EXONS, None, biotype="lncRNA")]
    rows, _ = rows_of(compiled(tmp_path, models).layout, [(10_050, 10_350, LOSS), (10_150, 10_200, NONE_), (9_000, 12_000, NONE_)])
    assert [named(row) for row in rows] == [
        {"feature_truncation", "coding_sequence_variant", "intron_variant", "NMD_transcript_variant"},
        {"feature_truncation", "non_coding_transcript_exon_variant", "intron_variant"},
        {"intron_variant", "NMD_transcript_variant"},
        {"intron_variant", "non_coding_transcript_variant"},
        {"NMD_transcript_variant"},
        {"non_coding_transcript_variant"},
    ]


def test_exons_introns_and_shares_count_along_the_transcript(tmp_path: Path) -> None:
    models = [model("F", EXONS, (10_020, 10_650)), model("R", EXONS, (10_020, 10_650), -1)]
    rows, _ = rows_of(compiled(tmp_path, models).layout, [(10_350, 10_650, LOSS)])
    columns = ("exon_first", "exon_last", "exons", "intron_first", "intron_last")
    assert [[int(row[name]) for name in columns] for row in rows] == [[2, 3, 2, 2, 2], [1, 2, 2, 1, 1]]
    for row in rows:
        assert (row["overlap"], row["span_share"]) == (300, 4_285)
        assert (row["exonic_share"], row["coding_share"]) == (100 * WHOLE // 300, 100 * WHOLE // 230)
        assert row["breaks"] == 3


def oracle(one: Model, s: int, e: int, direction: int) -> dict[str, Any]:
    """The same from sets of bases, for a span with bases (1-based closed numbers in it)."""
    span = set(range(s + 1, e + 1))
    low, high = one.exons[0][0], one.exons[-1][1]
    whole = set(range(low + 1, high + 1))
    exons = [set(range(a + 1, b + 1)) for a, b in one.exons]
    introns = [set(range(a[1] + 1, b[0] + 1)) for a, b in zip(one.exons, one.exons[1:], strict=False)]
    coding = set().union(*(set(range(a + 1, b + 1)) for a, b in one.cds)) if one.cds else set()
    spliced = set().union(*exons)
    touched = [k for k, bases in enumerate(exons) if bases & span]
    real = [k for k, bases in enumerate(introns) if len(bases) > 13]
    artefact = any(introns[k] & span for k in range(len(introns)) if k not in real)
    found: set[str] = set()
    if not span & whole:
        before = (e <= low) == (one.strand > 0)
        return {"terms": {"upstream_gene_variant" if before else "downstream_gene_variant"}}
    if whole <= span:
        kind = "coding_transcript_variant" if one.cds else "non_coding_transcript_variant"
        return {"terms": {{LOSS: "transcript_ablation", GAIN: "transcript_amplification"}.get(Direction(direction), kind)}}
    cdna = bool(touched) or artefact
    if direction == LOSS and cdna:
        found.add("feature_truncation")
    if direction == GAIN and cdna and span <= whole:
        found.add("feature_elongation")
    edges = [sorted(introns[k])[2:-2] for k in real]
    if any(span & set(inner) for inner in edges):
        found.add("intron_variant")
    tracts = [sorted(introns[k])[-17:-2] if one.strand > 0 else sorted(introns[k])[2:17] for k in real]
    if not touched and any(span & set(tract) for tract in tracts):
        found.add("splice_polypyrimidine_tract_variant")
    if one.cds:
        region = range(min(coding), max(coding) + 1)
        if coding & span or (artefact and span & set(region)):
            found.add("coding_sequence_variant")
        for side, term in ((set(range(low + 1, region[0])), one.strand > 0), (set(range(region[-1] + 1, high + 1)), one.strand < 0)):
            if cdna and side & span:
                found.add("5_prime_UTR_variant" if term else "3_prime_UTR_variant")
        found = found or {"coding_transcript_variant"}
    else:
        found.add("non_coding_transcript_exon_variant" if touched else "non_coding_transcript_variant")
    order = 1 if one.strand > 0 else -1
    numbers = [k + 1 for k in touched] if order > 0 else [len(exons) - k for k in touched]
    return {
        "terms": found,
        "overlap": len(span & whole),
        "exons": len(touched),
        "exon_first": min(numbers, default=0),
        "exon_last": max(numbers, default=0),
        "exonic": len(span & spliced) / len(spliced),
        "coding": len(span & coding) / len(coding) if coding else 0,
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(SPAN, min_size=1, max_size=25), st.integers(0, 1_000_000))
def test_the_kernel_agrees_with_sets_of_bases(tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(9_500, 11_000), 10, replace=False))
    if rng.integers(0, 2):
        edges[4] = edges[3] + rng.integers(1, 16)  # an intron that may be an artefact
        edges = np.unique(edges)[: 2 * (len(np.unique(edges)) // 2)]
    exons = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    inside = [base for a, b in exons for base in range(a, b)]
    low, high = sorted(rng.choice(inside, 2, replace=False).tolist()) if len(inside) > 1 else (inside[0], inside[0])
    one = model("T", exons, (low, high + 1) if rng.integers(0, 3) else None, 1 if rng.integers(0, 2) else -1)
    layout = compiled(tmp_path_factory.mktemp("brute"), [one]).layout
    events = [(s, s + 1 + n, int(rng.choice([LOSS, GAIN, NONE_]))) for s, n in spans]
    rows, offsets = rows_of(layout, events)
    assert offsets.tolist() == list(range(len(events) + 1))
    for row, (s, e, direction) in zip(rows, events, strict=True):
        wanted = oracle(one, s, e, direction)
        assert named(row) == wanted["terms"], (s, e, direction, one)
        for name in ("overlap", "exons", "exon_first", "exon_last"):
            if name in wanted:
                assert row[name] == wanted[name], name
        if "exonic" in wanted:
            assert abs(row["exonic_share"] / WHOLE - wanted["exonic"]) < 2 / WHOLE
            assert abs(row["coding_share"] / WHOLE - wanted["coding"]) < 2 / WHOLE


@settings(max_examples=30, deadline=None)
@given(st.lists(SPAN, min_size=1, max_size=25), st.integers(0, 1_000_000))
def test_an_event_and_its_twin_on_the_mirrored_transcript_agree(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(9_500, 11_000), 8, replace=False)).tolist()
    exons = list(zip(edges[::2], edges[1::2], strict=True))
    cds = (edges[0] + 10, edges[7] - 10) if edges[0] + 10 < edges[1] and edges[7] - 10 > edges[6] else None
    root = tmp_path_factory.mktemp("mirror")
    one = compiled(root, [model("T", exons, cds)])
    two = compiled(
        root, [model("M", [(LENGTH - b, LENGTH - a) for a, b in exons[::-1]], (LENGTH - cds[1], LENGTH - cds[0]) if cds else None, -1)]
    )
    events = [(s, s + n, int(rng.integers(0, 4)) if n else int(rng.choice([INSERTED, BREAK]))) for s, n in spans]
    here, _ = rows_of(one.layout, events)
    there, _ = rows_of(two.layout, [(LENGTH - e, LENGTH - s, direction) for s, e, direction in events])
    for name in here.dtype.names:
        if name != "breaks":
            assert here[name].tolist() == there[name].tolist(), name
    assert [(int(b) & 1) << 1 | int(b) >> 1 if s < e else int(b) for b, (s, e, _) in zip(here["breaks"], events, strict=True)] == there[
        "breaks"
    ].tolist()


def neighbours() -> list[Model]:
    """A and B on one strand, C against them, D elsewhere."""
    return [
        model("A", [(10_000, 10_500), (12_000, 12_500)], (10_100, 12_400)),
        model("B", [(20_000, 20_500), (22_000, 22_500)], (20_100, 22_400)),
        model("C", [(30_000, 30_500), (32_000, 32_500)], (30_100, 32_400), -1),
        model("D", [(10_000, 10_500), (12_000, 12_500)], (10_100, 12_400), contig="2"),
    ]


@pytest.mark.parametrize(
    ("alt", "info", "position", "wanted"),
    [
        ("<DEL>", "END=21000", 11_000, [("GA", "GB")]),
        ("<DUP:TANDEM>", "END=21000", 11_000, [("GB", "GA")]),
        ("<DUP>", "END=21000", 11_000, []),  # where the copy stands is not said
        ("<INV>", "END=21000", 11_000, []),  # the parts meet head to head
        ("<INV>", "END=31000", 21_000, [("GB", "GC"), ("GC", "GB")]),
        ("<DEL>", "END=31000", 21_000, []),
        ("<DEL>", "END=12100", 11_000, []),  # within one gene
        ("N[2:11000[", "SVTYPE=BND", 11_000, [("GA", "GD")]),
        ("]2:11000]N", "SVTYPE=BND", 11_000, [("GD", "GA")]),
        ("N]2:11000]", "SVTYPE=BND", 11_000, []),
        ("N.", "SVTYPE=BND", 11_000, []),
        ("<BND>", "SVTYPE=BND;CHR2=2;END=11000", 11_000, []),  # which parts are kept is not said
    ],
)
def test_a_fusion_joins_a_head_to_a_tail(tmp_path: Path, alt: str, info: str, position: int, wanted: list[tuple[str, str]]) -> None:
    found = compiled(tmp_path, neighbours())
    [batch] = called(found, [site(alt, info, position)])
    pairs = [(found.gene_id[a], found.gene_id[b]) for a, b in zip(*(values.tolist() for values in batch.fusions.values), strict=True)]
    assert sorted(pairs) == wanted


def test_reach_up_and_downstream_are_asked_of_the_strand(tmp_path: Path) -> None:
    found = compiled(tmp_path, [model("F", EXONS, None), model("R", EXONS, None, -1)]).layout
    asked = queries([(9_000, 9_100, LOSS), (11_000, 11_100, LOSS)])
    offsets = count_rows(found, asked, 2_000, 0)
    rows = fill_rows(found, asked, 2_000, 0, int(offsets[-1]))
    assert [named(row) for row in rows] == [{"upstream_gene_variant"}] * 2
    assert rows["distance"].tolist() == [901, 301]
    assert found.strand[rows["transcript"]].tolist() == [1, -1]


def test_genes_affected_and_broken_are_told_apart(tmp_path: Path) -> None:
    found = compiled(tmp_path, neighbours())
    [batch] = called(
        found, [site("<DEL>", "END=31000", 11_000), site("<DEL>", "END=60000", 1_000), site("<DEL>"), site("<INS>", position=45_000)]
    )
    lists = {}
    for name, one in (("affected", batch.genes), ("broken", batch.broken)):
        lists[name] = [[found.gene_id[g] for g in one.values[0][a:b]] for a, b in zip(one.offsets, one.offsets[1:], strict=False)]
    assert lists == {"affected": [["GA", "GB", "GC"], ["GA", "GB", "GC"], [], []], "broken": [["GA", "GC"], [], [], []]}
    assert batch.gene.tolist()[2:] == [NONE, NONE]
    assert [terms.names_of(int(bits)) for bits in batch.terms[1:]] == [
        ["transcript_ablation"],
        ["intergenic_variant"],
        ["intergenic_variant"],
    ]


def test_calls_do_not_depend_on_the_batch_or_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compiled(tmp_path, neighbours())
    rng = np.random.default_rng(5)
    kinds = ("<DEL>", "<DUP:TANDEM>", "<INV>", "<CNV>", "<INS>", "N[2:11000[", "<CPX>")
    places = rng.integers(4_000, 40_000, 200).tolist()
    sites = [site(kinds[k % 7], f"END={p + 1 + int(rng.integers(0, 15_000))}", p) for k, p in enumerate(places)]
    [whole] = called(found, sites)
    monkeypatch.setattr(stage, "BATCH_ROWS", 7)
    batches = called(found, sites)
    assert len(batches) > 20
    assert np.concatenate([batch.rows for batch in batches]).tolist() == whole.rows.tolist()
    for name in ("pick", "gene", "terms"):
        assert np.concatenate([getattr(batch, name) for batch in batches]).tolist() == getattr(whole, name).tolist()
    for number, text in enumerate(sites):
        [alone] = called(found, [text])
        low, high = whole.offsets[number], whole.offsets[number + 1]
        assert alone.rows.tolist() == whole.rows[low:high].tolist()
        assert (alone.pick[0], alone.terms[0]) == (whole.pick[number], whole.terms[number])


def test_whole_contigs_over_a_thousand_genes_stay_within_a_batch(tmp_path: Path) -> None:
    models = [
        model(f"T{k:04}", [(1_000 + 50 * k, 1_020 + 50 * k), (1_030 + 50 * k, 1_045 + 50 * k)], None, biotype="lncRNA")
        for k in range(1_000)
    ]
    found = compiled(tmp_path, models)
    batches = called(found, [site("<CN0>", f"END={LENGTH}", 1)] * 1_000)
    assert max(len(batch.rows) for batch in batches) <= stage.BATCH_ROWS
    assert sum(len(batch.rows) for batch in batches) == 1_000_000
    assert all((batch.rows["terms"] == np.uint64(terms.ABLATION)).all() for batch in batches)
    assert [len(batch.genes.values[0]) for batch in batches] == [1_000 * (batch.last - batch.first) for batch in batches]
