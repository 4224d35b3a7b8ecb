"""Graphs that are quantized dynamically, without their roundings.

"Dynamic" quantization, as `onnxruntime.quantization.quantize_dynamic` and exporters of transformers make it,
rounds what flows into each product to 8 bits, by a scale that is found on the way. OpenVINO refuses it. On a
CPU without VNNI sums of ONNX Runtime's products (u8 by s8) overflow: of CLIP's vector a cosine of .4 to .6 is
left, where the rounding alone leaves .98. Here the weights stay int8 and are decoded where they are used, and
what flows is f32, on every machine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_FLOAT = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}
"""A product of integers, and the same of numbers."""


def without_roundings(path: Path) -> Any | None:
    """The ONNX graph of a file with f32 between its weights; none where nothing is rounded on its way.

    A product of integers whose neighbours are others than those of a dynamic quantization stays as it is.
    """
    import onnx  # noqa: PLC0415 - only deriving needs it

    model = onnx.load(str(path))
    own = model.graph
    reader = _Reader(own)
    rounded = [found for node in own.node if (found := reader.rounded(node)) is not None]
    if not rounded:
        return None
    exact = {one.output: one.exact() for one in rounded}
    nodes = [new for node in own.node for new in exact.get(node.output[0], [node])]
    del own.node[:]
    own.node.extend(_needed(nodes, [value.name for value in own.output]))
    return model


@dataclass(frozen=True, slots=True)
class _Rounded:
    """A product of what is rounded before and scaled back behind it; all but `product` are names."""

    product: Any
    value: str
    """What flows in, before it is rounded."""
    weights: str
    zero: str
    """Zero point of the weights; empty: 0."""
    scale: str
    """Of the weights."""
    output: str
    """What flows out, scaled back."""

    def exact(self) -> list[Any]:
        """The nodes of the same product of numbers."""
        from onnx import TensorProto, helper  # noqa: PLC0415

        name = self.output
        nodes = [helper.make_node("Cast", [self.weights], [f"{name}/integers"], to=TensorProto.FLOAT)]
        if self.zero:
            nodes += [
                helper.make_node("Cast", [self.zero], [f"{name}/zero"], to=TensorProto.FLOAT),
                helper.make_node("Sub", [f"{name}/integers", f"{name}/zero"], [f"{name}/shifted"]),
            ]
        nodes.append(helper.make_node("Mul", [nodes[-1].output[0], self.scale], [f"{name}/weights"]))
        product = helper.make_node(_FLOAT[self.product.op_type], [self.value, f"{name}/weights"], [name])
        product.attribute.extend(self.product.attribute)
        return [*nodes, product]


class _Reader:
    """Who makes and who reads each tensor of a graph."""

    def __init__(self, own: Any) -> None:
        self._constants = {one.name: one for one in own.initializer}
        self._maker = {name: node for node in own.node for name in node.output}
        self._readers: dict[str, list[Any]] = {value.name: [None] for value in own.output}
        for node in own.node:
            for name in _reads(node):
                self._readers.setdefault(name, []).append(node)

    def rounded(self, node: Any) -> _Rounded | None:
        """The surroundings of a product of integers, as dynamic quantization leaves them."""
        if node.op_type not in _FLOAT or len(node.input) < 3:
            return None
        source = self._maker.get(node.input[0])
        back = self._only_reader(self._only_reader(node, "Cast"), "Mul")
        scales = [self._maker.get(name) for name in back.input] if back is not None else []
        both = next((one for one in scales if one is not None and one.op_type == "Mul"), None)
        if back is None or both is None or source is None or source.op_type != "DynamicQuantizeLinear":
            return None
        constant = [name for name in both.input if name in self._constants]
        if source.output[1] not in both.input or not constant or node.input[1] not in self._constants:
            return None
        zero = node.input[3] if len(node.input) > 3 and self._is_not_zero(node.input[3]) else ""
        return _Rounded(node, source.input[0], node.input[1], zero, constant[0], back.output[0])

    def _only_reader(self, node: Any, kind: str) -> Any | None:
        readers = self._readers.get(node.output[0], []) if node is not None else []
        return readers[0] if len(readers) == 1 and readers[0] and readers[0].op_type == kind else None

    def _is_not_zero(self, name: str) -> bool:
        from onnx import numpy_helper  # noqa: PLC0415

        return name not in self._constants or bool(np.any(numpy_helper.to_array(self._constants[name])))


def _needed(nodes: Iterable[Any], outputs: Iterable[str]) -> list[Any]:
    """Those on which the outputs depend, in the same order."""
    wanted, kept = set(outputs), []
    for node in reversed(list(nodes)):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(_reads(node))
    return kept[::-1]


def _reads(node: Any) -> Iterator[str]:
    """Names of the tensors that a node reads, or the branches of an If or Loop."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node if attribute.HasField("g") else ():
            yield from _reads(inner)
