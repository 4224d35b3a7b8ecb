"""SFace: the decoded graph is the published one, and faces of one person point the same way."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edged import CardError
from edged.cards import load_card
from edged.discovery import discover
from edged.testing import FakeSession, conformance

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
PUBLISHED = "face_recognition_sface_2021dec_int8bq.onnx"


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models["sface"]


@pytest.fixture(scope="module")
def published(weight_store):
    return weight_store.ensure(CARD, [PUBLISHED], lambda *_: None)[PUBLISHED]


def run(graph, picture):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
    # The published graph lists the weights, before they were encoded, as inputs that nothing reads.
    unread = {i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs()}
    return session.run(None, {**unread, "data": picture})[0]


def test_the_built_graph_gives_what_the_published_one_gives(model, published):
    built = model.build_graph("main", {PUBLISHED: published})
    assert [value.name for value in built.graph.input] == ["data"]
    assert "DequantizeLinear" not in {node.op_type for node in built.graph.node}
    picture = np.random.default_rng(3).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
    ours, theirs = run(built.SerializeToString(), picture), run(str(published), picture)
    assert np.abs(ours - theirs).max() < 1e-3
    assert np.abs(theirs).max() > 0.1


def test_a_file_without_encoded_weights_is_refused(model, weight_store):
    yunet = load_card(HERE.parent / "yunet" / "card.yaml")
    (name,) = yunet.graphs["main"].weights
    with pytest.raises(CardError, match="no weights in int8"):
        model.build_graph("main", {name: weight_store.ensure(yunet, [name], lambda *_: None)[name]})


def test_the_vector_has_length_one(model):
    session = FakeSession(lambda _: {"fc1": np.full((1, 128), 3.0, np.float32)})
    assert np.linalg.norm(conformance(model, {"main": session}).vector) == pytest.approx(1)
