"""Connections of gRPC that only sit there do not keep others out."""

import socket
from contextlib import ExitStack, closing, suppress

import pytest

from edged.flow import room
from edged.grpc import guests
from edged.grpc import unit as unit_module
from edged.grpc.guests import Guests, connected, end
from tests.broker import until
from tests.grpc.conftest import HELLO, client_of, unit_over
from tests.http.conftest import TOKEN

BEARER = {"authorization": f"Bearer {TOKEN}"}


def is_open(sock):
    """Reads all that is there."""
    sock.setblocking(False)
    with suppress(BlockingIOError):
        try:
            while sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return False
    return True


def is_let_in(client):
    with suppress(Exception):
        client.get_server_metadata(headers=BEARER, client_timeout=5)
        return True
    return False


def test_strangers_on_every_connection_keep_nobody_out(small, monkeypatch):
    monkeypatch.setattr(room, "STRANGE_S", 0.2)
    monkeypatch.setattr(unit_module, "SWEEP_S", 0.1)
    unit = unit_over(small, token=TOKEN)
    unit.start()
    try:
        with ExitStack() as stack, client_of(unit) as known:
            assert is_let_in(known)
            made = []
            for _ in range(2 * guests.MOST_CONNECTIONS + 8):
                sock = socket.create_connection(("127.0.0.1", unit.port), 30)
                made.append(stack.enter_context(closing(sock)))
                sock.sendall(HELLO)
            with client_of(unit) as newcomer:
                until(lambda: is_let_in(newcomer))
            assert is_let_in(known)
            until(lambda: sum(map(is_open, made)) <= room.MOST_STRANGERS)
    finally:
        unit.stop()


@pytest.fixture
def four():
    """A server of ours, and its clients; the server's ends are closed by nobody else."""
    with ExitStack() as stack:
        listening = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        address = listening.getsockname()
        mine = [stack.enter_context(closing(socket.create_connection(address, 30))) for _ in range(4)]
        theirs = [stack.enter_context(closing(listening.accept()[0])) for _ in range(4)]
        yield address[1], mine, theirs


def peer_of(sock):
    return "ipv4:{}:{}".format(*sock.getsockname())


def test_who_idles_longest_gives_way_and_who_works_never(four, monkeypatch):
    monkeypatch.setattr(guests, "MOST_CONNECTIONS", 2)
    port, mine, _ = four
    here = Guests(iter(range(100)).__next__)
    with here.at_work(peer_of(mine[0])):
        for sock in mine[1:]:
            with here.at_work(peer_of(sock)):
                pass
        here.sweep(port)
        assert [is_open(sock) for sock in mine] == [True, False, False, True]
    here.sweep(port)
    assert is_open(mine[0]), "two are left"


def test_a_stranger_gives_way_before_who_was_let_in(four, monkeypatch):
    monkeypatch.setattr(guests, "MOST_CONNECTIONS", 3)
    port, mine, _ = four
    here = Guests(iter(range(100)).__next__)
    for sock in (*mine[:2], mine[3]):
        with here.at_work(peer_of(sock)):
            pass
    here.sweep(port)
    assert [is_open(sock) for sock in mine] == [True, True, False, True]


def test_an_open_file_that_is_another_by_now_is_left_alone(four):
    port, mine, _ = four
    found = connected(port)
    first, second = (sock.getsockname() for sock in mine[:2])
    end(found[first], second)
    assert is_open(mine[0])
    end(found[first], first)
    assert not is_open(mine[0])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_peer_is_found_by_how_grpc_writes_it(host, small):
    with closing(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)) as listening:
        port = listening.getsockname()[1]
        with closing(socket.create_connection((host, port), 30)) as sock, closing(listening.accept()[0]):
            peer = {"::1": "ipv6:%5B::1%5D"}.get(host, "ipv4:127.0.0.1") + f":{sock.getsockname()[1]}"
            here = Guests(lambda: 0.0)
            with here.at_work(peer):
                assert set(here._there) == set(connected(port))
