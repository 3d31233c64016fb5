"""Names that give no allele say why; p. names become structures."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.annotate.hgvs.parse import (
    Allele,
    NotReadable,
    NotSupported,
    PositionOutside,
    ReferenceContradicts,
    ReferenceUnknown,
    UnknownAccession,
)
from processors.annotate.hgvs.parse_protein import ProteinChange, ProteinKind, parse_protein
from tests.processors.annotate.hgvs.lab import SEQUENCE, Lab, laboratory


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return laboratory(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("T1.2:c.10G>A", UnknownAccession, "T1.1"),
        ("T9.1:c.10G>A", UnknownAccession, "none of its versions"),
        ("B:g.10G>A", UnknownAccession, "no contig of toy"),
        ("T1.1:c.10C>A", ReferenceContradicts, "has G there"),
        ("T1.1:c.16_18dupCAC", ReferenceContradicts, "has CAG there"),
        ("T1.1:c.40G>A", PositionOutside, "coding sequence"),
        ("T1.1:c.*12G>A", PositionOutside, "outside the transcript"),
        ("T1.1:c.-6G>A", PositionOutside, "outside the transcript"),
        ("T1.1:c.21+1G>A", PositionOutside, "border"),
        ("T1.1:c.22+22G>A", PositionOutside, "beyond the intron"),
        ("T1.1:c.-5-1G>A", PositionOutside, "border"),
        ("A:g.97A>C", PositionOutside, "outside A"),
        ("T1.1:c.12_10del", NotReadable, "behind its last"),
        ("T1.1:n.10G>A", NotReadable, "takes c. names"),
        ("N1.1:c.10G>A", NotReadable, "takes n. names"),
        ("A:m.24A>C", NotReadable, "mitochondrion"),
        ("c.10G>A", NotReadable, "accession"),
        ("T1.1:c.ten", NotReadable, "no single change"),
        ("T1.1:c.22_23insA", NotSupported, "neighbours"),
        ("T1.1:c.(10_12)del", NotSupported, "no single change"),
        ("T1.1:c.16CAG[4]", NotSupported, "no single change"),
        ("T1.1:c.10=", NotSupported, "reference"),
        ("T1.1:c.10_11ins", NotSupported, "not given"),
    ],
)
def test_a_name_that_gives_no_allele_says_why(lab: Lab, name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        lab.parser.parse(name)


@pytest.mark.parametrize(
    "name", ["T1.1:c.7del", "T1.1:c.9del", "T1.1:c.9delA", "A:g.24del", "A:g.19del", " A(T1.1):c.9del", "T1.1(ST1):c.9del"]
)
def test_one_allele_however_it_is_named(lab: Lab, name: str) -> None:
    assert lab.parser.parse(name) == Allele(0, 17, "GA", "G")


def test_an_allele_on_unknown_bases_is_refused(tmp_path: Path) -> None:
    lab = laboratory(tmp_path, sequence=SEQUENCE[:20] + "N" + SEQUENCE[21:])
    with pytest.raises(ReferenceUnknown, match="N there"):
        lab.parser.parse("T1.1:c.6N>G")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("P1.1:p.Arg12Cys", ProteinChange("P1.1", ProteinKind.SUBSTITUTION, "R", 12, "R", 12, "C")),
        ("p.(R12C)", ProteinChange("", ProteinKind.SUBSTITUTION, "R", 12, "R", 12, "C", predicted=True)),
        ("p.Arg12Ter", ProteinChange("", ProteinKind.SUBSTITUTION, "R", 12, "R", 12, "*")),
        ("p.R12*", ProteinChange("", ProteinKind.SUBSTITUTION, "R", 12, "R", 12, "*")),
        ("p.Leu54=", ProteinChange("", ProteinKind.SAME, "L", 54, "L", 54)),
        ("p.Ala4SerfsTer14", ProteinChange("", ProteinKind.FRAMESHIFT, "A", 4, "A", 4, "S", 14)),
        ("p.(A4Sfs*14)", ProteinChange("", ProteinKind.FRAMESHIFT, "A", 4, "A", 4, "S", 14, predicted=True)),
        ("p.Ala4fs", ProteinChange("", ProteinKind.FRAMESHIFT, "A", 4, "A", 4)),
        ("p.Ter13GlnextTer2", ProteinChange("", ProteinKind.EXTENSION, "*", 13, "*", 13, "Q", 2)),
        ("p.*13Qext*?", ProteinChange("", ProteinKind.EXTENSION, "*", 13, "*", 13, "Q")),
        ("p.Ala4_Gln6del", ProteinChange("", ProteinKind.DELETION, "A", 4, "Q", 6)),
        ("p.Gln6dup", ProteinChange("", ProteinKind.DUPLICATION, "Q", 6, "Q", 6)),
        ("p.Ala4_Gln5insGlyTer", ProteinChange("", ProteinKind.INSERTION, "A", 4, "Q", 5, "G*")),
        ("p.Ala4delinsPhePhe", ProteinChange("", ProteinKind.DELINS, "A", 4, "A", 4, "FF")),
        ("p.Met1?", ProteinChange("", ProteinKind.UNKNOWN, "M", 1, "M", 1)),
        ("p.?", ProteinChange("", ProteinKind.UNKNOWN)),
        ("p.0?", ProteinChange("", ProteinKind.NONE, predicted=True)),
    ],
)
def test_a_protein_name_becomes_a_structure(name: str, change: ProteinChange) -> None:
    assert parse_protein(name) == change


@pytest.mark.parametrize("name", ["p.Arg12", "p.(Arg12Cys", "p.Abc12Cys", "Arg12Cys", "p.12", "c.12A>C"])
def test_what_is_no_protein_name_is_refused(name: str) -> None:
    with pytest.raises(NotReadable):
        parse_protein(name)
