"""Weights that are stored as int8 in a graph that computes in f32; outputs that lie within a graph."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edged.contracts.errors import CardError
from edged.derive.fold import fold_onnx, fold_openvino
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session
from tests.graphs import card, normalised, pixels, scores, write_graph


@pytest.fixture
def graph(tmp_path):
    """The small graph, its kernel stored as 100 x int8 and decoded by two nodes."""
    path = write_graph(tmp_path / "small.onnx")
    model = onnx.load(str(path))
    kernel, _ = model.graph.initializer
    stored = np.rint(numpy_helper.to_array(kernel) * 100).astype(np.int8)
    kernel.CopyFrom(numpy_helper.from_array(stored, "stored"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32([0.01]), "scale"))
    decode = [
        helper.make_node("Cast", ["stored"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["whole", "scale"], ["kernel"]),
    ]
    nodes = [*decode, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(path))
    return path


def constants(graph):
    """Element types of the constants of an IR."""
    return set(re.findall(r'<layer[^>]*type="Const"[^>]*>\s*<data element_type="(\w+)"', graph.read_text()))


def test_they_become_f32_for_openvino(graph, tmp_path):
    target = tmp_path / "main.xml"
    fold_openvino(graph, target, card(graph).graphs["main"])
    assert "f32" in constants(target)
    assert "i8" not in constants(target)
    session = open_session(target, "openvino-f32", "cpu", Concurrency(2, 1))
    given = pixels(1)
    answer = session.run({"pictures": given})["scores"]
    np.testing.assert_allclose(answer, scores(normalised(given)), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("fold", [fold_onnx, fold_openvino])
def test_a_tensor_within_the_graph_may_be_the_output(tmp_path, fold):
    source = write_graph(tmp_path / "small.onnx")
    of = card(source, graph={"outputs": ["flat"]}).graphs["main"]
    target = tmp_path / ("folded.onnx" if fold is fold_onnx else "folded.xml")
    fold(source, target, of)
    variant = "onnxruntime-f32" if fold is fold_onnx else "openvino-f32"
    outputs = open_session(target, variant, "cpu", Concurrency(1, 1)).run({"pictures": pixels(3)})
    assert list(outputs) == ["flat"]
    np.testing.assert_allclose(outputs["flat"], normalised(pixels(3)).mean(axis=(2, 3)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fold", [fold_onnx, fold_openvino])
def test_an_output_that_is_nowhere_is_refused(tmp_path, fold):
    of = card(write_graph(tmp_path / "small.onnx"), graph={"outputs": ["flat", "logits"]}).graphs["main"]
    with pytest.raises(CardError, match=r"\['flat', 'logits'\], but the graph has \['scores'\]"):
        fold(tmp_path / "small.onnx", tmp_path / "folded.onnx", of)
