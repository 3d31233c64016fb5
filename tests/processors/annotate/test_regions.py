"""The interval kernel on hand-made transcripts, and properties that hold for any."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.annotate import terms
from processors.annotate.pick import pick_order
from processors.annotate.regions import ConsequenceCalls, call_consequences
from processors.knowledge.gff import Gene, GeneModels, Model
from processors.knowledge.transcript_build import pack_models
from processors.knowledge.transcripts import Transcripts
from schemas.assembly import contig_table
from schemas.chunks import NONE

LENGTH = 60_000
TABLE = contig_table("test", [("c", LENGTH)])


def transcript(
    name: str, exons: list[tuple[int, int]], cds: tuple[int, int] | None, strand: int = 1, biotype: str = "protein_coding", tags: str = ""
) -> Model:
    spans = [(max(a, cds[0]), min(b, cds[1])) for a, b in exons if max(a, cds[0]) < min(b, cds[1])] if cds else []
    return Model(name, "c", strand, Gene(f"G{name}", "S", biotype), biotype, frozenset(tags.split()), 0, False, exons, spans, 0)


def compiled(root: Path, models: list[Model]) -> Transcripts:
    return Transcripts(pack_models(GeneModels(models, Counter()), root, TABLE, name="t", version="1", source="test", sha256=""))


def called(transcripts: Transcripts, spans: list[tuple[int, int, int]], reach: int = 5_000) -> ConsequenceCalls:
    """Calls of events (start, end, bases inserted), whose bases are all A."""
    start, end, inserted = (np.array(column, dtype=np.int32) for column in zip(*spans, strict=True))
    alt = np.full(64, ord("A"), dtype=np.uint8)
    alt_from = np.zeros(len(spans), dtype=np.int64)
    order = pick_order(transcripts)
    return call_consequences(transcripts.layout, order, None, 0, reach, start, end, alt, alt_from, inserted.astype(np.int64))


def names(calls: ConsequenceCalls, row: int = 0) -> set[str]:
    return set(terms.names_of(int(calls.terms[row])))


EXONS = [(10_000, 10_100), (10_300, 10_400), (10_600, 10_700)]


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (10_010, 10_011, {"5_prime_UTR_variant"}),
        (10_050, 10_051, {"coding_sequence_variant"}),
        (10_098, 10_099, {"coding_sequence_variant", "splice_region_variant"}),
        (10_100, 10_101, {"splice_donor_variant"}),
        (10_102, 10_103, {"intron_variant", "splice_donor_region_variant"}),
        (10_104, 10_105, {"intron_variant", "splice_donor_5th_base_variant"}),
        (10_107, 10_108, {"intron_variant", "splice_region_variant"}),
        (10_200, 10_201, {"intron_variant"}),
        (10_284, 10_285, {"intron_variant", "splice_polypyrimidine_tract_variant"}),
        (10_297, 10_298, {"intron_variant", "splice_polypyrimidine_tract_variant", "splice_region_variant"}),
        (10_299, 10_300, {"splice_acceptor_variant"}),
        (10_680, 10_681, {"3_prime_UTR_variant"}),
        (10_020, 10_020, {"5_prime_UTR_variant"}),  # an insertion on the border of the coding sequence
        (9_000, 9_001, {"upstream_gene_variant"}),
        (10_700, 10_701, {"downstream_gene_variant"}),
        (9_900, 11_000, {"transcript_ablation"}),
    ],
)
def test_each_place_of_a_coding_transcript_has_veps_terms(tmp_path: Path, start: int, end: int, wanted: set[str]) -> None:
    calls = called(compiled(tmp_path, [transcript("T", EXONS, (10_020, 10_650))]), [(start, end, 0 if end - start > 1 else 1)])
    assert names(calls) == wanted


def test_beyond_the_reach_is_intergenic_and_has_no_row(tmp_path: Path) -> None:
    calls = called(
        compiled(tmp_path, [transcript("T", EXONS, (10_020, 10_650))]), [(5_000, 5_001, 1), (4_999, 5_000, 1), (15_699, 15_700, 1)]
    )
    assert calls.offsets.tolist() == [0, 1, 1, 2]
    assert calls.distance.tolist() == [5_000, 5_000]
    assert calls.pick.tolist() == [0, NONE, 0]
    assert terms.names_of(int(calls.pick_terms[1])) == ["intergenic_variant"]


def test_exons_and_introns_count_along_the_transcript(tmp_path: Path) -> None:
    spans = [(10_050, 10_051, 1), (10_350, 10_351, 1), (10_500, 10_501, 1)]
    forward = called(compiled(tmp_path / "f", [transcript("T", EXONS, (10_020, 10_650))]), spans)
    reverse = called(compiled(tmp_path / "r", [transcript("T", EXONS, (10_020, 10_650), -1)]), spans)
    assert (forward.exon.tolist(), forward.intron.tolist()) == ([1, 2, 0], [0, 0, 2])
    assert (reverse.exon.tolist(), reverse.intron.tolist()) == ([3, 2, 0], [0, 0, 1])


def test_noncoding_and_nmd_transcripts_say_what_they_are(tmp_path: Path) -> None:
    models = [transcript("N", EXONS, None, biotype="lncRNA"), transcript("D", EXONS, (10_020, 10_650), biotype="nonsense_mediated_decay")]
    calls = called(compiled(tmp_path, models), [(10_050, 10_051, 1), (10_200, 10_201, 1)])
    assert [names(calls, row) for row in range(4)] == [
        {"NMD_transcript_variant", "coding_sequence_variant"},
        {"non_coding_transcript_exon_variant"},
        {"NMD_transcript_variant", "intron_variant"},
        {"intron_variant", "non_coding_transcript_variant"},
    ]


def test_a_mature_mirna_is_named_and_nothing_beside_it(tmp_path: Path) -> None:
    hairpin = replace(transcript("H", [(10_000, 10_080)], None, biotype="miRNA"), mature=[(10_010, 10_032)])
    calls = called(compiled(tmp_path, [hairpin]), [(10_020, 10_021, 1), (10_050, 10_051, 1), (10_031, 10_040, 0), (10_032, 10_032, 1)])
    assert [names(calls, row) for row in range(4)] == [
        {"mature_miRNA_variant"},
        {"non_coding_transcript_exon_variant"},
        {"mature_miRNA_variant"},
        {"non_coding_transcript_exon_variant"},
    ]


def test_an_intron_too_short_to_be_one_has_no_splice_site(tmp_path: Path) -> None:
    exons = [(10_000, 10_100), (10_110, 10_200), (10_400, 10_500)]
    calls = called(compiled(tmp_path, [transcript("T", exons, (10_020, 10_450))]), [(10_105, 10_106, 1), (10_050, 10_051, 1)])
    assert names(calls) == {"coding_sequence_variant"}
    assert calls.intron[0] == 1


def test_the_pick_prefers_mane_then_canonical_then_the_worst_terms(tmp_path: Path) -> None:
    far = [(10_110, 10_140), (10_300, 10_400)]
    models = [
        transcript("A", EXONS, (10_020, 10_650)),
        transcript("B", far, None, biotype="lncRNA", tags="Ensembl_canonical"),
        transcript("C", [(10_450, 10_500)], None, biotype="lncRNA", tags="MANE_Select Ensembl_canonical"),
    ]
    found = compiled(tmp_path, models)
    order = [found.name[row] for row in range(3)]
    assert order[called(found, [(10_050, 10_051, 1)]).pick[0]] == "C"
    without = compiled(tmp_path / "w", models[:2])
    assert without.name[int(called(without, [(10_050, 10_051, 1)]).pick[0])] == "B"


spans_of_events = st.lists(st.tuples(st.integers(9_000, 11_500), st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None)
@given(spans_of_events, st.integers(0, 1_000_000))
def test_an_allele_and_its_twin_on_the_mirrored_transcript_agree(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(9_500, 11_000), 8, replace=False)).tolist()
    exons = list(zip(edges[::2], edges[1::2], strict=True))
    low, high = edges[0] + int(rng.integers(0, 20)), edges[7] - int(rng.integers(0, 20))
    cds = (low, high) if low < exons[0][1] and high > exons[3][0] else None
    mirrored = [(LENGTH - b, LENGTH - a) for a, b in reversed(exons)]
    root = tmp_path_factory.mktemp("mirror")
    one = compiled(root, [transcript("T", exons, cds)])
    two = compiled(root, [transcript("M", mirrored, (LENGTH - cds[1], LENGTH - cds[0]) if cds else None, -1)])
    spans = [(a, a + n, m if n or m else 1) for a, n, m in events]
    here = called(one, spans)
    there = called(two, [(LENGTH - b, LENGTH - a, m) for a, b, m in spans])
    for column in ("offsets", "terms", "exon", "intron", "distance"):
        assert getattr(here, column).tolist() == getattr(there, column).tolist(), column


def test_results_do_not_depend_on_the_batch_or_its_order(tmp_path: Path) -> None:
    found = compiled(tmp_path, [transcript("T", EXONS, (10_020, 10_650)), transcript("U", EXONS[1:], (10_320, 10_650), -1)])
    spans = [(int(k), int(k) + 1, 1) for k in np.random.default_rng(3).integers(4_000, 17_000, 300)]
    whole = called(found, spans)
    for row, span in enumerate(spans):
        alone = called(found, [span])
        low, high = whole.offsets[row], whole.offsets[row + 1]
        assert alone.terms.tolist() == whole.terms[low:high].tolist()
        assert alone.pick[0] == whole.pick[row]
