"""Free ports, the same ones again, and a range that is full."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from deploy.local.ports import DEFAULT_RANGE, HOST, NoFreePort, choose_ports, is_free


@contextmanager
def listening(*ports: int) -> Iterator[None]:
    with ExitStack() as stack:
        for port in ports:
            server = stack.enter_context(socket.socket())
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((HOST, port))
            server.listen()
        yield


def some_free_range(count: int) -> tuple[int, int]:
    for first in range(DEFAULT_RANGE[0], DEFAULT_RANGE[1], count):
        if all(is_free(port) for port in range(first, first + count)):
            return first, first + count - 1
    raise AssertionError("no free range")


def test_ports_differ_lie_in_the_default_range_and_are_free() -> None:
    ports = choose_ports(["a", "b", "c"])
    assert len(set(ports.values())) == 3
    assert all(DEFAULT_RANGE[0] <= port <= DEFAULT_RANGE[1] for port in ports.values())
    with listening(*ports.values()):
        assert not any(is_free(port) for port in ports.values())


def test_a_range_is_kept_to_and_taken_ports_are_passed_over() -> None:
    first, last = some_free_range(3)
    with listening(first):
        assert choose_ports(["a", "b"], within=(first, last)) == {"a": first + 1, "b": first + 2}


def test_a_full_range_says_which_and_what_to_do() -> None:
    first, last = some_free_range(2)
    with listening(first), pytest.raises(NoFreePort, match=rf"no free port for b in {first}-{last} .*1 of 2.*--ports"):
        choose_ports(["a", "b"], within=(first, last))


@pytest.mark.parametrize("within", [(9, 8), (0, 5), (65_000, 70_000)])
def test_what_is_no_range_is_refused(within: tuple[int, int]) -> None:
    with pytest.raises(NoFreePort, match="no range of ports"):
        choose_ports(["a"], within=within)


def test_a_previous_port_is_taken_again_while_it_is_free_and_in_range() -> None:
    first, last = some_free_range(4)
    previous = {"a": last, "b": first + 2}
    assert choose_ports(["a", "b"], within=(first, last), previous=previous) == previous
    with listening(last):
        assert choose_ports(["a", "b"], within=(first, last), previous=previous) == {"a": first, "b": first + 2}
    assert choose_ports(["a"], within=(first, first), previous=previous) == {"a": first}


def test_a_previous_port_of_one_is_not_given_to_another() -> None:
    first, last = some_free_range(2)
    assert choose_ports(["new", "old"], within=(first, last), previous={"old": first}) == {"old": first, "new": last}


def test_a_port_with_lingering_connections_of_an_ended_server_counts_as_free() -> None:
    (port,) = choose_ports(["server"]).values()
    with listening(port), socket.create_connection((HOST, port)):
        pass
    assert is_free(port)
