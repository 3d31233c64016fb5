"""A small genome, hand-written call sets, and one way to run ingest over them and look at every row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from processors.ingest import ingest, read_header
from processors.knowledge.genome import Genome, build_genome
from schemas.chunks import Chunk, ChunkKind, decode, encode
from schemas.events import SampleManifest
from schemas.plan import CuttingRule, Plan

#       0         1         2         3         4
#       0123456789012345678901234567890123456789012345
ONE = "ACGTACGTTTTTTGCACACACAGGATCCNNNNNCATGCATTTGACC"
TWO = "TTTTCAGCAGCAGTAACCGGTTAACG"


@dataclass
class Outcome:
    """All that one ingestion gave."""

    chunks: list[Chunk]
    raw: list[bytes]
    fractions: list[float]
    manifest: SampleManifest
    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)

    def alleles(self) -> list[tuple[str, int, str, str]]:
        """(contig, 1-based position, REF, ALT) of every landed allele, in order."""
        return [(row["contig"], row["start"] + 1, row["ref"], row["alt"]) for row in self.rows]

    def reasons(self) -> list[tuple[int, int, str]]:
        """(record, ALT index, reason) of every fault, in order."""
        return [(row["record"], row["alt_index"], row["reason"]) for row in self.faults]


Run = Callable[..., Outcome]
WriteVcf = Callable[..., Path]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    """Build `toy`: contigs `one` and `two`."""
    folder = tmp_path_factory.mktemp("toy")
    fasta = folder / "toy.fa"
    fasta.write_text(f">one\n{ONE[:20]}\n{ONE[20:]}\n>two\n{TWO.lower()}\n")
    return Genome(build_genome(fasta, folder / "packs", "toy", "1"))


@pytest.fixture
def write_vcf(tmp_path: Path) -> WriteVcf:
    """Write a VCF of tab-separated (here: blank-separated) lines, with a header that fits the toy genome."""

    def write(lines: Sequence[str], *, samples: Sequence[str] = ("kid",), contigs: str | None = None, name: str = "calls.vcf") -> Path:
        header = contigs if contigs is not None else f"##contig=<ID=one,length={len(ONE)}>\n##contig=<ID=two,length={len(TWO)}>\n"
        columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", *(["FORMAT", *samples] if samples else [])]
        body = "".join("\t".join(line.split()) + "\n" for line in lines)
        path = tmp_path / name
        path.write_text("##fileformat=VCFv4.2\n" + header + "\t".join(columns) + "\n" + body)
        return path

    return write


@pytest.fixture
def run(toy: Genome) -> Run:
    """Ingest a file, all its samples unless some are named, through the wire encoding and back."""

    def go(
        path: Path,
        *,
        genome: Genome | None = None,
        samples: Sequence[tuple[str, str]] | None = None,
        cutting: CuttingRule | None = None,
        announced: str = "",
        boundaries: Mapping[str, npt.NDArray[np.int64]] | None = None,
        block: int = 1 << 20,
        submission: str = "s" * 32,
    ) -> Outcome:
        genome = genome or toy
        names = samples or [(name, f"id-{name}") for name in read_header(path).samples]
        plan = Plan(genome.table.build, (), cutting=cutting or CuttingRule())
        reading = ingest(
            path, genome=genome, build=genome.table.build, samples=names, submission_id=submission, revision_id="r" * 32, plan=plan,
            lane="routine", epoch=0, options={}, announced_digest=announced, boundaries=boundaries, block=block,
        )  # fmt: skip
        chunks, raw, fractions = [], [], []
        for emitted in reading:
            raw.append(encode(emitted.chunk))
            chunks.append(decode(raw[-1]))
            fractions.append(emitted.fraction)
        outcome = Outcome(chunks, raw, fractions, reading.manifest())
        for chunk in chunks:
            listed = [{**row, "contig": chunk.header.contig, "ordinal": chunk.header.ordinal} for row in chunk.rows.to_pylist()]
            for row in listed:
                if math.isnan(row.get("qual", 0.0)):
                    row["qual"] = None  # NaN equals nothing, not even itself
            (outcome.rows if chunk.header.kind is ChunkKind.ALLELES else outcome.faults).extend(listed)
        return outcome

    return go
