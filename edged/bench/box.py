"""The scratch box: a daemon of our own with its own broker, by the user's configuration of its services."""

import contextlib
import http.client
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from edged.chaos.broker import free_port
from edged.chaos.daemon import ScratchDaemon
from edged.config.settings import Config
from edged.contracts.errors import EdgedError
from edged.serving.unit import ServiceSettings

NODE = "bench"
PATIENCE_S = 60.0
"""Of who asks it; a box that is overloaded answers late."""
_LEAST_FREE = 50_000_000
"""Bytes of the disk: the broker's files, the log, the state."""


class ScratchBox:
    """A daemon that runs, and how to ask it."""

    def __init__(self, settings: Config, services: Mapping[str, ServiceSettings], folder: Path) -> None:
        """Nothing runs yet. `settings` are the user's, and only read; `services`: what is kept in memory."""
        self.http_port, self.mqtt_port = free_port(), free_port()
        self.headers = {"Authorization": f"Bearer {(token := secrets.token_hex(24))}"}
        """Of each request over HTTP."""
        self._file = folder / "config.yaml"
        self._config = {
            "node": NODE,
            "paths": {
                "models": str(settings.paths.models.absolute()),
                "state": str(folder / "state"),
                "gallery": str(settings.paths.gallery.absolute()),
                "plugins": [str(path.absolute()) for path in settings.paths.plugins],
            },
            "runtime": settings.runtime.model_dump(mode="json"),
            "mqtt": {"url": "embedded", "embedded_port": self.mqtt_port},
            "http": {"listen": f"127.0.0.1:{self.http_port}", "token": token},
            "services": {name: wanted.model_dump(mode="json") for name, wanted in services.items()},
            "requests": {"durability": settings.requests.durability},
        }
        self.daemon = ScratchDaemon(self._file, folder / "daemon.log", self.http_port, token)

    def feed(self, streams: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the configuration with these streams; a daemon that runs takes it up."""
        self._file.write_text(yaml.safe_dump({**self._config, "streams": dict(streams)}), "utf-8")
        self.daemon.reload()

    def status(self) -> dict[str, Any]:
        """What `/api/status` says. Raises `EdgedError` when it says nothing."""
        asked = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE_S)
        with contextlib.closing(asked):
            try:
                asked.request("GET", "/api/status", headers=self.headers)
                told: dict[str, Any] = orjson.loads(asked.getresponse().read())
            except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
                raise EdgedError(f"the scratch daemon does not tell how it is: {error}") from error
        return told


@contextlib.contextmanager
def scratch_box(settings: Config, services: Mapping[str, ServiceSettings]) -> Iterator[ScratchBox]:
    """A box that is ready, in a folder of its own; at the end it is gone.

    Raises `EdgedError` when it does not start, or finds no room.
    """
    with _folder() as folder:
        box = ScratchBox(settings, services, folder)
        box.feed({})
        try:
            box.daemon.start()
            box.daemon.wait_ready()
            yield box
            box.daemon.end()
        finally:
            box.daemon.close()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix="edged-bench-"))
    except OSError as error:
        raise EdgedError(f"no folder can be made for the scratch daemon: {error}") from error
    try:
        free = shutil.disk_usage(folder).free
        if free < _LEAST_FREE:
            raise EdgedError(
                f"{folder.parent} has {free / 1e6:.0f} MB left, the scratch daemon wants "
                f"{_LEAST_FREE / 1e6:.0f}; TMPDIR names another folder"
            )
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
