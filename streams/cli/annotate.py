"""`riverseq annotate`: the same stages on a file, without Kafka or a database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.failures import WrongUse
from streams.cli.session import notes, session_of

ENDINGS = (".tsv", ".tsv.gz", ".parquet", ".vcf.gz")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(annotate)


def annotate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="VCF, VCF.gz or BCF, with samples or without.")],
    build: Annotated[str, typer.Option("--build", metavar="B", help="Assembly of the file.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="OUT.tsv or OUT.parquet.", show_default=False)],
    fasta: Annotated[Path | None, typer.Option("--fasta", metavar="F", help="Genome, where none is registered for the build.")] = None,
    transcripts: Annotated[Path | None, typer.Option("--transcripts", metavar="GFF3", help="Gene models, with --fasta.")] = None,
) -> int:
    """Annotate a file with the same code as the stream: one row for each allele and transcript.

    [bold]riverseq annotate sites.vcf.gz --build GRCh38 -o sites.tsv[/bold]
    [bold]riverseq annotate sites.vcf.gz --build GRCh38 -o sites.parquet --fasta genome.fa --transcripts genes.gff3[/bold]
    """
    session = session_of(context)
    if not file.is_file():
        raise WrongUse(f"{file}: {'is no file' if file.exists() else 'does not exist'}")
    if (fasta is None) != (transcripts is None):
        raise WrongUse("give --fasta and --transcripts together, or neither")
    if not output.name.endswith(ENDINGS):
        raise WrongUse(f"-o {output}: give a name that ends in {', '.join(ENDINGS)}")
    raise WrongUse(f"{session}{build}{notes}")
