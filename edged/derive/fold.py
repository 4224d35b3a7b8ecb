"""Fold what follows fit and colour into the graph: it then eats u8 pixels [n, height, width, channels].

Cast to f32, mean and standard deviation and the change of layout become nodes before the graph's own, where
it does not eat such pixels already. Only the card's picture inputs are folded; tensor inputs and everything
behind them stay as they are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edged.contracts.card import Graph
from edged.contracts.errors import CardError, VariantError
from edged.contracts.graph_input import PictureInput
from edged.contracts.items import Colour
from edged.runtimes.failures import raised_by
from edged.runtimes.ov_core import core


def fold_onnx(source: Path, target: Path, graph: Graph) -> None:
    """Write the folded ONNX graph.

    Raises `CardError` where card and file differ, `VariantError` when the file cannot be read.
    """
    import onnx  # noqa: PLC0415 - only deriving needs it
    from google.protobuf import message  # noqa: PLC0415

    if source.suffix != ".onnx":
        raise VariantError(f"ONNX Runtime reads ONNX only, and {source.name} is not ONNX")
    try:
        model = onnx.load(str(source))
        _use_as_inputs(model.graph, graph)
        _use_as_outputs(model, graph)
        folded = [
            node
            for name, spec in _pictures(graph).items()
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
    _check_inputs(graph, (value.name for value in real))


def _use_as_outputs(model: Any, graph: Graph) -> None:
    """Make tensors within the graph its outputs, where the card names such ones."""
    from onnx import shape_inference  # noqa: PLC0415

    own = model.graph
    offered = [value.name for value in own.output]
    if set(graph.outputs) <= set(offered):
        return
    known = {value.name: value for value in shape_inference.infer_shapes(model).graph.value_info}
    known |= {value.name: value for value in own.output}
    _check_outputs(graph, known, offered)
    del own.output[:]
    own.output.extend(known[name] for name in graph.outputs)


def _check_inputs(graph: Graph, inputs: Iterable[str]) -> None:
    there = set(inputs)
    if there != set(graph.inputs):
        raise CardError(
            f"the card lists the inputs {sorted(graph.inputs)}, but the graph has {sorted(there)}"
        )


def _check_outputs(graph: Graph, tensors: Collection[str], offered: Iterable[str]) -> None:
    """`tensors`: all that the graph computes; `offered`: what its makers gave out."""
    if not set(graph.outputs) <= set(tensors):
        raise CardError(
            f"the card lists the outputs {sorted(graph.outputs)}, but the graph has {sorted(offered)}, "
            "and not all of them within it either"
        )


def _picture_nodes(own: Any, name: str, spec: PictureInput, graph: Graph) -> list[Any]:
    """Make the input u8 NHWC, and the nodes from there to what the graph ate before."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    (value,) = (v for v in own.input if v.name == name)
    tensor = value.type.tensor_type
    given = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    kinds = {TensorProto.FLOAT: "f32", TensorProto.UINT8: "u8"}
    eats = _eats(name, given, kinds.get(tensor.elem_type, "?"), spec, graph)
    shape = eats.batch or "batch", spec.size[0] or "height", spec.size[1] or "width"
    value.CopyFrom(helper.make_tensor_value_info(name, TensorProto.UINT8, [*shape, channels(spec)]))
    # Transposed while it is still one byte a value: a quarter of the memory to move.
    steps: list[tuple[str, dict[str, Any], Any]] = [
        *([("Transpose", {"perm": [0, 3, 1, 2]}, None)] if eats.planes else []),
        *([("Cast", {"to": TensorProto.FLOAT}, None)] if eats.dtype == "f32" else []),
        *((kind, {}, numbers) for kind, numbers in _normalisation(spec)),
    ]
    if not steps:
        return []
    after = f"{name}/planes"
    _rename(own, name, after)
    along = (1, -1, 1, 1) if eats.planes else (1, 1, 1, -1)
    outputs = [f"{name}/{kind.lower()}" for kind, *_ in steps[:-1]] + [after]
    nodes = []
    for (kind, attributes, numbers), before, output in zip(steps, [name, *outputs], outputs, strict=False):
        inputs = [before]
        if numbers is not None:
            inputs.append(f"{name}/{kind.lower()}/by")
            own.initializer.append(numpy_helper.from_array(numbers.reshape(along), inputs[1]))
        nodes.append(helper.make_node(kind, inputs, [output], name=f"{name}/{kind}", **attributes))
    return nodes


@dataclass(frozen=True, slots=True)
class _Eats:
    """What a graph wants of a picture before it is folded."""

    planes: bool
    """True: [n, channels, height, width]. False: [n, height, width, channels], as TFLite has it."""
    dtype: str
    """`f32`; or `u8`, and then nothing can be normalised before it."""
    batch: int | None
    """Length of the first axis; none stays free."""


