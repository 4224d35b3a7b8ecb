"""KServe's protocol as Triton's own client speaks it, over real models: what it gets is what they give."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from edged.contracts.services import card_options, service
from edged.contracts.slot import Priority
from edged.serving.table import Served
from edged.testing import FakeRun, frame_of
from tests.http.conftest import TOKEN, Box, queued

LENGTHS = {
    ("picodet-416", "main"): (),
    ("ppocrv6-tiny", "det"): (1, 320, 480),
    ("ppocrv6-tiny", "rec"): (2, 160),
    ("bge-small-zh", "main"): (2, 16),
    ("bert-base-zh", "main"): (16,),
}
"""What to put where a length is free, by model and graph."""


@pytest.fixture(scope="module")
def box():
    """Nothing is served yet."""
    box = Box()
    box.table.withdraw("object-detection", None)
    with queued(box):
        yield box


@pytest.fixture
def client(box):
    with triton.InferenceServerClient(f"127.0.0.1:{box.unit.port}") as client:
        yield client


@pytest.fixture
def serve(box, instance_of):
    def put(model):
        instance = instance_of(model)
        card = instance.card
        box.table.put(Served(service(card.service), instance, card_options(card)))
        return instance

    return put


def fed(metadata, graph, lengths):
    """Numbers for each input of a graph, as the metadata tells it."""
    random, found = np.random.default_rng(3), {}
    several = any("/" in told["name"] for told in metadata["inputs"])
    for told in metadata["inputs"]:
        if several and not told["name"].startswith(f"{graph}/"):
            continue
        free = iter(lengths)
        shape = [next(free) if length == -1 else length for length in told["shape"]]
        dtype = triton_to_np_dtype(told["datatype"])
        found[told["name"]] = random.integers(0, 2 if dtype is np.int64 else 200, shape).astype(dtype)
    return found


def asked(client, model, arrays, binary, outputs=None):
    """All outputs by name."""
    inputs = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    metadata = client.get_model_metadata(model)
    wanted = [
        triton.InferRequestedOutput(told["name"], binary_data=binary)
        for told in metadata["outputs"]
        if outputs is None or told["name"] in outputs
    ]
    result = client.infer(model, inputs, outputs=wanted, request_id="mine")
    assert result.get_response()["id"] == "mine"
    return {output.name(): result.as_numpy(output.name()) for output in wanted}


@pytest.mark.parametrize("binary", [True, False], ids=["bytes", "json"])
@pytest.mark.parametrize(("model", "graph"), LENGTHS, ids="/".join)
def test_tensors_are_those_of_the_graph(client, serve, model, graph, binary):
    instance = serve(model)
    assert client.is_model_ready(model)
    arrays = fed(client.get_model_metadata(model), graph, LENGTHS[model, graph])
    prefix = f"{graph}/" if len(instance.signatures) > 1 else ""
    native = instance.tools.sessions[graph].run({n.removeprefix(prefix): a for n, a in arrays.items()})
    names = {prefix + name for name in instance.card.graphs[graph].outputs}
    given = asked(client, model, arrays, binary, names)
    assert given.keys() == names
    for name in names:
        wanted = native[name.removeprefix(prefix)]
        assert given[name].shape == wanted.shape
        assert np.allclose(given[name], wanted, rtol=1e-5, atol=1e-6), name


def test_a_picture_prepared_here_is_detected_there(client, serve, media):
    instance = serve("picodet-416")
    options = card_options(instance.card)
    frame = frame_of(cv2.imread(str(media("astronaut.png"))))
    prepared = instance.model.preprocess(frame, options)
    outputs = asked(client, "picodet-416", prepared.inputs, True)
    far = instance.model.postprocess(outputs, prepared.context, options)
    near = instance.infer(frame, options, FakeRun(), Priority.REQUEST)
    assert len(near.scores) and np.allclose(far.boxes, near.boxes) and np.allclose(far.scores, near.scores)


def test_outputs_that_nobody_names_all_come(client, serve):
    serve("ppocrv6-tiny")
    metadata = client.get_model_metadata("ppocrv6-tiny")
    inputs = []
    for graph, lengths in (("det", (1, 96, 96)), ("rec", (1, 64))):
        for name, array in fed(metadata, graph, lengths).items():
            tensor = triton.InferInput(name, list(array.shape), "UINT8")
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
    result = client.infer("ppocrv6-tiny", inputs)
    assert [told["name"] for told in result.get_response()["outputs"]] == [
        "det/fetch_name_0",
        "rec/fetch_name_0",
    ]


def test_server(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"model": "yolo"}, "404", "no model 'yolo'"),
        ({"name": "y"}, "400", "there is no input 'y'"),
        ({"shape": (1, 10, 10, 3)}, "400", "should be uint8 [1, 416, 416, 3], but is uint8 [1, 10, 10, 3]"),
        ({"shape": (2, 416, 416, 3)}, "400", "but is uint8 [2, 416, 416, 3]"),
        ({"dtype": np.float32}, "400", "but is float32"),
    ],
)
def test_its_client_understands_what_is_wrong(client, serve, change, status, says):
    instance = serve("yolox-nano")
    (name,) = instance.signatures["main"].inputs
    usual = {"model": "yolox-nano", "name": name, "shape": (1, 416, 416, 3), "dtype": np.uint8}
    wrong = SimpleNamespace(**(usual | change))
    array = np.zeros(wrong.shape, wrong.dtype)
    tensor = triton.InferInput(wrong.name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    with pytest.raises(InferenceServerException) as caught:
        client.infer(wrong.model, [tensor])
    assert caught.value.status() == status
    assert says in caught.value.message()


def test_its_client_brings_a_token():
    box = Box().start(token=TOKEN)
    try:
        with triton.InferenceServerClient(f"127.0.0.1:{box.unit.port}") as client:
            with pytest.raises(InferenceServerException, match="token") as caught:
                client.get_model_metadata("fake")
            assert caught.value.status() == "401"
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            assert client.get_model_metadata("fake", headers=bearer)["name"] == "fake"
    finally:
        box.stop()
