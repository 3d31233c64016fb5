"""`riverseq knowledge list` and `verify`: the packs that are here, and whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from streams.cli.failures import ExitCode, WrongUse
from streams.cli.session import Session, notes, out, print_json, session_of

if TYPE_CHECKING:
    from processors.knowledge.pack import Pack

BUILD = Annotated[str, typer.Option("--build", metavar="B", help="Where two builds have a pack of that name.")]


def list_(context: typer.Context, json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False) -> int:
    """List every pack; those in use are marked, with the state of the release that brought each.

    [bold]riverseq knowledge list[/bold]
    """
    from processors.knowledge.pack import active_digests, list_packs

    session = session_of(context)
    root = session.packs()
    packs, used = (list_packs(root), active_digests(root)) if root.exists() else ([], frozenset())
    states = _states(session)
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
                    "active": p.digest in used,
                    "date": p.extra.get("date", ""),
                    "licence": p.extra.get("licence", ""),
                    "release": states.get(p.digest, ""),
                    **({"warnings": p.extra["warnings"]} if "warnings" in p.extra else {}),
                }
                for p in packs
            ]
        )
        return ExitCode.DONE
    if not packs:
        out().print("no packs yet; see `riverseq reference add --help`", markup=False)
        return ExitCode.DONE
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("", "build", "kind", "name@version", "date", "licence", "rows", "digest", "release"):
        table.add_column(heading, justify="right" if heading == "rows" else "left", overflow="fold", no_wrap=heading in ("digest", "build"))
    for p in packs:
        known = (str(p.extra.get("date", "")), str(p.extra.get("licence", "")))
        mark = "*" if p.digest in used else ""
        table.add_row(mark, p.build, p.kind, f"{p.name}@{p.version}", *known, f"{p.rows:,}", p.digest[:12], states.get(p.digest, ""))
    out().print(table)
    return ExitCode.DONE


def verify(
    context: typer.Context,
    pack: Annotated[str, typer.Argument(metavar="[NAME@VERSION]", help="Or a digest's beginning; default: every pack.")] = "",
    json: Annotated[bool, typer.Option("--json", help="A list of packs with their problems.")] = False,
) -> int:
    """Read packs whole and compare them with what was built: digest, keys in order, values in range. Exit code 1 where one is damaged.

    [bold]riverseq knowledge verify[/bold]
    [bold]riverseq knowledge verify clinvar@2026-01[/bold]
    """
    from processors.knowledge.verify import verify_folder

    root = session_of(context).packs()
    folders = [path.parent for path in sorted(root.glob("*/*/pack.json")) if not path.parent.name.startswith(".")]
    chosen = [folder for folder in folders if _meant(folder, pack)]
    if not chosen:
        raise WrongUse(f"no pack {pack!r} below {root}; `riverseq knowledge list` shows all" if pack else f"no packs below {root}")
    found: dict[Path, list[str]] = {}
    for folder in chosen:
        with notes().status(f"reading {folder.name}"):
            found[folder] = verify_folder(folder)
    if json:
        print_json([{"pack": f"{f.parent.name}/{f.name}", "problems": problems} for f, problems in found.items()])
    else:
        for folder, problems in found.items():
            out().print(
                f"{folder.parent.name}/{folder.name}: {'whole' if not problems else '; '.join(problems)}", markup=False, soft_wrap=True
            )
    damaged = [folder for folder, problems in found.items() if problems]
    if damaged:
        notes().print(f"riverseq: {len(damaged)} of {len(found)} packs are damaged; remove the folder and build it again", markup=False)
    return ExitCode.FAILED if damaged else ExitCode.DONE


def find_one(root: Path, text: str, build: str = "") -> Pack:
    """The pack that a person means by `name@version`, `kind@version` or a digest's beginning. Raises WrongUse."""
    from processors.knowledge.pack import list_packs
    from streams.cli.knowledge_build import canonical

    wanted = canonical(build) if build else ""
    packs = [pack for pack in (list_packs(root) if root.exists() else []) if wanted in ("", pack.build)]
    named = [pack for pack in packs if text in (f"{pack.name}@{pack.version}", f"{pack.kind}@{pack.version}")]
    found = named or [pack for pack in packs if len(text) >= 4 and pack.digest.startswith(text)]
    if not found:
        raise WrongUse(f"no pack {text!r} here; `riverseq knowledge list` shows all")
    if len(found) > 1:
        shown = ", ".join(f"{pack.build}/{pack.kind}/{pack.name}@{pack.version} {pack.digest[:12]}" for pack in found[:6])
        raise WrongUse(f"{text!r} may be {shown}; name a digest, or --build")
    return found[0]


def _meant(folder: Path, text: str) -> bool:
    """By the folder's name alone: a damaged manifest must not keep a pack from being looked at."""
    named, _, digest = folder.name.rpartition("-")
    kind_version = f"{folder.parent.name}@{named.partition('@')[2]}"
    return text in ("", named, kind_version) or (len(text) >= 4 and digest.startswith(text[:12]))


def _states(session: Session) -> dict[str, str]:
    """Digest → state of the newest release that brought it; empty where ClickHouse is away."""
    from processors.land import releases
    from processors.land.client import StoreError
    from streams.settings import SettingsError

    try:
        with session.clickhouse() as client:
            return {row.to_digest: str(status.state) for row, status in releases.releases(client)}
    except (StoreError, SettingsError):
        return {}
