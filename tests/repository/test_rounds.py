"""What is opened and closed again and again leaves nothing behind."""

import json
import subprocess
import sys
from statistics import median

import pytest

MB = 1_000_000
WARM = 50
"""Rounds after which caches that are bounded are full."""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
def test_two_hundred_rounds_of_loading_and_unloading_leave_memory_flat(models_root):
    asked = [sys.executable, "-m", "tests.repository.rounds", str(models_root), "200"]
    held = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert len(held) == 200
    assert median(held[-20:]) < median(held[WARM : WARM + 20]) + 5 * MB
    assert max(held[WARM:]) < held[0] + 80 * MB
