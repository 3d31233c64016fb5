"""A source's own options, as a person gives them (`--option KEY=VALUE`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused


def options_of(request: Request, known: Mapping[str, str]) -> dict[str, str]:
    """Options with defaults. Raises SourceRefused for one that the source does not have."""
    for name in request.options:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise SourceRefused(f"{request.kind} has no option {name!r}; {has}")
    return {**known, **request.options}


def share_of(request: Request, name: str, text: str) -> float:
    """A number from 0 to 1. Raises SourceRefused."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise SourceRefused(f"{request.kind}: option {name}={text!r} is no number from 0 to 1")
    return value


def file_of(request: Request, name: str, text: str) -> Path | None:
    """A file, None where none is given. Raises SourceRefused."""
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        raise SourceRefused(f"{request.kind}: option {name}={text}: is no file")
    return path
