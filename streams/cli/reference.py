"""`riverseq reference`: a genome and its gene models, compiled once into packs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from streams.cli.failures import WrongUse
from streams.cli.session import notes, out, print_json, session_of

if TYPE_CHECKING:
    from processors.knowledge.pack import Pack

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Genomes and gene models.", no_args_is_help=True)
    group.command("add")(add)
    group.command("list")(list_)
    app.add_typer(group, name="reference")


def add(
    context: typer.Context,
    build: Annotated[str, typer.Argument(metavar="BUILD", help="GRCh38, GRCh37, or a name of your own.")],
    fasta: Annotated[Path, typer.Option("--fasta", metavar="F", help="Sequence: plain, gzip or bgzip.", show_default=False)],
    transcripts: Annotated[Path, typer.Option("--transcripts", metavar="GFF3", help="Gene models: GFF3 or GTF.", show_default=False)],
    version: Annotated[str, typer.Option("--version", metavar="V", help="Version of both; default: their file names.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The packs as JSON.")] = False,
) -> int:
    """Compile a genome and its gene models into packs and use them from the next sample on.

    [bold]riverseq reference add GRCh38 --fasta GRCh38.fa.gz --transcripts Homo_sapiens.GRCh38.gff3.gz --version ensembl-112[/bold]

    The same files again are the same packs. Contigs may be named `21`, `chr21` or `NC_000021.9`.
    """
    from schemas.assembly import canonical_build

    session = session_of(context)
    name = canonical_build(build)
    for path, option in ((fasta, "--fasta"), (transcripts, "--transcripts")):
        if not path.is_file():
            raise WrongUse(f"{option} {path}: {'is no file' if path.exists() else 'does not exist'}")
    if version and not VERSION.fullmatch(version):
        raise WrongUse(f"--version {version!r}: letters, digits and . _ + - only")
    with notes().status(f"compiling {fasta.name} and {transcripts.name}"):
        genome, models = compile_reference(session.packs(), name, fasta, transcripts, version)
    if json:
        print_json(
            [
                {"kind": p.kind, "name": p.name, "version": p.version, "build": p.build, "digest": p.digest, "rows": p.rows}
                for p in (genome, models)
            ]
        )
        return 0
    console = out()
    console.print(f"{name}: {genome.rows:,} bases ({genome.digest[:12]}), {models.rows:,} transcripts ({models.digest[:12]})", markup=False)
    for warning, count in sorted(dict(models.extra.get("warnings", {})).items()):
        console.print(f"  {count:,} x {warning}", markup=False, style="yellow")
    return 0


def compile_reference(root: Path, build: str, fasta: Path, transcripts: Path, version: str = "") -> tuple[Pack, Pack]:
    """Packs of a genome and its gene models below `root`, made active, with riverseq's own model where none is.

    Raises GenomeError, GeneModelError.
    """
    from processors.knowledge.genome import Genome, build_genome
    from processors.knowledge.pack import activate, active_packs
    from processors.knowledge.transcripts import build_transcripts
    from processors.score.models import bundled_model_pack

    root.mkdir(parents=True, exist_ok=True)
    genome = build_genome(fasta, root, build, version or stem(fasta))
    opened = Genome(genome)
    models = build_transcripts(transcripts, root, opened.table, name=stem(transcripts), version=version or stem(transcripts), genome=opened)
    for pack in (genome, models):
        activate(root, pack)
    if "model" not in active_packs(root, build):
        activate(root, bundled_model_pack(root))
    return genome, models


def list_(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False) -> int:
    """List genomes and gene models; those in use are marked.

    [bold]riverseq reference list[/bold]
    """
    show_packs(
        session_of(context).packs(), ("genome", "transcripts"), as_json=json, empty="no reference yet; see `riverseq reference add --help`"
    )
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
