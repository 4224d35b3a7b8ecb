"""The instructions of this CPU that a runtime multiplies with: how fast it is, and what it rounds."""

import os
from collections.abc import Collection
from pathlib import Path

from edged.contracts.card import Runtime

_LEVELS = (
    ("avx2", "avx2"),
    ("avx2_vnni", "avx_vnni"),
    ("avx512", "avx512bw"),
    ("avx512_vnni", "avx512_vnni"),
    ("avx512_bf16", "avx512_bf16"),
    ("avx512_amx", "amx_int8"),
    ("arm64", "asimd"),
    ("arm64_dot", "asimddp"),
)
"""Name of each set, and the flag of /proc/cpuinfo that tells it; the last that is there counts."""
_BOUNDS = {
    "SSE41": "",
    "AVX2": "avx2",
    "AVX2_VNNI": "avx2_vnni",
    "AVX512_CORE": "avx512",
    "AVX512_CORE_VNNI": "avx512_vnni",
    "AVX512_CORE_BF16": "avx512_bf16",
}
"""What `OV_CPU_MAX_ISA` keeps OpenVINO to."""
_SATURATES = ("avx2", "avx512")


def instructions(runtime: Runtime, cpu: Path = Path("/proc/cpuinfo")) -> str:
    """The best set that a runtime finds on this CPU: `avx2`, `avx512_amx`...; empty: none of those."""
    flags = _flags(cpu)
    names = [name for name, flag in _LEVELS if flag in flags]
    most = os.environ.get("OV_CPU_MAX_ISA", "").upper() if runtime == "openvino" else ""
    if most in _BOUNDS:
        known = [name for name, _ in _LEVELS]
        bound = known.index(_BOUNDS[most]) if _BOUNDS[most] else -1
        names = [name for name in names if known.index(name) <= bound]
    return names[-1] if names else ""


def _flags(cpu: Path) -> Collection[str]:
    try:
        lines = cpu.read_text().splitlines()
    except OSError:
        return ()
    told = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(told, ()))


def arithmetic(isa: str) -> str:
    """The class of an instruction set by what it makes of the same graph.

    `avx2`: sums of two products of 8 bits stop at 16 bits, with AVX-512 without VNNI as well. `vnni`: they do
    not; what has bf16 belongs here. `arm64`; empty for what is not known.
    """
    if isa in _SATURATES:
        return "avx2"
    return "arm64" if isa.startswith("arm64") else "vnni" if isa else ""
