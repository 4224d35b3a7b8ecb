"""A web server in a thread, for whatever a test has answered."""

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class WebServer(ThreadingHTTPServer):
    """Takes connections from now on, and answers them from `start`, or `with`, on."""

    daemon_threads = True

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        quiet = type("Quiet", (handler,), {"log_message": lambda *_: None})
        super().__init__(("127.0.0.1", port), quiet)
        self.port = self.server_port
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._serving = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._serving.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._serving.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # else the client broke off
            super().handle_error(request, client_address)
