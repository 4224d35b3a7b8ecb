"""ONNX Runtime and OpenVINO, each behind one `Session`; and what devices this box has."""
