"""Makes this folder again, with the code of edged 0.1.0 and from the root of its checkout.

`PYTHONPATH=<checkout of 0.1.0> python tests/state-0.1.0/make.py <this folder>`; never with later code, since
the folder shows what the state of 0.1.0 really looks like. It ends as by SIGKILL, with the journal open.
"""

import base64
import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
from edged.mqtt.doubles import identity
from edged.mqtt.journal import Addressed, Journal, Request
from edged.pipeline.slot import DeviceSlot
from edged.repository.manifest import sha256
from edged.repository.repository import Repository
from onnx import TensorProto, helper

from edged.contracts.request import Answer
from edged.control import Switches
from edged.discovery import discover
from edged.flow.counters import Counters
from edged.runtimes.devices import Concurrency

SERVICE = "image-classification"
STOPPED_AT = 1_790_000_000.0
"""When 0.1.0 was stopped."""
CARD = """\
id: small
service: image-classification
rank: 1
summary: the mean of each colour
source: made for a test
licence: {{id: Apache-2.0, permissive: true}}
decoder: classification
parameters: {{activation: softmax}}
weights:
  small.onnx: {{sha256: {sha256}, size: {size}, origins: [{{file: small.onnx}}]}}
graphs:
  main:
    weights: [small.onnx]
    inputs: {{pictures: {{size: [8, 8], fit: stretch, colour: rgb, mean: [10, 20, 30], std: [2, 4, 5]}}}}
    outputs: [scores]
    variants: [onnxruntime-f32]
labels: [red, green, blue]
"""


def main() -> None:
    """All of it, one after the other."""
    folder = Path(sys.argv[1]).absolute()
    for name in ("state", "gallery", "models", "plugins"):
        shutil.rmtree(folder / name, ignore_errors=True)
    _, picture = cv2.imencode(".png", np.full((8, 8, 3), (0, 0, 200), np.uint8))
    (folder / "gallery" / "cola").mkdir(parents=True)
    (folder / "gallery" / "cola" / "front.png").write_bytes(picture.tobytes())
    pull(folder)
    Switches(folder / "state").turn("door", on=False)
    journal(folder / "state", picture.tobytes())
    os._exit(0)


def pull(folder: Path) -> None:
    """A model by card alone, pulled: its weights, one variant, its manifest."""
    plugin = folder / "plugins" / "small"
    plugin.mkdir(parents=True)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["pictures"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        "small",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
    )
    file = plugin / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7), str(file))
    card = CARD.format(sha256=sha256(file), size=file.stat().st_size)
    (plugin / "card.yaml").write_text(card, "utf-8")
    models = discover([Path("plugins"), folder / "plugins"]).models
    slot = DeviceSlot(1)
    Repository(folder / "models", models, Concurrency(1, 1), Counters(), lambda _: slot).pull("small", report)
    for lock in folder.rglob(".lock"):
        lock.unlink()


def report(task: str, done: int, total: int) -> None:
    """Nobody looks."""


def journal(state: Path, picture: bytes) -> None:
    """Two requests that wait, an answer that the broker does not have, and one that it has."""
    book = Journal(state / "mqtt", Counters())
    book.open()
    image = base64.b64encode(picture).decode()
    for number, name, reply, correlation in (
        (0, "arrived", "replies/arrived", b"\x00arrived"),
        (1, "unsent", "replies/unsent", b"\x00unsent"),
        (2, "waits-5", "replies/waits-5", b"\x00waits\xff"),
        (3, "waits-3", "", b""),
    ):
        fields = {"request_id": name, "image": image}
        if not reply:  # MQTT 3.1.1
            fields["reply_to"] = "replies/waits-3"
        payload = json.dumps(fields).encode()
        known = identity(SERVICE, reply, correlation, payload, None)
        request = Request(known, SERVICE, reply, correlation, STOPPED_AT + number)
        row = book.ask(request, payload)
        if number < 2:
            body = json.dumps({"request_id": name, "success": True, "from": "0.1.0"}).encode()
            book.answer(row, request, Addressed(reply, correlation, Answer(name, body, 200, "small")))
        if number < 1 and row is not None:
            book.done([row])


if __name__ == "__main__":
    main()
