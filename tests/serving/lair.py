"""The villain's folder, as a plugin of whoever wants to see what it does."""

import shutil
from pathlib import Path

import orjson
import yaml

from tests.graphs import card, write_graph
from tests.serving import villain


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
