"""The layers of a transformer whose weights are int8 and whose activations are f32.

As many are published, everything that flows through them is rounded to 8 bits on its way, too ("dynamic
quantization"), which costs accuracy and, where a processor has no instructions for it, time. Here a weight
is decoded where it is used: OpenVINO keeps it in int8 and decodes within the multiplication, ONNX Runtime
decodes it once, when the graph is opened.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged.builders.graph import GraphBuilder
from edged.contracts.errors import CardError

NOWHERE = np.array(-1e9, np.float32)
"""Added to the score of what must not be looked at."""

Quantized = tuple[NDArray[Any], NDArray[np.float32], NDArray[Any]]
"""Integers, scale, zero point. A matrix is [outputs, inputs], as OpenVINO uses it; else it would keep another
beside it."""


class TransformerBuilder(GraphBuilder):
    """Layers by the names of their weights."""

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        weights: Mapping[str, Quantized],
        *,
        heads: int,
        head_width: int = 64,
        epsilon: float = 1e-5,
    ) -> None:
        """`arrays`: f32 by name; `weights`: int8 by layer; `epsilon`: of the layer normalisation."""
        super().__init__()
        self.count = heads
        self._head_width = head_width
        self._epsilon = epsilon
        self._arrays = arrays
        self._weights = weights
        self._constants_of: dict[str, Sequence[str]] = {}

    def array(self, name: str) -> NDArray[Any]:
        """The weights of that name, in the shape of the file. Raises `CardError` when they are missing."""
        return np.asarray(_found(self._arrays, name))

    def weight(self, layer: str) -> str:
        """Decoded where it is used. Raises `CardError` when it is missing."""
        integers, scale, zero = self._integers(layer)
        return self._decoded(integers, scale, zero)

    def linear(self, layer: str, value: str) -> str:
        """value @ weight + bias, where there is one."""
        product = self.node("MatMul", value, self.transpose(self.weight(layer), 1, 0))
        bias = self._arrays.get(layer + ".bias")
        return product if bias is None else self.node("Add", product, bias)

    def embedded(self, layer: str, ids: str) -> str:
        """Rows of a table, decoded after they were picked."""
        table, scale, zero = self._integers(layer)
        return self._decoded(self.node("Gather", table, ids, axis=0), scale, zero)

    def norm(self, layer: str, value: str, name: str | None = None) -> str:
        """Layer normalisation."""
        scale, bias = self.array(layer + ".weight"), self.array(layer + ".bias")
        return self.node("LayerNormalization", value, scale, bias, axis=-1, epsilon=self._epsilon, name=name)

    def gelu(self, value: str) -> str:
        """x/2 (1 + erf(x/√2))."""
        erf = self.node("Erf", self.node("Div", value, np.array(np.sqrt(2), np.float32)))
        both = self.node("Mul", value, self.node("Add", erf, np.array(1, np.float32)))
        return self.node("Mul", both, np.array(0.5, np.float32))

    def query(self, layer: str, value: str) -> str:
        """[b, n, d] to [b, h, n, w], scaled to be compared with keys."""
        heads = self.transpose(self._heads(layer, value), 0, 2, 1, 3)
        return self.node("Mul", heads, np.array(self._head_width**-0.5, np.float32))

    def columns(self, layer: str, value: str, name: str | None = None) -> str:
        """[b, n, d] to keys or values, [b, h, w, n].

        Values are used as [b, h, n, w], but OpenVINO 2026.4 computes nonsense for all lengths once it has
        begun with one of 1: what it need not transpose then it does not transpose later.
        """
        return self.transpose(self._heads(layer, value), 0, 2, 3, 1, name=name)

    def seen(self, shares: str, values: str) -> str:
        """[b, h, n, m] and [b, h, w, m] to [b, h, n, w]."""
        return self.node("MatMul", shares, self.transpose(values, 0, 1, 3, 2))

    def seen_by_heads(self, query: str, keys: str, values: str, mask: str | None = None) -> str:
        """Attention, one head after another: the scores of all at once take much memory for a long input."""
        seen = []
        for i in range(self.count):
            own = [self._head(one, i) for one in (query, keys, values)]
            scores = self.node("MatMul", *own[:2])
            scores = scores if mask is None else self.node("Add", scores, mask)
            seen.append(self.seen(self.node("Softmax", scores, axis=-1), own[2]))
        return self.node("Concat", *seen, axis=1)

    def flat(self, value: str) -> str:
        """[b, h, n, w] to [b, n, d]."""
        width = self.count * self._head_width
        return self.node("Reshape", self.transpose(value, 0, 2, 1, 3), np.array([0, 0, width]))

    def transpose(self, value: str, *order: int, name: str | None = None) -> str:
        """Axes in another order."""
        return self.node("Transpose", value, perm=order, name=name)

    def length(self, value: str, axis: int) -> str:
        """[1] i64: of an axis."""
        return self.node("Shape", value, start=axis, end=axis + 1)

    def slice(
        self, value: str | NDArray[Any], end: str | None, *, axis: int, start: str | None = None
    ) -> str:
        """From `start` (none: the first) to `end` (none: the last) along an axis."""
        first = np.array([0]) if start is None else start
        last = np.array([np.iinfo(np.int64).max]) if end is None else end
        return self.node("Slice", value, first, last, np.array([axis]))

    def _decoded(self, integers: str, scale: str, zero: str) -> str:
        """(integers - zero) x scale, in f32.

        Not a DequantizeLinear: where a MatMul reads one, ONNX Runtime rounds what flows in as well.
        """
        numbers, shift = (self.node("Cast", one, to=1) for one in (integers, zero))  # TensorProto.FLOAT
        return self.node("Mul", self.node("Sub", numbers, shift), scale)

    def _heads(self, layer: str, value: str) -> str:
        shape = np.array([0, 0, self.count, self._head_width])
        return self.node("Reshape", self.linear(layer, value), shape)

    def _head(self, value: str, number: int) -> str:
        """[b, h, ...] to [b, 1, ...]."""
        return self.node("Slice", value, np.array([number]), np.array([number + 1]), np.array([1]))

    def _integers(self, layer: str) -> Sequence[str]:
        """Integers, scale and zero point as constants, which stand in the graph once."""
        if layer not in self._constants_of:
            self._constants_of[layer] = [self.constant(one) for one in _found(self._weights, layer)]
        return self._constants_of[layer]


def _found(arrays: Mapping[str, Any], name: str) -> Any:
    if name not in arrays:
        raise CardError(f"the weights have no {name}")
    return arrays[name]
