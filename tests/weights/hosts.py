"""The hosts that upstream files lie at, as they behave, and a proxy with CONNECT before them, on 127.0.0.1.

One TLS server is all hosts; the proxy leads there whatever host is asked for.
"""

import gzip
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

from tests.tls import Authority
from tests.web import WebServer

NAMES = (
    "huggingface.co",
    "cdn.example",
    "storage.openvinotoolkit.org",
    "media.githubusercontent.com",
    "localhost",
)
SIGNED = "X-Signature=a%2Fb%2Bc&Expires=1&response=attachment%3B%20filename%3D%22m%22"
"""A query as signed URLs have it: sent in another spelling it is refused."""


class Asked(NamedTuple):
    """A request as it came."""

    host: str
    path: str
    headers: dict[str, str]


Answer = Callable[["Handler"], None]


class Hosts(WebServer):
    """Files by their path; a hub sends on to signed URLs of `cdn.example`."""

    def __init__(self, authority: Authority) -> None:
        pair = authority.pair(*NAMES, "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        super().__init__(Handler, tls=context)
        self.files: dict[str, bytes] = {}
        self.etag = '"1"'
        self.ranges = True
        self.login = ""
        """The only `Authorization` with which a hub sends on."""
        self.plan: list[Answer] = []
        """How the next requests for bytes are answered, instead of well."""
        self.asked: list[Asked] = []

    @property
    def bytes_asked(self) -> list[Asked]:
        """Without what was only sent on."""
        return [asked for asked in self.asked if asked.host != "huggingface.co"]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Hosts

    def do_GET(self):
        host = self.headers["Host"].partition(":")[0]
        path, _, query = self.path.partition("?")
        self.server.asked.append(
            Asked(host, self.path, {name.title(): value for name, value in self.headers.items()})
        )
        if host == "huggingface.co":
            self._hub(path)
        elif host == "cdn.example" and (query != SIGNED or "Authorization" in self.headers):
            self.answer(400, b"<Error>two kinds of login, or a wrong signature</Error>")
        elif self.server.plan:
            self.server.plan.pop(0)(self)
        else:
            self.well()

    def _hub(self, path):
        """Answers with a relative redirect first, then with a signed URL, as the real one does."""
        if self.server.login and self.headers.get("Authorization") != self.server.login:
            own = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}
            self.answer(401, b"no", **own)
        elif path.startswith("/moved"):
            self.answer(302, b"", Location=f"https://cdn.example{path.removeprefix('/moved')}?{SIGNED}")
        else:
            self.answer(307, b"", Location=f"/moved{path}")

    @property
    def body(self):
        return self.server.files.get(self.path.partition("?")[0])

    def well(self):
        """The file, or the range of it that is asked for."""
        if self.body is None:
            self.answer(404, b"")
            return
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        etag = {"ETag": self.server.etag}
        if not (found and self.server.ranges) or self.headers.get("If-Range") != self.server.etag:
            self.answer(200, self.body, **etag)
        elif (first := int(found[1])) >= len(self.body):
            self.answer(416, b"", **{"Content-Range": f"bytes */{len(self.body)}"})
        else:
            content = {"Content-Range": f"bytes {first}-{len(self.body) - 1}/{len(self.body)}"}
            self.answer(206, self.body[first:], **content, **etag)

    def answer(self, status, body, **headers):
        self.head(status, **{"Content-Length": str(len(body)), **headers})
        self.write(body)

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def write(self, body) -> bool:
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:  # the client has gone
            self.close_connection = True
            return False
        return True


# --- ways to answer badly


def status(code: int, **headers: str) -> Answer:
    return lambda to: to.answer(code, b"<html>no</html>", **headers)


def cut(after: int) -> Answer:
    """The connection ends after so many bytes."""

    def answer(to):
        to.head(200, **{"Content-Length": str(len(to.body)), "ETag": to.server.etag})
        to.write(to.body[:after])
        to.close_connection = True

    return answer


def page(body: bytes, kind: str = "text/html; charset=utf-8") -> Answer:
    return lambda to: to.answer(200, body, **{"Content-Type": kind})


def packed(to: Handler) -> None:
    """A proxy on the way packs what nobody wants packed, and passes the maker's ETag on."""
    coded = {"Content-Encoding": "gzip", "ETag": to.server.etag}
    to.answer(200, gzip.compress(to.body), **coded)


def chunked(to: Handler) -> None:
    """No length is announced."""
    to.head(200, **{"Transfer-Encoding": "chunked"})
    for at in range(0, len(to.body), 50_000):
        piece = to.body[at : at + 50_000]
        to.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    to.write(b"0\r\n\r\n")


def length(said: str) -> Answer:
    """The whole file, with another length than it has, and the end of the connection."""

    def answer(to):
        to.head(200, **{"Content-Length": said, "ETag": to.server.etag})
        to.write(to.body)
        to.close_connection = True

    return answer


def drip(first: int) -> Answer:
    """So many bytes at once, then ten at a time until the client has enough of it."""

    def answer(to):
        to.head(200, **{"Content-Length": str(len(to.body)), "ETag": to.server.etag})
        at, going = first, to.write(to.body[:first])
        pause = threading.Event()
        while going and at < len(to.body):
            pause.wait(0.02)
            going = to.write(to.body[at : at + 10])
            at += 10
        to.close_connection = True

    return answer


def held(after: int, reached: threading.Event) -> Answer:
    """So many bytes, then nothing; `reached` is set, and the client has to go."""

    def answer(to):
        to.head(200, **{"Content-Length": str(len(to.body)), "ETag": to.server.etag})
        to.write(to.body[:after])
        reached.set()
        select.select([to.connection], [], [], 30)
        to.close_connection = True

    return answer


# --- the proxy


class Tunnel(WebServer):
    """A proxy with CONNECT that leads to one port, whatever host is asked for."""

    def __init__(self, port: int) -> None:
        super().__init__(_Connect)
        self.to = port
        self.login = ""
        """The only `Proxy-Authorization` that is accepted."""
        self.refuses: dict[str, int] = {}
        """Statuses, by host."""
        self.connected: list[str] = []
        """Hosts and ports that were asked for."""

    def url(self, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}"


class _Connect(BaseHTTPRequestHandler):
    server: Tunnel

    def do_CONNECT(self):
        self.server.connected.append(self.path)
        self.close_connection = True
        if self.server.login and self.headers.get("Proxy-Authorization") != self.server.login:
            self.send_error(407)
            return
        if code := self.server.refuses.get(self.path.partition(":")[0]):
            self.send_error(code)
            return
        with socket.create_connection(("127.0.0.1", self.server.to)) as there:
            self.send_response(200)
            self.end_headers()
            self._relay(self.connection, there)

    def _relay(self, here, there):
        ends = {here: there, there: here}
        while True:
            for ready in select.select([*ends], [], [], 60)[0]:
                try:
                    data = ready.recv(65536)
                    ends[ready].sendall(data)
                except OSError:
                    return
                if not data:
                    return
