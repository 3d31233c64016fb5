"""What may be chosen about consequences: how far beside a transcript counts, and which transcript speaks for an allele."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from processors.annotate.pick import VEP_ORDER, Criterion
from processors.knowledge.pack import Pack, PackError, write_pack

DISTANCE = 5_000
"""Bases up- and downstream of a transcript that still count; VEP's default."""
MAX_DISTANCE = 1_000_000


class OptionRefused(ValueError):
    """A choice that cannot be followed."""


@dataclass(frozen=True)
class Options:
    """The choices of the annotate stage; the default is VEP's and the stream's."""

    upstream: int = DISTANCE
    downstream: int = DISTANCE
    order: tuple[Criterion, ...] = VEP_ORDER

    def __post_init__(self) -> None:
        for distance in (self.upstream, self.downstream):
            if not 0 <= distance <= MAX_DISTANCE:
                raise OptionRefused(f"a distance of {distance:,} bases: give 0 to {MAX_DISTANCE:,}")

    @property
    def reach(self) -> int:
        """The farther of the two distances."""
        return max(self.upstream, self.downstream)


def write_options(root: Path, build: str, options: Options) -> Pack:
    """The choices as a pack without arrays, so that a plan pins them as it pins everything else that is read."""
    extra = {"upstream": options.upstream, "downstream": options.downstream, "order": [criterion.value for criterion in options.order]}
    return write_pack(root, kind="options", name="annotate", version="1", build=build, arrays={}, rows=0, extra=extra)


def read_options(pack: Pack) -> Options:
    """The choices that a pack holds. Raises PackError."""
    try:
        order = tuple(Criterion(name) for name in pack.extra["order"])
        return Options(int(pack.extra["upstream"]), int(pack.extra["downstream"]), order)
    except (KeyError, ValueError) as error:
        raise PackError(f"{pack.path}: no annotation choices ({error}); run `riverseq reference options` again") from error


def parse_distance(text: str) -> tuple[int, int]:
    """(upstream, downstream) of `N` or `N,M`. Raises OptionRefused."""
    parts = text.split(",")
    if len(parts) > 2 or not all(part.strip().isdigit() for part in parts):
        raise OptionRefused(f"a distance {text!r}: give bases as N, or as N,M for upstream and downstream")
    return int(parts[0]), int(parts[-1])
