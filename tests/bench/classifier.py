"""What the servers beside edged do for a request, as somebody would write it by hand."""

import base64
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import openvino


class Classifier:
    """The graph that edged derived (u8 NHWC in, probabilities out), opened with as many threads as there."""

    def __init__(self, graph: str, labels: str, side: int, threads: int) -> None:
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        core = openvino.Core()
        self._compiled = core.compile_model(core.read_model(graph), "CPU", settings)
        self._labels = json.loads(Path(labels).read_text("utf-8"))
        self._side = side

    def __call__(self, image: str) -> dict:
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(image), np.uint8), cv2.IMREAD_COLOR)
        small = cv2.cvtColor(cv2.resize(picture, (self._side, self._side)), cv2.COLOR_BGR2RGB)
        scores = np.asarray(self._compiled(small[None])[0], np.float32).reshape(-1)
        best = int(scores.argmax())
        probs = {name: float(score) for name, score in zip(self._labels, scores, strict=True)}
        return {"class": best, "class_name": self._labels[best], "class_probs": probs}


def arguments() -> tuple[int, tuple[str, str, int, int]]:
    """`PORT GRAPH LABELS SIDE THREADS` of the command line: the port, and what `Classifier` wants."""
    port, graph, labels, side, threads = sys.argv[1:]
    return int(port), (graph, labels, int(side), int(threads))
