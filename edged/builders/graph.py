"""Assemble an ONNX graph of arrays: the same arrays give the same bytes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

IR_VERSION = 9
OPSET = 17
"""Old enough for every runtime that edged runs on."""

Value = str
"""Something that is computed, by its name in the graph."""
Sizes = int | Sequence[int]
"""The same along every axis of the picture, or one an axis."""
Shape = Sequence[int | str]
"""Length of each axis; a name where it is free."""


class GraphBuilder:
    """Nodes in the order in which they are computed. What they eat is a value or a constant array."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(
        self, op: str, *inputs: Value | NDArray[Any], name: str | None = None, **attributes: Any
    ) -> Value:
        """Add an operation of ONNX with one output; returns it. `name`: of the output, else a number."""
        return self.nodes(op, *inputs, names=[name or self._next(op)], **attributes)[0]

    def nodes(
        self, op: str, *inputs: Value | NDArray[Any], names: Sequence[str], **attributes: Any
    ) -> Sequence[Value]:
        """Add an operation with several outputs, called `names`; returns them."""
        from onnx import helper  # noqa: PLC0415 - only deriving needs it

        eaten = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        self._nodes.append(helper.make_node(op, eaten, names, name=names[0], **attributes))
        return names

    def constant(self, array: NDArray[Any]) -> Value:
        """Add an array; f16 and f64 become f32, in which graphs compute."""
        from onnx import numpy_helper  # noqa: PLC0415

        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        name = f"constant_{len(self._constants)}"
        self._constants.append(
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        )
        return name

    def conv(
        self,
        value: Value,
        weight: NDArray[Any],
        bias: NDArray[Any] | None = None,
        *,
        stride: Sizes = 1,
        pad: Sizes | Literal["same"] = 0,
        groups: int = 1,
        name: str | None = None,
    ) -> Value:
        """A convolution over as many axes as `weight` has: [outputs, inputs of a group, *kernel].

        `pad`: on both ends; `same`: as TensorFlow's SAME, where an odd one goes to the end.
        """
        kernel = weight.shape[2:]
        axes = len(kernel)
        padding: dict[str, Any] = (
            {"auto_pad": "SAME_UPPER"} if pad == "same" else {"pads": _sizes(pad, axes) * 2}
        )
        return self.node(
            "Conv",
            value,
            weight,
            *([] if bias is None else [bias]),
            name=name,
            kernel_shape=kernel,
            strides=_sizes(stride, axes),
            group=groups,
            **padding,
        )

    def build(
        self,
        inputs: Mapping[Value, Shape],
        outputs: Mapping[Value, Shape],
        integers: Collection[Value] = (),
    ) -> Any:
        """The graph as an `onnx.ModelProto`, its inputs and outputs f32, but for the inputs in i64.

        Raises `ValueError` when nodes, names or shapes do not fit.
        """
        from onnx import checker, helper, shape_inference  # noqa: PLC0415

        graph = helper.make_graph(
            self._nodes, "main", _infos(inputs, integers), _infos(outputs), initializer=self._constants
        )
        model = helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="edged",
        )
        try:
            checker.check_model(model, full_check=True)
        except (checker.ValidationError, shape_inference.InferenceError) as error:
            raise ValueError(f"the graph is wrong: {error}") from error
        return model

    def _next(self, op: str) -> str:
        return f"{op.lower()}_{len(self._nodes)}"


def fold_batch_norm(
    weight: NDArray[Any],
    scale: NDArray[Any],
    shift: NDArray[Any],
    mean: NDArray[Any],
    variance: NDArray[Any],
    *,
    epsilon: float,
    bias: NDArray[Any] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias of a convolution with the batch normalisation behind it.

    `weight`: [outputs, ...]; the others [outputs]; `scale` and `shift` are also called gamma and beta.
    """
    factor = np.asarray(scale, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    along = factor.reshape(-1, *[1] * (weight.ndim - 1))
    moved = (0.0 if bias is None else np.asarray(bias, np.float64)) - mean
    return (weight * along).astype(np.float32), (shift + moved * factor).astype(np.float32)


def _sizes(given: Sizes, axes: int) -> list[int]:
    return [given] * axes if isinstance(given, int) else list(given)


def _infos(values: Mapping[Value, Shape], integers: Collection[Value] = ()) -> list[Any]:
    from onnx import TensorProto, helper  # noqa: PLC0415

    return [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name in integers else TensorProto.FLOAT, shape
        )
        for name, shape in values.items()
    ]
