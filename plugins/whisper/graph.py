"""Whisper as three graphs, of the int8 weights that were published for another form of it.

As published the decoder stands twice, in the branches of an If that OpenVINO refuses, and everything that
flows through the network is rounded to 8 bits on its way. Here the weights stay int8 and what flows is f32:

* encoder: sound to states, [1, 80, 2t] to [1, t, d], as long as the clip is;
* memory: states to the keys and values that every layer of the decoder looks at, computed once a clip;
* decoder: tokens to the scores of the next one. What it remembers of earlier tokens lies in arrays of the
  caller's that have room for all; it gives the new columns alone, so nothing that is remembered is copied.

The architecture: Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import CardError
from edged.builders import NOWHERE, Quantized, TransformerBuilder

WIDTH = 64
"""Of an attention head, in every Whisper."""
DECODER = "model/decoder/"
MOST_PLACES = 1500
"""That a row may have, of tokens or of sound: half a minute has so many states."""


def encoder(path: Path) -> Any:
    """`mels` to `states`. Raises `CardError` when a weight is missing."""
    net = Network(path, "")
    value = net.gelu(net.convolved("conv1", "mels", stride=1))
    value = net.transpose(net.gelu(net.convolved("conv2", value, stride=2)), 0, 2, 1)
    positions = net.slice(net.array("embed_positions.weight"), net.length(value, 1), axis=0)
    value = net.node("Add", value, positions)
    for i in range(net.layers):
        layer = f"layers.{i}."
        normal = net.norm(layer + "self_attn_layer_norm", value)
        seen = net.seen_by_heads(
            net.query(layer + "self_attn.q_proj", normal),
            net.keys(layer + "self_attn", normal),
            net.values(layer + "self_attn", normal),
        )
        value = net.node("Add", value, net.linear(layer + "self_attn.out_proj", net.flat(seen)))
        value = net.feed_forward(layer, value)
    net.norm("layer_norm", value, name="states")
    return net.build({"mels": [1, 80, "frames"]}, {"states": [1, "t", net.width]})


def memory(path: Path) -> Any:
    """`states` to `cross_keys.<layer>` and `cross_values.<layer>`, each [1, h, 64, t]."""
    net = Network(path, DECODER)
    outputs: dict[str, Sequence[int | str]] = {}
    for i in range(net.layers):
        attention = f"layers.{i}.encoder_attn"
        names = (
            net.keys(attention, "states", f"cross_keys.{i}"),
            net.values(attention, "states", f"cross_values.{i}"),
        )
        outputs |= dict.fromkeys(names, (1, net.count, WIDTH, "t"))
    return net.build({"states": [1, "t", net.width]}, outputs)


def decoder(path: Path) -> Any:
    """`tokens` [b, n] at the positions from `start` [s] on to `scores` [b, vocabulary] of what follows.

    `past_keys.<layer>` and `past_values.<layer>` [b, h, 64, room] hold `start` tokens; the rest is not looked
    at. `keys.<layer>` and `values.<layer>` [b, h, 64, n] are what the new tokens add to them.
    `cross_keys.<layer>` and `cross_values.<layer>` [c, h, 64, t] hold `heard` [c] states of the sound. s and
    c are 1, what is the same for all rows, or b.
    """
    net = Network(path, DECODER)
    inputs: dict[str, Sequence[int | str]] = {"tokens": ["b", "n"], "start": ["s"], "heard": ["c"]}
    outputs: dict[str, Sequence[int | str]] = {"scores": ["b", "vocabulary"]}
    count = net.length("tokens", 1)
    value = net.node("Add", net.embedded("embed_tokens", "tokens"), net.positions("start", count))
    room = net.length("past_keys.0", 3)
    unused, later = net.behind("start", room), net.later(count)
    silent = net.behind("heard", net.length("cross_keys.0", 3))
    for i in range(net.layers):
        layer = f"layers.{i}."
        normal = net.norm(layer + "self_attn_layer_norm", value)
        query = net.query(layer + "self_attn.q_proj", normal)
        keys = net.keys(layer + "self_attn", normal, f"keys.{i}")
        values = net.values(layer + "self_attn", normal, f"values.{i}")
        scores = net.node(
            "Concat",
            net.node("Add", net.node("MatMul", query, f"past_keys.{i}"), unused),
            net.node("Add", net.node("MatMul", query, keys), later),
            axis=-1,
        )
        shares = net.node("Softmax", scores, axis=-1)
        seen = net.node(
            "Add",
            net.seen(net.slice(shares, room, axis=3), f"past_values.{i}"),
            net.seen(net.slice(shares, None, axis=3, start=room), values),
        )
        value = net.node("Add", value, net.linear(layer + "self_attn.out_proj", net.flat(seen)))
        query = net.query(layer + "encoder_attn.q_proj", net.norm(layer + "encoder_attn_layer_norm", value))
        scores = net.node("Add", net.node("MatMul", query, f"cross_keys.{i}"), silent)
        seen = net.seen(net.node("Softmax", scores, axis=-1), f"cross_values.{i}")
        value = net.node("Add", value, net.linear(layer + "encoder_attn.out_proj", net.flat(seen)))
        value = net.feed_forward(layer, value)
        inputs |= dict.fromkeys((f"past_keys.{i}", f"past_values.{i}"), ("b", net.count, WIDTH, "room"))
        inputs |= dict.fromkeys((f"cross_keys.{i}", f"cross_values.{i}"), ("c", net.count, WIDTH, "t"))
        outputs |= dict.fromkeys((keys, values), ("b", net.count, WIDTH, "n"))
    last = net.node("Gather", value, np.array(-1), axis=1)
    net.node("Gemm", net.norm("layer_norm", last), net.weight("embed_tokens"), transB=1, name="scores")
    return net.build(inputs, outputs, integers=("tokens", "start", "heard"))


class Network(TransformerBuilder):
    """The layers of Whisper, by the names of their weights."""

    def __init__(self, path: Path, prefix: str) -> None:
        arrays, weights = _published(path, prefix)
        layers = {name.split(".")[1] for name in weights if name.startswith("layers.")}
        if not layers:
            raise CardError(f"{path.name} has no layers of Whisper in int8")
        self.layers = len(layers)
        self.width = len(arrays["layer_norm.weight"])
        super().__init__(arrays, weights, heads=self.width // WIDTH, head_width=WIDTH)

    def convolved(self, name: str, value: str, *, stride: int) -> str:
        """[1, d, n] to [1, d, n / stride]."""
        bias = self.array(name + ".bias")
        return self.node(
            "Conv", value, self.weight(name), bias, kernel_shape=[3], strides=[stride], pads=[1, 1]
        )

    def keys(self, attention: str, value: str, name: str | None = None) -> str:
        """[b, n, d] to [b, h, 64, n]."""
        return self.columns(attention + ".k_proj", value, name)

    def values(self, attention: str, value: str, name: str | None = None) -> str:
        """[b, n, d] to [b, h, 64, n]."""
        return self.columns(attention + ".v_proj", value, name)

    def feed_forward(self, layer: str, value: str) -> str:
        """The second half of a layer."""
        inner = self.gelu(self.linear(layer + "fc1", self.norm(layer + "final_layer_norm", value)))
        return self.node("Add", value, self.linear(layer + "fc2", inner))

    def positions(self, start: str, count: str) -> str:
        """[s, n, d]: the vectors of so many positions from `start` [s] on."""
        first = self.node("Unsqueeze", start, np.array([1]))
        places = self.node("Add", first, self.slice(np.arange(MOST_PLACES), count, axis=0))
        return self.node("Gather", self.array("embed_positions.weight"), places, axis=0)

    def behind(self, end: str, length: str) -> str:
        """[s, 1, 1, length]: what hides the places from `end` [s] on."""
        first = self.node("Unsqueeze", end, np.array([1, 2, 3]))
        used = self.node("Less", self.slice(np.arange(MOST_PLACES), length, axis=0), first)
        return self.node("Where", used, np.array(0, np.float32), NOWHERE)

    def later(self, count: str) -> str:
        """[n, n]: what hides the new tokens that come after each."""
        square = self.node("Expand", NOWHERE, self.node("Concat", count, count, axis=0))
        return self.node("Trilu", square, np.array(1), upper=1)


def _published(path: Path, prefix: str) -> tuple[dict[str, NDArray[Any]], dict[str, Quantized]]:
    """Arrays by name, and integer weights by the name of the layer that they belong to."""
    import onnx  # noqa: PLC0415 - only deriving needs it
    from onnx import numpy_helper  # noqa: PLC0415

    own = onnx.load(str(path)).graph
    arrays = {one.name.replace("_merged_0", ""): numpy_helper.to_array(one) for one in own.initializer}
    weights: dict[str, Quantized] = {}
    for node in _nodes(own):
        if node.op_type not in ("MatMulInteger", "ConvInteger", "Gather"):
            continue
        file = next((one for one in node.input if one.endswith("_quantized") and one in _names(own)), None)
        if file is not None:
            layer = node.name.removeprefix("/").removeprefix(prefix).rsplit("/", 1)[0].replace("/", ".")
            name = file.replace("_merged_0", "").removesuffix("_quantized")
            numbers = arrays[name + "_quantized"]
            weights[layer] = (
                np.ascontiguousarray(numbers.T) if node.op_type == "MatMulInteger" else numbers,
                arrays[name + "_scale"],
                arrays[name + "_zero_point"],
            )
    short = {name.removeprefix(prefix.replace("/", ".")): array for name, array in arrays.items()}
    return short, weights


def _nodes(graph: Any) -> list[Any]:
    """Those of the first of two branches too: both have the same weights."""
    inner = [one.g for node in graph.node for one in node.attribute if one.HasField("g")]
    return [*graph.node, *(node for one in inner[:1] for node in one.node)]


def _names(graph: Any) -> set[str]:
    return {one.name for one in graph.initializer}
