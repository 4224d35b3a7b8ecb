"""Every trick of a URL, against real servers on this machine.

127.0.0.1 plays the public host, because the settings allow it; whatever else this machine has is private, and
a canary on 127.0.0.2 must never be asked.
"""

import gzip
import io
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import fsspec
import pytest

from edged.contracts.errors import BadRequest, ConfigError, NotAllowed, NotFound, NotMedia, TimedOut, TooLarge
from edged.media import dial, fetch
from edged.media.fetch import ByteLimit
from edged.media.policy import FetchSettings
from tests.broker import free_port
from tests.media.strangers import Stranger, dripping, moved, ok, server_tls
from tests.tls import Authority

PICTURE = bytes(range(256)) * 40
LIMIT = ByteLimit(100_000, "requests.picture.max_bytes")
SECRETS = ("s3cret", "t0ken")


@pytest.fixture
def stranger():
    """Starts servers; all are stopped at the end."""
    with ExitStack() as started:
        yield lambda answer, *args, **more: started.enter_context(Stranger(answer, *args, **more))


@pytest.fixture
def shop(stranger):
    """The public host; its answers are set by the test."""
    answers = {"/picture": ok(PICTURE)}
    server = stranger(lambda path: answers[path])
    server.answers = answers
    return server


@pytest.fixture
def canary(stranger, shop):
    """A private host at the same port."""
    return stranger(lambda path: ok(b"secret"), "127.0.0.2", shop.port)


@pytest.fixture
def names(monkeypatch):
    """Names of this test: each look-up takes the next list of addresses, the last one stays."""
    known: dict[str, list[Any]] = {}
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host, port, **more):
        name = host.decode()
        if name not in known:
            return real(host, port, **more)
        asked.append(name)
        addresses = known[name].pop(0) if len(known[name]) > 1 else known[name][0]
        return [entry for address in addresses for entry in real(address, port, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    known["asked"] = asked
    return known


def settings(*servers, **more):
    return FetchSettings(
        **{
            "ports": tuple(server.port for server in servers),
            "allow_networks": ("127.0.0.1/32",),
            "timeout_s": 20,
            **more,
        }
    )


def body(url, allowed, limit=LIMIT, deadline=None):
    with fetch.fetch(url, allowed, limit, deadline) as got:
        data = got.file.read()
        assert len(data) == got.size
        return data


def refused(kind, url, allowed, **more):
    """The sentence of a refusal; it shows nothing of what may be secret."""
    with pytest.raises(kind) as error:
        body(url, allowed, **more)
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 300
    assert not [secret for secret in SECRETS if secret in said]
    return said


# --- what works


def test_a_picture_is_fetched(shop):
    assert body(f"{shop.url}/picture", settings(shop)) == PICTURE
    (asked,) = shop.asked
    assert f"Host: 127.0.0.1:{shop.port}\r\n" in asked
    assert "Authorization" not in asked


def test_with_login(shop):
    url = shop.url.replace("//", "//user:s3cret@")
    assert body(f"{url}/picture", settings(shop)) == PICTURE
    assert "Authorization: Basic dXNlcjpzM2NyZXQ=\r\n" in shop.asked[0]


@pytest.mark.parametrize("size", [0, 50_000, 10_000_000])
def test_small_and_large_with_and_without_a_length(shop, size):
    shop.answers["/x"] = ok(bytes(size))
    shop.answers["/y"] = ok(bytes(size), length=None)
    for path in "/x", "/y":
        assert len(body(shop.url + path, settings(shop), ByteLimit(10_000_000, "x"))) == size


def test_chunked(shop):
    shop.answers["/x"] = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert body(f"{shop.url}/x", settings(shop)) == b"abcde"


def test_proxies_of_the_environment_are_not_asked(shop, canary, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url)
    assert body(f"{shop.url}/picture", settings(shop)) == PICTURE
    assert not canary.asked


# --- addresses


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.2",
        "127.0.0.2.",
        "2130706434",  # decimal
        "0177.0.0.2",  # octal
        "0x7f000002",
        "0x7f.0.0.2",
        "127.2",  # short
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "public@127.0.0.2",
        "127.0.0.1@127.0.0.2",
    ],
)
def test_no_way_of_writing_reaches_the_private_host(shop, canary, host):
    said = refused(NotAllowed, f"http://{host}:{canary.port}/", settings(shop))
    assert "`requests.fetch.allow_networks`" in said
    assert not canary.asked


