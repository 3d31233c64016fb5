"""`riverseq knowledge build`: a source's own file becomes a pack, and the one that its build uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streams.cli.failures import CommandFailed, ExitCode, WrongUse
from streams.cli.knowledge_kinds import known_kind
from streams.cli.reference import VERSION, stem
from streams.cli.session import Session, notes, out, print_json, session_of

if TYPE_CHECKING:
    from processors.knowledge.pack import Pack

SOURCE = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Kind: clinvar, gnomad_exomes, user.NAME, ... See below.", show_default=False)
]
FILES = Annotated[list[Path], typer.Argument(metavar="FILE...", help="As the source publishes it.", show_default=False)]
BUILD = Annotated[str, typer.Option("--build", metavar="B", help="Assembly of the file.", show_default=False)]
VERSION_OPTION = Annotated[str, typer.Option("--version", metavar="V", help="Its release: 2026-01.", show_default=False)]
NAME = Annotated[str, typer.Option("--name", metavar="NAME", help="Default: the source's.")]
DATE = Annotated[str, typer.Option("--date", metavar="DATE", help="Date of the release, 2026-01-31; default: what the file says.")]
LICENCE = Annotated[str, typer.Option("--licence", help="open, non_commercial, commercial, unknown; default: the kind's or the mapping's.")]
OPTIONS = Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the source; repeatable.")]
JOBS = Annotated[int, typer.Option("--jobs", metavar="N", min=0, help="Processes; 0: as many as there are cores.")]
OLDER = Annotated[bool, typer.Option("--older-is-fine", help="Also where the active one is of a later date.")]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def build_(
    context: typer.Context,
    source: SOURCE,
    files: FILES,
    build: BUILD,
    version: VERSION_OPTION,
    name: NAME = "",
    date: DATE = "",
    option: OPTIONS = None,
    licence: LICENCE = "",
    jobs: JOBS = 0,
    field: Annotated[str, typer.Option("--field", metavar="KEY", help="The same as --option field=KEY.")] = "",
    floor: Annotated[str, typer.Option("--floor", metavar="AF", help="The same as --option floor=AF.")] = "",
    covered: Annotated[str, typer.Option("--covered", metavar="BED", help="The same as --option covered=BED.")] = "",
    activate: Annotated[bool, typer.Option("--activate/--no-activate", help="Use it from now on, or only build it.")] = True,
    older_is_fine: OLDER = False,
    json: Annotated[bool, typer.Option("--json", help="The pack as JSON.")] = False,
) -> int:
    """Compile a knowledge file into a pack and use it: from the next sample on, and for those on file.

    [bold]riverseq knowledge build clinvar clinvar_20260101.vcf.gz --build GRCh38 --version 2026-01[/bold]
    [bold]riverseq knowledge build frequency sites.vcf.gz --build GRCh38 --version 4.1 --option floor=0.0002[/bold]
    [bold]riverseq knowledge build user.panel panel.tsv --build GRCh38 --version 3 --option mapping=panel.toml[/bold]

    While nothing runs it takes effect at the next `riverseq up`. `riverseq knowledge release` does the same and shows what changes.
    """
    session = session_of(context)
    chosen = options_of(option, field=field, floor=floor, covered=covered)
    pack = compiled(session, source, files, build, version, name=name, date=date, licence=licence, options=chosen, jobs=jobs)
    code: int = ExitCode.DONE
    if activate:
        code = put_in_use(session, pack, canonical(build), older_is_fine=older_is_fine, quiet=json)
    if json:
        print_json(described(pack))
    return code


def options_of(given: Sequence[str] | None, **aliases: str) -> dict[str, str]:
    """`KEY=VALUE` texts as a table, with the aliases that have a value. Raises WrongUse."""
    chosen = {key: value for key, value in aliases.items() if value}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise WrongUse(f"--option {text!r}: write KEY=VALUE")
        chosen[key] = value
    return chosen


def compiled(
    session: Session,
    source: str,
    files: Sequence[Path],
    build: str,
    version: str,
    *,
    name: str = "",
    date: str = "",
    licence: str = "",
    options: Mapping[str, str] | None = None,
    jobs: int = 0,
) -> Pack:
    """The pack of a source's files, not active, with a bar and its terms shown. Raises WrongUse, SourceRefused, PackError."""
    from processors.knowledge.kinds import Keyed, Licence
    from processors.knowledge.pack import active_packs

    kind, assembly, root = known_kind(source), canonical(build), session.packs()
    for file in files:
        if not file.is_file():
            raise WrongUse(f"{file}: {'is no file' if file.exists() else 'does not exist'}")
    if not VERSION.fullmatch(version):
        raise WrongUse(f"--version {version!r}: letters, digits and . _ + - only")
    if date and not _DATE.fullmatch(date):
        raise WrongUse(f"--date {date!r}: write YYYY-MM-DD")
    if licence and licence not in {known.value for known in Licence}:
        raise WrongUse(f"--licence {licence!r} is not one of {', '.join(Licence)}")
    said, keyed = kind.licence.value, kind.keyed
    if source.startswith("user."):
        from processors.knowledge.source import Request
        from processors.knowledge.sources.user import mapped_of

        mapped, _ = mapped_of(Request(source, tuple(files), root, assembly, version, options=options or {}))
        said, keyed = mapped.licence, mapped.keyed
    terms = licence or said
    if session.settings().profile == "commercial" and terms in (Licence.NON_COMMERCIAL, Licence.UNKNOWN):
        raise WrongUse(f"{source}: its licence class is {terms}, which the profile commercial refuses; --licence says what you have")
    if keyed is not Keyed.GENE and "genome" not in active_packs(root, assembly):
        raise WrongUse(f"build {build!r} has no genome here; add it first with `riverseq reference add {assembly}`")
    notes().print(f"{kind.title}, licence class {terms}", markup=False)
    with bar(f"compiling {files[0].name}") as progress:
        return compile_source(source, files, root, assembly, version, name, date, licence, options, jobs=jobs, progress=progress, use=False)


