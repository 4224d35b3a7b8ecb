"""Connections that only sit there do not keep others out."""

import socket
import time
from contextlib import ExitStack, suppress
from types import SimpleNamespace

import pytest

from edged.flow import room
from edged.flow.room import giving_way, holder, too_many
from edged.http import connection as bounds
from tests.broker import until
from tests.http.conftest import TOKEN

KEEP = b"Connection: keep-alive\r\n\r\n"
LET_IN = (
    b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n" % TOKEN.encode() + KEEP
)
OPEN_PAGE = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n" + KEEP
SLOW_LOGIN = b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n\r\n{"


def guest(address, since, known=False, spare=True):
    return SimpleNamespace(address=address, since=since, known=known, spare=spare)


def come(stack, box, first=b"", address="127.0.0.1"):
    """A connection from one of this machine's many addresses."""
    sock = socket.create_connection(("127.0.0.1", box.unit.port), 60, (address, 0))
    stack.callback(sock.close)
    sock.sendall(first)
    return sock


def is_answered(sock):
    said = b""
    while data := b"" if said.endswith(b"}") else sock.recv(65536):
        said += data
    return said.startswith(b"HTTP/1.1 200 OK")


def is_open(sock):
    sock.setblocking(False)
    try:
        with suppress(BlockingIOError):
            return sock.recv(1, socket.MSG_PEEK) != b""
    except ConnectionResetError:
        return False
    finally:
        sock.setblocking(True)
    return True


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nX-", OPEN_PAGE, SLOW_LOGIN])
def test_strangers_on_every_connection_keep_nobody_out(box, first):
    box.start(token=TOKEN)
    with ExitStack() as stack:
        for _ in range(bounds.MOST_CONNECTIONS):
            come(stack, box, first)
        until(lambda: len(box.unit._server.server_state.connections) == bounds.MOST_CONNECTIONS)
        began = time.monotonic()
        for _ in range(5):
            assert box.get("/api/status", Authorization=f"Bearer {TOKEN}").code == 200
        assert time.monotonic() - began < 5


def test_a_flood_of_one_address_moves_nobody_of_another(box, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_CONNECTIONS", 8)
    box.start(token=TOKEN)
    with ExitStack() as stack:
        client = come(stack, box, LET_IN, "127.0.0.2")
        assert is_answered(client)
        newcomer = come(stack, box, b"GET /v2/", "127.0.0.3")
        for _ in range(40):
            come(stack, box)
        client.sendall(LET_IN)
        assert is_answered(client)
        newcomer.sendall(OPEN_PAGE.removeprefix(b"GET /v2/"))
        assert is_answered(newcomer)


def test_whoever_was_let_in_and_idles_gives_way_last(box, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_CONNECTIONS", 3)
    box.start(token=TOKEN)
    with ExitStack() as stack:
        idle = [come(stack, box, LET_IN) for _ in range(3)]
        assert all(map(is_answered, idle))
        assert is_answered(come(stack, box, LET_IN))
        assert [is_open(sock) for sock in idle] == [False, True, True]


def test_an_address_keeps_few_strangers(box, monkeypatch):
    monkeypatch.setattr(room, "MOST_STRANGERS", 2)
    monkeypatch.setattr(room, "STRANGE_S", 0.2)
    box.start(token=TOKEN)
    with ExitStack() as stack:
        client = come(stack, box, LET_IN)
        assert is_answered(client)
        waiting = [come(stack, box) for _ in range(5)]
        until(lambda: sum(map(is_open, waiting)) == 2, "the others were cut off")
        assert is_open(client)


def test_who_gives_way():
    crowd = [guest("a", 5), guest("a", 3), guest("b", 1), guest("c", 0, known=True)]
    assert giving_way(crowd) is crowd[1], "the oldest of the most"
    known = [guest("a", 2, known=True), guest("a", 1, known=True), guest("a", 0, known=True, spare=False)]
    assert giving_way(known) is known[1], "who idles longest"
    assert giving_way(known[2:]) is None
    assert giving_way([]) is None


def test_who_is_too_much():
    old = [guest("a", since) for since in range(20)]
    fresh, known, other = guest("a", 99), guest("a", 0, known=True), guest("b", 0)
    assert too_many([*old, fresh, known, other], 100.0) == [old[3], old[2], old[1], old[0]]


@pytest.mark.parametrize(
    ("host", "of"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("what", "what"),
    ],
)
def test_whose_address_it_is(host, of):
    assert holder(host) == of