@pytest.mark.parametrize("host", ["169.254.169.254", "[::1]", "0.0.0.0", "[fd00:ec2::254]", "localhost"])
def test_nothing_is_allowed_by_itself(host):
    refused(NotAllowed, f"http://{host}/latest/meta-data/", FetchSettings())


def test_a_name_of_a_private_address(shop, canary, names):
    names["nas.example"] = [["127.0.0.2"]]
    said = refused(NotAllowed, f"http://nas.example:{shop.port}/", settings(shop))
    assert "nas.example is not public but loopback" in said
    assert "127.0.0.2" not in said
    assert not canary.asked
    allowed = settings(shop, allow_hosts=("nas.example",), allow_networks=())
    assert body(f"http://NAS.example.:{shop.port}/", allowed) == b"secret"


def test_one_private_address_among_several_is_enough_to_refuse(shop, canary, names):
    names["both.example"] = [["127.0.0.1", "127.0.0.2"]]
    refused(NotAllowed, f"http://both.example:{shop.port}/picture", settings(shop))
    assert not shop.asked
    assert not canary.asked


def test_a_name_is_looked_up_once_and_what_was_checked_is_asked(shop, canary, names):
    names["rebinding.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    assert body(f"http://rebinding.example:{shop.port}/picture", settings(shop)) == PICTURE
    assert names["asked"] == ["rebinding.example"]
    assert f"Host: rebinding.example:{shop.port}\r\n" in shop.asked[0]
    assert not canary.asked
    refused(NotAllowed, f"http://rebinding.example:{shop.port}/picture", settings(shop))


def test_the_next_address_is_tried_when_one_does_not_answer(shop, names):
    names["shop.example"] = [["127.0.0.3", "127.0.0.1"]]
    allowed = settings(shop, allow_networks=("127.0.0.1/32", "127.0.0.3/32"))
    assert body(f"http://shop.example:{shop.port}/picture", allowed) == PICTURE


def test_a_name_that_is_not_known_and_a_port_where_nobody_listens(shop):
    port = free_port()
    allowed = settings(shop, ports=(shop.port, port, 80))
    assert "is not known" in refused(NotFound, "http://nobody.invalid/", allowed)
    assert "is not known" in refused(NotFound, f"http://{'a' * 70}..example/", allowed)
    assert "connection refused" in refused(NotFound, f"http://127.0.0.1:{port}/", allowed)


# --- redirects


def test_redirects_are_followed(shop):
    shop.answers["/a"] = moved("/b?t0ken", 307)
    shop.answers["/b?t0ken"] = moved(f"//127.0.0.1:{shop.port}/ü", 301)
    shop.answers["/%C3%BC"] = ok(PICTURE)
    assert body(f"{shop.url}/a", settings(shop)) == PICTURE


@pytest.mark.parametrize(
    ("to", "kind", "rule"),
    [
        ("http://127.0.0.2:{port}/", NotAllowed, "is not public but loopback"),
        ("//127.0.0.2:{port}/", NotAllowed, "is not public"),
        ("http://2130706434:{port}/", NotAllowed, "is not public"),
        ("http://169.254.169.254:{port}/t0ken", NotAllowed, "link-local"),
        ("http://127.0.0.1:22/", NotAllowed, "requests.fetch.ports"),
        ("file:///etc/passwd", NotAllowed, "requests.fetch.schemes"),
        ("ftp://127.0.0.2/", NotAllowed, "requests.fetch.schemes"),
        ("http://x\\@127.0.0.2/", BadRequest, "backslash"),
        ("http://" + "a" * 5000, BadRequest, "characters"),
    ],
)
def test_a_redirect_is_checked_like_the_url(shop, canary, to, kind, rule):
    shop.answers["/x"] = moved(to.format(port=shop.port))
    said = refused(kind, f"{shop.url}/x", settings(shop, folders=("/etc",)))
    assert said.startswith("127.0.0.1 redirects: ")
    assert rule in said
    assert not canary.asked


def test_a_redirect_to_a_name_that_is_private_by_then(shop, canary, names):
    names["rebinding.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    shop.answers["/x"] = moved(f"http://rebinding.example:{shop.port}/picture")
    refused(NotAllowed, f"http://rebinding.example:{shop.port}/x", settings(shop))
    assert not canary.asked


def test_a_login_does_not_travel_to_another_host(shop, stranger):
    other = stranger(lambda path: ok(PICTURE), "127.0.0.3", shop.port)
    shop.answers["/x"] = moved(other.url)
    allowed = settings(shop, allow_networks=("127.0.0.1/32", "127.0.0.3/32"))
    assert body(f"{shop.url}/x".replace("//", "//user:s3cret@"), allowed) == PICTURE
    assert "Authorization" in shop.asked[0]
    assert "Authorization" not in other.asked[0]


def test_a_redirect_in_a_circle_ends(shop):
    shop.answers["/x"] = moved("/x")
    assert "requests.fetch.max_redirects" in refused(NotAllowed, f"{shop.url}/x", settings(shop))
    assert len(shop.asked) == 6


# --- bytes


@pytest.mark.parametrize("length", [-1, None, 10**12])
def test_a_body_over_the_limit_is_not_read_to_its_end(shop, length):
    endless = (bytes(65536) for _ in range(10_000))  # 655 MB
    shop.answers["/x"] = (piece for part in ([ok(b"", length=None)], endless) for piece in part)
    if length is not None:
        shop.answers["/x"] = ok(bytes(100_001), length=length)
    said = refused(TooLarge, f"{shop.url}/x", settings(shop))
    assert "`requests.picture.max_bytes`" in said


def test_a_chunk_that_claims_a_negative_size_is_bounded_too(shop):
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    sent = []

    def endless():
        yield start
        while True:
            sent.append(1)
            yield bytes(65536)

    shop.answers["/x"] = endless()
    refused(TooLarge, f"{shop.url}/x", settings(shop))
    assert len(sent) < 500, "32 MB: what fits into the buffers of the kernel, and not all that comes"


def test_a_redirect_to_what_is_no_url(shop):
    shop.answers["/x"] = moved("http://[::1/")
    refused(BadRequest, f"{shop.url}/x", settings(shop))


def test_a_compressed_body_is_not_unpacked(shop):
    shop.answers["/x"] = ok(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip")
    assert "compressed" in refused(NotMedia, f"{shop.url}/x", settings(shop))
    assert "Accept-Encoding: identity\r\n" in shop.asked[0]


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"abc", length=10),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"",
        b"HTTP/1.1",
        b"\x16\x03\x01 no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 s3cret\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_whole_answer_is_404(shop, answer):
    shop.answers["/x"] = answer
    assert "127.0.0.1" in refused(NotFound, f"{shop.url}/x", settings(shop))


def test_a_disk_that_is_full(shop, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "SpooledTemporaryFile", lambda size: Full())
    assert "No space left" in refused(TooLarge, f"{shop.url}/picture", settings(shop))


# --- seconds


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 3],
    ids=["status", "header", "body", "continue"],
)
def test_a_server_that_drips_has_only_the_time_of_the_whole(shop, start):
    shop.answers["/x"] = dripping(start)
    started = time.monotonic()
    said = refused(TimedOut, f"{shop.url}/x", settings(shop, timeout_s=0.6))
    assert "`requests.fetch.timeout_s`" in said
    assert 0.5 < time.monotonic() - started < 30


