"""The one entrance to OpenVINO: its library and its drivers are loaded when something needs them first."""

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino

_TELLING = ("FULL_DEVICE_NAME", "DEVICE_ARCHITECTURE", "DEVICE_UUID", "OPTIMIZATION_CAPABILITIES")
_CAPABILITIES = {"FP32": "f32", "FP16": "f16", "BF16": "bf16", "INT8": "int8"}


@cache
def core() -> "openvino.Core":
    """OpenVINO's own entrance."""
    import openvino  # noqa: PLC0415 - loaded here and not before

    return openvino.Core()


def capabilities(device: str) -> tuple[str, ...]:
    """Precisions that OpenVINO's `device` computes in by itself: of `f32`, `f16`, `bf16`, `int8`."""
    offered = core().get_property(device, "OPTIMIZATION_CAPABILITIES")
    return tuple(_CAPABILITIES[name] for name in offered if name in _CAPABILITIES)


def compiled_by(device: str) -> dict[str, str]:
    """Runtime, driver and OpenVINO's `device`, with their versions: what a compiled graph is good for."""
    if find_spec("openvino") is None:
        return {}
    try:
        versions = {name: found.build_number for name, found in core().get_versions(device).items()}
        names = core().get_property(device, "SUPPORTED_PROPERTIES")
        told = [name for name in ("FULL_DEVICE_NAME", *names) if name in _TELLING or "DRIVER_VERSION" in name]
        return versions | {name: str(core().get_property(device, name)) for name in told}
    except RuntimeError:  # no such device; opening it says so
        return {}
