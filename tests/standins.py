"""Small graphs with the inputs and outputs of models whose weights nobody could fetch yet."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_F, _I = TensorProto.FLOAT, TensorProto.INT64
Tensors = Mapping[str, tuple[int, Sequence[int | str]]]


def _write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Tensors,
    outputs: Tensors,
    constants: Mapping[str, np.ndarray],
) -> None:
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(name, *about) for name, about in inputs.items()],
        [helper.make_tensor_value_info(name, *about) for name, about in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def painter(path: Path) -> None:
    """DeOldify's: everything gets redder."""
    tint = np.ones((1, 3, 256, 256), np.float32) * np.array([1.3, 0.9, 0.7], np.float32).reshape(1, 3, 1, 1)
    sides = {"input": (_F, [1, 3, 256, 256])}, {"output": (_F, [1, 3, 256, 256])}
    _write(path, [helper.make_node("Mul", ["input", "tint"], ["output"])], *sides, {"tint": tint})


def negative(path: Path) -> None:
    """GFPGAN's: a face becomes as dark as it was bright."""
    sides = {"input": (_F, [1, 3, 512, 512])}, {"output": (_F, [1, 3, 512, 512])}
    _write(path, [helper.make_node("Neg", ["input"], ["output"])], *sides, {})


def redness(path: Path) -> None:
    """PP-HumanSeg's: what is red is a person."""
    out = "save_infer_model/scale_0.tmp_1"
    plane = np.zeros((2, 3, 1, 1), np.float32)
    plane[1, 0] = 0.5
    _write(
        path,
        [
            helper.make_node("Conv", ["x", "plane", "half"], ["opacities"]),
            helper.make_node("Identity", ["opacities"], [out]),
        ],
        {"x": (_F, [1, 3, 192, 192])},
        {out: (_F, [1, 2, 192, 192])},
        {"plane": plane, "half": np.array([0, 0.5], np.float32)},
    )


def sums(path: Path) -> None:
    """BGE base's: the state of a token is the sum of what is fed for it, on a scale of 768 numbers."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    _write(
        path,
        [
            *(helper.make_node("Cast", [name], [f"{name}_f32"], to=_F) for name in names),
            helper.make_node("Sum", [f"{name}_f32" for name in names], ["sum"]),
            helper.make_node("Unsqueeze", ["sum", "last"], ["column"]),
            helper.make_node("Mul", ["column", "row"], ["last_hidden_state"]),
        ],
        {name: (_I, ["batch", "n"]) for name in names},
        {"last_hidden_state": (_F, ["batch", "n", 768])},
        {"last": np.array([-1]), "row": np.linspace(-1, 1, 768, dtype=np.float32)},
    )


def feeds(path: Path) -> None:
    """The streaming Zipformer's, with two caches and the count: each feed says its number, modulo five."""
    nodes = [
        helper.make_node("Add", ["cached_key_0", "one"], ["new_cached_key_0"]),
        helper.make_node("Sub", ["embed_states", "one"], ["new_embed_states"]),
        helper.make_node("Add", ["processed_lens", "step"], ["new_processed_lens"]),
        helper.make_node("ReduceMax", ["new_cached_key_0"], ["feed"], keepdims=0),
        helper.make_node("Mod", ["feed", "five"], ["token"], fmod=1),
        helper.make_node("Sub", ["ids", "token"], ["far"]),
        helper.make_node("Abs", ["far"], ["farther"]),
        helper.make_node("Neg", ["farther"], ["scores"]),
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2], keepdims=1),
        helper.make_node("Mul", ["mean", "nothing"], ["zeros"]),
        helper.make_node("Slice", ["zeros", "from", "to", "axis"], ["eight"]),
        helper.make_node("Add", ["eight", "scores"], ["log_probs"]),
    ]
    constants = {
        "one": np.float32(1),
        "five": np.float32(5),
        "nothing": np.float32(0),
        "step": np.array([32]),
        "ids": np.arange(5, dtype=np.float32).reshape(1, 1, 5),
        "from": np.array([0]),
        "to": np.array([8]),
        "axis": np.array([1]),
    }
    inputs: Tensors = {
        "x": (_F, ["N", 45, 80]),
        "cached_key_0": (_F, [3, "N", 4]),
        "embed_states": (_F, ["N", 2, 5]),
        "processed_lens": (_I, ["N"]),
    }
    outputs: Tensors = {
        "log_probs": (_F, ["N", 8, 5]),
        "new_cached_key_0": (_F, [3, "N", 4]),
        "new_embed_states": (_F, ["N", 2, 5]),
        "new_processed_lens": (_I, ["N"]),
    }
    _write(path, nodes, inputs, outputs, constants)


def blueness(path: Path) -> None:
    """Mask R-CNN's as its maker's IR, with its weights beside it: planes of f32 in, a number of rows out.

    It says that a person fills the left half of any picture that is rather blue, the surer the bluer.
    """
    import openvino
    from openvino import opset8 as op

    image = op.parameter([1, 3, 608, 608], np.float32, "image")
    image.output(0).tensor.set_names({"image"})
    means = op.reduce_mean(image, op.constant(np.array([2, 3])), keep_dims=False)
    first = op.constant(np.int64(0))
    blue = op.divide(op.gather(means, op.constant(np.array([0])), op.constant(np.int64(1))), np.float32(255))
    row = op.concat([op.constant(np.array([[0, 0, 304, 608]], np.float32)), blue], 1)
    chosen = op.reshape(op.non_zero(op.greater(op.squeeze(blue, first), np.float32(0.1)), "i64"), [-1], False)
    label = op.constant(np.array([0]))
    patch = op.constant(np.random.default_rng(0).uniform(0.6, 1, (1, 28, 28)).astype(np.float32))
    results = []
    for name, node in {"boxes": row, "labels": label, "masks": patch}.items():
        results.append(op.gather(node, chosen, first))
        results[-1].output(0).tensor.set_names({name})
    openvino.save_model(openvino.Model(results, [image]), path)


STANDINS: Mapping[str, Callable[[Path], None]] = {
    "deoldify_artistic.onnx": painter,
    "gfpgan_1.4.onnx": negative,
    "human_segmentation_pphumanseg_2023mar.onnx": redness,
    "model.onnx": sums,
    "model.int8.onnx": feeds,
    "instance-segmentation-security-1040.xml": blueness,
}
"""What writes the stand-in of a published file, by its name."""
