"""Cameras of our own: MPEG-TS over HTTP in real time, each at another moment of its clip."""

import asyncio
import contextlib
import re
import threading
from collections.abc import Sequence

from edged.bench.clip import FPS, KEY_EVERY

_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n"
_PATH = re.compile(rb"GET /(\d+) ")
_APART = (5**0.5 - 1) / 2
"""Of a key frame's period, from one camera to the next: so any number of them is spread evenly."""


class PlayedCameras:
    """As many as are asked for at `url`; one thread sends for all of them."""

    def __init__(self, clip: Sequence[bytes]) -> None:
        """`clip`: as of `clip.encoded`, a piece for each picture."""
        self._clip = clip
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._playing: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)

    def url(self, number: int) -> str:
        """Where that camera is, once they run."""
        return f"http://127.0.0.1:{self._port}/{number}"

    def start(self) -> None:
        """Returns when they listen."""
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        """Cut all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._play, "127.0.0.1", 0))
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for task in self._playing:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._playing, return_exceptions=True))
        self._loop.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it is one
        self._playing.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
                asked = _PATH.match(await reader.readuntil(b"\r\n\r\n"))
                if asked is not None:
                    writer.write(_HEAD)
                    await self._send(writer, int(asked[1]) * _APART % 1 * KEY_EVERY / FPS)
        finally:
            self._playing.discard(task)
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, wait_s: float) -> None:
        due = self._loop.time() + wait_s
        while True:
            for piece in self._clip:
                await asyncio.sleep(due - self._loop.time())
                writer.write(piece)
                await writer.drain()
                due += 1 / FPS
