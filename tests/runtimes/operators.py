"""A small graph of each operator that our models use, as they use it, for a GPU to run beside the CPU.

`python -m tests.runtimes.operators` runs them all on a GPU in software, and writes docs/operators.yaml anew;
with `--real` it tells what the GPU of this machine does.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from zlib import crc32

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser

from edged.contracts.errors import EdgedError
from edged.contracts.model import Tensors
from edged.runtimes.devices import Concurrency
from edged.runtimes.gpu import SOFTWARE
from edged.runtimes.opening import open_session

FOUND = Path(__file__).parents[2] / "docs" / "operators.yaml"
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
"""A GPU in software, which Debian's Chromium brings."""
ENVIRONMENT = {"VK_DRIVER_FILES": str(SWIFTSHADER), SOFTWARE: "1"}
ONE = Concurrency(1, 1)
NEAR = 2e-3
_OPSET = 17
_PICTURE = "float[1,4,8,8] x"
_LSTM = "float[1,32,8] w, float[1,32,8] r, float[1,64] b"
_WIDE = "float[1,99,16,16] x, float[64,99,3,3] w", "y = Conv<pads = [1,1,1,1]>(x, w)"

CASES: dict[str, tuple[str, str]] = {
    "Add": ("float[2,3,4] x, float[4] w", "y = Add(x, w)"),
    "AveragePool": (_PICTURE, "y = AveragePool<kernel_shape = [2,2], strides = [2,2]>(x)"),
    "AveragePool of volumes": ("float[1,2,4,6,6] x", "y = AveragePool<kernel_shape = [2,3,3]>(x)"),
    "BatchNormalization": (
        f"{_PICTURE}, float[4] w, float[4] b, float[4] m, float[4] v",
        "y = BatchNormalization<epsilon = 0.00001>(x, w, b, m, v)",
    ),
    "Cast of u8": ("uint8[1,4,4,3] x", "y = Cast<to = 1>(x)"),
    "Cast to i64": ("float[5] x", "y = Cast<to = 7>(x)"),
    "Cast to bool": ("int64[5] x", "b = Cast<to = 9>(x) y = Cast<to = 1>(b)"),
    "Clip": (
        _PICTURE,
        "lo = Constant<value_float = 0.0>() hi = Constant<value_float = 0.5>() y = Clip(x, lo, hi)",
    ),
    "Concat": (f"{_PICTURE}, float[1,2,8,8] w", "y = Concat<axis = 1>(x, w)"),
    "Constant": ("float[3] x", "c = Constant<value_floats = [1.0, 2.0, 3.0]>() y = Mul(x, c)"),
    "ConstantOfShape": ("float[2,3] x", "s = Shape(x) c = ConstantOfShape(s) y = Add(x, c)"),
    "Conv": (f"{_PICTURE}, float[6,4,3,3] w, float[6] b", "y = Conv<pads = [1,1,1,1]>(x, w, b)"),
    "Conv of 1 x 1": (f"{_PICTURE}, float[6,4,1,1] w", "y = Conv(x, w)"),
    "Conv by strides": (
        f"{_PICTURE}, float[6,4,3,3] w",
        "y = Conv<pads = [1,1,1,1], strides = [2,2]>(x, w)",
    ),
    "Conv in groups": (f"{_PICTURE}, float[4,1,3,3] w", "y = Conv<pads = [1,1,1,1], group = 4>(x, w)"),
    "Conv of sound": ("float[1,4,32] x, float[6,4,3] w", "y = Conv<pads = [1,1], strides = [2]>(x, w)"),
    "Conv of volumes": ("float[1,2,4,6,6] x, float[3,2,3,3,3] w", "y = Conv<pads = [1,1,1,1,1,1]>(x, w)"),
    "Conv of 99 channels": _WIDE,
    "Conv of 99 channels without a name": _WIDE,
    "Conv of 2 x 2, padded at the end": (
        f"{_PICTURE}, float[6,4,2,2] w",
        'y = Conv<auto_pad = "SAME_UPPER">(x, w)',
    ),
    "Conv of volumes by strides, padded at the end": (
        "float[1,2,4,6,6] x, float[3,2,3,3,3] w",
        'y = Conv<auto_pad = "SAME_UPPER", strides = [2,2,2]>(x, w)',
    ),
    "ConvTranspose": (f"{_PICTURE}, float[4,3,2,2] w", "y = ConvTranspose<strides = [2,2]>(x, w)"),
    "DepthToSpace": (_PICTURE, 'y = DepthToSpace<blocksize = 2, mode = "CRD">(x)'),
    "DequantizeLinear": (
        "float[2,4] x, int8[4,3] w, float[3] s, int8[3] z",
        "d = DequantizeLinear<axis = 1>(w, s, z) y = MatMul(x, d)",
    ),
    "Div": ("float[2,3] x, float[3] w", "y = Div(x, w)"),
    "Dropout": (_PICTURE, "y = Dropout(x)"),
    "Equal": ("int64[6] x, int64[1] w", "b = Equal(x, w) y = Cast<to = 1>(b)"),
    "Erf": (_PICTURE, "y = Erf(x)"),
    "Expand": ("float[1,4,1,1] x", "s = Constant<value_ints = [1,4,3,3]>() y = Expand(x, s)"),
    "Flatten": (_PICTURE, "y = Flatten<axis = 1>(x)"),
    "Gather": ("float[5,3] x", "i = Constant<value_ints = [3,1]>() y = Gather<axis = 0>(x, i)"),
    "Gather of i64": ("int64[5] x", "i = Constant<value_ints = [3,1]>() y = Gather<axis = 0>(x, i)"),
    "Gemm": ("float[2,4] x, float[3,4] w, float[3] b", "y = Gemm<transB = 1>(x, w, b)"),
    "GlobalAveragePool": (_PICTURE, "y = GlobalAveragePool(x)"),
    "HardSigmoid": (_PICTURE, "y = HardSigmoid<alpha = 0.1666667, beta = 0.5>(x)"),
    "Identity": (_PICTURE, "y = Identity(x)"),
    "If": (
        "float[3] x",
        "s = ReduceSum<keepdims = 0>(x) z = Constant<value_float = 0.0>() b = Less(s, z) "
        "y = If(b) <then_branch = t () => (float[3] a) { a = Add(x, x) }, "
        "else_branch = e () => (float[3] c) { c = Mul(x, x) }>",
    ),
    "InstanceNormalization": (f"{_PICTURE}, float[4] w, float[4] b", "y = InstanceNormalization(x, w, b)"),
    "InstanceNormalization of half the channels": (
        "float[1,12,20,20] x, float[6] w, float[6] b, float[6] v, float[6] g, float[6] m, float[6] n",
        "z = Constant<value_ints = [0]>() h = Constant<value_ints = [6]>() e = Constant<value_ints = [12]>() "
        "c = Constant<value_ints = [1]>() p = Slice(x, z, h, c) q = Slice(x, h, e, c) "
        "s = BatchNormalization(p, w, b, m, n) t = InstanceNormalization(q, v, g) y = Concat<axis = 1>(s, t)",
    ),
    "LSTM": (f"float[3,1,8] x, {_LSTM}", "y, h, c = LSTM<hidden_size = 8>(x, w, r, b)"),
    "LSTM with a state": (
        f"float[1,1,8] x, float[1,1,8] xh, float[1,1,8] xc, {_LSTM}",
        'e = Constant<value_ints = [1]>() y0, y, c = LSTM<hidden_size = 8>(x, w, r, b, "", xh, xc)',
    ),
    "LayerNormalization": ("float[2,3,8] x, float[8] w, float[8] b", "y = LayerNormalization(x, w, b)"),
    "Less": ("int64[6] x, int64[1] w", "b = Less(x, w) y = Cast<to = 1>(b)"),
    "MatMul": ("float[2,3,4] x, float[4,5] w", "y = MatMul(x, w)"),
    "MatMul of two": ("float[1,2,3,4] x, float[1,2,4,3] xw", "y = MatMul(x, xw)"),
    "MaxPool": (_PICTURE, "y = MaxPool<kernel_shape = [5,5], pads = [2,2,2,2]>(x)"),
    "MaxPool of volumes": (
        "float[1,2,4,6,6] x",
        'y = MaxPool<kernel_shape = [3,3,3], strides = [2,2,2], auto_pad = "SAME_UPPER">(x)',
    ),
    "Mul": ("float[2,3,4] x, float[1,3,1] w", "y = Mul(x, w)"),
    "Not": ("int64[6] x", "b = Cast<to = 9>(x) n = Not(b) y = Cast<to = 1>(n)"),
    "PRelu": (f"{_PICTURE}, float[4,1,1] w", "y = PRelu(x, w)"),
    "Pad": ("float[1,2,6] x", "p = Constant<value_ints = [0,0,1,0,0,2]>() y = Pad(x, p)"),
    "Pad by reflection": (
        "float[1,2,6] x",
        'p = Constant<value_ints = [0,0,0,0,0,3]>() y = Pad<mode = "reflect">(x, p)',
    ),
    "Pow": ("float[2,3] x", "e = Constant<value_float = 2.0>() y = Pow(x, e)"),
    "QuantizeLinear": (
        "float[2,4] x, float s, uint8 z",
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
    ),
    "ReduceMean": (_PICTURE, "y = ReduceMean<axes = [2,3], keepdims = 1>(x)"),
    "ReduceMean of the last": ("float[2,3,8] x", "y = ReduceMean<axes = [-1]>(x)"),
    "Relu": (_PICTURE, "y = Relu(x)"),
    "Reshape": (_PICTURE, "s = Constant<value_ints = [1,-1,4]>() y = Reshape(x, s)"),
    "Resize to the nearest": (
        _PICTURE,
        's = Constant<value_floats = [1.0,1.0,2.0,2.0]>() y = Resize<mode = "nearest", nearest_mode = '
        '"floor", coordinate_transformation_mode = "asymmetric">(x, "", s)',
    ),
    **{
        f"Resize by {mode}, {how}": (
            _PICTURE,
            f's = Constant<value_floats = [1.0,1.0,{scale},{scale}]>() y = Resize<mode = "linear", '
            f'nearest_mode = "floor", coordinate_transformation_mode = "{mode}">(x, "", s)',
        )
        for mode in ("half_pixel", "pytorch_half_pixel")
        for how, scale in (("larger", 2.0), ("smaller", 0.25))
    },
    "Shape": ("float[2,3] x", "y = Shape(x)"),
    "Sigmoid": (_PICTURE, "y = Sigmoid(x)"),
    "Size": ("float[2,3] x", "y = Size(x)"),
    "Slice": (
        _PICTURE,
        "b = Constant<value_ints = [1]>() e = Constant<value_ints = [9223372036854775807]>() "
        "a = Constant<value_ints = [1]>() y = Slice(x, b, e, a)",
    ),
    "Softmax": ("float[2,3,8] x", "y = Softmax<axis = -1>(x)"),
    "Softmax of the first": (_PICTURE, "y = Softmax<axis = 1>(x)"),
    "SpaceToDepth": (_PICTURE, "y = SpaceToDepth<blocksize = 2>(x)"),
    "Sqrt": ("float[2,3] x", "a = Abs(x) y = Sqrt(a)"),
    "Squeeze": ("float[2,1,3] x", "a = Constant<value_ints = [1]>() y = Squeeze(x, a)"),
    "Sub": ("float[2,3] x, float[3] w", "y = Sub(x, w)"),
    "Tanh": ("float[2,3] x", "y = Tanh(x)"),
    "Transpose": (_PICTURE, "y = Transpose<perm = [0,2,3,1]>(x)"),
    "Trilu": ("float[4,4] x", "y = Trilu<upper = 1>(x)"),
    "Unsqueeze": ("float[2,3] x", "a = Constant<value_ints = [1]>() y = Unsqueeze(x, a)"),
    "Where": (
        "float[6] x, float[6] w",
        "z = Constant<value_float = 0.0>() b = Less(x, z) y = Where(b, x, w)",
    ),
}
"""By the operator, and how it is used: its inputs and its nodes. Inputs without an x before are weights."""


