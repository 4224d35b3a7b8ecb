"""Floor 2: ONNX Runtime and OpenVINO as sessions, and what this machine offers to run them on.

Both tell their makers of their use as soon as they are imported, with an id of the machine that they leave
below the user's home, unless they are kept from it before.
"""

import os
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime 1.32
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # OpenVINO and NNCF: it is not installed
