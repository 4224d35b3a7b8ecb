"""The wall clock steps by an hour and by ten years, and nothing waits for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "steps_of_the_clock.py"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def library():
    found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if found is None:
        pytest.skip("libfaketime is not installed")
    return found


@pytest.mark.slow
def test_steps_of_the_clock_break_no_deadline_no_rule_and_no_pause(library, tmp_path):
    settings = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": os.pathsep.join((str(ROOT), *filter(None, sys.path))),
    }
    (tmp_path / "clock").write_text("+0")
    said = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], env={**os.environ, **settings}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert (said.stdout.strip(), said.stderr) == ("nothing was noticed", "")
