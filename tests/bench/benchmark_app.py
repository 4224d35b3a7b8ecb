"""OpenVINO's own `benchmark_app`: the bare net, with neither pictures to decode nor anybody who asks."""

import re
import subprocess
from pathlib import Path

_SAID = re.compile(r"Throughput:\s+([\d.]+) FPS")


def inferences_a_second(python: Path, graph: str, seconds: float) -> float:
    """Of the net alone, set to throughput, on all cores."""
    program = python.parent / "benchmark_app"
    asked = [program, "-m", graph, "-d", "CPU", "-hint", "throughput", "-t", str(int(seconds))]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    found = _SAID.search(told.stdout)
    assert found is not None, told.stdout
    return float(found[1])
