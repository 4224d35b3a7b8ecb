"""What the original framework computes: it is installed for this alone, in an environment of its own."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

wanted = pytest.mark.skipif(
    "EDGED_REFERENCE" not in os.environ,
    reason="EDGED_REFERENCE is not set: torch for Linux is 2.7 GB to download, CUDA included",
)
"""Marks a test that installs an original framework. What pip is configured with, as PIP_CONSTRAINT, holds."""


def reference(packages, script: str, **given) -> np.ndarray:
    """What `script` leaves in `result`, as an array; it runs where `packages` are installed.

    It finds `given`, arrays or paths, as variables.
    """
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
    paths = {name: str(value) for name, value in given.items() if name not in arrays}
    with tempfile.TemporaryDirectory(prefix="edged-reference-") as folder:
        place = Path(folder)
        np.savez(place / "given.npz", **arrays)
        whole = (
            f"import numpy as np\nglobals().update(np.load('given.npz'))\nglobals().update({paths!r})\n"
            f"{textwrap.dedent(script)}\nnp.save('result.npy', result)\n"
        )
        subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
        python = place / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "numpy", *packages], check=True)
        subprocess.run([python, "-c", whole], check=True, cwd=place)
        return np.load(place / "result.npy")
