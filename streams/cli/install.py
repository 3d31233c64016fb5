"""`riverseq reference install` and `riverseq knowledge install`: fetch what is published, check it, and compile it."""

from __future__ import annotations

import gzip
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
