"""Sessions of OpenVINO."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

from edged.contracts.card import Precision
from edged.contracts.errors import InferenceError, VariantError
from edged.contracts.model import Tensors
from edged.runtimes.devices import Concurrency, openvino_device, openvino_name
from edged.runtimes.ov_core import capabilities, core
from edged.runtimes.signature import Port, Signature

_KERNELS = 1024
"""So many of its kernels a stream keeps for shapes that it computed before; oneDNN keeps the last thousand
of the whole process beside. Of OpenVINO's default, 5000, hardly any ever left. *Measured*, OCR's reading in
bf16 after batches of all its 111 shapes: 619 MB, and 404 now. Thirteen different pages that come again take
5 % longer; with 32 kernels (194 MB) it is 39 %."""


class OvSession:
    """A graph opened by OpenVINO. Implements `contracts.model.Session`.

    One infer request used by two threads answers "Infer Request is busy", so the session owns as many as
    there are workers; who finds none free waits. A request's output buffer is overwritten by its next run,
    so outputs are copied out of it.
    """

    def __init__(
        self,
        path: Path,
        device: str,
        precision: Precision,
        concurrency: Concurrency,
        cache_dir: Path | None = None,
    ) -> None:
        """Raises `VariantError` when the graph cannot be opened on `device` in `precision`.

        `cache_dir`: where compiled graphs are kept; none, or a folder that cannot be written to: nowhere.
        """
        theirs = openvino_device(device)
        _check_bf16(theirs, precision)
        try:
            compiled = core().compile_model(
                str(path), theirs, _properties(theirs, precision, concurrency, cache_dir)
            )
            pool = [compiled.create_infer_request() for _ in range(concurrency.workers)]
            really = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
            self.device = openvino_name(compiled.get_property("EXECUTION_DEVICES")[0])
        except RuntimeError as error:
            raise VariantError(f"OpenVINO cannot open {path.name} on {device}: {_first(error)}") from error
        if really != _hint(precision):
            raise VariantError(f"OpenVINO would compute in {really} instead of {precision} on {device}")
        self.precision = precision
        self._outputs = [(name, node) for node in compiled.outputs for name in node.get_names()]
        self.signature = Signature(
            map(_port, compiled.inputs, _input_names(path, compiled.inputs)),
            (_port(node, name) for name, node in self._outputs),
        )
        self._compiled, self._requests = compiled, len(pool)
        self._has_run = self._keeps = False
        self._pool: LifoQueue[Any] = LifoQueue()
        for request in pool:
            self._pool.put(request)

    def run(self, inputs: Tensors) -> Tensors:
        feed = self.signature.feed(inputs)
        request = self._pool.get()
        self._has_run = self._keeps = True
        try:
            answers = request.infer(feed, share_inputs=True, share_outputs=False)
        except RuntimeError as error:
            raise InferenceError(f"OpenVINO failed: {_first(error)}") from error
        finally:
            self._pool.put(request)
        return {name: answers[node] for name, node in self._outputs}

    def rest(self, *, at_once: bool = False) -> None:
        """Give up the memory that it keeps for its next run, unless it runs, or ran since this was asked the
        last time; `at_once`: even then.

        *Measured* (bf16): I3D on two streams 34 MB of 134, OCR's graphs after a picture of 720p 202 of 398.
        """
        ran, self._has_run = self._has_run, False
        if not self._keeps or (ran and not at_once):
            return
        with ExitStack() as back, suppress(Empty, RuntimeError):  # somebody runs; or a device that cannot
            for _ in range(self._requests):
                back.callback(self._pool.put, self._pool.get_nowait())
            self._compiled.release_memory()
            self._keeps = False


def read_signature(path: Path) -> Signature:
    """Of a graph, OpenVINO's or ONNX, that nobody opened. Raises `VariantError` when it cannot be read."""
    try:
        graph = core().read_model(str(path))
    except RuntimeError as error:
        raise VariantError(f"OpenVINO cannot read {path.name}: {_first(error)}") from error
    return Signature(
        (_port(node, str(node.any_name)) for node in graph.inputs),
        (_port(node, name) for node in graph.outputs for name in node.get_names()),
    )


def _check_bf16(device: str, precision: Precision) -> None:
    """Without the instructions OpenVINO takes the hint for bf16 and computes in f32, in silence."""
    if precision == "bf16" and "bf16" not in capabilities(device):
        name = core().get_property(device, "FULL_DEVICE_NAME")
        raise VariantError(f"{name} has no bf16 instructions; OpenVINO would compute in f32")


def _hint(precision: Precision) -> str:
    """What is not quantized in an int8 graph is computed in f32, the same on every machine."""
    return "bf16" if precision == "bf16" else "f32"


def _properties(
    device: str, precision: Precision, concurrency: Concurrency, cache_dir: Path | None
) -> dict[str, Any]:
    chosen: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _hint(precision)}
    # By default what flows into a product with int8 weights is rounded to 8 bits, on CPUs with VNNI.
    chosen["EXECUTION_MODE_HINT"] = "ACCURACY"
    if device == "CPU":
        # Streams share out the threads: one a worker, or a second worker would wait for the first.
        chosen["NUM_STREAMS"] = concurrency.workers
        chosen["INFERENCE_NUM_THREADS"] = concurrency.workers * concurrency.threads
        # Else each is bound to a core, and may wait there for whoever decodes while another is idle; what
        # that costs was too little to tell from the noise of a shared box.
        chosen["ENABLE_CPU_PINNING"] = False
        chosen["CPU_RUNTIME_CACHE_CAPACITY"] = _KERNELS
    else:
        chosen["PERFORMANCE_HINT"] = "LATENCY" if concurrency.workers == 1 else "THROUGHPUT"
        chosen["PERFORMANCE_HINT_NUM_REQUESTS"] = concurrency.workers
    if cache_dir is not None and os.access(cache_dir, os.W_OK):
        chosen["CACHE_DIR"] = str(cache_dir)
    return chosen


def _input_names(path: Path, compiled: Sequence[Any]) -> list[str]:
    """As the file names them: a node behind an input that compiling dissolves leaves its name with it."""
    nodes = compiled
    if any(len(node.get_names()) > 1 for node in compiled):
        nodes = core().read_model(str(path)).inputs
    return [str(node.any_name) for node in nodes]


def _port(node: Any, name: str) -> Port:
    shape = tuple(d.get_length() if d.is_static else None for d in node.partial_shape)
    return Port(name, node.element_type.to_dtype(), shape)


def _first(error: RuntimeError) -> str:
    """The last line of OpenVINO's report says what is wrong; the others say where in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
