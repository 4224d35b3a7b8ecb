"""A GPU in software runs a small graph of each operator of our models, as docs/operators.yaml says."""

import os
from ctypes.util import find_library
from itertools import chain

import onnx
import pytest
import yaml

from edged.runtimes import gpu
from edged.runtimes.remote import PROCESSES
from tests.runtimes.operators import CASES, ENVIRONMENT, FOUND, SWIFTSHADER, outcomes

FOUND_BEFORE = yaml.safe_load(FOUND.read_text("utf-8"))


@pytest.fixture
def swiftshader(monkeypatch):
    if not SWIFTSHADER.exists() or find_library("vulkan") is None:
        assert os.environ.get("CI") != "true", (
            "Debian's chromium (for its SwiftShader) and libvulkan1 are needed"
        )
        pytest.skip("Debian's chromium, which brings a GPU in software, or libvulkan1 is not installed")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield
    assert not PROCESSES._open, "the process of the GPU is still there"


def test_it_is_found_and_tried_out(swiftshader):
    found = gpu.tried(allows_software=True)
    assert "SwiftShader" in found.name, found
    assert found.driver


def test_who_does_not_allow_it_is_told_that_it_is_software(swiftshader):
    found = gpu.tried(allows_software=False)
    assert not found.name
    assert "computes on the CPU" in found.missing


def test_every_operator_does_as_the_documents_say(swiftshader, tmp_path):
    assert dict(outcomes(tmp_path)) == FOUND_BEFORE


def test_every_operator_of_our_models_is_among_them(models_root):
    graphs = [
        onnx.load(path, load_external_data=False).graph
        for path in models_root.glob("*/onnxruntime-f32/*.onnx")
    ]
    if not graphs:
        pytest.skip(f"no f32 variant of ONNX Runtime is derived in {models_root}")
    used = {node.op_type for graph in graphs for node in nodes(graph)}
    assert used <= {case.split()[0] for case in CASES}


def nodes(graph):
    """Of a graph and of those within."""
    for node in graph.node:
        yield node
        yield from chain.from_iterable(
            nodes(one.g) for one in node.attribute if one.type == onnx.AttributeProto.GRAPH
        )
