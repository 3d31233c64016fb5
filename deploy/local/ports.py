"""Free TCP ports on loopback."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

from deploy.local.errors import LocalError

HOST = "127.0.0.1"
DEFAULT_RANGE = (20_000, 32_000)
"""Below Linux's ephemeral ports (32,768 and up): an outgoing connection cannot take the port of a broker that is being restarted."""


class NoFreePort(LocalError):
    """Every port of the range is taken."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now. Connections that linger after a server's end do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            # a bind alone succeeds beside another bound socket that has SO_REUSEADDR and does not listen yet
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_ports(
    names: Iterable[str], *, within: tuple[int, int] | None = None, previous: Mapping[str, int] | None = None
) -> dict[str, int]:
    """A free port for each name, from `within` (first, last; both included): the previous one where it is still free and in the range.

    Raises `NoFreePort`. Nothing is reserved: start the servers soon.
    """
    first, last = within or DEFAULT_RANGE
    if not 1 <= first <= last <= 65_535:
        raise NoFreePort(f"{first}-{last} is no range of ports: expected FIRST-LAST between 1 and 65535")
    wanted = list(names)
    chosen: dict[str, int] = {}
    for name in wanted:
        port = (previous or {}).get(name, 0)
        if first <= port <= last and port not in chosen.values() and is_free(port):
            chosen[name] = port
    candidates = list(range(first, last + 1))
    if within is None:
        # two installations started at the same moment should not walk the same way
        random.shuffle(candidates)
    free = iter(candidates)
    for name in wanted:
        if name in chosen:
            continue
        port = next((p for p in free if p not in chosen.values() and is_free(p)), 0)
        if not port:
            raise NoFreePort(
                f"no free port for {name} in {first}-{last} on {HOST} ({len(chosen)} of {len(wanted)} found): "
                "choose another or a wider range with --ports FIRST-LAST"
            )
        chosen[name] = port
    return chosen
