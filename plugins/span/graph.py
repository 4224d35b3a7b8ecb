"""The graph of SPAN, of the layers that ncnn's files list: one node of ONNX a layer.

Paper: https://arxiv.org/abs/2311.12770.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edged import CardError
from edged.builders import GraphBuilder, Layer, ncnn_layers

BINARY = {0: "Add", 1: "Sub", 2: "Mul", 3: "Div"}
"""ncnn's numbers of operations between two values."""


def build(param: Path, weights: Path, name_in: str, name_out: str) -> Any:
    """`name_in` [n, 3, height, width], RGB of 0 to 1, to the larger `name_out`, as an `onnx.ModelProto`."""
    graph = GraphBuilder()
    values: dict[str, str] = {}
    layers = ncnn_layers(param, weights)
    for layer in layers:
        if layer.kind == "Input":
            values[layer.outputs[0]] = name_in
        elif layer.kind == "Split":
            values |= dict.fromkeys(layer.outputs, values[layer.inputs[0]])
        elif layer.kind in _NODES:
            values[layer.outputs[0]] = _NODES[layer.kind](
                graph, layer, [values[name] for name in layer.inputs]
            )
        else:
            raise CardError(f"{param.name} has a layer {layer.kind}, which SPAN does not have")
    graph.node("Identity", values[layers[-1].outputs[0]], name=name_out)
    shape = ("batch", 3, "height", "width")
    return graph.build({name_in: shape}, {name_out: ("batch", 3, "height_out", "width_out")})


def _whole(layer: Layer, number: int) -> int:
    """A parameter of a layer; ncnn leaves out those that are 0."""
    value = layer.parameters.get(number, 0)
    if not isinstance(value, int):
        raise CardError(f"the layer {layer.name} has {value!r} where SPAN has a whole number")
    return value


Node = Callable[[GraphBuilder, Layer, list[Any]], Any]


def _conv(graph: GraphBuilder, layer: Layer, inputs: list[Any]) -> Any:
    weight, bias = layer.arrays
    return graph.conv(inputs[0], weight, bias, pad=_whole(layer, 4))


def _binary(graph: GraphBuilder, layer: Layer, inputs: list[Any]) -> Any:
    by = layer.parameters.get(2, 0.0)
    other = np.full((1, 1, 1, 1), by, np.float32) if layer.parameters.get(1) else inputs[1]
    return graph.node(BINARY[_whole(layer, 0)], inputs[0], other)


def _swish(graph: GraphBuilder, layer: Layer, inputs: list[Any]) -> Any:
    return graph.node("Mul", inputs[0], graph.node("Sigmoid", inputs[0]))


def _shuffle(graph: GraphBuilder, layer: Layer, inputs: list[Any]) -> Any:
    return graph.node("DepthToSpace", inputs[0], blocksize=_whole(layer, 0), mode="CRD")


_NODES: Mapping[str, Node] = {
    "BinaryOp": _binary,
    "Concat": lambda graph, layer, inputs: graph.node("Concat", *inputs, axis=1),
    "Convolution": _conv,
    "MemoryData": lambda graph, layer, inputs: graph.constant(layer.arrays[0][None]),
    "PixelShuffle": _shuffle,
    "Sigmoid": lambda graph, layer, inputs: graph.node("Sigmoid", inputs[0]),
    "Swish": _swish,
}
