"""`riverseq annotate`: the same stages on a file, without Kafka or a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.cli.failures import WrongUse
from streams.cli.session import Session, notes, session_of

if TYPE_CHECKING:
    from processors.resources import Resources

ENDINGS = (".tsv", ".parquet")


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
    if output.suffix not in ENDINGS:
        raise WrongUse(f"-o {output}: give a name that ends in {' or '.join(ENDINGS)}")
    if not output.absolute().parent.is_dir():
        raise WrongUse(f"-o {output}: {output.absolute().parent} is no folder")
    with notes().status("loading genome and gene models"):
        resources = _resources(session, build, fasta, transcripts)
    from processors.pipeline import annotate_file

    columns = (TextColumn(f"annotating {file.name}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[alleles]:,} alleles"))
    with Progress(*columns, TimeRemainingColumn(), console=notes(), transient=True) as bar:
        task = bar.add_task("annotate", total=1.0, alleles=0)
        done = annotate_file(
            file, output, resources, progress=lambda so_far: bar.update(task, completed=so_far.fraction, alleles=so_far.alleles)
        )
    console = notes()
    console.print(f"{done.rows:,} rows for {done.alleles:,} alleles of {done.records:,} records in {output}", markup=False)
    for reason, count in sorted(done.faults.items()):
        console.print(f"  not annotated: {count:,} x {reason}", markup=False, style="yellow")
    return 0


def _resources(session: Session, build: str, fasta: Path | None, transcripts: Path | None) -> Resources:
    """What is active for the build, or the two files compiled into the state folder's packs."""
    from processors.pipeline import resources_from_files
    from processors.resources import Resources, plan_for

    provider = session.settings().provider
    if fasta is None or transcripts is None:
        return Resources.load(plan_for(session.packs(), build), session.packs(), provider)
    for path, option in ((fasta, "--fasta"), (transcripts, "--transcripts")):
        if not path.is_file():
            raise WrongUse(f"{option} {path}: {'is no file' if path.exists() else 'does not exist'}")
    return resources_from_files(fasta, transcripts, build, session.packs(), provider=provider)
