"""A small graph with known answers, so that tests of floors 2 and 3 need no weights and run in no time.

`pictures` [1, 3, 8, 8] -> mean of each channel -> one matrix -> `scores` [1, 4]. Batch, height and width may
be free; it may also be made as TFLite has it: `pictures` [1, 8, 8, 3], of bytes.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.contracts.card import ModelCard

SIZE = 8
MATRIX = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
MEAN, STD = (10.0, 20.0, 30.0), (2.0, 4.0, 5.0)


def write_graph(
    path: Path,
    batch: int | str = 1,
    sides: tuple[int | str, int | str] = (SIZE, SIZE),
    as_bytes: bool = False,
) -> Path:
    """Write the graph as ONNX. A batch or side that is a name is free; `as_bytes`: u8, channels last."""
    before = [
        helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["first"], perm=[0, 3, 1, 2]),
    ]
    nodes = [
        *(before if as_bytes else []),
        helper.make_node(
            "Conv",
            ["first" if as_bytes else "pictures", "kernel"],
            ["planes"],
            name="Conv_0",
            pads=[1, 1, 1, 1],
        ),
        helper.make_node("GlobalAveragePool", ["planes"], ["pooled"], name="Pool_1"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="Flatten_2"),
        helper.make_node("MatMul", ["flat", "matrix"], ["scores"], name="MatMul_3"),
    ]
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[range(3), range(3), 1, 1] = 1  # each channel as it is
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("pictures", TensorProto.UINT8, [batch, *sides, 3])
            if as_bytes
            else helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [batch, 3, *sides])
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(MATRIX, "matrix")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7), str(path))
    return path


def write_int8(path: Path, dequantize: bool) -> tuple[Path, np.ndarray]:
    """Write `x` [1, 8, 64] @ int8 weights -> `y` [1, 8, 40] as ONNX; the weights, decoded, come back, too.

    They are decoded by a DequantizeLinear or by a Cast and a Mul.
    """
    integers = np.random.default_rng(2).integers(-127, 128, (64, 40), np.int8)
    scale = np.array(0.02, np.float32)
    decode = (
        [helper.make_node("DequantizeLinear", ["integers", "scale"], ["weights"])]
        if dequantize
        else [
            helper.make_node("Cast", ["integers"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["numbers", "scale"], ["weights"]),
        ]
    )
    graph = helper.make_graph(
        [*decode, helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "int8",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 40])],
        [numpy_helper.from_array(integers, "integers"), numpy_helper.from_array(scale, "scale")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path, integers.astype(np.float64) * float(scale)


def scores(nchw: np.ndarray) -> np.ndarray:
    """What the graph answers."""
    return nchw.astype(np.float64).mean(axis=(2, 3)) @ MATRIX


def normalised(nhwc: np.ndarray) -> np.ndarray:
    """Pixels as the graph wants them when MEAN and STD are in its card."""
    return ((nhwc.astype(np.float64) - MEAN) / STD).transpose(0, 3, 1, 2)


def pixels(seed: int, batch: int = 1, sides: tuple[int, int] = (SIZE, SIZE)) -> np.ndarray:
    """u8 [batch, *sides, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (batch, *sides, 3), np.uint8)


LEAST = {
    "id": "small",
    "service": "image-classification",
    "rank": 1,
    "summary": "means of channels",
    "source": "made for tests",
    "licence": {"id": "Apache-2.0", "permissive": True},
}
"""What every card says."""
NOT_THERE = {"a.onnx": {"sha256": "0" * 64, "size": 1, "origins": [{"file": "a.onnx"}]}}
"""Weights of a card that nobody pulls."""


def card(graph: Path, /, **changes) -> ModelCard:
    """A card for the graph at `graph`, whose clip is not there."""
    main = {
        "weights": [graph.name],
        "inputs": {
            "pictures": {
                "kind": "picture",
                "size": [SIZE, SIZE],
                "fit": "stretch",
                "colour": "rgb",
                "mean": MEAN,
                "std": STD,
            }
        },
        "outputs": ["scores"],
        "variants": ["openvino-f32", "openvino-bf16", "openvino-int8", "onnxruntime-f32", "onnxruntime-int8"],
        **changes.pop("graph", {}),
    }
    data = graph.read_bytes()
    weights = {
        graph.name: {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "origins": [{"file": graph.name}],
        },
        "clip.mp4": {"sha256": "0" * 64, "size": 1, "origins": [{"file": "clip.mp4"}]},
    }
    fields = {
        **LEAST,
        "weights": weights,
        "graphs": {"main": main},
        "labels": ["a", "b", "c", "d"],
        "calibration": {"media": "clip.mp4", "frames": 8},
        "folder": graph.parent,
        **changes,
    }
    return ModelCard.model_validate(fields)
