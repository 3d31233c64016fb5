"""What tests of streams share: no deadlines (they simulate whole clusters), and a small world whose jobs can be read and interpreted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import activate
from processors.knowledge.transcript_build import build_transcripts
from processors.resources import plan_for
from processors.score.models import bundled_model_pack
from schemas.events import Job, Lane, SampleName, SourceFile
from schemas.plan import CuttingRule, Plan
from streams import plans, topics, wire
from streams.broker import Output
from streams.memory import MemoryBroker

settings.register_profile("streams", deadline=None)
settings.load_profile("streams")

LENGTH = 3_000
SITES = 60
"""Substitutions of the world's file; one more record carries `*`, which cannot be interpreted."""


@dataclass(frozen=True)
class Interpreted:
    """A genome of one contig with one gene, the bundled model, a call set of one sample, and a plan that cuts it into chunks of 20."""

    packs: Path
    plan: Plan
    calls: Path

    def job(self, salt: str = "a", *, lane: Lane = Lane.ROUTINE, file: Path | None = None, announced: str = "", **options: str) -> Job:
        """A job over the call set (or another file); `salt` tells submissions apart."""
        ids = [hashlib.blake2b(f"{kind} {salt}".encode(), digest_size=16).hexdigest() for kind in ("submission", "revision", "sample")]
        source = SourceFile((file or self.calls).as_uri(), announced)
        return Job("ingest", ids[0], ids[1], self.plan.plan_id, lane, "toy", source, (SampleName("kid", ids[2]),), 0, options)

    def announce(self, broker: MemoryBroker, plan: Plan | None = None) -> None:
        """Put the plan on the topic `plans`."""
        chosen = plan or self.plan
        broker.append(Output(topics.PLANS.name, chosen.plan_id.encode(), wire.encode(plans.to_event(chosen))))


@pytest.fixture
def clean_environment() -> Callable[..., dict[str, str]]:
    """Environment of a process that sees no RIVERSEQ_ variable but those given."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RIVERSEQ_")}
    return lambda **given: {**own, **given}


@pytest.fixture(scope="session")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> Interpreted:
    folder = tmp_path_factory.mktemp("interpreted")
    packs = folder / "packs"
    random = np.random.default_rng(11)
    sequence = "".join(random.choice(list("ACGT"), LENGTH))
    (folder / "genome.fa").write_text(f">1\n{sequence}\n")
    (folder / "genes.gff3").write_text(
        "##gff-version 3\n"
        "1\t.\tgene\t301\t2400\t.\t+\t.\tID=gene:G1;Name=ONE;biotype=protein_coding;gene_id=G1\n"
        "1\t.\tmRNA\t301\t2400\t.\t+\t.\tID=transcript:T1;Parent=gene:G1;biotype=protein_coding;transcript_id=T1\n"
        "1\t.\texon\t301\t900\t.\t+\t.\tParent=transcript:T1\n1\t.\texon\t1501\t2400\t.\t+\t.\tParent=transcript:T1\n"
        "1\t.\tCDS\t301\t900\t.\t+\t0\tParent=transcript:T1\n1\t.\tCDS\t1501\t2400\t.\t+\t0\tParent=transcript:T1\n"
    )
    genome = build_genome(folder / "genome.fa", packs, "toy", "1")
    opened = Genome(genome)
    genes = build_transcripts(folder / "genes.gff3", packs, opened.table, name="genes", version="1", genome=opened)
    for pack in (genome, genes, bundled_model_pack(packs)):
        activate(packs, pack)
    places = sorted(random.choice(LENGTH - 1, SITES, replace=False).tolist())
    rows = [f"1\t{place + 1}\t.\t{sequence[place]}\t{'ACGT'['CGTA'.index(sequence[place])]}" for place in places]
    rows.append(f"1\t{LENGTH}\t.\t{sequence[-1]}\t*")
    calls = folder / "calls.vcf"
    calls.write_text(
        f"##fileformat=VCFv4.2\n##contig=<ID=1,length={LENGTH}>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tkid\n" + "".join(f"{row}\t.\tPASS\t.\tGT\t0/1\n" for row in rows)
    )
    return Interpreted(packs, replace(plan_for(packs, "toy"), cutting=CuttingRule(alleles=20)), calls)
