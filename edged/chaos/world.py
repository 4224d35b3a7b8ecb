"""The scratch world: a folder, a broker, a daemon, two cameras and a client; it leaves nothing behind."""

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pybase64
import yaml

from edged.chaos.broker import ScratchBroker, free_port
from edged.chaos.camera import ScratchCamera
from edged.chaos.customer import Customer
from edged.chaos.daemon import ScratchDaemon
from edged.chaos.subject import Tried, copy
from edged.chaos.traps import DIES, RAISES, write_traps
from edged.config.settings import Config
from edged.media.picture import encode_jpeg
from edged.requests.journal import Durability

NODE = "chaos"
FOLDER_CAMERA, NETWORK_CAMERA = "street", "door"
REQUEST_S = 20
"""Seconds until 504."""
FPS = 5
_SIZE = (240, 320)


class World:
    """All that a fault may touch."""

    def __init__(self, settings: Config, tried: Tried, durability: Durability, folder: Path) -> None:
        """Nothing runs yet. `settings` are the user's, and only read."""
        self.folder = folder
        self.kept = False
        """Whether its folder stays at the end, for who wants to read the daemon's log."""
        self.pictures = [_picture(n) for n in range(4)]
        self.camera = ScratchCamera(self.pictures)
        self.broker = ScratchBroker(folder / "broker")
        self.customer = Customer(self.broker.port, NODE, tried.service, self.body(image=self.pictures[0]))
        copy(tried, settings.paths.models, folder / "models")
        write_traps(folder / "plugins" / "traps", tried.model)
        (folder / "street").mkdir()
        for number, picture in enumerate(self.pictures):
            (folder / "street" / f"{number}.jpg").write_bytes(picture)
        port, token = free_port(), secrets.token_hex(24)
        self._config = _config(settings, tried, durability, folder)
        self._config |= {
            "mqtt": {"url": f"mqtt://127.0.0.1:{self.broker.port}"},
            "http": {"listen": f"127.0.0.1:{port}", "token": token},
        }
        self._config["streams"][NETWORK_CAMERA]["source"] = self.camera.url
        self.daemon = ScratchDaemon(folder / "config.yaml", folder / "daemon.log", port, token)

    def start(self) -> None:
        """Everything; returns when the daemon is ready. Raises `EdgedError`."""
        self.write_config()
        self.broker.start()
        self.camera.start()
        self.daemon.start()
        self.daemon.wait_ready()
        self.customer.connect()

    def close(self) -> None:
        """End everything."""
        self.customer.close()
        self.daemon.close()
        self.broker.close()
        self.camera.thaw()
        self.camera.stop()

    def write_config(self, fps: int = FPS) -> None:
        """The configuration, with so many frames a second of the folder's camera."""
        self._config["streams"][FOLDER_CAMERA]["gate"] = {"fps": fps}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self._config), "utf-8")

    def body(self, **fields: Any) -> bytes:
        """A request; bytes become Base64."""
        shown = {k: pybase64.b64encode_as_string(v) if isinstance(v, bytes) else v for k, v in fields.items()}
        return orjson.dumps(shown)

    def revive(self) -> int | None:
        """Start the daemon again where it ended by itself, and tell its exit status; none: it lives."""
        status = self.daemon.ended()
        if status is not None:
            self.daemon.start()
        return status


@contextlib.contextmanager
def scratch_world(settings: Config, tried: Tried, durability: Durability) -> Iterator[World]:
    """A world that runs, in a folder of its own that only we may read. Raises `ConfigError`, `EdgedError`."""
    folder, kept = Path(tempfile.mkdtemp(prefix="edged-chaos-")), False
    try:
        world = World(settings, tried, durability, folder)
        try:
            world.start()
            yield world
        finally:
            world.close()
            kept = world.kept
    finally:
        shutil.rmtree(folder / "models" if kept else folder, ignore_errors=True)


def _config(settings: Config, tried: Tried, durability: Durability, folder: Path) -> dict[str, Any]:
    service = settings.service(tried.service)
    camera = {"run": [tried.service], "gate": {"fps": FPS}, "timeout_s": 1, "stall_s": 3}
    return {
        "node": NODE,
        "paths": {
            "models": str(folder / "models"),
            "state": str(folder / "state"),
            "gallery": str(folder / "gallery"),
            "plugins": [str(path.absolute()) for path in (*settings.paths.plugins, folder / "plugins")],
        },
        "runtime": settings.runtime.model_dump(mode="json"),
        "services": {
            tried.service: {
                "model": tried.model,
                "device": service.device,
                "precision": service.precision,
                "isolation": service.isolation,
            },
            RAISES: {"model": "chaos-raising"},
            DIES: {"model": "chaos-dying"},
        },
        "streams": {
            FOLDER_CAMERA: {**camera, "source": str(folder / "street"), "loop": True},
            NETWORK_CAMERA: dict(camera),
        },
        "requests": {"durability": durability, "timeout_s": REQUEST_S, "max_waiting": 5000},
        "health_every": 5,
    }


def _picture(number: int) -> bytes:
    """A small JPEG of a few bright shapes, each time elsewhere."""
    pixels = np.full((*_SIZE, 3), 40, np.uint8)
    for shape in range(3):
        top, left = 20 + 60 * shape, 20 + 60 * ((shape + number) % 4)
        pixels[top : top + 50, left : left + 50] = (80 * shape + 60, 200 - 50 * shape, 120)
    return encode_jpeg(pixels)
