"""Room on the disk: below a stated reserve no new sample begins, so that those under way can end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

GIB = 1024**3


class Room(Protocol):
    """Says whether a sample may begin now."""

    def lack(self) -> str:
        """Why no sample may begin, in one line for a person; empty where there is room."""
        ...


class Boundless:
    """There is always room."""

    def lack(self) -> str:
        return ""


@dataclass(frozen=True)
class DiskReserve:
    """Free bytes on the disk of `folder` (which need not exist yet) against `reserve` bytes."""

    folder: Path
    reserve: int

    def lack(self) -> str:
        try:
            free = _free(self.folder)
        except OSError as error:
            return f"waiting for the disk of {self.folder}, which does not answer: {error}"
        if free >= self.reserve:
            return ""
        return (
            f"waiting for room: {free / GIB:.2f} GiB are free at {self.folder}, {self.reserve / GIB:.2f} GiB are kept in reserve "
            "(RIVERSEQ_DISK_RESERVE); it begins by itself once there is room"
        )


def _free(folder: Path) -> int:
    """Free bytes where a folder lies, or will lie. Raises OSError where the disk does not answer."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free