def compile_source(
    source: str,
    files: Path | Sequence[Path],
    root: Path,
    build: str,
    version: str,
    name: str = "",
    date: str = "",
    licence: str = "",
    options: Mapping[str, str] | None = None,
    *,
    jobs: int = 0,
    progress: Callable[[float, str], None] | None = None,
    use: bool = True,
) -> Pack:
    """Pack of a source's files below `root`, made active with `use`. A build's genome must be there. Raises SourceRefused, PackError."""
    from processors.knowledge.genome import Genome
    from processors.knowledge.pack import activate, active_packs
    from processors.knowledge.source import Request, build_source

    given = (files,) if isinstance(files, Path) else tuple(files)
    genome = active_packs(root, build).get("genome")
    chosen = name or (stem(given[0]) if source == "frequency" else "")
    request = Request(
        str(source), given, root, build, version, Genome(genome) if genome else None, chosen, date, licence, options or {}, jobs, progress
    )
    pack = build_source(request)
    if use:
        activate(root, pack)
    return pack


def put_in_use(session: Session, pack: Pack, build: str, *, older_is_fine: bool, quiet: bool = False) -> int:
    """Make a pack the active one: by control where it runs, else here, for the next start. Raises CommandFailed."""
    from processors.knowledge.pack import activate, active_packs
    from streams.control.release_request import FORWARD, Wish, objection

    settings = session.settings()
    if not quiet:
        out().print(summary(pack), markup=False)
    if settings.kafka and settings.clickhouse:
        from streams.cli.knowledge_release import send_release

        return send_release(session, pack, build, older_is_fine=older_is_fine, quiet=quiet).code
    before = active_packs(session.packs(), pack.build).get(pack.kind)
    wish = Wish(known_kind(pack.kind), pack, FORWARD, "background", older_is_fine, "", (-1, -1, -1))
    if problem := objection(wish, before, commercial=settings.profile == "commercial"):
        raise CommandFailed(f"built, not active: {problem}")
    activate(session.packs(), pack)
    return ExitCode.DONE


def summary(pack: Pack) -> str:
    """One line on a pack, and one on what its build left out or noted."""
    known = [f"{pack.rows:,} rows", str(pack.extra.get("date", "")), str(pack.extra.get("licence", ""))]
    line = f"{pack.kind} {pack.name} {pack.version}: {', '.join(filter(None, known))} ({pack.digest[:12]})"
    counts = {reason.replace("_", " "): count for reason, count in dict(pack.extra.get("counts", {})).items() if count}
    return line + ("\nnoted: " + ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items())) if counts else "")


def described(pack: Pack) -> dict[str, Any]:
    """A pack as `--json` gives it."""
    return {
        "kind": pack.kind,
        "name": pack.name,
        "version": pack.version,
        "build": pack.build,
        "digest": pack.digest,
        "rows": pack.rows,
        "date": pack.extra.get("date", ""),
        "licence": pack.extra.get("licence", ""),
        "counts": dict(pack.extra.get("counts", {})),
    }


def canonical(build: str) -> str:
    """A build's name, its usual aliases resolved."""
    from schemas.assembly import canonical_build

    return canonical_build(build)


@contextmanager
def bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar on standard error, as a function of (share done 0 to 1, what is being done)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes(), transient=True) as progress:
        task = progress.add_task(title, total=None)

        def show(share: float, doing: str) -> None:
            progress.update(task, completed=share, total=1.0, description=f"{title}: {doing}" if doing else title)

        yield show
