"""Web servers as strangers may run them: honest ones, liars, drippers, and canaries that nobody may reach."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self


class Stranger:
    """Speaks to one connection at a time, a script of bytes; a context manager.

    `answer` gets the path and returns what is sent; an iterable of bytes is sent piece by piece.
    """

    def __init__(
        self, answer: Callable[[str], Any], address: str = "127.0.0.1", port: int = 0, tls=None
    ) -> None:
        self.asked: list[str] = []
        """Heads of all requests."""
        self.names: list[str | None] = []
        """Names asked for by TLS (SNI)."""
        self._answer, self._tls = answer, tls
        if tls is not None:
            tls.sni_callback = lambda sock, name, context: self.names.append(name)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family)
        self.port = self._listener.getsockname()[1]
        host = f"[{address}]" if ":" in address else address
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(20)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            sock = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            with sock:
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (got := sock.recv(4096)):
                        return
                    head += got
                self.asked.append(head.decode("latin-1"))
                said = self._answer(head.split()[1].decode())
                for piece in (said,) if isinstance(said, bytes) else said:
                    if self._closing.is_set():
                        return
                    sock.sendall(piece)


def ok(body: bytes, *headers: str, length: int | None = -1) -> bytes:
    """An answer with this body; `length` is what the header claims (-1: the truth, none: nothing)."""
    lines = ["HTTP/1.1 200 OK", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    return "\r\n".join((*lines, "", "")).encode() + body


def moved(to: str, status: int = 302) -> bytes:
    """A redirect."""
    return f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def dripping(
    start: bytes, every_s: float = 0.05, until: Callable[[], bool] = lambda: False
) -> Iterator[bytes]:
    """`start`, then a byte at a time, for ever or until something happens."""
    yield start
    while not until():
        time.sleep(every_s)
        yield b"x"


def server_tls(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
