"""Daemons that are real but for their model, which takes no time: several of them fit on two cores."""

from pathlib import Path

import cv2
import numpy as np
import orjson
import pybase64

from tests.opened import install
from tests.serving import lair

SERVICE = "image-classification"
PLUGIN = """
from edged import Model, hookimpl
from tests.answers import examples

class Light(Model):
    def infer(self, item, options, tools, run):
        item.pixels(self.card.picture().format)
        return examples.finding(self.card.service).result

@hookimpl
def register_models(register):
    register(Light, "card.yaml")
"""
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
    plugin = folder / "plugins" / "light"
    plugin.mkdir(parents=True)
    lair.write_card(plugin / "card.yaml", id="light")
    (plugin / "plugin.py").write_text(PLUGIN)
    install(folder, "light")


def configured(folder: Path, node: str, broker: int, http: int | None = None, more: str = "") -> Path:
    """The configuration of a node."""
    path = folder / f"{node}.yaml"
    listen = f"127.0.0.1:{http}" if http else "null"
    path.write_text(CONFIG.format(folder=folder, node=node, broker=broker, listen=listen) + more)
    return path


def request() -> bytes:
    """A small picture to be looked at."""
    png = cv2.imencode(".png", np.full((40, 60, 3), 90, np.uint8))[1]
    return orjson.dumps({"image": pybase64.b64encode_as_string(png.tobytes())})
