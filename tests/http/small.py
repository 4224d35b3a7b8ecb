"""A box whose one model is a small graph with known answers, and whose queue is real."""

import threading
from contextlib import contextmanager
from typing import Any

import numpy as np

from edged.contracts.message import ModelFacts
from edged.contracts.model import SinglePassModel, Tools
from edged.contracts.services import service
from edged.repository.instance import Instance
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.runtimes.devices import Concurrency
from edged.runtimes.ort import OrtSession
from edged.serving.table import Served
from tests.answers import examples
from tests.graphs import MATRIX, card, write_graph
from tests.http.conftest import Box

SERVICE = "image-classification"
PICTURES = np.random.default_rng(7).random((2, 3, 8, 8), np.float32)
SCORES = PICTURES.mean((2, 3)) @ MATRIX


class Nothing(SinglePassModel[Any, Any, Any, Any]):
    """Whose own code is never asked."""

    def preprocess(self, item, options):
        raise AssertionError

    def postprocess(self, outputs, context, options):
        raise AssertionError


class Turns:
    """The device's slot: who took it, and a gate that the test may shut."""

    def __init__(self):
        self.taken = []
        self.open = threading.Event()
        self.open.set()

    @contextmanager
    def hold(self, priority):
        self.taken.append(priority)
        assert self.open.wait(60)
        yield


class Small(Box):
    """A box with one model whose graphs are real, and so is its queue."""

    def __init__(self, folder, graphs, settings):
        super().__init__()
        path = write_graph(folder / "small.onnx", batch="n")
        session = OrtSession(path, "cpu", "f32", Concurrency(1, 1))
        made = card(path, id="small")
        main = made.graphs["main"].model_copy(update={"batch_axis": 0})
        made = made.model_copy(update={"graphs": dict.fromkeys(graphs, main)})
        facts = ModelFacts(name="small", variant="onnxruntime-f32", device="cpu")
        self.turns = Turns()
        instance = Instance(
            *(Nothing(made), Tools(dict.fromkeys(graphs, session)), facts, self.turns, self.counters),
            signatures=dict.fromkeys(graphs, session.signature),
        )
        self.table.put(Served(service(SERVICE), instance, examples.options_of(SERVICE)))
        self.idle = lambda model: instance if model == "small" else None
        self.queue = RequestQueue(self.table, settings, 2, self.counters)
        self.queue.start()


def started(folder, graphs=("main",), settings=None, **http):
    """The box, running."""
    box = Small(folder, graphs, settings or RequestSettings())
    return box.start(intake=box.queue, **http)


def ended(box):
    box.turns.open.set()
    box.stop()
    box.queue.stop()
