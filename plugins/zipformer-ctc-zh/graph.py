"""The published streaming graph with all that it remembers as one vector.

As exported by icefall for sherpa-onnx it has six caches a layer and two more, each an input of its own and as
`new_<name>`, an output. How many there are and how large is read of the graph.
"""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import CardError

COUNT = "processed_lens"
"""The one input beside the sound that is no f32: frames that were seen."""
NEW = "new_"
"""Before the name of an output that is the next value of an input."""


def build(path: Path) -> Any:
    """`x`, `memory` [n] (empty at the beginning) and `processed` [1] i64 to `log_probs`, `next_memory` and
    `next_processed`. Raises `CardError` when the graph is not of that kind."""
    import onnx  # noqa: PLC0415 - only deriving needs it

    model = onnx.load(str(path))
    own = model.graph
    inputs, outputs = ({value.name: value for value in field} for field in (own.input, own.output))
    caches = {name: _shape(value) for name, value in inputs.items() if name not in ("x", COUNT)}
    wanted = {"log_probs", NEW + COUNT, *(NEW + name for name in caches)}
    missing = sorted(wanted - set(outputs)) + [name for name in ("x", COUNT) if name not in inputs]
    if missing or not caches:
        raise CardError(
            f"{path.name} is no streaming graph with CTC: {', '.join(missing) or 'a cache'} lacks"
        )
    _replace(own.node, [*_taken_apart(own, caches), *own.node, *_put_together(own, caches)])
    total = sum(map(prod, caches.values()))
    _replace(
        own.input, _infos(x=[1, "frames", _shape(inputs["x"])[-1]], memory=["remembered"], processed=[1])
    )
    _replace(own.output, [outputs["log_probs"], *_infos(next_memory=[total], next_processed=[1])])
    return model


def _taken_apart(own: Any, caches: Mapping[str, Sequence[int]]) -> list[Any]:
    """Nodes from `memory` to the caches, and from `processed` to its old name; without a memory all are 0."""
    from onnx import helper  # noqa: PLC0415

    sizes = [prod(shape) for shape in caches.values()]
    zeros = _constant(own, "memory/zeros", np.zeros(sum(sizes), np.float32))
    bounds = [
        _constant(own, "memory/from", np.array([0])),
        _constant(own, "memory/to", np.array([sum(sizes)])),
    ]
    parts = _constant(own, "memory/sizes", np.array(sizes))
    flat = {name: f"{name}/flat" for name in caches}
    shapes = {name: _constant(own, f"{name}/shape", np.array(shape)) for name, shape in caches.items()}
    return [
        helper.make_node("Concat", ["memory", zeros], ["memory/long"], axis=0),
        helper.make_node("Slice", ["memory/long", *bounds], ["memory/whole"]),
        helper.make_node("Split", ["memory/whole", parts], list(flat.values()), axis=0),
        *(helper.make_node("Reshape", [flat[name], shapes[name]], [name]) for name in caches),
        helper.make_node("Identity", ["processed"], [COUNT]),
    ]


def _put_together(own: Any, caches: Mapping[str, Sequence[int]]) -> list[Any]:
    """Nodes from the next caches to `next_memory`."""
    from onnx import helper  # noqa: PLC0415

    line = _constant(own, "memory/line", np.array([-1]))
    lines = {NEW + name: f"{NEW}{name}/flat" for name in caches}
    return [
        *(helper.make_node("Reshape", [name, line], [flat]) for name, flat in lines.items()),
        helper.make_node("Concat", list(lines.values()), ["next_memory"], axis=0),
        helper.make_node("Identity", [NEW + COUNT], ["next_processed"]),
    ]


def _constant(own: Any, name: str, array: NDArray[Any]) -> str:
    from onnx import numpy_helper  # noqa: PLC0415

    own.initializer.append(numpy_helper.from_array(array, name))
    return name


def _infos(**shapes: Sequence[int | str]) -> list[Any]:
    """Those that count are i64."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    return [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name.endswith("processed") else TensorProto.FLOAT, shape
        )
        for name, shape in shapes.items()
    ]


def _replace(field: Any, values: Sequence[Any]) -> None:
    del field[:]
    field.extend(values)


def _shape(value: Any) -> list[int]:
    """Of one stream: a free axis is that of the batch."""
    return [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim]
