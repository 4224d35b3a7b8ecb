"""A configuration with three small models of its own."""

import hashlib

import pytest

from tests.graphs import write_graph

CARD = """
api: 2
id: {id}
service: {service}
rank: {rank}
summary: means of channels [sic]
source: made for tests
licence: {licence}
weights: {{{file}: {{sha256: {sha256}, size: {size}, origins: [{{file: {file}}}]}}}}
graphs:
  main:
    weights: [{file}]
    inputs: {{pictures: {{kind: picture, size: [8, 8], fit: stretch, colour: rgb}}}}
    outputs: [scores]
    variants: [{variant}]
    quantized: {quantized}
decoder: classification
parameters: {{activation: softmax}}
labels: [a, b, c, d]
"""
FREE = "{id: Apache-2.0, permissive: true}"
CLOSED = "{id: CC-BY-NC-4.0, permissive: false, note: stands on its page}"


def write_model(folder, file, **said):
    """A model, called as its folder, of the small graph, which is returned."""
    folder.mkdir(parents=True)
    graph = write_graph(folder / file)
    data = graph.read_bytes()
    usual = {
        "service": "image-classification",
        "rank": 50,
        "licence": FREE,
        "variant": "onnxruntime-f32",
        "quantized": "false",
    }
    facts = {"id": folder.name, "file": file, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (folder / "card.yaml").write_text(CARD.format(**{**usual, **facts, **said}))
    return graph


@pytest.fixture
def config(tmp_path):
    """A configuration with the models `good`, `gone` without its file, and `closed` by its licence."""
    own = tmp_path / "own"
    write_model(own / "good", "good.onnx", rank=50)
    write_model(own / "gone", "gone.onnx", rank=51).unlink()
    write_model(own / "closed", "good.onnx", rank=52, service="scene-classification", licence=CLOSED)
    path = tmp_path / "config.yaml"
    path.write_text("paths: {models: models, plugins: [own]}\n")
    return path
