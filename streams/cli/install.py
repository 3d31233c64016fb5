"""`riverseq reference install` and `riverseq knowledge install`: fetch what is published, check it, and compile it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from streams.cli.failures import CommandFailed, WrongUse
from streams.cli.session import Session, notes, out, print_json, session_of

if TYPE_CHECKING:
    from processors.knowledge.download import Address, Fetched

MIRROR = Annotated[str, typer.Option("--mirror", metavar="URL", help="A copy that holds each host as a folder: URL/HOST/PATH.")]
ACCEPT = Annotated[bool, typer.Option("--accept-licence", help="You may use it under the terms shown.")]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
FOLDER = Annotated[Path | None, typer.Option("--downloads", metavar="DIR", help="Default: downloads in the state folder.")]


def install_reference(
    context: typer.Context,
    build: Annotated[str, typer.Argument(metavar="BUILD", help="GRCh38 or GRCh37.")],
    mirror: MIRROR = "",
    downloads: FOLDER = None,
    json: Annotated[bool, typer.Option("--json", help="The packs as JSON.")] = False,
) -> int:
    """Fetch a genome and its gene models (Ensembl, with MANE on GRCh38) and use them from the next sample on.

    [bold]riverseq reference install GRCh38[/bold]

    About 900 MB. A download that breaks off goes on where it stopped when the command is given again; every file is checked.
    """
    from schemas.assembly import canonical_build
    from streams.cli.reference import compile_reference

    session, name = session_of(context), canonical_build(build)
    wanted = [address_of(kind, name) for kind in ("genome", "transcripts")]
    tags = _known().get("mane", {}).get(name)
    fetched = {
        address.kind: downloaded(session, address, mirror=mirror, downloads=downloads)[0].path
        for address in [*wanted, *([tags] if tags else [])]
    }
    with notes().status(f"compiling {name}"):
        packs = compile_reference(
            session.packs(), name, fetched["genome"], fetched["transcripts"], wanted[1].version, mane=fetched.get("mane")
        )
    if json:
        print_json([{"kind": p.kind, "name": p.name, "version": p.version, "build": p.build, "digest": p.digest} for p in packs])
    else:
        for pack in packs:
            out().print(f"{name} {pack.kind} {pack.name} {pack.version}: {pack.rows:,} rows ({pack.digest[:12]})", markup=False)
    return 0


def address_of(kind: str, build: str) -> Address:
    """Where a kind is published for a build. Raises WrongUse."""
    builds = _known().get(kind)
    if builds is None:
        raise WrongUse(f"{kind} has no public address here; there are {', '.join(sorted(_known()))}; give a file to `knowledge build`")
    found = builds.get(build) or builds.get("any")
    if found is None:
        raise WrongUse(f"{kind} is not published for {build} (for {', '.join(sorted(builds))}); `riverseq knowledge lift` may help")
    return found


def downloaded(
    session: Session, address: Address, *, mirror: str = "", downloads: Path | None = None, accepted: bool = False
) -> list[Fetched]:
    """The files of an address, fetched with a progress bar after its terms were shown. Raises WrongUse, DownloadFailed."""
    from processors.knowledge.download import fetch
    from processors.knowledge.kinds import Licence

    if address.licence is not Licence.OPEN and session.settings().profile == "commercial":
        raise WrongUse(f"{address.kind}: the profile `commercial` refuses it. {address.notice}")
    notes().print(f"{address.kind} {address.build}: {address.notice}", markup=False)
    if address.by_hand:
        raise WrongUse(f"{address.kind} cannot be fetched by a program: {address.by_hand}")
    if address.licence is not Licence.OPEN and not accepted:
        raise WrongUse(f"{address.kind}: its licence is {address.licence.value}; say --accept-licence where these terms allow your use")
    folder = (downloads or session.folder / "downloads") / address.kind / address.build
    with _bar() as (bar, tasks):

        def show(name: str, here: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=None)
            bar.update(tasks[name], completed=here, total=total if total >= 0 else None)

        return fetch(address, folder, mirror=mirror, progress=show)


def version_of(address: Address, files: list[Fetched]) -> tuple[str, str]:
    """(version, ISO date) of what was fetched: what the address says, else the file's or the server's day. Raises CommandFailed."""
    version, date = address.version, address.date
    if version == "header":
        date = version = _file_date(files[0].path)
    elif version == "modified":
        date = version = max(one.modified for one in files)
    if not version:
        raise CommandFailed(f"{files[0].path}: neither the file nor the server says its date; give --version")
    return version, date or version


def _file_date(path: Path) -> str:
    """ISO date of a VCF's `##fileDate`, empty where it has none."""
    with gzip.open(path, "rt") as handle:
        for line in handle:
            if not line.startswith("##"):
                return ""
            if line.startswith("##fileDate="):
                text = line.strip().removeprefix("##fileDate=")
                return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if text.isdigit() and len(text) == 8 else text
    return ""


def _known() -> dict[str, dict[str, Address]]:
    from processors.knowledge.download import addresses

    return addresses()


@contextmanager
def _bar() -> Iterator[tuple[Progress, dict[str, TaskID]]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes(), transient=True) as bar:
        yield bar, {}


def install_knowledge(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Kind: clinvar, gnomad_exomes, ... See `knowledge build --help`.")],
    build: Annotated[str, typer.Option("--build", metavar="B", help="Assembly wanted.", show_default=False)],
    version: Annotated[str, typer.Option("--version", metavar="V", help="Default: what the file or the server says.")] = "",
    file: Annotated[Path | None, typer.Option("--file", metavar="F", help="A copy that is here already; nothing is fetched.")] = None,
    mirror: MIRROR = "",
    downloads: FOLDER = None,
    accept_licence: ACCEPT = False,
    activate: Annotated[bool, typer.Option("--activate/--no-activate", help="Use it from now on, or only build it.")] = True,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=0, help="Processes; 0: as many as there are cores.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="The pack as JSON.")] = False,
) -> int:
    """Fetch a source from where it is published, build its pack and use it.

    [bold]riverseq knowledge install clinvar --build GRCh38[/bold]
    [bold]riverseq knowledge install revel --build GRCh38 --accept-licence[/bold]
    [bold]riverseq knowledge install constraint --build GRCh38[/bold]

    A download that breaks off goes on where it stopped when the command is given again; every file is checked against what its publisher
    says of it. Where `riverseq up` runs, the samples on file follow, as with `knowledge release`.
    """
    from streams.cli.knowledge_build import canonical, compiled, described, put_in_use
    from streams.cli.knowledge_kinds import known_kind

    session, kind, assembly = session_of(context), known_kind(source), canonical(build)
    address = address_of(kind.name, assembly)
    if file is not None:
        files, found = [file], (version, "")
        if not version:
            raise WrongUse("--version is missing: a file of one's own says its release with it")
    else:
        fetched = downloaded(session, address, mirror=mirror, downloads=downloads, accepted=accept_licence)
        files = [one.path for one in fetched]
        found = version_of(address, fetched)
    date = found[1] if _DATE.fullmatch(found[1]) else ""
    pack = compiled(session, kind.name, files, assembly, version or found[0], date=date, jobs=jobs)
    code = put_in_use(session, pack, assembly, older_is_fine=False, quiet=json) if activate else 0
    if json:
        print_json(described(pack))
    return code
