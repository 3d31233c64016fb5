"""A genome of one contig and gene models on it, written by hand: packs of a few transcripts in milliseconds."""

from __future__ import annotations

from pathlib import Path

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Transcripts

BUILD = "toy"
_TURN = str.maketrans("ACGTN", "TGCAN")


def turned(sequence: str) -> str:
    """Reverse complement."""
    return sequence.translate(_TURN)[::-1]


def gff3(
    transcript: str, *parts: tuple[str, int, int, str], strand: str = "+", contig: str = "A", attributes: str = "", cds: str = ""
) -> str:
    """Lines of a gene and one transcript of it; parts are (type, start, end, phase), 1-based closed."""
    low, high = min(part[1] for part in parts), max(part[2] for part in parts)
    rows = [
        f"{contig}\t.\tgene\t{low}\t{high}\t.\t{strand}\t.\tID=gene:G{transcript};gene_id=G{transcript};Name=S{transcript}",
        f"{contig}\t.\tmRNA\t{low}\t{high}\t.\t{strand}\t.\tID=transcript:{transcript};Parent=gene:G{transcript};transcript_id={transcript}"
        f"{';' + attributes if attributes else ''}",
    ]
    for kind, start, end, phase in parts:
        extra = f";{cds}" if cds and kind == "CDS" else ""
        rows.append(f"{contig}\t.\t{kind}\t{start}\t{end}\t.\t{strand}\t{phase}\tParent=transcript:{transcript}{extra}")
    return "\n".join(rows) + "\n"


def toy(folder: Path, sequence: str, models: str | bytes, *, name: str = "m.gff3", contig: str = "A", mrna: str = "") -> Transcripts:
    """The pack of some models on a contig of some sequence; `mrna` is the text of a FASTA of own sequences."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "g.fa").write_text(f">{contig}\n{sequence}\n")
    source = folder / name
    source.write_bytes(models if isinstance(models, bytes) else models.encode())
    own = folder / "own.fa" if mrna else None
    if own is not None:
        own.write_text(mrna)
    genome = Genome(build_genome(folder / "g.fa", folder / "packs", BUILD, "1"))
    return Transcripts(build_transcripts(source, folder / "packs", genome.table, name="m", version="1", genome=genome, mrna=own))
