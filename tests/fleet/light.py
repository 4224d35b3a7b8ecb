"""Daemons that are real but for their model, which takes no time: several of them fit on two cores."""

from pathlib import Path

import orjson

from tests.opened import install
from tests.serving import lair

SERVICE = "image-classification"
CONFIG = """
node: {node}
paths: {{models: {folder}/models, state: {folder}/{node}, plugins: [{folder}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{broker}'}}
http: {{listen: {listen}}}
health_every: 1s
services: {{image-classification: {{model: light}}}}
"""


def settle(folder: Path) -> None:
    """The model, pulled, for all daemons below the folder."""
    lair.write_peaceful(folder / "plugins" / "light", {"light": SERVICE})
    install(folder, "light")


def configured(folder: Path, node: str, broker: int, http: int | None = None, more: str = "") -> Path:
    """The configuration of a node."""
    path = folder / f"{node}.yaml"
    listen = f"127.0.0.1:{http}" if http else "null"
    path.write_text(CONFIG.format(folder=folder, node=node, broker=broker, listen=listen) + more)
    return path


def request() -> bytes:
    """A small picture to be looked at."""
    return orjson.dumps({"image": lair.picture(90)})