def written(name: str, folder: Path) -> tuple[Path, Tensors]:
    """The graph as a file, and what it is fed."""
    inputs, nodes = CASES[name]
    kind = "int64 y" if name in ("Shape", "Size", "Cast to i64", "Gather of i64") else "float y"
    text = f'<ir_version: 8, opset_import: ["": {_OPSET}]> g ({inputs}) => ({kind}) {{ {nodes} }}'
    model = parser.parse_model(text)
    numbers = np.random.default_rng(crc32(name.encode()))
    values = {node.name: _values(node, numbers) for node in model.graph.input}
    fed = [node for node in model.graph.input if node.name.startswith("x")]
    weights = [numpy_helper.from_array(array, n) for n, array in values.items() if not n.startswith("x")]
    for number, node in enumerate(model.graph.node):
        node.name = "" if name.endswith("without a name") else f"{node.op_type}_{number}"
    model.graph.ClearField("input")
    model.graph.input.extend(fed)
    model.graph.initializer.extend(weights)
    path = folder / f"{name.replace(' ', '-')}.onnx"
    onnx.save(model, path)
    return path, {node.name: values[node.name] for node in fed}


def _values(node: onnx.ValueInfoProto, numbers: np.random.Generator) -> NDArray[np.generic]:
    """Made up; weights are not negative, for some of them are variances."""
    tensor = node.type.tensor_type
    shape = [length.dim_value for length in tensor.shape.dim]
    kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    if kind.kind == "f":
        low = -2.0 if node.name.startswith("x") else 0.25
        return np.asarray(numbers.uniform(low, 1.5, shape), np.float32)
    return np.asarray(numbers.integers(0, 4, shape), kind)


