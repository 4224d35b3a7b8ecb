"""Open a graph in the runtime that a variant names; a runtime is imported when it is opened first."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from edged.contracts.card import Precision, Runtime, VariantName
from edged.contracts.errors import EdgedError, VariantError
from edged.contracts.model import Session
from edged.runtimes.devices import GPU, Concurrency, openvino_device
from edged.runtimes.ov import OvSession
from edged.runtimes.ov_core import compiled_by
from edged.runtimes.remote import RemoteSession, SparedSession
from edged.runtimes.signature import Signature


class OpenSession(Session, Protocol):
    """A session that knows what it really runs on, and its graph."""

    @property
    def device(self) -> str:
        """`cpu`, `gpu`, `npu`, `cuda:0`: asked back from the runtime."""

    precision: Precision
    """What it computes in."""
    signature: Signature
    """Its inputs and outputs."""


def split(variant: VariantName) -> tuple[Runtime, Precision]:
    """`openvino-int8` as its two halves."""
    runtime, _, precision = variant.partition("-")
    return cast("Runtime", runtime), cast("Precision", precision)


def made_by(variant: VariantName, device: str) -> dict[str, str]:
    """What a compiled graph depends on beside the graph: runtime, driver, device; empty: none is kept."""
    return compiled_by(openvino_device(device)) if split(variant)[0] == "openvino" else {}


def open_session(
    path: Path, variant: VariantName, device: str, concurrency: Concurrency, cache_dir: Path | None = None
) -> OpenSession:
    """Open the derived graph `path`. Raises `VariantError` with the reason when this machine cannot."""
    runtime, precision = split(variant)
    if find_spec(runtime) is None:
        raise VariantError(f"the package {runtime} is not installed")
    if runtime == "openvino":
        return OvSession(path, device, precision, concurrency, cache_dir)
    if device == GPU:
        return RemoteSession(path, device, precision, concurrency)
    from edged.runtimes.ort import OrtSession  # noqa: PLC0415 - loads ONNX Runtime

    return OrtSession(path, device, precision, concurrency)


def spared(
    session: OpenSession,
    path: Path,
    variant: VariantName,
    concurrency: Concurrency,
    count: Callable[[EdgedError], None],
) -> OpenSession:
    """A session of a device that may be lost, with one on the CPU for that time; others as they are.

    `count` is told each failure of the device.
    """
    if not isinstance(session, RemoteSession):
        return session
    return SparedSession(session, partial(open_session, path, variant, "cpu", concurrency), count)
