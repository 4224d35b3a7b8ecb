"""Sessions of ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from edged.contracts.card import Precision
from edged.contracts.errors import InferenceError, VariantError
from edged.contracts.model import Tensors
from edged.runtimes.devices import Concurrency, onnxruntime_providers
from edged.runtimes.failures import raised_by
from edged.runtimes.signature import Port, Signature

FAILURES = raised_by(state)
"""What ONNX Runtime raises."""
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
_F32 = "1"
_FATAL = 4  # what fails is raised to us; ONNX Runtime would write it to stderr as well


class OrtSession:
    """A graph opened by ONNX Runtime. Implements `contracts.model.Session`; its `run` is re-entrant."""

    def __init__(self, path: Path, device: str, precision: Precision, concurrency: Concurrency) -> None:
        """Raises `VariantError` when the graph cannot be opened on `device` in `precision`."""
        if precision == "bf16":
            raise VariantError("ONNX Runtime computes in the graph's own precision: it offers no bf16")
        self.device = device
        try:
            self._session = self._opened(str(path), _options(concurrency))
        except FAILURES as error:
            raise VariantError(f"ONNX Runtime cannot open {path.name} on {device}: {error}") from error
        self.precision: Precision = precision
        outputs = self._session.get_outputs()
        numbers = (node for node in outputs if node.type in _DTYPES)
        self.signature = Signature(map(_port, self._session.get_inputs()), map(_port, numbers))
        self._outputs = [node.name for node in outputs]

    def _opened(self, path: str, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
        providers = _available(self.device)
        session = onnxruntime.InferenceSession(path, options, providers=providers)
        # Where a provider's libraries are missing, ONNX Runtime goes on with the next one and only logs it.
        if (really := session.get_providers()[0]) != providers[0][0]:
            raise VariantError(f"ONNX Runtime would run on {really} instead of {self.device}")
        return session

    def run(self, inputs: Tensors) -> Tensors:
        feed = self.signature.feed(inputs)
        try:
            answers = self._session.run(self._outputs, feed)
        except FAILURES as error:
            raise InferenceError(f"ONNX Runtime failed: {error}") from error
        return dict(zip(self._outputs, answers, strict=True))


def _options(concurrency: Concurrency) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = concurrency.threads
    options.log_severity_level = _FATAL
    # Its arena rounds up to powers of two and keeps the most that there ever was. *Measured*, OCR's graphs
    # after a page: 249 MB with it, 157 without, 39 once the heap is trimmed.
    options.enable_cpu_mem_arena = False
    # Threads that spin for work between two frames cost a fifth of the CPU at 5 frames a second.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # By default what flows into a product with int8 weights (DequantizeLinear, MatMul) is rounded to 8 bits.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", _F32)
    return options


def _available(device: str) -> list[tuple[str, dict[str, str]]]:
    providers = onnxruntime_providers(device)
    if not providers or providers[0][0] not in onnxruntime.get_available_providers():
        raise VariantError(f"the installed ONNX Runtime cannot run on {device}")
    return providers


def _port(node: onnxruntime.NodeArg) -> Port:
    if node.type not in _DTYPES:
        raise VariantError(f"the graph's input {node.name!r} is a {node.type}, which edged cannot feed")
    shape = tuple(length if isinstance(length, int) else None for length in node.shape)
    return Port(node.name, np.dtype(_DTYPES[node.type]), shape)
