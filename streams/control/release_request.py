"""What a command asks of knowledge, read and judged: which pack, and whether it may become the active one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from processors.knowledge.kinds import Kind, Licence, kind_of
from processors.knowledge.pack import Pack, PackError, active_builds, find_pack
from schemas.events import Command, Lane

BARRED = frozenset({Licence.NON_COMMERCIAL, Licence.UNKNOWN})
"""Classes of licence that the profile `commercial` refuses."""
FORWARD, ROLLBACK = "forward", "rollback"
_YES = "yes"
_ISO = re.compile(r"\d{4}(-\d{2}){0,2}")
_DIGEST = re.compile(r"[0-9a-f]{32}")


class ReleaseRefused(ValueError):
    """A release that is not done; the message says why."""


class NothingToDo(ReleaseRefused):
    """The pack is the active one already."""


@dataclass(frozen=True)
class Wish:
    """A command's arguments, read."""

    kind: Kind
    pack: Pack
    direction: str  # forward, rollback
    lane: str
    older_is_fine: bool
    against: str  # digest of the pack that the person saw as active
    counts: tuple[int, int, int]  # added, removed, changed, against that pack


def read(command: Command, packs: Path) -> Wish:
    """Raises ReleaseRefused naming the argument that is wrong."""
    arguments = command.arguments
    for name in ("build", "kind", "digest"):
        if not arguments.get(name):
            raise ReleaseRefused(f"arguments.{name}: missing")
    kind = kind_of(arguments["kind"])
    if kind is None:
        raise ReleaseRefused(f"arguments.kind: there is no kind of knowledge {arguments['kind'][:60]!r}")
    if not _DIGEST.fullmatch(arguments["digest"]):
        raise ReleaseRefused(f"arguments.digest: {arguments['digest'][:60]!r} is no digest of a pack (32 hexadecimal)")
    known = active_builds(packs)
    if arguments["build"] not in known:
        raise ReleaseRefused(f"arguments.build: {arguments['build'][:60]!r} has no genome here (known: {', '.join(known) or 'none'})")
    try:
        pack = find_pack(packs, arguments["digest"])
    except PackError as error:
        raise ReleaseRefused(f"arguments.digest: {error}") from error
    if pack.kind != kind.name:
        raise ReleaseRefused(f"arguments.digest: {named(pack)} is a pack of {pack.kind}, not of {kind.name}")
    if pack.build not in (arguments["build"], "any"):
        raise ReleaseRefused(f"arguments.digest: {named(pack)} is made for {pack.build}, not for {arguments['build']}")
    lane = arguments.get("lane", Lane.BACKGROUND.value)
    if lane not in {each.value for each in Lane}:
        raise ReleaseRefused(f"arguments.lane: {lane[:60]!r} is not one of {', '.join(Lane)}")
    try:
        added, removed, changed = (int(arguments.get(name, "-1")) for name in ("added", "removed", "changed"))
    except ValueError as error:
        raise ReleaseRefused(f"arguments: {error}") from error
    direction = ROLLBACK if command.kind == ROLLBACK else FORWARD
    older = arguments.get("older_is_fine", "") == _YES
    return Wish(kind, pack, direction, lane, older, arguments.get("against", ""), (added, removed, changed))


def objection(wish: Wish, before: Pack | None, *, commercial: bool) -> str:
    """Why an admitted command's pack is not activated; empty: it is."""
    licence = str(wish.pack.extra.get("licence", wish.kind.licence))
    if commercial and licence in BARRED:
        return f"{named(wish.pack)} has the licence class {licence}, which the profile commercial refuses"
    if wish.direction == ROLLBACK:
        if before is None or (wish.against and before.digest != wish.against):
            stands = named(before) if before else "none"
            return f"another pack became active meanwhile ({stands}); look at `riverseq knowledge list` and ask again"
        return ""
    ours, theirs = str(wish.pack.extra.get("date", "")), str(before.extra.get("date", "")) if before else ""
    if _earlier(ours, theirs) and not wish.older_is_fine:
        return (
            f"{named(wish.pack)} is of {ours}, older than the active {named(before) if before else ''} of {theirs}; "
            "`riverseq knowledge rollback` goes back, --older-is-fine says that it is meant"
        )
    return ""


def _earlier(one: str, other: str) -> bool:
    """Whether an ISO date, or its year and month, lies before another; a text that is no date lies before nothing."""
    length = min(len(one), len(other))
    return bool(_ISO.fullmatch(one) and _ISO.fullmatch(other)) and one[:length] < other[:length]


def named(pack: Pack) -> str:
    """`name@version`, as people say it."""
    return f"{pack.name}@{pack.version}"
