"""`riverseq annotate --compounds`: what a file's samples carry together, as a table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processors.ingest.errors import NoSamples
from processors.output.compounds import COMPOUND_COLUMNS, write_compounds
from streams.cli.app import run
from tests.processors.annotate.compound.conftest import Genes


def test_every_sample_has_a_line_for_each_of_its_compounds(genes: Genes, tmp_path: Path) -> None:
    gene = genes.genes[0]
    one, two = (genes.substitution(gene, 60 + k, genes.other(gene, 60 + k)) for k in range(2))
    path = genes.write([(*one, ["0|1", "0/1", "1/1"]), (*two, ["0|1:9", "0/1", "1/1"])])
    assert write_compounds(path, tmp_path / "out.tsv", genes.resources) == 1
    path = genes.write([(*one, ["0|1:9", "0/1", "1/1"]), (*two, ["0|1:9", "0/1", "1/1"])])
    assert write_compounds(path, tmp_path / "out.tsv", genes.resources) == 2
    header, *lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert tuple(header.split("\t")) == COMPOUND_COLUMNS
    rows = [dict(zip(COMPOUND_COLUMNS, line.split("\t"), strict=True)) for line in lines]
    assert [(row["sample"], row["phase"], row["haplotypes"], row["phase_set"]) for row in rows] == [
        ("s0", "phased", "2", "9"),
        ("s2", "homozygous", "1,2", "."),
    ]
    assert rows[0]["parts"] == f"one-{one[0]}-{one[1]}-{one[2]};one-{two[0]}-{two[1]}-{two[2]}"
    assert (rows[0]["gene"], rows[0]["transcript"], rows[0]["protein_position"]) == ("S0", "T0.1", "21")


def test_the_command_writes_them_beside_the_annotated_file(
    genes: Genes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("RIVERSEQ_") and name != "RIVERSEQ_TEST_DATA"]:
        monkeypatch.delenv(name)
    gene = genes.genes[0]
    one, two = (genes.substitution(gene, 60 + k, genes.other(gene, 60 + k)) for k in range(2))
    path = genes.write([(*one, ["0|1:9"]), (*two, ["0|1:9"])], "command.vcf")
    models = ["--build", "toy", "--fasta", str(genes.folder / "one.fa"), "--transcripts", str(genes.folder / "one.gff3")]
    command = ["annotate", str(path), *models, "-o", str(tmp_path / "out.tsv"), "--state", str(tmp_path / "state")]
    assert run([*command, "--compounds", str(tmp_path / "nowhere" / "compounds.tsv")]) == 2
    assert not (tmp_path / "out.tsv").exists()
    assert run([*command, "--parentheses", "--compounds", str(tmp_path / "compounds.tsv")]) == 0
    assert "1 compounds in" in capsys.readouterr().err.replace("\n", " ")
    header, line = (tmp_path / "compounds.tsv").read_text().splitlines()
    row = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    changed = "".join(genes.other(gene, 60 + k) for k in range(2))
    assert (row["sample"], row["kind"], row["hgvsc"]) == ("s0", "codon", f"T0.1:c.61_62delins{changed}")
    assert ":p.(" in row["hgvsp"]
    assert len((tmp_path / "out.tsv").read_text().splitlines()) == 1 + 2


def test_a_file_without_samples_has_no_haplotypes(genes: Genes, tmp_path: Path) -> None:
    path = tmp_path / "sites.vcf"
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\none\t1\t.\tA\tC\t.\t.\t.\n")
    with pytest.raises(NoSamples):
        write_compounds(path, tmp_path / "out.tsv", genes.resources)
    assert list(tmp_path.iterdir()) == [path]
