"""BentoML as its guide shows: one worker process, no batching. `NET`: what `Classifier` wants, as JSON."""

import json
import os

import bentoml

from tests.bench.classifier import Classifier


@bentoml.service(workers=1)
class Classify:
    """Base64 in, the classifier's answer out."""

    def __init__(self) -> None:
        graph, labels, side, threads = json.loads(os.environ["NET"])
        self._classify = Classifier(graph, labels, int(side), int(threads))

    @bentoml.api
    def predict(self, image: str) -> dict:
        return self._classify(image)
