"""`riverseq annotate` used wrongly: one line that says what to do, before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.cli.app import run

HEADER = "##fileformat=VCF4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-o {folder}/out.csv", ".tsv, .parquet, .vcf.gz"),
        ("-o {folder}/none/out.tsv", "is no folder"),
        ("-o {folder}/sites.vcf.gz --columns id,nothing", "there are id, chrom"),
        ("-o {folder}/out.tsv --columns id,id", "asked for twice"),
        ("-o {folder}/out.tsv --pick-order canonical,best", "there are mane_select"),
        ("-o {folder}/out.tsv --distance 5kb", "give bases as N"),
        ("-o {folder}/out.tsv --distance 5000000", "1,000,000"),
        ("-o {folder}/out.tsv --pick --per-gene", "give one of"),
        ("-o {folder}/out.tsv --fasta {folder}/sites.vcf", "--fasta and --transcripts together"),
        ("-o {folder}/out.tsv --fasta {folder}/no.fa --transcripts {folder}/no.gff3", "does not exist"),
        ("-o {folder}/out.tsv --compounds {folder}/out.tsv", "is also -o"),
        ("-o {folder}/out.tsv --compounds {folder}/sites.vcf", "the file that is read"),
        ("-o {folder}/out.tsv --compounds {folder}/compounds.tsv", "has no samples"),
    ],
)
def test_a_wrong_option_is_one_line_with_the_remedy_and_leaves_no_file(
    options: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = tmp_path / "sites.vcf"
    sites.write_text(HEADER + "\n1\t10\t.\tA\tG\t.\t.\t.\n")
    line = f"annotate {sites} --build Toy {options.format(folder=tmp_path)} --state {tmp_path / 'state'}"
    assert run(line.split()) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.strip().splitlines()) == 1
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [sites]
