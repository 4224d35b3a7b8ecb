"""Receivers as there are: who takes, who refuses, who hangs, who says too much; and rows to deliver."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import orjson

from edged.actions.rows import Due
from edged.contracts.happenings import EventMessage
from tests.web import WebServer

JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 100 + b"\xff\xd9"


def event(number: int = 0, **more) -> EventMessage:
    told = {
        "node": "shop",
        "stream": "door",
        "seq": number,
        "id": f"{number:024x}",
        "event": "rule",
        "phase": "begin",
        "began_at": "2026-11-26T21:14:07.000000Z",
        "rule": "queue",
        "zone": "till",
    }
    return EventMessage.model_validate({**told, **more})


class Took:
    """A request that came."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body

    @property
    def json(self):
        return orjson.loads(self.body)


Say = Callable[[Took, BaseHTTPRequestHandler], None]


def say(status: int = 204, body: bytes = b"", **headers: str) -> Say:
    """An answer."""

    def answer(took: Took, to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(body)

    return answer


class _Hook(BaseHTTPRequestHandler):
    server: "Desk"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        took = Took(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.server.took.append(took)
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        with contextlib.suppress(OSError):
            answer(took, self)


class Desk(WebServer):
    """A server; `answers` are given one after another, the last one from then on."""

    def __init__(self, *answers: Say, tls=None) -> None:
        self.took: list[Took] = []
        self.answers = list(answers) or [say()]
        self.closing = threading.Event()
        super().__init__(_Hook, tls=tls)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/hook"

    def stop(self):
        self.closing.set()
        super().stop()

    def hang(self, took: Took, to: BaseHTTPRequestHandler) -> None:
        """An answer that does not come."""
        self.closing.wait(60)

    def drip(self, took: Took, to: BaseHTTPRequestHandler) -> None:
        """One whose headers never end."""
        to.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.closing.wait(0.1):
            to.wfile.write(b"X-More: x\r\n")

    def flood(self, took: Took, to: BaseHTTPRequestHandler) -> None:
        """One whose body never ends."""
        to.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.closing.is_set():
            to.wfile.write(b"x" * 65536)


class Memory:
    """Rows that a fake disk holds; `full`: nothing can be written."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, Due]] = {}
        self.whys: list[str] = []
        self.full = False
        self._next = 1
        self._lock = threading.Lock()

    def put(self, action: str, told: EventMessage, made: float | None = None) -> int:
        with self._lock:
            row, self._next = self._next, self._next + 1
            self.rows[row] = action, Due(row, orjson.dumps(told.model_dump(by_alias=True)), made, 0)
            return row

    def due(self, action):
        with self._lock:
            return [due for of, due in self.rows.values() if of == action][:50]

    def over(self, row):
        with self._lock:
            if not self.full:
                self.rows.pop(row, None)
            return not self.full

    def failed(self, row, due, why):
        with self._lock:
            action, one = self.rows[row]
            self.rows[row] = action, one._replace(tries=one.tries + 1)
            self.whys.append(why)
            return True

    def waiting(self):
        with self._lock:
            return dict(Counter(action for action, _ in self.rows.values()))

    def keep_only(self, actions):
        return 0


def numbers(took) -> Iterator[int]:
    """`seq` of the messages that came."""
    return (one.json["seq"] for one in took)
