"""The HTTP server as one unit: its own thread, its own event loop, an end within two seconds."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable

import uvicorn

from edged.contracts.errors import ConfigError
from edged.flow.listening import Listen, listening
from edged.flow.room import too_many
from edged.http.app import App
from edged.http.connection import KEEP_ALIVE_S, BoundedConnection
from edged.http.results import ResultFeed
from edged.http.settings import HttpSettings
from edged.http.sources import Sources

log = logging.getLogger(__name__)

SWEEP_S = 1
"""Seconds between two looks for connections that are overdue."""
GRACE_S = 1
"""Seconds that answers have to go out at a stop."""


class HttpUnit:
    """A unit, and a sink: `publish_result` tells whoever listens on /api/results."""

    def __init__(self, settings: HttpSettings, sources: Sources) -> None:
        self._listen = settings.address
        self._feed = ResultFeed(sources.counters)
        self._app = App(settings, sources, self._feed)
        self._server = _Server(self._app, self._looked_after)
        self._sockets: list[socket.socket] = []
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """On which it listens, once started."""
        return int(self._sockets[0].getsockname()[1])

    def start(self) -> None:
        """Listen. Raises `EdgedError` when the address cannot be had."""
        if self._listen is None:
            raise ConfigError("http.listen: null switches HTTP off")
        self._sockets = listening(self._listen, "http.listen")
        self._beat = time.monotonic()
        self._thread.start()
        log.info("HTTP is at http://%s", Listen(self._listen.host, self.port))

    def stop(self) -> None:
        """Answer what can be answered in a second, let listeners and viewers go."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * GRACE_S + 1)
        for sock in self._sockets:
            sock.close()

    def state(self) -> str:
        """`running`, or that the server ended."""
        return "running" if self._thread.is_alive() else "the HTTP server has ended; the log says why"

    def beat(self) -> float:
        """When the event loop last looked after its connections."""
        return self._beat

    def publish_result(self, stream: str, service: str, body: bytes) -> None:
        """A stream message, encoded; never blocks."""
        self._feed.publish(stream, service, body)

    def wake_followers(self) -> None:
        """There are new events; never blocks."""
        self._app.events.wake()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=self._sockets))
        self._app.release()

    def _looked_after(self) -> None:
        self._beat = time.monotonic()


class _Server(uvicorn.Server):
    """uvicorn without its signals and log, with an eye on its connections and an end that comes."""

    def __init__(self, app: App, looked_after: Callable[[], None]) -> None:
        self._app = app
        self._looked_after = looked_after
        super().__init__(
            uvicorn.Config(
                app.gate,
                http=BoundedConnection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=2 * GRACE_S,
                callback_notify=self._sweep,
                timeout_notify=SWEEP_S,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing more; whoever has not got the answer after `GRACE_S` is cut off."""
        self._app.close()
        asyncio.get_running_loop().call_later(GRACE_S, self._abort)
        await super().shutdown(sockets)

    async def _sweep(self) -> None:
        self._looked_after()
        now = asyncio.get_running_loop().time()
        connections = self._connections()
        surplus = too_many([c for c in connections if c.present], now)
        for connection in [*surplus, *(c for c in connections if c.overdue(now))]:
            connection.transport.abort()

    def _abort(self) -> None:
        for connection in self._connections():
            connection.transport.abort()

    def _connections(self) -> list[BoundedConnection]:
        return [c for c in self.server_state.connections if isinstance(c, BoundedConnection)]
