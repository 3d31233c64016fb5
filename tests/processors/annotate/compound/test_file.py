"""`riverseq annotate --compounds`: what a file's samples carry together, as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.ingest.errors import NoSamples
from processors.output.compounds import COMPOUND_COLUMNS, write_compounds
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


def test_a_file_without_samples_has_no_haplotypes(genes: Genes, tmp_path: Path) -> None:
    path = tmp_path / "sites.vcf"
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\none\t1\t.\tA\tC\t.\t.\t.\n")
    with pytest.raises(NoSamples):
        write_compounds(path, tmp_path / "out.tsv", genes.resources)
    assert list(tmp_path.iterdir()) == [path]
