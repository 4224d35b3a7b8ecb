"""The one entrance to OpenVINO: its library and its drivers are loaded when something needs them first."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino

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
