"""The network of inaSpeechSegmenter that tells women from men, of its Keras weights."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import CardError
from edged.builders import GraphBuilder, fold_batch_norm, hdf5_arrays

EPSILON = 1e-3
"""Of Keras' batch normalisation."""
POOLS = {2: (1, 2), 4: (2, 2), 5: (28, 1)}
"""After which convolution the largest of so many frames and bands is kept."""


def build(path: Path) -> Any:
    """Five convolutions, four dense layers, softmax. Raises `CardError` when an array is missing."""
    arrays, graph = hdf5_arrays(path), GraphBuilder()
    value = graph.node("Unsqueeze", "patches", np.array([1]))
    for i in range(1, 6):
        kernel, bias = _layer(arrays, f"conv2d_{i}")
        weight, bias = _normalised(arrays, i, kernel.transpose(3, 2, 0, 1), bias)
        value = graph.node("Relu", graph.conv(value, weight, bias))
        if i in POOLS:
            value = graph.node("MaxPool", value, kernel_shape=POOLS[i], strides=POOLS[i])
    value = graph.node("Flatten", value)  # one frame and one band are left: the order is that of Keras
    for i in range(1, 5):
        kernel, bias = _layer(arrays, f"dense_{i}")
        weight, bias = _normalised(arrays, 5 + i, kernel.T, bias)
        value = graph.node("Relu", graph.node("Gemm", value, weight.T, bias))
    kernel, bias = _layer(arrays, "dense_5")
    graph.node("Softmax", graph.node("Gemm", value, kernel, bias), name="probabilities")
    return graph.build({"patches": ["n", 68, 24]}, {"probabilities": ["n", 2]})


def _layer(arrays: dict[str, NDArray[Any]], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    return _array(arrays, name, "kernel"), _array(arrays, name, "bias")


def _normalised(
    arrays: dict[str, NDArray[Any]], number: int, weight: NDArray[Any], bias: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias with the batch normalisation behind them."""
    name = f"batch_normalization_{number}"
    parts = (_array(arrays, name, part) for part in ("gamma", "beta", "moving_mean", "moving_variance"))
    return fold_batch_norm(weight, *parts, epsilon=EPSILON, bias=bias)


def _array(arrays: dict[str, NDArray[Any]], layer: str, part: str) -> NDArray[Any]:
    found = arrays.get(f"model_weights/{layer}/{layer}/{part}:0")
    if found is None:
        raise CardError(f"the weights have no {part} of {layer}")
    return found
