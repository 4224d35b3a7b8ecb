"""The graph of i3d-kinetics400: an Inception-v1 of which every kernel was inflated along time.

Paper: https://arxiv.org/abs/1705.07750. What is published is a pickle of numpy arrays, after its makers'
checkpoint for TensorFlow: padding is TensorFlow's SAME, and batch normalisation has no scale.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.builders import GraphBuilder, fold_batch_norm, pickled_arrays

EPSILON = 1e-3
"""Of the batch normalisation; it is in no checkpoint."""
POOLS = {"Mixed_3c": (3, 3, 3), "Mixed_4f": (2, 2, 2)}
"""The pool behind a block, (pictures, rows, columns), which halves all three."""
BLOCKS = tuple(f"Mixed_{name}" for name in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"))
LAST = (2, 7, 7)
"""What the mean at the end is taken over: (pictures, rows, columns) of the last block."""


def build(checkpoint: Path, shape: Sequence[int]) -> Any:
    """`video` [1, 3, pictures, height, width] to `logits` [1, classes], as an `onnx.ModelProto`."""
    arrays = pickled_arrays(checkpoint)
    net = _Net(arrays["params"], arrays["batch_stats"])
    value = net.unit("video", "Conv3d_1a_7x7", stride=2)
    value = net.pool(value, (1, 3, 3), (1, 2, 2))
    value = net.unit(net.unit(value, "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
    value = net.pool(value, (1, 3, 3), (1, 2, 2))
    for block in BLOCKS:
        value = net.block(value, block)
        if block in POOLS:
            value = net.pool(value, POOLS[block], (2, 2, 2))
    means = net.graph.node("AveragePool", value, kernel_shape=LAST, strides=(1, 1, 1))
    last = arrays["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]
    found = net.graph.conv(means, _kernel(last["kernel"]), last["bias"])
    net.graph.node("ReduceMean", found, axes=(2, 3, 4), keepdims=0, name="logits")
    return net.graph.build({"video": shape}, {"logits": (shape[0], len(last["bias"]))})


def _kernel(weight: NDArray[Any]) -> NDArray[Any]:
    """From (time, rows, columns, inputs, outputs) to ONNX's order."""
    return np.transpose(weight, (4, 3, 0, 1, 2))


class _Net:
    """The parts of the net, by the names of their arrays."""

    def __init__(self, weights: Mapping[str, Any], means: Mapping[str, Any]) -> None:
        self.graph = GraphBuilder()
        self._weights = weights
        self._means = means

    def unit(self, value: str, *path: str, stride: int = 1) -> str:
        """A convolution, normalised, without what is below zero."""
        weights, means = self._weights, self._means
        for name in path:
            weights, means = weights[name], means[name]
        of_norm = means["BatchNorm_0"]
        shift, mean, variance = (
            np.ravel(one) for one in (weights["BatchNorm_0"]["bias"], of_norm["mean"], of_norm["var"])
        )
        weight, bias = fold_batch_norm(
            _kernel(weights["Conv_0"]["kernel"]),
            np.ones_like(shift),
            shift,
            mean,
            variance,
            epsilon=EPSILON,
        )
        return self.graph.node("Relu", self.graph.conv(value, weight, bias, stride=stride, pad="same"))

    def pool(self, value: str, kernel: Sequence[int], stride: Sequence[int]) -> str:
        return self.graph.node("MaxPool", value, kernel_shape=kernel, strides=stride, auto_pad="SAME_UPPER")

    def block(self, value: str, name: str) -> str:
        """Four branches side by side."""
        branches = (
            self.unit(value, name, "Branch_0/Conv3d_0a_1x1"),
            self.unit(self.unit(value, name, "Branch_1/Conv3d_0a_1x1"), name, "Branch_1/Conv3d_0b_3x3"),
            self.unit(self.unit(value, name, "Branch_2/Conv3d_0a_1x1"), name, "Branch_2/Conv3d_0b_3x3"),
            self.unit(self.pool(value, (3, 3, 3), (1, 1, 1)), name, "Branch_3/Conv3d_0b_1x1"),
        )
        return self.graph.node("Concat", *branches, axis=1)
