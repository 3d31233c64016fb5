"""Features against a plain reading of the codon, on both strands and across an exon border."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from processors.annotate import terms
from processors.knowledge.gff import Gene, GeneModels, Model
from processors.knowledge.layout import Layout
from processors.knowledge.transcript_build import pack_models
from processors.knowledge.transcripts import Transcripts
from processors.score.features import COUNT, NAMES, SCHEMA_HASH, Features, snv_features
from processors.score.residues import BLOSUM62, CODON_TABLE, LETTERS, STOP, grantham
from schemas.assembly import contig_table

TABLE = contig_table("test", [("c", 1_000)])
COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")


def layout_of(root: Path, strand: int, exons: list[tuple[int, int]], phase: int = 0) -> Layout:
    model = Model("T", "c", strand, Gene("G", "S", "b"), "protein_coding", frozenset(), 0, False, exons, exons, phase)
    return Transcripts(pack_models(GeneModels([model], Counter()), root, TABLE, name="t", version="1", source="s", sha256="")).layout


def features(layout: Layout, bases: bytes, position: int, alt: str) -> Features:
    sequence = np.frombuffer(bases, dtype=np.uint8)
    one = np.array([position], dtype=np.int32)
    bits = np.array([terms.CODING_SEQUENCE], dtype=np.uint64)
    return snv_features(
        np.array([0]), one, sequence[one], np.frombuffer(alt.encode(), dtype=np.uint8), np.zeros(1, dtype=np.uint32), bits, layout, sequence
    )


def value(found: Features, name: str) -> float:
    return float(found.matrix[0, NAMES.index(name)])


def spread(pieces: dict[int, bytes]) -> bytes:
    bases = bytearray(b"N" * 1_000)
    for at, text in pieces.items():
        bases[at : at + len(text)] = text
    return bytes(bases)


def test_a_codon_split_by_an_intron_is_read_across_it(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, 1, [(100, 104), (200, 205)])
    bases = spread({100: b"ATGT", 200: b"GGTAA"})  # ATG TGG TAA
    found = features(layout, bases, 201, "A")  # TGG > TGA
    assert (value(found, "stop_gained"), value(found, "residue_W"), value(found, "codon_3")) == (1, 1, 1)


def test_the_reverse_strand_is_read_backwards(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, -1, [(100, 105), (200, 204)])
    forward = b"ATGTGGTAA"
    reverse = forward[::-1].translate(COMPLEMENT)
    bases = spread({100: reverse[:5], 200: reverse[5:]})
    found = features(layout, bases, 103, "T")  # codon TGG of the reverse strand, its third base: C on the forward strand
    assert (value(found, "stop_gained"), value(found, "ref_G"), value(found, "alt_A")) == (1, 1, 1)
    start = features(layout, bases, 203, "C")
    assert value(start, "start_lost") == 1


def test_phase_shifts_the_codons(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, 1, [(100, 108)], phase=2)
    found = features(layout, spread({100: b"CCTGGTAA"}), 104, "A")  # cc TGG TAA
    assert (value(found, "stop_gained"), value(found, "codon_3")) == (1, 1)
    assert len(features(layout, spread({100: b"CCTGGTAA"}), 101, "A").rows) == 0


@pytest.mark.parametrize("bases", [b"ATGTGNTAA", b"ATGNGGTAA"])
def test_an_unknown_codon_has_no_features(tmp_path: Path, bases: bytes) -> None:
    found = features(layout_of(tmp_path, 1, [(100, 109)]), spread({100: bases}), 104, "A")
    assert found.matrix.shape == (0, COUNT)


def test_tables_hold_their_known_values() -> None:
    residue = {letter: row for row, letter in enumerate(LETTERS)}
    assert np.array_equal(BLOSUM62, BLOSUM62.T)
    assert (BLOSUM62[residue["W"], residue["W"]], BLOSUM62[residue["E"], residue["D"]]) == (11, 2)
    distance = grantham()
    assert distance[residue["C"], residue["W"]] == pytest.approx(215, abs=1)  # the paper's table is rounded
    assert distance[residue["L"], residue["I"]] == pytest.approx(5, abs=1)
    assert (CODON_TABLE == STOP).sum() == 3
    assert LETTERS[CODON_TABLE[14]] == "M"


def test_the_schema_hash_is_frozen_with_the_bundled_model() -> None:
    assert len(set(NAMES)) == COUNT == 85
    assert SCHEMA_HASH == "c661b9b3d533ad790a4db9f303b8cef1"
