"""The graph of FFDNet: a picture at half its size in four times the channels, twelve convolutions, and back.

Paper: https://arxiv.org/abs/1710.04026.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import CardError
from edged.builders import GraphBuilder, torch_arrays

BLOCK = 2
COLOURS = 3


def build(checkpoint: Path, image: str, sigma: str, cleaned: str) -> Any:
    """`image` [n, 3, height, width], even sides, RGB of 0 to 1, and `sigma` [1, 1, 1, 1] to `cleaned`.

    `sigma` is the standard deviation of the noise in units of the picture. Returns an `onnx.ModelProto`.
    """
    arrays = torch_arrays(checkpoint)
    names = sorted((name for name in arrays if name.endswith(".weight")), key=lambda n: int(n.split(".")[1]))
    if not names or arrays[names[0]].shape[1] != COLOURS * BLOCK**2 + 1:
        raise CardError(f"{checkpoint.name} holds no FFDNet for pictures in colour")
    graph = GraphBuilder()
    small = graph.node("SpaceToDepth", image, blocksize=BLOCK)
    ends = (np.array(number, np.int64) for number in ([0], [1], [1]))
    plane = graph.node(
        "Add", graph.node("Mul", graph.node("Slice", small, *ends), np.zeros(1, np.float32)), sigma
    )
    value = graph.node("Concat", small, plane, axis=1)
    for position, name in enumerate(names):
        weight = _reordered(arrays[name]) if position == 0 else arrays[name]
        value = graph.conv(value, weight, arrays[name.replace("weight", "bias")], pad=1)
        if position < len(names) - 1:
            value = graph.node("Relu", value)
    graph.node("DepthToSpace", value, blocksize=BLOCK, mode="CRD", name=cleaned)
    free = ("batch", COLOURS, "height", "width")
    return graph.build(
        {image: free, sigma: (1, 1, 1, 1)}, {cleaned: ("batch", COLOURS, "height_out", "width_out")}
    )


def _reordered(weight: NDArray[Any]) -> NDArray[Any]:
    """For channels in the order of ONNX's SpaceToDepth: place before colour, where torch has it after."""
    pixels = weight[:, :-1].reshape(len(weight), COLOURS, BLOCK**2, *weight.shape[2:])
    moved = pixels.swapaxes(1, 2).reshape(len(weight), -1, *weight.shape[2:])
    return np.concatenate([moved, weight[:, -1:]], axis=1)
