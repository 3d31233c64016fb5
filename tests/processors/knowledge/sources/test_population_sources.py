"""1000 Genomes and dbSNP: super-populations, rs numbers, and agreement with bcftools on real files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from processors.knowledge.allele_pack import AllelePack
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.source import Request, build_source, open_source
from processors.knowledge.sources.refused import SourceRefused
from schemas.chunks import Answer
from tests.processors.knowledge.test_lookup import spelled

PHASE3 = "1000G_phase3_AF.chr21.lifted_GRCh38.vcf.gz"


def built(folder: Path, kind: str, keys: str, *rows: str) -> AllelePack:
    (folder / "g.fa").write_text(">c\n" + "ACGTACGTAC" * 10 + "\n")
    head = "".join(f'##INFO=<ID={key},Number=A,Type=Float,Description="x">\n' for key in keys.split())
    (folder / "x.vcf").write_text(
        "##fileformat=VCFv4.2\n" + head + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(f"{row}\n" for row in rows)
    )
    genome = Genome(build_genome(folder / "g.fa", folder / "packs", "own", "1"))
    found: AllelePack = open_source(build_source(Request(kind, (folder / "x.vcf",), folder / "packs", "own", "1", genome)))
    return found


@pytest.mark.parametrize("form", ["{}_AF", "AF_{}"])
def test_super_populations_are_read_in_the_spelling_of_either_release(tmp_path: Path, form: str) -> None:
    eas, eur = form.format("EAS"), form.format("EUR")
    pack = built(tmp_path, "thousand_genomes", f"AF {eas} {eur}", f"c\t1\t.\tA\tC,G\t.\tPASS\tAF=0.1,0.2;{eas}=0.3,0.4;{eur}=0,.")
    answer, value, row = pack.query(*spelled([(0, "A", "C"), (0, "A", "G"), (0, "A", "T")]))
    assert answer.tolist() == [Answer.FOUND, Answer.FOUND, Answer.UNKNOWN]
    assert value[:2].round(6).tolist() == pytest.approx([0.1, 0.2])
    assert pack.details(int(row[1])) == {"AF": 0.2, "AF_EAS": 0.4, "AF_EUR": None, "filtered": False}


def test_a_file_without_frequencies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no INFO/AF; is this a 1000 Genomes sites VCF"):
        built(tmp_path, "thousand_genomes", "AC", "c\t1\t.\tA\tC\t.\tPASS\tAC=1")


def test_every_alt_has_the_rs_number_and_of_several_the_smallest_stays(tmp_path: Path) -> None:
    pack = built(
        tmp_path, "dbsnp", "RS", "c\t1\trs30\tA\tC,G\t.\t.\t.", "c\t1\trs4294967290\tA\tG\t.\t.\t.", "c\t2\trs9;rs7\tC\tT\t.\t.\t.",
        "c\t3\t.\tG\tT\t.\t.\tRS=12", "c\t4\tother\tT\tA\t.\t.\t.",
    )  # fmt: skip
    answer, value, row = pack.query(*spelled([(0, "A", "C"), (0, "A", "G"), (1, "C", "T"), (2, "G", "T"), (3, "T", "A")]))
    assert answer.tolist() == [Answer.FOUND] * 4 + [Answer.ABSENT]
    assert [pack.details(int(one))["rs"] for one in row[:4]] == [30, 30, 7, 12]
    assert pack.details(int(row[2]))["others"] == 1
    assert pack.pack.extra["counts"] == {"alleles": 6, "duplicate": 1, "no_rs_number": 1, "records": 5, "several_rs_numbers": 1}
    assert bool((value != value).all())  # a number of a record is no value of an allele


def test_a_file_without_rs_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no record has an rs number"):
        built(tmp_path, "dbsnp", "AC", "c\t1\t.\tA\tC\t.\tPASS\t.")


@pytest.mark.real_data
@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_the_real_panel_and_its_rs_numbers_agree_with_bcftools_allele_by_allele(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "chr21_GRCh38"
    genome = Genome(build_genome(folder / "chr21.GRCh38.known.fa.gz", tmp_path, "GRCh38", "1"))
    split = subprocess.run(
        ["bcftools", "norm", "-m-any", "-f", folder / "chr21.GRCh38.known.fa.gz", "-c", "w", folder / PHASE3],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    form = "%POS\\t%REF\\t%ALT\\t%ID\\t%AF\\t%EUR_AF\\n"
    lines = subprocess.run(["bcftools", "query", "-f", form], input=split, capture_output=True, check=True).stdout.decode().splitlines()
    request = Request("thousand_genomes", (folder / PHASE3,), tmp_path, "GRCh38", "3", genome)
    panel: AllelePack = open_source(build_source(request))
    names: AllelePack = open_source(build_source(Request("dbsnp", request.files, tmp_path, "GRCh38", "3", genome)))
    offset = genome.table.contigs[20].offset
    seen: dict[tuple[int, str, str], list[list[str]]] = {}
    for line in lines:
        position, ref, alt, *said = line.split("\t")
        seen.setdefault((offset + int(position) - 1, ref, alt), []).append(said)
    asked = list(seen)
    found = panel.query(*spelled(asked))
    rs = names.query(*spelled(asked)).row
    compared = 0
    for allele, value, row, name in zip(asked, found.value.tolist(), found.row.tolist(), rs.tolist(), strict=True):
        if row == 0xFFFFFFFF:
            continue
        records = seen[allele]
        best = max(records, key=lambda said: float(said[1]))
        assert value == pytest.approx(float(best[1]), rel=1e-6)
        assert panel.details(row)["AF_EUR"] in [pytest.approx(float(said[2]), rel=1e-6) for said in records]
        numbers = [int(said[0][2:]) for said in records if said[0].startswith("rs") and said[0][2:].isdigit()]
        assert not numbers or names.details(name)["rs"] == min(numbers)
        compared += 1
    assert compared > 0.97 * panel.pack.rows, (compared, panel.pack.rows)
