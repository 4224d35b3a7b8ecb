"""Whether ONNX Runtime can use a GPU here, and if not, what is missing and the command that mends it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from edged.children.child import Child
from edged.children.terms import Terms, Work
from edged.children.values import Unfit, unpacked
from edged.contracts.errors import EdgedError

PACKAGE = "onnxruntime_ep_webgpu"
SOFTWARE = "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"
"""Variable of the environment: `1` allows a driver that computes on the CPU, for tests."""
PROBE = "edged.tenants.gpu:probe"
TERMS = Terms(start_s=30.0, again=False)
"""Of the process that tries the driver out."""
NODES = ("dri/renderD*", "nvidia[0-9]*", "dxg")
"""Below /dev: what a driver of Vulkan opens."""
DRIVER = "sudo apt-get install mesa-vulkan-drivers (Intel, AMD, Arm; for NVIDIA its own driver, with Vulkan)"
NEWER = f"sudo apt-get update && {DRIVER}"
_GROUPS = "sudo usermod --append --groups render,video $USER (then log in again)"


@dataclass(frozen=True, slots=True)
class Gpu:
    """What was found of a GPU."""

    name: str = ""
    """As its maker calls it; empty when none can be used."""
    driver: str = ""
    """Its version."""
    missing: str = ""
    """Why none can be used; empty when one can."""
    mend: str = ""
    """The command that mends it, where one does."""

    def __str__(self) -> str:
        told = self.missing or f"{self.name}, driver {self.driver}"
        return f"{told}; {self.mend}" if self.mend else told


@cache
def gpu() -> Gpu | None:
    """The GPU for ONNX Runtime; none where nothing tells of one. The driver is tried in a child, once."""
    return examined(Path("/dev"), find_spec(PACKAGE) is not None, os.environ)


def examined(dev: Path, has_provider: bool, environment: Mapping[str, str]) -> Gpu | None:
    """As `gpu`, with the device nodes below `dev`."""
    nodes = list(_nodes(dev))
    if not nodes and environment.get(SOFTWARE) != "1":
        told = "no device of a GPU stands in /dev", "in a container: docker run --device /dev/dri ..."
        return Gpu(missing=told[0], mend=told[1]) if has_provider else None
    if not has_provider:
        return Gpu(missing="ONNX Runtime's WebGPU provider is not installed", mend="pip install 'edged[gpu]'")
    if nodes and not any(os.access(node, os.R_OK | os.W_OK) for node in nodes):
        return Gpu(missing=f"this user may not open {nodes[0]}", mend=_GROUPS)
    return tried(environment.get(SOFTWARE) == "1")


def tried(allows_software: bool, probe: str = PROBE, terms: Terms = TERMS) -> Gpu:
    """What a child finds that loads the driver and computes with it, by its deadline."""
    child = Child("the probe of the GPU", Work(probe, {"software": allows_software}), terms)
    child.start()
    try:
        found: Gpu = unpacked(dict(child.report()), Gpu, ())
    except (EdgedError, Unfit) as error:
        return Gpu(missing=f"its driver fails: {error}", mend=NEWER)
    finally:
        child.close()
    return found


def _nodes(dev: Path) -> Iterator[Path]:
    return (node for nodes in NODES for node in sorted(dev.glob(nodes)))
