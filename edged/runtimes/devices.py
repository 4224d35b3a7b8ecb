"""What this machine offers: cores, devices, and how many inferences at a time they are good for."""

import os
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edged.contracts.card import Runtime
from edged.contracts.settings import Seconds, Settings
from edged.runtimes.gpu import gpu
from edged.runtimes.instructions import arithmetic, instructions
from edged.runtimes.ov_core import capabilities, core

GPU = "gpu"
"""ONNX Runtime's, of any maker; its provider chooses the GPU."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many inferences run at a time, on how many threads each: one decision for worker, pool, slot."""

    workers: int
    """Inferences at a time: callers, infer requests in a session's pool, rights of a device's slot."""
    threads: int
    """Threads within one inference, on the CPU."""

    def together(self) -> "Concurrency":
        """One inference at a time, on the threads of all."""
        return Concurrency(1, self.workers * self.threads)


class RuntimeSettings(Settings):
    """How the cores are shared out."""

    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"
    """Inferences at a time; the cores are divided among them. `auto`: half the cores, but two at least."""

    memory: Annotated[int, Field(ge=100_000_000)] | Literal["auto"] = "auto"
    """Bytes for decoding what requests bring, for processes of their own, and for services that are loaded on
    demand, all of them together. Decoding gets what those hold not: who needs more than is free waits for its
    turn until its deadline (504), what can never fit is answered 413, what the processes leave no room for
    503. What a service takes while it works is counted once a second. Services that were loaded on demand
    leave first, the one that was asked least lately before all others: also when the process really holds
    more than that, without what is configured, which is for no budget. When the processes alone hold more,
    the largest is ended. `auto`: half the memory of the box, or of the control group of edged."""

    idle: Seconds = 600.0
    """What is installed is offered: a service that `services` and `streams` do not name is loaded when it is
    asked for, and leaves memory when nobody asked for so long. Those that they name stay."""

    def concurrency(self) -> Concurrency:
        """The setting on this machine."""
        return share_out(usable_cores(), self.workers)

    def memory_bytes(self) -> int:
        """The setting on this machine, bytes."""
        return usable_memory() // 2 if self.memory == "auto" else self.memory


