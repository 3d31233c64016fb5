"""`riverseq knowledge`: what is known of alleles, compiled from a source's own file into packs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.failures import WrongUse
from streams.cli.knowledge_lift import lift
from streams.cli.reference import VERSION, show_packs, stem
from streams.cli.session import notes, out, print_json, session_of

if TYPE_CHECKING:
    from processors.knowledge.pack import Pack


class Source(StrEnum):
    """Kinds of knowledge that can be compiled."""

    CLINVAR = "clinvar"
    FREQUENCY = "frequency"


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Knowledge sources: ClinVar, allele frequencies.", no_args_is_help=True)
    group.command("build")(build_)
    group.command("list")(list_)
    group.command("lift")(lift)
    app.add_typer(group, name="knowledge")


def build_(
    context: typer.Context,
    source: Annotated[Source, typer.Argument(metavar="SOURCE", help="Kind of the file: clinvar or frequency.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="VCF or VCF.gz as the source publishes it.")],
    build: Annotated[str, typer.Option("--build", metavar="B", help="Assembly of the file.", show_default=False)],
    version: Annotated[str, typer.Option("--version", metavar="V", help="Its release: 2026-01.", show_default=False)],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Default: the source's.")] = "",
    field: Annotated[str, typer.Option("--field", metavar="KEY", help="frequency: INFO key of the frequency.")] = "AF",
    floor: Annotated[float, typer.Option("--floor", min=0.0, max=1.0, help="frequency: below it the source lists no allele.")] = 0.0,
    covered: Annotated[Path | None, typer.Option("--covered", metavar="BED", help="frequency: regions that the source covers.")] = None,
    licence: Annotated[str, typer.Option("--licence", help="open, non_commercial, commercial, unknown; default: the kind's.")] = "",
    date: Annotated[str, typer.Option("--date", metavar="DATE", help="Date of the release, 2026-01-31.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The pack as JSON.")] = False,
) -> int:
    """Compile a knowledge file into a pack and use it from the next sample on.

    [bold]riverseq knowledge build clinvar clinvar_20260101.vcf.gz --build GRCh38 --version 2026-01[/bold]
    [bold]riverseq knowledge build frequency gnomad.sites.vcf.gz --build GRCh38 --version 4.1 --floor 0.0002[/bold]
    """
    from processors.knowledge.pack import active_packs
    from schemas.assembly import canonical_build

    session = session_of(context)
    assembly = canonical_build(build)
    if not file.is_file():
        raise WrongUse(f"{file}: {'is no file' if file.exists() else 'does not exist'}")
    if not VERSION.fullmatch(version):
        raise WrongUse(f"--version {version!r}: letters, digits and . _ + - only")
    if covered is not None and not covered.is_file():
        raise WrongUse(f"--covered {covered}: is no file")
    root = session.packs()
    if "genome" not in active_packs(root, assembly):
        raise WrongUse(f"build {build!r} has no genome here; add it first with `riverseq reference add {assembly}`")
    options = {"field": field, "floor": str(floor), "covered": str(covered or "")} if source == Source.FREQUENCY else {}
    with notes().status(f"compiling {file.name}"):
        pack = compile_source(source, file, root, assembly, version, name, date, licence, options)
    if json:
        print_json(
            {"kind": pack.kind, "name": pack.name, "version": pack.version, "build": pack.build, "digest": pack.digest, "rows": pack.rows}
        )
    else:
        out().print(f"{pack.kind} {pack.name} {pack.version}: {pack.rows:,} alleles ({pack.digest[:12]})", markup=False)
    return 0


def compile_source(
    source: Source | str,
    file: Path,
    root: Path,
    build: str,
    version: str,
    name: str = "",
    date: str = "",
    licence: str = "",
    options: Mapping[str, str] | None = None,
) -> Pack:
    """Pack of a knowledge file below `root`, made active. The build's genome must be there. Raises SourceRefused, PackError."""
    from processors.knowledge.genome import Genome
    from processors.knowledge.pack import activate, active_packs
    from processors.knowledge.source import Request, build_source

    genome = Genome(active_packs(root, build)["genome"])
    chosen = name or (stem(file) if source == Source.FREQUENCY else "")
    pack = build_source(Request(str(source), (file,), root, build, version, genome, chosen, date, licence, options or {}))
    activate(root, pack)
    return pack


def list_(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False) -> int:
    """List every pack; those in use are marked.

    [bold]riverseq knowledge list[/bold]
    """
    show_packs(session_of(context).packs(), (), as_json=json, empty="no packs yet; see `riverseq reference add --help`")
    return 0