def test_the_deadline_of_the_request_counts_too(shop):
    shop.answers["/x"] = dripping(b"")
    said = refused(TimedOut, f"{shop.url}/x", settings(shop), deadline=time.monotonic() + 0.2)
    assert "the request's `timeout_s`" in said
    refused(TimedOut, f"{shop.url}/picture", settings(shop), deadline=time.monotonic() - 1)


def test_a_server_that_takes_the_connection_and_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        allowed = settings(ports=(port,), timeout_s=0.3)
        for scheme in "http", "https":
            refused(TimedOut, f"{scheme}://127.0.0.1:{port}/", allowed)


def looked_up():
    """Wait until no look-up is under way, of an earlier test either."""
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(60)


def test_a_resolver_that_does_not_answer(shop, monkeypatch):
    looked_up()
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers.wait(30) and [])
    monkeypatch.setattr(dial, "_lookups", threading.BoundedSemaphore(2))
    for _ in range(4):  # the third finds no thread left
        refused(TimedOut, f"http://slow.example:{shop.port}/", settings(shop, timeout_s=0.1))
    answers.set()
    looked_up()


# --- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_proves_the_name_though_the_address_is_pinned(stranger, authority, names):
    pair = authority.pair("shop.example")
    secure = stranger(lambda path: ok(PICTURE), tls=server_tls(pair.certificate, pair.key))
    names["shop.example"] = names["other.example"] = [["127.0.0.1"]]
    trusting = settings(secure, ca=authority.ca)
    assert body(f"https://shop.example:{secure.port}/", trusting) == PICTURE
    assert secure.names == ["shop.example"]
    for host, allowed in (
        ("other.example", trusting),
        ("127.0.0.1", trusting),
        ("shop.example", settings(secure)),
    ):
        said = refused(NotFound, f"https://{host}:{secure.port}/", allowed)
        assert f"the certificate of {host} is not trusted" in said
        assert "`requests.fetch.ca`" in said
    assert len(secure.asked) == 1


