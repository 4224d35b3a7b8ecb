"""What stands beside edged in the benches, in an environment of its own: none of it is for `dev`."""

import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

PEERS = ("litserve==0.2.19", "bentoml==1.4.40", "starlette", "uvicorn")
SAME = ("openvino", "numpy", "opencv-python-headless")
"""In the versions that edged has here."""
FOLDER = Path(tempfile.gettempdir()) / "edged-bench-peers"


def peers_python(folder: Path = FOLDER) -> Path:
    """Python of the environment; made, or made anew, where it is not there or holds other versions."""
    wanted = "\n".join([*PEERS, *(f"{name}=={version(name)}" for name in SAME)])
    python, stamp = folder / "bin" / "python", folder / "edged-bench.txt"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {', '.join(PEERS)} into {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted.split("\n")], check=True)
        stamp.write_text(wanted)
    return python
