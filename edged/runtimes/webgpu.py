"""ONNX Runtime on a GPU of any maker: its WebGPU provider over Vulkan. Imported in children alone.

A driver may crash, hang, lie, or lose its device, and a second `run` beside the first crashes the process.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxruntime_ep_webgpu
from onnx import parser

from edged.contracts.card import Precision
from edged.contracts.errors import VariantError
from edged.contracts.model import Tensors
from edged.runtimes.devices import Concurrency
from edged.runtimes.gpu import SOFTWARE
from edged.runtimes.ort import FAILURES, OrtSession

PROVIDER = onnxruntime_ep_webgpu.get_ep_name()
_TRIAL = """<ir_version: 9, opset_import: ["": 17]>
trial (float[32, 64] x, float[64, 32] w) => (float[32, 32] y) { m = MatMul(x, w) y = Relu(m) }"""
_NEAR = 1e-2
_ERROR = 3
_SPARED = "forceCpuNodeNames"  # its documentation: those that the CPU shall run, one a line


@cache
def provider() -> Any:
    """The device as ONNX Runtime knows it. Raises `VariantError` when there is none.

    ONNX Runtime looks for GPUs in sysfs, where not all are (WSL, some of NVIDIA and Apple); the provider
    looks for one by Vulkan, whatever device it is told. So it is offered the CPU, too, and who calls this has
    made sure that Vulkan has a GPU.
    """
    os.environ[SOFTWARE] = "1"
    onnxruntime.set_default_logger_severity(_ERROR)  # it warns of that
    try:
        onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_ep_webgpu.get_library_path())
        found = [one for one in onnxruntime.get_ep_devices() if one.ep_name == PROVIDER]
    except FAILURES as error:
        raise VariantError(f"ONNX Runtime does not take its WebGPU provider: {error}") from error
    if not found:
        raise VariantError("ONNX Runtime's WebGPU provider finds no device")
    return found[0]


def try_out() -> None:
    """Multiply two matrices on the device. Raises `VariantError` when it cannot, or the product is wrong."""
    numbers = np.random.default_rng(1)
    x, w = (numbers.standard_normal(shape, np.float32) for shape in ((32, 64), (64, 32)))
    try:
        (product,) = _trial().run(None, {"x": x, "w": w})
    except FAILURES as error:
        raise VariantError(f"the device does not compute: {error}") from error
    if not np.allclose(product, np.maximum(x @ w, 0), rtol=_NEAR, atol=_NEAR):
        raise VariantError("the device computes wrong: it cannot multiply two matrices")


@cache
def _trial() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_provider_for_devices([provider()], {})
    return onnxruntime.InferenceSession(parser.parse_model(_TRIAL).SerializeToString(), options)


class WebGpuSession(OrtSession):
    """A graph on the GPU; what the provider lacks runs on the CPU in between. One `run` at a time."""

    def __init__(self, path: Path, device: str, precision: Precision, concurrency: Concurrency) -> None:
        """Raises `VariantError` when the graph cannot be opened."""
        self._profiles = tempfile.TemporaryDirectory(prefix="edged-")
        super().__init__(path, device, precision, concurrency)
        self.fallen: Mapping[str, int] | None = None
        """How many nodes of which operator the CPU ran; none before the first run, which tells it."""

    def _opened(self, path: str, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
        spared = "\n".join(wrong_nodes(onnx.load(path).graph))
        options.add_provider_for_devices([provider()], {_SPARED: spared} if spared else {})
        options.enable_profiling = True  # of the first run
        options.profile_file_prefix = f"{self._profiles.name}/run"
        return onnxruntime.InferenceSession(path, options)

    def run(self, inputs: Tensors) -> Tensors:
        outputs = super().run(inputs)
        if self.fallen is None:
            self.fallen = on_the_cpu(Path(self._session.end_profiling()))
            self._profiles.cleanup()
        return outputs


def wrong_nodes(graph: onnx.GraphProto) -> Iterator[str]:
    """Names of the nodes that the provider computes wrong, on whatever device: version 0.4.0 did.

    Convolutions of 9, 15, 99 channels and the like: multiples of 3, but not of 4 (onnxruntime issue 29651).
    Those of 3 channels are right, and so are those of 1 x 1.
    """
    shapes = {weights.name: list(weights.dims) for weights in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and (shape := shapes.get(node.input[1])):
            _, channels, *kernel = shape  # channels of one group
            if channels > 3 and channels % 3 == 0 and channels % 4 and max(kernel) > 1:
                yield node.name


def on_the_cpu(profile: Path) -> dict[str, int]:
    """Nodes by operator that another provider ran, as ONNX Runtime's profile of one run tells it."""
    events = (event for event in json.loads(profile.read_bytes()) if event.get("cat") == "Node")
    ran = (event["args"] for event in events if event["name"].endswith("_kernel_time"))
    return dict(Counter(node["op_name"] for node in ran if node.get("provider") != PROVIDER))
