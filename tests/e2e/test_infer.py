"""Triton's client asks a running daemon for tensors: of a model that is up, and of one that loads for it."""

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import np_to_triton_dtype

from tests.broker import free_port, until

IDLE = "bert-base-zh"


@pytest.fixture
def client(instance_of, daemon):
    instance_of(IDLE)
    port = free_port()
    daemon(http=port)
    with triton.InferenceServerClient(
        f"127.0.0.1:{port}", connection_timeout=60, network_timeout=60
    ) as client:
        until(lambda: is_ready(client), "a ready daemon")
        yield client


def is_ready(client):
    try:
        return client.is_server_ready()
    except OSError:
        return False


def infer(client, model, arrays):
    inputs = []
    for name, array in arrays.items():
        inputs.append(triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
        inputs[-1].set_data_from_numpy(array)
    return client.infer(model, inputs)


def test_tensors_of_a_model_that_is_up_and_of_one_that_loads_for_it(client):
    scale, image = np.ones((1, 2), np.float32), np.zeros((1, 416, 416, 3), np.uint8)
    found = infer(client, "picodet-416", {"scale_factor": scale, "image": image})
    (boxes,) = found.get_response()["outputs"]
    assert found.as_numpy(boxes["name"]).shape[1:] == (6,)

    told = client.get_model_metadata(IDLE)
    assert [tensor["shape"] for tensor in told["inputs"]] == [[1, -1]] * 3
    ids = np.array([[101, 2769, 102]], np.int64)
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    states = infer(client, IDLE, arrays).as_numpy("states")
    assert states.shape == (1, 3, 768) and np.isfinite(states).all()
