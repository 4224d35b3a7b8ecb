"""Fold what follows fit and colour into the graph: it then eats u8 pixels [n, height, width, channels].

Cast to f32, mean and standard deviation and the change of layout become nodes before the graph's own. Only
the card's picture inputs are folded; tensor inputs and everything behind them stay as they are.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edged.contracts.card import Graph, PictureInput
from edged.contracts.errors import CardError, VariantError
from edged.contracts.items import Colour
from edged.runtimes.failures import raised_by


def fold_onnx(source: Path, target: Path, graph: Graph) -> None:
    """Write the folded ONNX graph.

    Raises `CardError` where card and file differ, `VariantError` when the file cannot be read.
    """
    import onnx  # noqa: PLC0415 - only deriving needs it
    from google.protobuf import message  # type: ignore[import-untyped]  # noqa: PLC0415

    if source.suffix != ".onnx":
        raise VariantError(f"ONNX Runtime reads ONNX only, and {source.name} is not ONNX")
    try:
        model = onnx.load(str(source))
        _use_as_inputs(model.graph, graph)
        folded = [
            node
            for name, spec in graph.inputs.items()
            if isinstance(spec, PictureInput)
            for node in _picture_nodes(model.graph, name, spec, graph)
        ]
        own = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(folded + own)
        onnx.checker.check_model(model)
        onnx.save(model, str(target))
    except raised_by(onnx.checker, message) as error:
        raise VariantError(f"{source.name} cannot be folded: {error}") from error


def _use_as_inputs(own: Any, graph: Graph) -> None:
    """Drop initializers from the inputs, where old exporters list them, and compare names with the card."""
    constants = {tensor.name for tensor in own.initializer}
    real = [value for value in own.input if value.name not in constants]
    del own.input[:]
    own.input.extend(real)
    _check_names(graph, (value.name for value in real), (value.name for value in own.output))


def _check_names(graph: Graph, inputs: Iterable[str], outputs: Iterable[str]) -> None:
    there = set(inputs)
    if there != set(graph.inputs):
        raise CardError(
            f"the card lists the inputs {sorted(graph.inputs)}, but the graph has {sorted(there)}"
        )
    offered = set(outputs)
    if not offered.issuperset(graph.outputs):
        raise CardError(
            f"the card lists the outputs {sorted(graph.outputs)}, but the graph has {sorted(offered)}"
        )


def _picture_nodes(own: Any, name: str, spec: PictureInput, graph: Graph) -> list[Any]:
    """Make the input u8 NHWC, and the nodes from there to what the graph ate before."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    (value,) = (v for v in own.input if v.name == name)
    tensor = value.type.tensor_type
    given = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    if tensor.elem_type != TensorProto.FLOAT:
        raise CardError(f"the input {name!r} is no f32 tensor; a picture input must be one")
    shape = _batch(name, given, spec, graph) or "batch", spec.size[0] or "height", spec.size[1] or "width"
    after = f"{name}/planes"
    _rename(own, name, after)
    value.CopyFrom(helper.make_tensor_value_info(name, TensorProto.UINT8, [*shape, channels(spec)]))
    # Transposed while it is still one byte a value: a quarter of the memory to move.
    steps: list[tuple[str, dict[str, Any], Any]] = [
        ("Transpose", {"perm": [0, 3, 1, 2]}, None),
        ("Cast", {"to": TensorProto.FLOAT}, None),
        *((kind, {}, numbers) for kind, numbers in _normalisation(spec)),
    ]
    nodes = []
    before = name
    for position, (kind, attributes, numbers) in enumerate(steps):
        output = after if position == len(steps) - 1 else f"{name}/{kind.lower()}"
        inputs = [before]
        if numbers is not None:
            inputs.append(f"{name}/{kind.lower()}/by")
            own.initializer.append(numpy_helper.from_array(numbers.reshape(1, -1, 1, 1), inputs[1]))
        nodes.append(helper.make_node(kind, inputs, [output], name=f"{name}/{kind}", **attributes))
        before = output
    return nodes


def _batch(name: str, shape: list[int | None], spec: PictureInput, graph: Graph) -> int | None:
    """Length of the first axis; none stays free. Raises `CardError` when the graph eats no such picture."""
    wanted = (channels(spec), *spec.size)
    if len(shape) != 4 or any(None not in (a, b) and a != b for a, b in zip(shape[1:], wanted, strict=True)):
        raise CardError(
            f"the card says that {name!r} is [n, {', '.join(map(str, wanted))}], but the graph has {shape}"
        )
    return shape[0] or (None if graph.batch_axis == 0 else 1)


def _normalisation(spec: PictureInput) -> list[tuple[str, Any]]:
    """What to subtract and what to divide by; nothing where it would change nothing."""
    mean, std = (np.asarray(v[: channels(spec)], np.float32) for v in (spec.mean, spec.std))
    return [*([("Sub", mean)] if mean.any() else []), *([("Div", std)] if (std != 1).any() else [])]


def channels(spec: PictureInput) -> int:
    """1 for gray, else 3."""
    return 1 if spec.colour is Colour.GRAY else 3


def _rename(own: Any, old: str, new: str) -> None:
    """Let everything that reads `old` read `new`, in the branches of If and Loop as well."""
    for node in own.node:
        node.input[:] = [new if name == old else name for name in node.input]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, old, new)


def fold_openvino(source: Path, target: Path, graph: Graph) -> None:
    """Write the folded graph as OpenVINO's IR. Raises as `fold_onnx`."""
    import openvino  # noqa: PLC0415 - loaded when it is needed first

    from edged.runtimes.ov import core  # noqa: PLC0415

    try:
        model = core().read_model(str(source))
        _check_names(
            graph,
            *([n for node in nodes for n in node.get_names()] for nodes in (model.inputs, model.outputs)),
        )
        model.reshape(_shapes(model, graph))
        # f32 stays f32: compressed to f16, the variant would no longer agree with the weights.
        openvino.save_model(_preprocessed(model, graph), str(target), compress_to_fp16=False)
    except RuntimeError as error:
        raise VariantError(f"OpenVINO cannot convert {source.name}: {error}") from error


def _shapes(model: Any, graph: Graph) -> dict[str, Any]:
    """The shape that each input shall have: pictures fixed to the card's size, others as they are."""
    from openvino import PartialShape  # noqa: PLC0415

    shapes = {}
    for name, spec in graph.inputs.items():
        shape = model.input(name).partial_shape
        if isinstance(spec, PictureInput):
            given = [d.get_length() if d.is_static else None for d in shape]
            batch = _batch(name, given, spec, graph)
            shape = PartialShape([batch or -1, channels(spec), *(length or -1 for length in spec.size)])
        shapes[name] = shape
    return shapes


def _preprocessed(model: Any, graph: Graph) -> Any:
    from openvino import Layout, Type  # noqa: PLC0415
    from openvino.preprocess import PrePostProcessor  # noqa: PLC0415

    processor = PrePostProcessor(model)
    for name, spec in graph.inputs.items():
        if isinstance(spec, PictureInput):
            one = processor.input(name)
            one.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
            one.model().set_layout(Layout("NCHW"))
            steps = one.preprocess().convert_element_type(Type.f32)
            for kind, numbers in _normalisation(spec):
                (steps.mean if kind == "Sub" else steps.scale)(numbers.tolist())
    return processor.build()
