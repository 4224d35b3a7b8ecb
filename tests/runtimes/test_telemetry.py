"""Nothing is told to anybody: the runtimes' makers, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("module", ["edged.runtimes.ort", "edged.runtimes.ov", "edged.daemon"])
def test_no_runtime_makes_itself_an_id_of_this_machine(module, tmp_path):
    """ONNX Runtime writes it before it sends anything; OpenVINO's package asks for a consent that is none."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = f"import {module}; from edged.runtimes.devices import devices; devices()"
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**environment, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    assert list(tmp_path.rglob("*")) == []
