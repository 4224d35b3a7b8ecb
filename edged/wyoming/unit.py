"""Wyoming as a unit: a thread with an event loop, and the connections that it bears."""

import asyncio
import importlib.util
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from edged.contracts.errors import ConfigError
from edged.contracts.request import Intake
from edged.flow.counters import Counters
from edged.flow.listening import Listen, listening
from edged.media.fetch import ByteLimit
from edged.requests.asking import Asking
from edged.wyoming.settings import WyomingSettings

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 16
"""One more is closed at once."""
GRACE_S = 1.0
"""Seconds that answers have to go out at a stop."""
_COUNTED = "wyoming_requests"
_BEAT_S = 1.0


class WyomingUnit:
    """Takes connections of `clients`, and announces where it listens."""

    def __init__(
        self,
        settings: WyomingSettings,
        node: str,
        intake: Intake,
        counters: Counters,
        *,
        names: Callable[[str], tuple[str, ...]],
        version: str,
        limit: ByteLimit,
    ) -> None:
        """`names`: by which the model of a service may be called; `version`: of edged; `limit`: of a
        recording."""
        self._settings = settings
        self._node = node
        self._version = version
        self._names = names
        self._limit = limit
        self._count = partial(counters.count, _COUNTED)
        self._asking = Asking(intake, self._count)
        self._sockets: list[socket.socket] = []
        self._sessions: set[asyncio.Task[None]] = set()
        self._stopping = threading.Event()
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="wyoming", daemon=True)

    @property
    def port(self) -> int:
        """On which it listens, once started."""
        return int(self._sockets[0].getsockname()[1])

    def start(self) -> None:
        """Listen. Raises `EdgedError` when the address, or the extra, cannot be had."""
        if (address := self._settings.address) is None:
            raise ConfigError("wyoming.listen: null switches Wyoming off")
        if importlib.util.find_spec("wyoming") is None or importlib.util.find_spec("zeroconf") is None:
            raise ConfigError("wyoming.listen wants the extra: pip install 'edged[wyoming]'")
        self._sockets = listening(address, "wyoming.listen")
        self._beat = time.monotonic()
        self._thread.start()
        log.info("Wyoming is at %s", Listen(address.host, self.port))

    def stop(self) -> None:
        """Answer what can be answered in a second."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * GRACE_S + _BEAT_S)
        for sock in self._sockets:
            sock.close()

    def state(self) -> str:
        """`running`, or that the server ended."""
        return "running" if self._thread.is_alive() else "Wyoming has ended; the log says why"

    def beat(self) -> float:
        """When the event loop last turned."""
        return self._beat

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        from edged.wyoming.announcing import announced  # noqa: PLC0415 - the extra may be missing

        servers = [await asyncio.start_server(self._welcome, sock=sock) for sock in self._sockets]
        async with announced(self._settings, self._node, self.port):
            while not self._stopping.is_set():
                self._beat = time.monotonic()
                await asyncio.sleep(_BEAT_S / 4)
        for server in servers:
            server.close()
        self._asking.close()
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=GRACE_S / 2)
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        from edged.wyoming.dialogue import Dialogue, Household  # noqa: PLC0415 - the extra may be missing

        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the server made it
        given = Household(
            *(self._asking, self._names, self._node, self._version, self._settings.longest, self._limit),
            count=self._count,
        )
        self._sessions.add(task)
        try:
            if (peer := writer.get_extra_info("peername")) is None:
                raise ConnectionResetError
            if not self._settings.admits(peer[0]):
                self._count("refused: not among `wyoming.clients`")
            elif len(self._sessions) > MOST_CONNECTIONS:
                self._count(f"refused: {MOST_CONNECTIONS} connections are open")
            else:
                await Dialogue(reader, writer, given).run()
        except (OSError, TimeoutError):  # the client is gone, or might as well be
            self._count("the client left, or said nothing for too long")
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), GRACE_S)
            writer.transport.abort()  # who does not read would hold the connection for ever
            self._sessions.discard(task)
