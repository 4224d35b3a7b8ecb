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
    variants: [onnxruntime-f32]
decoder: classification
parameters: {{activation: softmax}}
labels: [a, b, c, d]
"""
FREE = "{id: Apache-2.0, permissive: true}"
CLOSED = "{id: CC-BY-NC-4.0, permissive: false, note: stands on its page}"


@pytest.fixture
def config(tmp_path):
    """A configuration with the models `good`, `gone` without its file, and `closed` by its licence."""
    data = write_graph(tmp_path / "good.onnx").read_bytes()
    ways = {
        "good": ("image-classification", "good.onnx", FREE),
        "gone": ("image-classification", "gone.onnx", FREE),
        "closed": ("scene-classification", "good.onnx", CLOSED),
    }
    for rank, (name, (service, file, licence)) in enumerate(ways.items()):
        folder = tmp_path / "own" / name
        folder.mkdir(parents=True)
        text = CARD.format(
            id=name,
            service=service,
            rank=rank + 50,
            licence=licence,
            file=file,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
        )
        (folder / "card.yaml").write_text(text)
        if file == "good.onnx":
            (folder / file).write_bytes(data)
    path = tmp_path / "config.yaml"
    path.write_text("paths: {models: models, plugins: [own]}\n")
    return path
