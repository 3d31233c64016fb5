"""The genome and gene models that VEP's truth was made with, as packs: built once a session and build."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Transcripts

VepPacks = Callable[[str], tuple[Genome, Transcripts]]


@pytest.fixture(scope="session")
def vep_packs(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> VepPacks:
    """Packs of `vep_truth` by build, GRCh37 or GRCh38."""
    folder, root = real_data / "vep_truth", tmp_path_factory.mktemp("vep")

    @functools.cache
    def packs(build: str) -> tuple[Genome, Transcripts]:
        genome = Genome(build_genome(folder / f"ref.{build}.fa.gz", root, build, "1"))
        models = folder / f"genes.{build}.gff3.gz"
        return genome, Transcripts(build_transcripts(models, root, genome.table, name="vep", version="1", genome=genome))

    return packs