def outcome(name: str, folder: Path) -> str:
    """`gpu`, `cpu` (the provider leaves it), `wrong`, or why it fails."""
    path, inputs = written(name, folder)
    (right,) = open_session(path, "onnxruntime-f32", "cpu", ONE).run(inputs).values()
    try:
        session = open_session(path, "onnxruntime-f32", "gpu", ONE)
        (found,) = session.run(inputs).values()
    except EdgedError as error:
        return f"fails: {type(error).__name__}"
    if right.shape != found.shape or not np.allclose(right, found, rtol=NEAR, atol=NEAR):
        return "wrong"
    fallen: Mapping[str, int] = getattr(session, "fallen", {})
    return "cpu" if name.split(maxsplit=1)[0] in fallen else "gpu"


def outcomes(folder: Path) -> Iterator[tuple[str, str]]:
    """Of all cases, in the device's own child."""
    keeps_the_child, _ = written("Add", folder)
    kept = open_session(keeps_the_child, "onnxruntime-f32", "gpu", ONE)
    for name in CASES:
        yield name, outcome(name, folder)
    del kept


def main() -> None:
    """Write what is found."""
    is_real = "--real" in sys.argv[1:]
    if not is_real:
        os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder:
        found = dict(outcomes(Path(folder)))
    print(json.dumps({name: how for name, how in found.items() if how != "gpu"}, indent=1))
    if not is_real:
        head = (
            "# What tests/runtimes/operators.py found; python -m tests.runtimes.operators writes it anew.\n"
        )
        FOUND.write_text(head + yaml.safe_dump(found, sort_keys=False), "utf-8")


if __name__ == "__main__":
    main()
