"""The villain's folder, as a plugin of whoever wants to see what it does; and models that harm nobody."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import orjson
import pybase64
import yaml

from tests.answers import examples
from tests.graphs import card, write_graph
from tests.serving import villain

PEACE = """
from edged import Model, hookimpl
from tests.answers import examples

class Peace(Model):
    "Answers at once, and the same to all."
    def infer(self, item, options, tools, run):
        item.pixels(self.card.picture().format)
        return examples.finding(self.card.service).result

@hookimpl
def register_models(register):
    register(Peace, {cards})
"""


def picture(first: int) -> str:
    """A PNG of one gray, Base64."""
    png = cv2.imencode(".png", np.full((40, 60, 3), first, np.uint8))[1]
    return str(pybase64.b64encode_as_string(png.tobytes()))


def write_peaceful(place: Path, services: Mapping[str, str]) -> None:
    """A plugin of models that answer at once; the services, by the models' ids."""
    place.mkdir(parents=True)
    for id_, name in services.items():
        options = examples.options_of(name).model_dump(mode="json")
        write_card(place / f"{id_}.yaml", id=id_, service=name, options=options)
    cards = ", ".join(f'"{id_}.yaml"' for id_ in services)
    (place / "plugin.py").write_text(PEACE.replace("{cards}", cards))


def settle(place: Path) -> None:
    """Write it: code, two cards, a graph."""
    place.mkdir(parents=True)
    shutil.copy(Path(villain.__file__), place / "plugin.py")
    write_card(place / "card.yaml", id="villain")
    write_card(place / "counter.yaml", id="counter", service="voice-activity", labels=[])


def write_card(path: Path, **changes) -> None:
    """The card of a model of the small graph, which is written beside it."""
    graph = write_graph(path.parent / "small.onnx")
    made = card(graph, graph={"variants": ["onnxruntime-f32"]}, calibration=None, **changes)
    made = made.model_copy(update={"weights": {graph.name: made.weights[graph.name]}})
    path.write_text(yaml.safe_dump(orjson.loads(made.model_dump_json(exclude={"folder"}))))
