"""`riverseq knowledge release`, `rollback`, `pause`, `resume`, `status`: another version becomes the active one, and samples follow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.events import Command, Lane
from streams.cli.failures import CommandFailed, ExitCode, WrongUse
from streams.cli.knowledge_build import (
    BUILD,
    DATE,
    JOBS,
    LICENCE,
    NAME,
    OLDER,
    OPTIONS,
    SOURCE,
    canonical,
    compiled,
    options_of,
    summary,
)
from streams.cli.knowledge_kinds import known_kind
from streams.cli.release_view import follow, status_json, table_of
from streams.cli.session import Session, actor, notes, out, print_json, session_of
from streams.clock import now_ms

if TYPE_CHECKING:
    from processors.knowledge.pack import Pack
    from processors.land.releases import ReleaseRow, ReleaseStatus

REASON = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the release.")]
WAIT = Annotated[bool, typer.Option("--wait", help="Show progress and end when the last touched sample is published.")]
PRIORITY = Annotated[Lane, typer.Option("--priority", help="Lane of the alleles that flow again.")]
_PATIENCE, _PAUSE = 30.0, 0.2  # seconds
_REFUSED, _NOTHING = "refused: ", "nothing: "


@dataclass(frozen=True)
class Answer:
    """What control said to a release. `release_id` is empty where there was nothing to do."""

    code: int
    text: str
    release_id: str = ""


def release(
    context: typer.Context,
    source: SOURCE,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="As published; none: a pack that was built.")] = None,
    build: BUILD = "",
    version: Annotated[str, typer.Option("--version", metavar="V", help="Its release: 2026-01.", show_default=False)] = "",
    name: NAME = "",
    date: DATE = "",
    option: OPTIONS = None,
    licence: LICENCE = "",
    jobs: JOBS = 0,
    wait: WAIT = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would change.")] = False,
    priority: PRIORITY = Lane.BACKGROUND,
    older_is_fine: OLDER = False,
    reason: REASON = "",
    json: Annotated[bool, typer.Option("--json", help="What came of it as JSON.")] = False,
) -> int:
    """Release a new version of a source: build it, make it the active one, and bring the samples on file under it.

    Only alleles whose entries changed flow again; samples without one keep their results. Needs a running `riverseq up`.

    [bold]riverseq knowledge release clinvar clinvar_20260201.vcf.gz --build GRCh38 --version 2026-02 --dry-run[/bold]
    [bold]riverseq knowledge release clinvar clinvar_20260201.vcf.gz --build GRCh38 --version 2026-02 --wait[/bold]
    [bold]riverseq knowledge release clinvar --build GRCh38 --version 2026-02 --wait[/bold]   (built before)

    Exit code 3 where it is refused or held: a person must look.
    """
    session = session_of(context)
    if not build or not version:
        raise WrongUse(f"{'--build' if not build else '--version'} is missing (see `riverseq knowledge release --help`)")
    if not dry_run:
        session.settings().kafka_servers()
    known_kind(source)
    if files:
        pack = compiled(
            session, source, files, build, version, name=name, date=date, licence=licence, options=options_of(option), jobs=jobs
        )
    else:
        pack = built_before(session, source, build, version, name)
    if dry_run:
        from streams.cli.knowledge_dry_run import show_dry_run

        return show_dry_run(session, pack, canonical(build), older_is_fine=older_is_fine, as_json=json)
    if not json:
        out().print(summary(pack), markup=False)
    answer = send_release(session, pack, canonical(build), lane=priority, older_is_fine=older_is_fine, reason=reason, quiet=json)
    return finish(session, answer, wait=wait, as_json=json)


def rollback(
    context: typer.Context,
    source: SOURCE,
    build: BUILD,
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="Default: what was active before.")] = "",
    wait: WAIT = False,
    priority: PRIORITY = Lane.BACKGROUND,
    reason: REASON = "",
    json: Annotated[bool, typer.Option("--json", help="What came of it as JSON.")] = False,
) -> int:
    """Go back to the version before: a release like any other, so samples follow and nothing is overwritten.

    [bold]riverseq knowledge rollback clinvar --build GRCh38 --wait[/bold]
    [bold]riverseq knowledge rollback clinvar --build GRCh38 --to 2026-01[/bold]
    """
    from processors.knowledge.pack import active_packs, find_pack

    session, kind, assembly = session_of(context), known_kind(source), canonical(build)
    session.settings().kafka_servers()
    root = session.packs()
    now = active_packs(root, assembly).get(kind.name)
    if now is None:
        raise CommandFailed(f"no {source} is active for {assembly}; `riverseq knowledge list` shows what is")
    before = built_before(session, source, build, to, now.name) if to else find_pack(root, _digest_before(session, now))
    answer = send_release(session, before, assembly, kind="rollback", lane=priority, reason=reason, quiet=json, against=now)
    return finish(session, answer, wait=wait, as_json=json)


def pause(
    context: typer.Context,
    build: Annotated[str, typer.Option("--build", metavar="B", help="Default: every build.")] = "",
    reason: REASON = "",
) -> int:
    """Stop bringing samples on file under new releases; new samples are interpreted as ever.

    A delta that is under way is not published before `resume`; its alleles that went through do not flow again then.

    [bold]riverseq knowledge pause --build GRCh38 --reason "validation of the new ClinVar"[/bold]
    """
    return _switch(session_of(context), "pause", build, reason)


def resume(
    context: typer.Context,
    build: Annotated[str, typer.Option("--build", metavar="B", help="Default: every build.")] = "",
    reason: REASON = "",
) -> int:
    """Go on where `pause` stopped.

    [bold]riverseq knowledge resume --build GRCh38[/bold]
    """
    return _switch(session_of(context), "resume", build, reason)


def status(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="[SOURCE]", help="One kind; default: all.")] = "",
    build: Annotated[str, typer.Option("--build", metavar="B", help="One build; default: all.")] = "",
    json: Annotated[bool, typer.Option("--json", help="A list, oldest first.")] = False,
) -> int:
    """Show the releases and how far each is, newest last.

    [bold]riverseq knowledge status[/bold]
    [bold]riverseq knowledge status clinvar --build GRCh38 --json[/bold]

    Exit code 3 where one is held.
    """
    from processors.land import releases

    session = session_of(context)
    with session.clickhouse() as client:
        found = releases.releases(client, kind=source, build=canonical(build) if build else "")
    if json:
        print_json([status_json(row, state) for row, state in found])
    else:
        out().print(table_of(found) if found else "no releases yet; see `riverseq knowledge release --help`")
    return ExitCode.NEEDS_HUMAN if any(state.state == "held" for _, state in found) else ExitCode.DONE


# --- asking control --------------------------------------------------------------------------------------------------


def built_before(session: Session, source: str, build: str, version: str, name: str = "") -> Pack:
    """The newest pack of a kind and version below the packs folder. Raises CommandFailed."""
    from processors.knowledge.pack import list_packs

    root, wanted = session.packs(), (canonical(build), "any")
    found = [
        pack
        for pack in (list_packs(root) if root.exists() else [])
        if pack.kind == source and pack.version == version and pack.build in wanted and name in ("", pack.name)
    ]
    if not found:
        raise CommandFailed(f"no {source} {version} of {build} is built here; give its FILE, or see `riverseq knowledge list`")
    return max(found, key=lambda pack: (pack.path / "pack.json").stat().st_mtime)


def send_release(
    session: Session,
    pack: Pack,
    build: str,
    *,
    kind: str = "release",
    lane: Lane = Lane.BACKGROUND,
    older_is_fine: bool = False,
    reason: str = "",
    quiet: bool = False,
    against: Pack | None = None,
) -> Answer:
    """Ask control to make a pack the active one, and say what it answered. Raises NotRunning, BrokerError, StoreError."""
    from processors.knowledge.pack import active_packs
    from processors.land.releases import release_id

    now = against or active_packs(session.packs(), build).get(pack.kind)
    arguments = {"build": build, "kind": pack.kind, "digest": pack.digest, "lane": lane.value}
    if older_is_fine:
        arguments["older_is_fine"] = "yes"
    if now is not None:
        arguments |= {"against": now.digest, **_counts(now, pack)}
    command = command_of(kind, arguments, reason)
    text = _ask(session, command)
    if text is None:
        notes().print(f"asked, but nothing came back within {_PATIENCE:.0f} s; `riverseq knowledge status` shows it", markup=False)
        return Answer(ExitCode.NEEDS_HUMAN, "no answer")
    if text.startswith(_REFUSED):
        notes().print(f"riverseq: {text}", markup=False, soft_wrap=True)
        return Answer(ExitCode.NEEDS_HUMAN, text)
    if text.startswith(_NOTHING):
        if not quiet:
            out().print(text.removeprefix(_NOTHING), markup=False)
        return Answer(ExitCode.DONE, text)
    if not quiet:
        out().print(text, markup=False)
    return Answer(ExitCode.DONE, text, release_id(command.id))


def finish(session: Session, answer: Answer, *, wait: bool, as_json: bool) -> int:
    """Wait where it is wanted, print the end; the exit code."""
    if not answer.release_id:
        if as_json:
            print_json({"release": "", "state": "refused" if answer.code else "nothing to do", "detail": answer.text})
        return answer.code
    found = follow(session, answer.release_id) if wait else _look(session, answer.release_id)
    if found is None:
        notes().print("no longer waiting; the release goes on. See it with `riverseq knowledge status`", markup=False)
        return ExitCode.INTERRUPTED
    row, state = found
    if as_json:
        print_json(status_json(row, state))
    elif wait:
        out().print(table_of([found]))
    return ExitCode.NEEDS_HUMAN if wait and state.state in ("held", "refused", "paused") else ExitCode.DONE


def command_of(kind: str, arguments: Mapping[str, str], reason: str) -> Command:
    """A command about knowledge; the same wish later is another one, so its time counts."""
    from schemas import identity

    now = now_ms()
    content = {"kind": kind, "arguments": dict(arguments), "actor": actor(), "reason": reason, "time": now}
    return Command(identity.event_id(content), now, kind, "", actor(), reason, dict(arguments))


def _ask(session: Session, command: Command) -> str | None:
    """Send a command; what control wrote down of it, None where it does not answer."""
    from streams.cli.decisions import decided

    with session.clickhouse() as client:
        session.send(command)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for found in decided(client, [command.id], 0):
                return found.outcome
            time.sleep(_PAUSE)
    return None


def _switch(session: Session, kind: str, build: str, reason: str) -> int:
    text = _ask(session, command_of(kind, {"build": canonical(build)} if build else {}, reason))
    if text is None:
        notes().print(f"asked, but nothing came back within {_PATIENCE:.0f} s", markup=False)
        return ExitCode.NEEDS_HUMAN
    if text.startswith(_REFUSED):
        raise CommandFailed(f"{kind}: {text.removeprefix(_REFUSED)}")
    out().print(text, markup=False)
    return ExitCode.DONE


def _look(session: Session, release_id: str) -> tuple[ReleaseRow, ReleaseStatus] | None:
    from processors.land import releases

    with session.clickhouse() as client:
        return releases.release(client, release_id)


def _counts(old: Pack, new: Pack) -> dict[str, str]:
    """What the diff of two packs counts, as arguments; none where the kind has no diff."""
    from streams.cli.knowledge_diff import difference_of

    found = difference_of(old, new)
    return {} if found is None else {"added": str(found.added), "removed": str(found.removed), "changed": str(found.changed)}


def _digest_before(session: Session, now: Pack) -> str:
    """Digest of the pack that the active one replaced. Raises CommandFailed."""
    from processors.land import releases

    with session.clickhouse() as client:
        past = [row for row, state in releases.releases(client, kind=now.kind, build=now.build) if state.state != "refused"]
    led = [row for row in past if row.to_digest == now.digest and row.from_digest]
    if not led:
        raise CommandFailed(f"nothing was active before {now.kind} {now.name}@{now.version}; name a version with --to")
    return led[-1].from_digest
