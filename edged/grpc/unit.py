"""gRPC as a unit: a thread with an event loop, and the server that it bears."""

import asyncio
import logging
import os
import threading
import time
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager

from edged.contracts.errors import ConfigError, EdgedError
from edged.flow.listening import Listen, listening
from edged.grpc.guests import Guests
from edged.grpc.settings import GrpcSettings
from edged.grpc.sources import GrpcSources

log = logging.getLogger(__name__)

_START_S = 30.0
_STOP_S = 3.0
_BEAT_S = 1.0
SWEEP_S = 1.0
"""So often it is seen who is connected."""


class GrpcUnit:
    """Answers `inference.GRPCInferenceService`."""

    def __init__(self, settings: GrpcSettings, sources: GrpcSources) -> None:
        self._address = settings.address
        self._sources = sources
        self._guests = Guests(time.monotonic)
        self._bound: Future[int] = Future()
        self._stopping = threading.Event()
        self._beat = time.monotonic()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """On which it listens, once started."""
        return self._bound.result()

    def start(self) -> None:
        """Listen. Raises `EdgedError` when the address, or the extra, cannot be had."""
        if self._address is None:
            raise ConfigError("grpc.listen: null switches gRPC off")
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # a stranger's nonsense would fill the log
        try:
            from edged.grpc.server import serving  # noqa: PLC0415 - the extra may be missing
        except ModuleNotFoundError as error:
            raise ConfigError("grpc.listen wants the extra: pip install 'edged[grpc]'") from error
        for sock in listening(self._address, "grpc.listen"):
            sock.close()  # gRPC would not say why it cannot have the address
        server = serving(self._address, self._sources, self._guests)
        self._thread = threading.Thread(target=self._run, args=(server,), name="grpc", daemon=True)
        self._thread.start()
        self._bound.result(_START_S)
        log.info("gRPC is at %s", Listen(self._address.host, self.port))

    def stop(self) -> None:
        """Answer what can be answered in a second."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=_STOP_S)

    def state(self) -> str:
        """`running`, or that the server ended."""
        lives = self._thread is not None and self._thread.is_alive()
        return "running" if lives else "gRPC has ended; the log says why"

    def beat(self) -> float:
        """When the event loop last turned."""
        return self._beat

    def _run(self, server: AbstractAsyncContextManager[int]) -> None:
        try:
            asyncio.run(self._serve(server))
        except RuntimeError as error:  # what gRPC raises where it cannot listen
            if self._bound.done():
                raise
            self._bound.set_exception(EdgedError(f"gRPC does not start: {error}"))

    async def _serve(self, server: AbstractAsyncContextManager[int]) -> None:
        async with server as port:
            self._bound.set_result(port)
            swept = 0.0
            while not self._stopping.is_set():
                self._beat = time.monotonic()
                if self._beat - swept > SWEEP_S:
                    self._guests.sweep(port)
                    swept = self._beat
                await asyncio.sleep(_BEAT_S / 4)
