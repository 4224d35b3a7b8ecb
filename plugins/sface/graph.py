"""The graph of sface in f32: what is published as int8 in blocks is decoded, once.

OpenVINO knows no DequantizeLinear with blocks. Nothing is lost: ONNX Runtime computes with the same f32.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import CardError


def build(published: Path) -> Any:
    """The published graph with its weights decoded, and without weights among its inputs, as an
    `onnx.ModelProto`.

    Raises `CardError` when it has no such weights.
    """
    import onnx  # noqa: PLC0415 - only deriving needs it
    from onnx import numpy_helper  # noqa: PLC0415

    model = onnx.load(str(published))
    own = model.graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in own.initializer}
    encoded = [node for node in own.node if node.op_type == "DequantizeLinear"]
    if not encoded:
        raise CardError(f"{published.name} has no weights in int8")
    for node in encoded:
        own.initializer.append(numpy_helper.from_array(_decoded(node, arrays), node.output[0]))
        own.node.remove(node)
    used = {name for node in own.node for name in node.input}
    _keep(own.initializer, lambda tensor: tensor.name in used)
    constants = {tensor.name for tensor in own.initializer}
    _keep(own.input, lambda value: value.name in used - constants)
    return model


def _decoded(node: Any, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """(number - zero point) * scale, where each pair of the latter is for a block along one axis."""
    given = {attribute.name: attribute.i for attribute in node.attribute}
    numbers, scales, zeros = (arrays[name] for name in node.input)
    axis, size = given["axis"], given["block_size"]
    scales, zeros = (
        np.repeat(each.astype(np.float32), size, axis).take(range(numbers.shape[axis]), axis)
        for each in (scales, zeros)
    )
    return np.asarray((numbers - zeros) * scales, np.float32)


def _keep(values: Any, wanted: Any) -> None:
    kept = [value for value in values if wanted(value)]
    del values[:]
    values.extend(kept)