def share_out(cores: int, workers: int | Literal["auto"]) -> Concurrency:
    """Divide `cores` among the workers; each has at least one thread.

    *Measured* with YOLOX-Nano on two cores: a second thread within an inference gains 0 to 20 %, a second
    inference beside it 40 to 80 %. A single core is not shared.
    """
    chosen = max(min(2, cores), cores // 2) if workers == "auto" else workers
    return Concurrency(chosen, max(1, cores // chosen))


def usable_cores(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that this process may use: affinity, then the CPU quota of its control groups (version 2)."""
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(allowed, *_quotas(cgroups, own), allowed))


def usable_memory(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes that this process may use: what the box has, and what its control groups (version 2) grant."""
    box = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(box, *(int(most) for [most] in _limits(cgroups, own, "memory.max")), box)


def _quotas(cgroups: Path, own: Path) -> list[int]:
    """Whole cores that each group from the process's own up to the root grants."""
    return [int(quota) // int(period) for quota, period in _limits(cgroups, own, "cpu.max")]


def _limits(cgroups: Path, own: Path, file: str) -> list[list[str]]:
    """The words of a limit in each group that has one, from the process's own up to the root."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    group = next((line.removeprefix("0::/") for line in lines if line.startswith("0::")), "")
    folders = (folder for folder in (cgroups / group, *(cgroups / group).parents))
    limits = (folder / file for folder in folders if folder.is_relative_to(cgroups))
    words = (limit.read_text().split() for limit in limits if limit.is_file())
    return [found for found in words if found[0] != "max"]


@dataclass(frozen=True, slots=True)
class Device:
    """A device as one runtime sees it."""

    name: str
    """`cpu`, `gpu`, `gpu:1`, `npu`, `cuda:0`."""
    runtime: Runtime
    full_name: str
    """As its maker calls it."""
    capabilities: tuple[str, ...]
    """Precisions that it computes in by itself: of `f32`, `f16`, `bf16`, `int8`."""
    version: str
    """Of the runtime."""
    isa: str = ""
    """Of a CPU, the instruction set that the runtime uses, as of `instructions`."""

    @property
    def identity(self) -> str:
        """A measurement holds as long as this stays the same."""
        isa = f", {self.isa}" if self.isa else ""
        return f"{self.full_name}{isa}, {self.runtime} {self.version}"

    @property
    def arithmetic(self) -> str:
        """Accuracy that was measured elsewhere holds where this is the same; empty: nowhere."""
        return arithmetic(self.isa)


UNKNOWN = "none"
"""The version of what is not installed."""
_ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Packages that bring ONNX Runtime."""
ACCELERATORS = ("dri/renderD*", "accel/accel*", "dxg")
"""Nodes below /dev of what OpenVINO can use beside the CPU: GPU, NPU, and either under WSL."""


@cache
def devices() -> tuple[Device, ...]:
    """The devices of all installed runtimes, the CPU first. OpenVINO is loaded here and not before."""
    found = [
        *(_openvino() if find_spec("openvino") else ()),
        *(_onnxruntime() if find_spec("onnxruntime") else ()),
    ]
    return tuple(sorted(found, key=lambda device: device.name != "cpu"))


def devices_of(runtimes: Collection[str]) -> tuple[Device, ...]:
    """Those of some runtimes: others are not imported."""
    if set(runtimes) == {"openvino"} and find_spec("openvino"):
        return tuple(sorted(_openvino(), key=lambda device: device.name != "cpu"))
    return devices()


def _openvino() -> list[Device]:
    return [
        Device(
            openvino_name(ours),
            "openvino",
            core().get_property(ours, "FULL_DEVICE_NAME"),
            capabilities(ours),
            tool_version("openvino"),
            instructions("openvino") if ours == "CPU" else "",
        )
        for ours in (core().available_devices if has_accelerator() else ["CPU"])
    ]


def has_accelerator(dev: Path = Path("/dev")) -> bool:
    """Whether asking OpenVINO for more than the CPU can find any: it loads all drivers, 37 MB, to answer."""
    return any(next(dev.glob(nodes), None) for nodes in ACCELERATORS)


def _onnxruntime() -> list[Device]:
    release = next((v for v in map(tool_version, _ONNXRUNTIMES) if v != UNKNOWN), UNKNOWN)
    found = [Device("cpu", "onnxruntime", _cpu_name(), ("f32", "int8"), release, instructions("onnxruntime"))]
    if (there := gpu()) is not None and there.name:
        release_too = f"{release}, webgpu {tool_version('onnxruntime-ep-webgpu')}, driver {there.driver}"
        found.append(Device(GPU, "onnxruntime", there.name, ("f32",), release_too))
    if _has_cuda():
        found.append(Device("cuda:0", "onnxruntime", "CUDA device 0", ("f32", "int8"), release))
    return found


def _has_cuda() -> bool:
    """Whether this ONNX Runtime was built for CUDA: what it would say itself, without loading it (15 MB)."""
    spec = find_spec("onnxruntime")
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else Path()
    return (folder / "capi" / "libonnxruntime_providers_cuda.so").is_file()


def onnxruntime_build() -> str:
    """Which package ONNX Runtime is of, and its providers; empty where there is none."""
    there = [f"{name} {tool}" for name in _ONNXRUNTIMES if (tool := tool_version(name)) != UNKNOWN]
    if not there:
        return ""
    import onnxruntime  # noqa: PLC0415 - loaded here and not before

    told = f"{' and '.join(there)}: {', '.join(onnxruntime.get_available_providers())}"
    return told if len(there) == 1 else f"{told}; one overwrites the other: uninstall both, install one"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(names, os.uname().machine)


def tool_version(package: str) -> str:
    """Version of an installed package, or `none`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN


def openvino_device(name: str) -> str:
    """Our name of a device as OpenVINO's: `gpu:1` is `GPU.1`."""
    return name.upper().replace(":", ".")


def openvino_name(device: str) -> str:
    """OpenVINO's name of a device as ours: the first GPU is `gpu`, whether it is called `GPU` or `GPU.0`."""
    return device.removesuffix(".0").lower().replace(".", ":")


def onnxruntime_providers(name: str) -> list[tuple[str, dict[str, str]]]:
    """Our name of a device as ONNX Runtime's execution providers, best first; empty where it has none."""
    cpu: list[tuple[str, dict[str, str]]] = [("CPUExecutionProvider", {})]
    if name.startswith("cuda:"):
        return [("CUDAExecutionProvider", {"device_id": name.removeprefix("cuda:")}), *cpu]
    return cpu if name == "cpu" else []
