"""The gate: what an announcement must be before anything is done with it. Each refusal names the field and says what to do.

Nothing is coerced except a build's usual aliases (`hg38` is GRCh38).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from schemas import identity
from schemas.assembly import canonical_build
from schemas.events import CompletionEvent, SourceFile
from streams.control.consent import ANSWERS

EVENT_TYPES = frozenset({"riverseq.sample.ready", "riverseq.sequencing.completed"})
MAX_TEXT = 256
"""Characters of a name, an id or a version."""
MAX_PEDIGREE = 256 * 1024
MAX_SAMPLES = 100_000
_HPO = re.compile(r"HP:\d{7}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")


class Refused(ValueError):
    """An announcement that is not admitted. `field` names what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True)
class Surroundings:
    """What the gate must know of this installation."""

    roots: tuple[Path, ...]
    builds: Callable[[], Sequence[str]]  # builds that have a genome pack
    read_samples: Callable[[Path], Sequence[str]]  # sample names of a call set's header; raises ValueError or OSError
    opt_in: bool = False  # samples of which nothing is said take no part in re-interpretation
    commercial: bool = False  # sources whose licence forbids commercial use are refused


@dataclass(frozen=True)
class Announcement:
    """An admitted announcement: the build canonical, the path resolved, the samples named, the digest known."""

    event_id: str
    event: CompletionEvent
    path: Path
    samples: tuple[str, ...]


def announcement_id(event: CompletionEvent) -> str:
    """`identity.event_id` of an announcement's content: everything but its id and time; the order of samples and terms does not count."""
    return identity.event_id(
        {
            "source": event.source,
            "type": event.type,
            "run_id": event.run_id,
            "build": canonical_build(event.build),
            "uri": event.file.uri,
            "digest": event.file.digest,
            "samples": sorted(event.samples),
            "family": event.family,
            "hpo": sorted(event.hpo),
            "panel": event.panel,
            "lane": str(event.lane),
            "options": dict(sorted(event.options.items())),
            **({"reanalysis": event.reanalysis} if event.reanalysis else {}),
        }
    )


def admit(event: CompletionEvent, around: Surroundings) -> Announcement:
    """Check an announcement against the installation and the file it names. Raises Refused.

    Reads the file's header, and the whole file where no digest is announced.
    """
    _check_text(event)
    build = _check_build(event.build, around.builds())
    path = _check_path(event.file.uri, around.roots)
    samples = _check_samples(event.samples, path, around)
    if event.file.digest and not _SHA256.fullmatch(event.file.digest):
        raise Refused("file.digest", f"{event.file.digest[:80]!r} is not a SHA-256 in 64 lower-case hexadecimal characters")
    digest = event.file.digest or _hash(path)
    checked = CompletionEvent(
        id=event.id,
        source=event.source,
        type=event.type,
        time=event.time,
        run_id=event.run_id,
        build=build,
        file=SourceFile(str(path), digest, path.stat().st_size),
        samples=samples,
        family=event.family,
        hpo=tuple(sorted(set(event.hpo))),
        panel=event.panel,
        lane=event.lane,
        options=dict(event.options),
        reanalysis=event.reanalysis,
    )
    return Announcement(announcement_id(event), checked, path, samples)


def _check_text(event: CompletionEvent) -> None:
    for field in ("source", "type", "run_id", "build"):
        _text(field, getattr(event, field))
    if event.type not in EVENT_TYPES:
        raise Refused("type", f"{event.type!r} is not one of {', '.join(sorted(EVENT_TYPES))}")
    _text("file.uri", event.file.uri, limit=4096)
    if event.panel:
        _text("panel", event.panel, limit=4096)
    for term in event.hpo:
        if not _HPO.fullmatch(term):
            raise Refused("hpo", f"{term[:80]!r} is not an HPO id like HP:0001250")
    for key, value in event.options.items():
        _text("options", key)
        if len(value) > MAX_TEXT:
            raise Refused("options", f"{key}: longer than {MAX_TEXT} characters")
    if event.reanalysis not in ANSWERS:
        raise Refused("reanalysis", f"{event.reanalysis[:80]!r} is neither allowed nor refused")
    _check_pedigree(event.family)


def _text(field: str, value: str, limit: int = MAX_TEXT) -> None:
    if not value:
        raise Refused(field, "missing")
    if len(value) > limit:
        raise Refused(field, f"longer than {limit} characters")
    if not _PRINTABLE.fullmatch(value):
        raise Refused(field, "holds control characters")


def _check_pedigree(text: str) -> None:
    """PED: family, person, father, mother, sex (1, 2, other), phenotype, separated by blanks; `#` starts a comment."""
    if len(text) > MAX_PEDIGREE:
        raise Refused("family", f"a pedigree longer than {MAX_PEDIGREE} characters")
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#") and len(line.split()) < 6:
            raise Refused("family", f"line {number} of the pedigree has {len(line.split())} columns, PED has 6")


def _check_build(build: str, known: Sequence[str]) -> str:
    name = canonical_build(build)
    if name not in known:
        have = ", ".join(known) or "none"
        raise Refused("build", f"{build!r} has no genome here (known: {have}); add it with `riverseq reference add {name}`")
    return name


def _check_path(uri: str, roots: Sequence[Path]) -> Path:
    address = urlsplit(uri)
    if address.scheme not in {"", "file"} or (address.scheme == "file" and address.netloc not in {"", "localhost"}):
        raise Refused("file.uri", f"{uri!r} is not a path on this machine")
    named = Path(unquote(address.path)) if address.scheme == "file" else Path(uri)
    if not named.is_absolute():
        raise Refused("file.uri", f"{uri!r} is not an absolute path")
    real = Path(os.path.realpath(named))
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise Refused("file.uri", f"{uri!r} leads outside the allowed folders (RIVERSEQ_ROOTS)")
    if not real.exists():
        raise Refused("file.uri", f"{uri!r} does not exist")
    if not real.is_file():
        raise Refused("file.uri", f"{uri!r} is not a file")
    if not os.access(real, os.R_OK):
        raise Refused("file.uri", f"{uri!r} may not be read by the control process")
    return real


def _check_samples(named: Sequence[str], path: Path, around: Surroundings) -> tuple[str, ...]:
    try:
        present = tuple(around.read_samples(path))
    except (ValueError, OSError) as error:
        raise Refused("file", f"{error}") from error
    chosen = tuple(named) or present
    if not chosen:
        raise Refused("samples", "the file holds no sample; calls of samples are what riverseq interprets")
    if len(chosen) > MAX_SAMPLES:
        raise Refused("samples", f"{len(chosen)} samples, the limit is {MAX_SAMPLES}")
    if len(set(chosen)) != len(chosen):
        raise Refused("samples", "a sample is named twice")
    for name in chosen:
        _text("samples", name)
        if name not in present:
            raise Refused("samples", f"{name!r} is not a sample of the file")
    return chosen


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise Refused("file", f"unreadable: {error}") from error
