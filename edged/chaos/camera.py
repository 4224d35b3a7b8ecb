"""A camera of our own: MJPEG over HTTP, which goes away, freezes and comes back."""

import contextlib
import itertools
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edged.chaos.broker import free_port

FPS = 10.0
_BOUNDARY = "picture"


class ScratchCamera:
    """Plays JPEGs, one after another and again, to whoever asks."""

    def __init__(self, pictures: Sequence[bytes]) -> None:
        self._pictures = pictures
        self._port = free_port()
        self._gone = threading.Event()
        self._plays = threading.Event()
        self._plays.set()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}/video"

    def start(self) -> None:
        """Take connections, on the same port each time."""
        camera = self
        self._gone.clear()

        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0  # who reads nothing for so long is cut off, and holds up no end

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.end_headers()
                with contextlib.suppress(OSError):
                    camera._play(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = False  # closing waits for them, and so for their connections' end
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="camera", daemon=True).start()

    def stop(self) -> None:
        """Cut all connections and take no more."""
        self._gone.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def freeze(self) -> None:
        """Connections stay, and no picture comes."""
        self._plays.clear()

    def thaw(self) -> None:
        """Go on."""
        self._plays.set()

    def _play(self, handler: BaseHTTPRequestHandler) -> None:
        for picture in itertools.cycle(self._pictures):
            while not self._plays.is_set() and not self._gone.wait(0.02):
                pass
            if self._gone.wait(1 / FPS):
                return
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            handler.wfile.write(head.encode() + picture + b"\r\n")
