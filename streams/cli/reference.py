"""`riverseq reference`: a genome and its gene models, compiled once into packs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.cli.failures import WrongUse
from streams.cli.install import install_reference
from streams.cli.reference_options import options
from streams.cli.session import notes, out, print_json, session_of

if TYPE_CHECKING:
    from rich.console import Console

    from processors.knowledge.pack import Pack

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Genomes and gene models.", no_args_is_help=True)
    group.command("add")(add)
    group.command("install")(install_reference)
    group.command("list")(list_)
    group.command("options")(options)
    app.add_typer(group, name="reference")


def add(
    context: typer.Context,
    build: Annotated[str, typer.Argument(metavar="BUILD", help="GRCh38, GRCh37, or a name of your own.")],
    fasta: Annotated[Path, typer.Option("--fasta", metavar="F", help="Sequence: plain, gzip or bgzip.", show_default=False)],
    transcripts: Annotated[Path, typer.Option("--transcripts", metavar="GFF3", help="Gene models: GFF3 or GTF.", show_default=False)],
    mane: Annotated[Path | None, typer.Option("--mane", metavar="F", help="MANE summary table, which tags its transcripts.")] = None,
    mrna: Annotated[Path | None, typer.Option("--mrna", metavar="F", help="FASTA of RefSeq mRNA: transcripts' own sequences.")] = None,
    version: Annotated[str, typer.Option("--version", metavar="V", help="Version of both; default: their file names.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The packs as JSON.")] = False,
) -> int:
    """Compile a genome and its gene models into packs and use them from the next sample on.

    Ensembl, GENCODE and RefSeq gene models are read as they come:
    [bold]riverseq reference add GRCh38 --fasta GRCh38.fa.gz --version ensembl-112[/bold] \\
    [bold]    --transcripts Homo_sapiens.GRCh38.gff3.gz --mane MANE.summary.txt.gz[/bold]

    RefSeq's own sequences where they differ from the genome:
    [bold]riverseq reference add GRCh38 --fasta GRCh38.fa.gz[/bold] \\
    [bold]    --transcripts GCF_000001405.40.gff.gz --mrna GCF_000001405.40_rna.fna.gz[/bold]

    The same files again are the same packs. Contigs may be named `21`, `chr21` or `NC_000021.9`.
    What is left out or unusual is counted and shown, here and by `reference list`.
    """
    from schemas.assembly import canonical_build

    session = session_of(context)
    name = canonical_build(build)
    for path, option in ((fasta, "--fasta"), (transcripts, "--transcripts"), (mane, "--mane"), (mrna, "--mrna")):
        if path is not None and not path.is_file():
            raise WrongUse(f"{option} {path}: {'is no file' if path.exists() else 'does not exist'}")
    if version and not VERSION.fullmatch(version):
        raise WrongUse(f"--version {version!r}: letters, digits and . _ + - only")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes(), transient=True) as bar:
        task = bar.add_task(f"compiling {fasta.name}", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, description=f"reading {transcripts.name}" if done < total else "compiling", completed=done, total=total)

        genome, models = compile_reference(session.packs(), name, fasta, transcripts, version, mane=mane, mrna=mrna, progress=show)
    if json:
        print_json(
            [
                {
                    "kind": p.kind,
                    "name": p.name,
                    "version": p.version,
                    "build": p.build,
                    "digest": p.digest,
                    "rows": p.rows,
                    "warnings": p.extra.get("warnings", {}),
                }
                for p in (genome, models)
            ]
        )
        return 0
    console = out()
    console.print(f"{name}: {genome.rows:,} bases ({genome.digest[:12]}), {models.rows:,} transcripts ({models.digest[:12]})", markup=False)
    print_warnings(models, console)
    return 0


def print_warnings(pack: Pack, console: Console) -> None:
    """What a transcript pack counted, in words, and which contigs it left out."""
    from processors.knowledge.transcript_warnings import in_words

    lines = in_words(pack.extra.get("warnings", {}))
    if unknown := pack.extra.get("contigs_unknown"):
        lines.append(f"contigs of the file that {pack.build} does not have: {_some(sorted(unknown))}")
    for name, (told, length) in sorted(dict(pack.extra.get("contigs_disagree", {})).items()):
        lines.append(f"contig {name}: {told:,} bases in the file, {length:,} in {pack.build}")
    for line in lines:
        console.print(f"  {line}", markup=False, style="yellow")


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def compile_reference(
    root: Path,
    build: str,
    fasta: Path,
    transcripts: Path,
    version: str = "",
    *,
    mane: Path | None = None,
    mrna: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Pack, Pack]:
    """Packs of a genome and its gene models below `root`, made active, with riverseq's own model where none is.

    Raises GenomeError, GeneModelError.
    """
    from processors.knowledge.genome import Genome, build_genome
    from processors.knowledge.pack import activate, active_packs
    from processors.knowledge.transcript_build import build_transcripts
    from processors.score.models import bundled_model_pack

    root.mkdir(parents=True, exist_ok=True)
    genome = build_genome(fasta, root, build, version or stem(fasta))
    opened = Genome(genome)
    models = build_transcripts(
        transcripts,
        root,
        opened.table,
        name=stem(transcripts),
        version=version or stem(transcripts),
        genome=opened,
        mane=mane,
        mrna=mrna,
        progress=progress,
    )
    for pack in (genome, models):
        activate(root, pack)
    if "model" not in active_packs(root, build):
        activate(root, bundled_model_pack(root))
    return genome, models


def list_(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False) -> int:
    """List genomes and gene models; those in use are marked, and what was left out of them or is unusual is counted.

    [bold]riverseq reference list[/bold]
    """
    root = session_of(context).packs()
    show_packs(root, ("genome", "transcripts", "options"), as_json=json, empty="no reference yet; see `riverseq reference add --help`")
    if not json and root.exists():
        from processors.knowledge.pack import active_digests, list_packs

        used = active_digests(root)
        for pack in list_packs(root):
            if pack.kind == "transcripts" and pack.digest in used and pack.extra.get("warnings"):
                out().print(f"\n{pack.build}: {pack.name} {pack.version}", markup=False)
                print_warnings(pack, out())
    return 0


def show_packs(root: Path, kinds: tuple[str, ...], *, as_json: bool, empty: str) -> None:
    """Table or JSON list of the packs of some kinds, those in use marked."""
    from processors.knowledge.pack import active_digests, list_packs

    used = active_digests(root)
    packs = [pack for pack in list_packs(root) if not kinds or pack.kind in kinds] if root.exists() else []
    if as_json:
        print_json(
            [
                {
                    "kind": p.kind,
                    "name": p.name,
                    "version": p.version,
                    "build": p.build,
                    "digest": p.digest,
                    "rows": p.rows,
                    "active": p.digest in used,
                    **({"warnings": p.extra["warnings"]} if "warnings" in p.extra else {}),
                }
                for p in packs
            ]
        )
        return
    if not packs:
        out().print(empty, markup=False)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("", "build", "kind", "name", "version", "rows", "digest"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for pack in packs:
        table.add_row(
            "*" if pack.digest in used else "", pack.build, pack.kind, pack.name, pack.version, f"{pack.rows:,}", pack.digest[:12]
        )
    out().print(table)


def stem(path: Path) -> str:
    """A file's name without its folder and endings, as a version may be written."""
    text = path.name
    for ending in (".gz", ".bgz", ".vcf", ".bcf", ".fa", ".fasta", ".fna", ".gff3", ".gff", ".gtf"):
        text = text.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text)[:64] or "unnamed"
