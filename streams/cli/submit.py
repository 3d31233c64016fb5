"""`riverseq submit`: announce that a call set is complete, and with `--wait` follow it until it is published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from schemas.assembly import canonical_build
from schemas.events import CompletionEvent, Lane, SourceFile
from streams.cli.failures import WrongUse
from streams.cli.session import Session, notes, out, print_json, session_of
from streams.clock import now_ms

SOURCE = "riverseq/cli"
_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True)
class Order:
    """One file to submit, checked, and the samples of it to interpret."""

    path: Path
    samples: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(submit)


def submit(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="VCF, VCF.gz or BCF call sets.", show_default=False)],
    build: Annotated[str, typer.Option("--build", metavar="BUILD", help="Assembly of the calls: GRCh38, hg19, ...", show_default=False)],
    sample: Annotated[list[str] | None, typer.Option("--sample", metavar="NAME", help="Only this sample of the file; repeatable.")] = None,
    family: Annotated[Path | None, typer.Option("--family", metavar="PED", help="Pedigree (PED) of the samples' family.")] = None,
    hpo: Annotated[str, typer.Option("--hpo", metavar="TERMS", help="HPO terms, comma-separated: HP:0001250,HP:0001263.")] = "",
    panel: Annotated[Path | None, typer.Option("--panel", metavar="FILE", help="Gene panel, one symbol a line.")] = None,
    priority: Annotated[Lane, typer.Option("--priority", help="Lane: urgent overtakes routine at every stage.")] = Lane.ROUTINE,
    reanalysis: Annotated[
        str, typer.Option("--reanalysis", metavar="ANSWER", help="allowed or refused: may later releases re-interpret the samples?")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress and end when everything is published.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was sent, or with --wait the final states, as JSON.")] = False,
) -> int:
    """Announce call sets and have them interpreted.

    The file is hashed here and read by the workers, so they must see it under the same path.

    [bold]riverseq submit NA12878.vcf.gz --build GRCh38 --wait[/bold]
    [bold]riverseq submit trio.vcf.gz --build hg19 --family trio.ped --hpo HP:0001250 --priority urgent[/bold]
    [bold]riverseq submit cohort.bcf --build GRCh38 --sample S1 --sample S2 --json[/bold]

    Ctrl-C while waiting leaves the samples running; `riverseq status` shows them. The same announcement twice is one.
    """
    session = session_of(context)
    if reanalysis not in ("", "allowed", "refused"):
        raise WrongUse(f"--reanalysis {reanalysis!r} is neither allowed nor refused")
    orders = check_orders(session, files, tuple(sample or ()), build)
    pedigree = _text(family, "--family") if family else ""
    if panel is not None:
        _text(panel, "--panel")
    terms = tuple(term.strip() for term in hpo.split(",") if term.strip())
    digests = hash_files([order.path for order in orders])
    events = [
        announce(
            CompletionEvent(
                id="",
                source=SOURCE,
                type="riverseq.sample.ready",
                time=now_ms(),
                run_id=f"{order.path.name}@{digest[:12]}",
                build=canonical_build(build),
                file=SourceFile(str(order.path), digest, order.path.stat().st_size),
                samples=order.samples,
                family=pedigree,
                hpo=terms,
                panel=str(panel.resolve()) if panel else "",
                lane=priority,
                reanalysis=reanalysis,
            )
        )
        for order, digest in zip(orders, digests, strict=True)
    ]
    names = [name for order in orders for name in order.samples]
    if not wait:
        session.send(*events)
        _report(orders, events, json)
        return 0
    from streams.cli.waiting import wait_for

    return wait_for(session, names, lambda: session.send(*events), announced=[event.id for event in events], as_json=json)


def announce(event: CompletionEvent) -> CompletionEvent:
    """The event with its id, computed from its content."""
    from streams.control.gate import announcement_id

    return replace(event, id=announcement_id(event))


def check_orders(session: Session, files: list[Path], samples: tuple[str, ...], build: str) -> list[Order]:
    """Every mistake that can be seen here is said before anything is hashed or sent. Raises WrongUse, SourceError."""
    from processors.ingest.source import read_header
    from processors.knowledge.pack import active_builds

    settings = session.settings()
    settings.kafka_servers()
    known = active_builds(settings.packs_folder())
    name = canonical_build(build)
    if name not in known:
        have = f"here are: {', '.join(known)}" if known else "none is registered here"
        raise WrongUse(f"build {build!r} has no genome ({have}); add it with `riverseq reference add {name} --fasta F --transcripts GFF3`")
    if len({path.absolute() for path in files}) < len(files):
        raise WrongUse("a file is named twice")
    orders = []
    for path in files:
        if not path.is_file():
            raise WrongUse(f"{path}: {'is no file' if path.exists() else 'does not exist'}")
        if not settings.allows(path):
            roots = ", ".join(str(root) for root in settings.roots)
            raise WrongUse(f"{path}: lies outside the folders that workers may read ({roots}); move it, or start `riverseq up` with --root")
        header = read_header(path)
        if not header.samples:
            raise WrongUse(f"{path}: holds no sample, only sites; `riverseq annotate` reads such files")
        absent = [name for name in samples if name not in header.samples]
        if absent and len(files) == 1:
            raise WrongUse(
                f"{path}: has no sample {absent[0]!r}; it has {', '.join(header.samples[:8])}{' ...' * (len(header.samples) > 8)}"
            )
        named = tuple(name for name in samples if name in header.samples)
        if samples and not named:
            raise WrongUse(f"{path}: has none of the samples named with --sample")
        orders.append(Order(path.resolve(), named or header.samples))
    return orders


def hash_files(paths: list[Path]) -> list[str]:
    """SHA-256 (hex) of each file, with a bar where it takes long enough to be seen."""
    total = sum(path.stat().st_size for path in paths)
    digests = []
    columns = (TextColumn("hashing {task.fields[name]}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=notes(), transient=True, disable=total < 16 * _BLOCK) as progress:
        task = progress.add_task("hash", total=total, name="")
        for path in paths:
            progress.update(task, name=path.name)
            state = hashlib.sha256()
            with path.open("rb") as handle:
                while block := handle.read(_BLOCK):
                    state.update(block)
                    progress.advance(task, len(block))
            digests.append(state.hexdigest())
    return digests


def _text(path: Path, option: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{option} {path}: cannot be read ({error})") from error


def _report(orders: list[Order], events: list[CompletionEvent], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"file": str(order.path), "samples": list(order.samples), "event": event.id, "digest": event.file.digest}
                for order, event in zip(orders, events, strict=True)
            ]
        )
        return
    console = out()
    for order in orders:
        shown = ", ".join(order.samples[:4]) + (f" and {len(order.samples) - 4} more" if len(order.samples) > 4 else "")
        console.print(f"submitted {order.path.name}: {shown}")
    console.print("follow it with `riverseq status --watch`", markup=False)
