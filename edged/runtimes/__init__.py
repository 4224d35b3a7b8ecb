"""Floor 2: ONNX Runtime and OpenVINO as sessions, and what this machine offers to run them on."""
