"""Which box it was: what figures are worth nothing without."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from edged.runtimes.devices import devices, usable_cores, usable_memory

_ISA = "OV_CPU_MAX_ISA"
"""With that variable OpenVINO behaves as on a smaller CPU."""


@dataclass(frozen=True, slots=True)
class Computer:
    """The box as this process may use it."""

    cpu: str
    """As its maker calls it."""
    cores: int
    memory_bytes: int
    computes_in: tuple[str, ...]
    """Precisions that its CPU has instructions for."""
    max_isa: str | None
    """Instructions that OpenVINO was told to do without; none: it was told nothing."""


def machine() -> Computer:
    """This one."""
    of_cpu = (device for device in devices() if device.name == "cpu")
    known = {precision for device in of_cpu for precision in device.capabilities}
    return Computer(
        _cpu(), usable_cores(), usable_memory(), tuple(sorted(known)), os.environ.get(_ISA) or None
    )


def box_cpu_seconds() -> float:
    """That all processes of the box have had since it began, and its hypervisor has given to other boxes."""
    user, nice, system, _idle, _waiting, irq, softirq, stolen, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return sum((user, nice, system, irq, softirq, stolen)) / os.sysconf("SC_CLK_TCK")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