def test_tls_by_address_drips_and_where_there_is_none(stranger, shop, authority):
    pair = authority.pair("127.0.0.1")
    secure = stranger(lambda path: dripping(ok(b"", length=None)), tls=server_tls(pair.certificate, pair.key))
    allowed = settings(secure, shop, ca=authority.ca, timeout_s=0.6)
    refused(TimedOut, f"https://127.0.0.1:{secure.port}/", allowed)
    slow = allowed.model_copy(update={"timeout_s": 20})
    refused(NotFound, f"http://127.0.0.1:{secure.port}/", slow)


def test_a_ca_that_cannot_be_read_is_the_operators_fault(shop, tmp_path):
    (tmp_path / "empty.pem").write_text("")
    for path in tmp_path / "none.pem", tmp_path / "empty.pem":
        with pytest.raises(ConfigError, match=r"requests\.fetch\.ca"):
            body(f"https://127.0.0.1:{shop.port}/", settings(shop, ca=path))


# --- other stores


def test_a_store_needs_to_be_allowed_and_its_driver_installed(shop):
    fsspec.filesystem("memory").pipe("/bucket/x", PICTURE)
    assert "`requests.fetch.schemes`" in refused(NotAllowed, "memory://bucket/x", settings(shop))
    allowed = settings(shop, schemes=("memory", "nosuch"))
    assert body("memory://bucket/x", allowed) == PICTURE
    refused(NotFound, "memory://bucket/y", allowed)
    refused(NotAllowed, "nosuch://bucket/y", allowed)
    refused(NotAllowed, f"{shop.url}/picture", allowed)
    refused(TooLarge, "memory://bucket/x", allowed, limit=ByteLimit(100, "x"))
    for chained in "memory://bucket/x::file:///etc/passwd", "memory::file:///etc/passwd":
        refused((BadRequest, NotAllowed), chained, allowed)


def test_an_upload_is_opened_where_uploads_are_taken():
    given = fetch.Fetched(io.BytesIO(PICTURE), len(PICTURE))
    opened = []

    def uploads(id):
        opened.append(id)
        return given

    assert fetch.fetch("upload:abc", FetchSettings(), LIMIT, uploads=uploads) is given
    assert opened == ["abc"]
    with pytest.raises(TooLarge, match=r"requests\.picture\.max_bytes"):
        fetch.fetch("UPLOAD:abc", FetchSettings(), LIMIT._replace(most=10), uploads=uploads)
    assert given.file.closed
    with pytest.raises(NotAllowed, match="the scheme `upload`"):
        fetch.fetch("upload:abc", FetchSettings(), LIMIT)
