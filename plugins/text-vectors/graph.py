"""BERT's encoder and pooler, of the int8 weights of a classifier that was published for 128 tokens only.

The table of positions has all 512, so here the length is free; the classifier is left out. Weights stay int8,
what flows is f32. The architecture: Devlin et al. 2018, https://arxiv.org/abs/1810.04805.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import CardError
from edged.builders import NOWHERE, Quantized, TransformerBuilder

HEAD_WIDTH = 64
EPSILON = 1e-12
"""Of BERT's layer normalisation."""


def build(path: Path) -> Any:
    """`input_ids`, `attention_mask` and `token_type_ids` [1, n] to `states` [1, n, d] and `pooled` [1, d].

    Raises `CardError` when a weight is missing.
    """
    arrays, weights = _published(path)
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
    if not layers:
        raise CardError(f"{path.name} has no layers of BERT in int8")
    width = len(arrays["embeddings.LayerNorm.weight"])
    net = TransformerBuilder(
        arrays, weights, heads=width // HEAD_WIDTH, head_width=HEAD_WIDTH, epsilon=EPSILON
    )
    count = net.length("input_ids", 1)
    places = net.slice(np.arange(len(weights["embeddings.position_embeddings"][0])), count, axis=0)
    tables = {
        "word_embeddings": "input_ids",
        "token_type_embeddings": "token_type_ids",
        "position_embeddings": places,
    }
    word, kind, place = (net.embedded("embeddings." + table, ids) for table, ids in tables.items())
    value = net.norm("embeddings.LayerNorm", net.node("Add", net.node("Add", word, kind), place))
    padding = net.node("Equal", "attention_mask", np.array(0))
    hidden = net.node("Where", padding, NOWHERE, np.array(0, np.float32))
    for i in range(len(layers)):
        layer = f"encoder.layer.{i}."
        own = layer + "attention.self."
        seen = net.seen_by_heads(
            net.query(own + "query", value),
            net.columns(own + "key", value),
            net.columns(own + "value", value),
            hidden,
        )
        mixed = net.linear(layer + "attention.output.dense", net.flat(seen))
        value = net.norm(layer + "attention.output.LayerNorm", net.node("Add", mixed, value))
        inner = net.gelu(net.linear(layer + "intermediate.dense", value))
        outer = net.node("Add", net.linear(layer + "output.dense", inner), value)
        value = net.norm(layer + "output.LayerNorm", outer, name="states" if i == len(layers) - 1 else None)
    first = net.node("Gather", value, np.array(0), axis=1)
    net.node("Tanh", net.linear("pooler.dense", first), name="pooled")
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    return net.build(
        dict.fromkeys(inputs, (1, "n")), {"states": [1, "n", width], "pooled": [1, width]}, integers=inputs
    )


def _published(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Quantized]]:
    """Arrays by name, integer weights by layer; that of a matrix is told by the bias that is added to it."""
    import onnx  # noqa: PLC0415 - only deriving needs it
    from onnx import numpy_helper  # noqa: PLC0415

    own = onnx.load(str(path)).graph
    arrays = {one.name: numpy_helper.to_array(one) for one in own.initializer}
    made_by = {name: node for node in own.node for name in node.output}
    weights: dict[str, Quantized] = {}
    for node in own.node:
        for bias in (name for name in node.input if name.endswith(".bias") and node.op_type == "Add"):
            product = next(name for name in node.input if name != bias)
            matrix = _matrix(product, made_by)
            if matrix is not None:
                numbers, scale, zero = _quantized(matrix, arrays)
                weights[_short(bias.removesuffix(".bias"))] = np.ascontiguousarray(numbers.T), scale, zero
        if node.op_type == "Gather" and node.input[0].endswith(".weight_quantized"):
            name = node.input[0].removesuffix("_quantized")
            weights[_short(name.removesuffix(".weight"))] = _quantized(name, arrays)
    return {_short(name): array for name, array in arrays.items()}, weights


def _matrix(value: str, made_by: dict[str, Any]) -> str | None:
    """The weight of the product that a value is, scaled and cast; none: it is no such product."""
    for operation in ("Mul", "Cast"):
        node = made_by.get(value)
        if node is None or node.op_type != operation:
            return None
        value = node.input[0]
    node = made_by.get(value)
    if node is None or node.op_type != "MatMulInteger":
        return None
    return str(node.input[1]).removesuffix("_quantized")


def _quantized(name: str, arrays: dict[str, NDArray[Any]]) -> Quantized:
    return arrays[name + "_quantized"], arrays[name + "_scale"], arrays[name + "_zero_point"]


def _short(name: str) -> str:
    return name.removeprefix("bert.")