def _eats(name: str, shape: Sequence[int | None], dtype: str, spec: PictureInput, graph: Graph) -> _Eats:
    """Raises `CardError` when the graph eats no such picture."""
    planes = channels(spec), *spec.size
    as_planes = _agree(shape[1:], planes)
    if len(shape) != 4 or not (as_planes or _agree(shape[1:], (*spec.size, channels(spec)))):
        raise CardError(
            f"the card says that {name!r} is [n, {', '.join(map(str, planes))}], but the graph has "
            f"{list(shape)}"
        )
    if dtype not in ("f32", "u8") or (dtype == "u8" and _normalisation(spec)):
        raise CardError(
            f"the input {name!r} is a tensor of {dtype}; a picture is f32, or u8 without mean and std"
        )
    return _Eats(as_planes, dtype, shape[0] or (None if graph.batch_axis == 0 else 1))


def _agree(given: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    """Whether two shapes are the same, where none is any length."""
    return len(given) == len(wanted) and all(
        None in (a, b) or a == b for a, b in zip(given, wanted, strict=True)
    )


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

    try:
        model = core().read_model(str(source))
        _check_inputs(graph, (name for node in model.inputs for name in node.get_names()))
        model = _with_outputs(model, graph)
        eats = {name: _eaten(model.input(name), name, graph) for name in _pictures(graph)}
        model.reshape(_shapes(model, graph, eats))
        if not graph.quantized:
            _decode_weights(model)
        # f32 stays f32: compressed to f16, the variant would no longer agree with the weights.
        openvino.save_model(_preprocessed(model, graph, eats), str(target), compress_to_fp16=False)
    except RuntimeError as error:
        raise VariantError(f"OpenVINO cannot convert {source.name}: {error}") from error


def _with_outputs(model: Any, graph: Graph) -> Any:
    """The model as it is, or as far as the card's outputs need it where these lie within."""
    import openvino  # noqa: PLC0415

    offered = [name for node in model.outputs for name in node.get_names()]
    if set(graph.outputs) <= set(offered):
        return model
    inner = {name: out for op in model.get_ops() for out in op.outputs() for name in out.get_names()}
    _check_outputs(graph, inner, offered)
    return openvino.Model([inner[name] for name in graph.outputs], model.get_parameters())


def _pictures(graph: Graph) -> dict[str, PictureInput]:
    return {name: spec for name, spec in graph.inputs.items() if isinstance(spec, PictureInput)}


def _eaten(node: Any, name: str, graph: Graph) -> _Eats:
    shape = [d.get_length() if d.is_static else None for d in node.partial_shape]
    return _eats(name, shape, node.element_type.get_type_name(), _pictures(graph)[name], graph)


def _decode_weights(model: Any) -> None:
    """Weights that are stored as int8 with a scale become f32, as they are computed with.

    Where they stay, OpenVINO 2026.4.1 with two streams on a CPU answers NaN (PP-OCRv6 tiny) or at random
    (FER).
    """
    from openvino import opset13  # noqa: PLC0415
    from openvino.passes import ConstantFolding, Manager  # noqa: PLC0415

    for node in model.get_ops():
        source = node.input_value(0).get_node() if node.get_type_name() == "Convert" else None
        if source is not None and source.get_type_name() == "Constant" and source.data.dtype == np.int8:
            # Of TFLite's the pass below would spare it: it is marked as what decompresses.
            node.output(0).replace(opset13.constant(source.data.astype(np.float32)).output(0))
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)


def _shapes(model: Any, graph: Graph, eats: Mapping[str, _Eats]) -> dict[str, Any]:
    """The shape that each input shall have: pictures fixed to the card's size, others as they are."""
    from openvino import PartialShape  # noqa: PLC0415

    shapes = {name: model.input(name).partial_shape for name in graph.inputs}
    for name, spec in _pictures(graph).items():
        size = [length or -1 for length in spec.size]
        inner = [channels(spec), *size] if eats[name].planes else [*size, channels(spec)]
        shapes[name] = PartialShape([eats[name].batch or -1, *inner])
    return shapes


def _preprocessed(model: Any, graph: Graph, eats: Mapping[str, _Eats]) -> Any:
    from openvino import Layout, Type  # noqa: PLC0415
    from openvino.preprocess import PrePostProcessor  # noqa: PLC0415

    processor = PrePostProcessor(model)
    for name, spec in _pictures(graph).items():
        one = processor.input(name)
        one.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
        one.model().set_layout(Layout("NCHW" if eats[name].planes else "NHWC"))
        steps = one.preprocess()
        if eats[name].dtype == "f32":
            steps.convert_element_type(Type.f32)
        for kind, numbers in _normalisation(spec):
            (steps.mean if kind == "Sub" else steps.scale)(numbers.tolist())
    return processor.build()
