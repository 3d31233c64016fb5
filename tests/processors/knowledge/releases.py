"""The hand-made ClinVar releases of `data/`, compiled: 2023-12 in the old wording, 2024-06 in the new one with somatic fields beside."""

from __future__ import annotations

from pathlib import Path

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request
from processors.knowledge.sources import clinvar
from tests.processors.knowledge.toy import BUILD

DATA = Path(__file__).parent / "data"
OLD, NEW = DATA / "clinvar_2023-12.vcf", DATA / "clinvar_2024-06.vcf"
SUMMARY = DATA / "clinvar_variant_summary_2024-06.txt"
SEQUENCE = "".join((DATA / "clinvar_genome.fa").read_text().splitlines()[1:])


def genome(folder: Path) -> Genome:
    return Genome(build_genome(DATA / "clinvar_genome.fa", folder / "packs", BUILD, "1"))


def compiled(folder: Path, *files: Path, version: str = "1", of: Genome | None = None) -> Pack:
    return clinvar.build(Request("clinvar", files, folder / "packs", BUILD, version, of or genome(folder)))


def summary_file(folder: Path, **replaced: str) -> Path:
    """variant_summary with its rows of GRCh38 as rows of the toy build, and other texts replaced."""
    text = SUMMARY.read_text().replace("\tGRCh38\t", f"\t{BUILD}\t")
    for old, new in replaced.items():
        text = text.replace(old.replace("__", " "), new)
    path = folder / "variant_summary.txt"
    path.write_text(text)
    return path
