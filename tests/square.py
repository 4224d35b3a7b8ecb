"""A white square on black: models that find it, read it and say where it is, and a clip in which it walks."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.serving import lair

PLUGIN = """
import numpy as np
from edged import (
    Detections, Model, PixelFormat, SceneClassification, TextRow, Texts, hookimpl
)

def box(item):
    rows, columns = np.nonzero(item.pixels(PixelFormat()).min(axis=2) > 128)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) > 50 else None

class Square(Model):
    "Finds what is white."
    def infer(self, item, options, tools, run):
        boxes = [] if (found := box(item)) is None else [found]
        n = len(boxes)
        boxes = np.array(boxes, float).reshape(-1, 4)
        return Detections(boxes, np.full(n, 0.9), np.zeros(n, int), ["person"])

class Sign(Model):
    "Reads what is written on white."
    def infer(self, item, options, tools, run):
        quad = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], float)
        rows = [] if box(item) is None else [TextRow(quad, 0.9, "HH-1234", (1,), 0.9)]
        return Texts(rows, (item.height, item.width), ["background", "text"])

class Place(Model):
    "Says whether it is light."
    def infer(self, item, options, tools, run):
        shares = [0.1, 0.9] if box(item) is None else [0.9, 0.1]
        return SceneClassification(np.array(shares), ["beach", "cave"])

@hookimpl
def register_models(register):
    register(Square, "square.yaml")
    register(Sign, "sign.yaml")
    register(Place, "place.yaml")
"""
MODELS = ("square", "sign", "place")
SYNCED = """
from edged.flow import clock
from edged.cli import main
clock.state = lambda: "synced"  # whoever runs this test may have a clock that nobody set
main()
"""
"""The commands, on a box whose clock is right."""
FPS = 20


def settle(place: Path) -> None:
    """Write the plugin: code, a card a model, a graph."""
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(PLUGIN)
    objects = {"score_threshold": 0.5, "iou_threshold": 0.5, "max_detections": 10}
    texts = {
        "score_threshold": 0.5,
        "text_score_threshold": 0.5,
        "max_detections": 10,
        "longest_side": 960,
    }
    for name, service, options, labels in (
        ("square", "object-detection", objects, ["person"]),
        ("sign", "ocr", texts, ["background", "text"]),
        ("place", "scene-classification", {}, ["beach", "cave"]),
    ):
        lair.write_card(place / f"{name}.yaml", id=name, service=service, options=options, labels=labels)


def write_walk(path: Path, *, there: int = 32, gone: int = 8, before: int = 0, pace: int = 5) -> None:
    """A square walks down the picture of 160 x 240: frames without it, `there` frames with, `gone` without.

    `pace`: pixels a frame; where it comes to the lower edge it stands.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10", "g": "5", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 240, "yuv420p"
        for i in range(before + there + gone):
            picture = np.zeros((240, 160, 3), np.uint8)
            if before <= i < before + there:
                top = min(20 + (i - before) * pace, 190)
                picture[top : top + 40, 60:100] = 255
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
