"""Real models by their tensors: what gRPC gives is what they give, and what HTTP gives, to the bit."""

import numpy as np
import pytest
import tritonclient.http as over_http

from edged.contracts.services import card_options, service
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served
from tests.grpc.conftest import client_of, tensor_of, unit_over
from tests.http import test_triton
from tests.http.conftest import Box
from tests.http.test_triton import LENGTHS, fed


@pytest.fixture(scope="module")
def box():
    """Nothing is served yet, over HTTP and gRPC."""
    box = Box()
    box.table.withdraw("object-detection", None)
    queue = RequestQueue(box.table, RequestSettings(), 2, box.counters)
    queue.start()
    box.start(intake=queue)
    box.grpc = unit_over(box, intake=queue)
    box.grpc.start()
    yield box
    box.grpc.stop()
    box.stop()
    queue.stop()


@pytest.mark.parametrize(("model", "graph"), LENGTHS, ids="/".join)
def test_tensors_are_those_of_the_graph_and_of_http(box, instance_of, model, graph):
    instance = instance_of(model)
    card = instance.card
    box.table.put(Served(service(card.service), instance, card_options(card)))
    with over_http.InferenceServerClient(f"127.0.0.1:{box.unit.port}") as client:
        arrays = fed(client.get_model_metadata(model), graph, LENGTHS[model, graph])
        prefix = f"{graph}/" if len(instance.signatures) > 1 else ""
        names = {prefix + name for name in card.graphs[graph].outputs}
        there = test_triton.asked(client, model, arrays, True, names)
    with client_of(box.grpc) as client:
        here = client.infer(model, [tensor_of(array, name) for name, array in arrays.items()])
    native = instance.tools.sessions[graph].run({n.removeprefix(prefix): a for n, a in arrays.items()})
    assert {output.name for output in here.get_response().outputs} == names
    for name in names:
        wanted, given = native[name.removeprefix(prefix)], here.as_numpy(name)
        assert given.shape == wanted.shape
        assert np.allclose(given, wanted, rtol=1e-5, atol=1e-6), name
        assert np.allclose(given, there[name], rtol=1e-5, atol=1e-6), name
