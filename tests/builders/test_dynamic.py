"""Graphs that ONNX Runtime's own tool quantized dynamically."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from edged.builders import without_roundings
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import open_session

RNG = np.random.default_rng(5)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.fixture
def published(tmp_path):
    """A convolution and two products, and their f32 original."""
    arrays = {"kernel": numbers(8, 3, 3, 3), "bias": numbers(8), "second": numbers(40, 5)}
    arrays |= {"shape": np.array([1, 8, 64]), "first": numbers(64, 40) * np.arange(1, 41, dtype="f4")}
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["c", "shape"], ["r"]),
        helper.make_node("MatMul", ["r", "first"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "second"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 5])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(tmp_path / "f32.onnx"))

    def make(**options):
        quantize_dynamic(str(tmp_path / "f32.onnx"), str(tmp_path / "int8.onnx"), **options)
        return tmp_path / "int8.onnx", tmp_path / "f32.onnx"

    return make


def run(model, x):
    graph = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(graph).run(None, {"x": x})[0]


@pytest.mark.parametrize(
    "options",
    [
        {"weight_type": QuantType.QInt8},
        {"weight_type": QuantType.QUInt8},
        {"weight_type": QuantType.QInt8, "per_channel": True},
    ],
)
def test_what_flows_is_f32(published, options):
    int8, f32 = published(**options)
    exact = without_roundings(int8)
    onnx.checker.check_model(exact)
    kinds = {node.op_type for node in exact.graph.node}
    assert not kinds & {"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}
    assert {one.data_type for one in exact.graph.initializer} & {TensorProto.INT8, TensorProto.UINT8}
    x = numbers(1, 3, 8, 8)
    right = run(str(f32), x)
    assert np.abs(run(exact, x) - right).max() < 0.03 * np.abs(right).max(), "the rounding of the weights"


def test_openvino_runs_it(published, tmp_path):
    int8, _ = published(weight_type=QuantType.QInt8)
    exact = without_roundings(int8)
    onnx.save(exact, str(tmp_path / "exact.onnx"))
    session = open_session(tmp_path / "exact.onnx", "openvino-int8", "cpu", Concurrency(1, 1))
    x = numbers(1, 3, 8, 8)
    right = run(exact, x)
    assert np.abs(session.run({"x": x})["y"] - right).max() < 1e-4 * np.abs(right).max()


def test_a_graph_that_rounds_nothing_is_left_alone(published):
    _, f32 = published()
    assert without_roundings(f32) is None


def test_an_integer_product_of_something_else_stays(published):
    int8, _ = published(weight_type=QuantType.QInt8)
    model = onnx.load(str(int8))
    product = next(node for node in model.graph.node if node.op_type == "MatMulInteger")
    model.graph.output.append(helper.make_tensor_value_info(product.output[0], TensorProto.INT32, None))
    onnx.save(model, str(int8))
    kinds = [node.op_type for node in without_roundings(int8).graph.node]
    assert kinds.count("MatMulInteger") == 1, "somebody wants to see its integers"
    assert "ConvInteger" not in kinds
