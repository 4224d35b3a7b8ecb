"""Requests that kill the process or hang in it: the others are answered all the same."""

import sys
import urllib.error
import urllib.request

import cv2
import numpy as np
import orjson
import pybase64
import pytest
import yaml

from tests.broker import free_port, until
from tests.e2e.box import EDGED, Client, running
from tests.graphs import card, write_graph
from tests.opened import install

PLUGIN = """
import os, signal, time
from edged import *
from edged.ops.image import batch_of_one

class Trap(SinglePassModel):
    def preprocess(self, item, options):
        shade = int(item.pixels(PixelFormat())[0, 0, 0])
        if shade == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        while shade == 7:
            time.sleep(1)
        return Prepared({"pictures": batch_of_one(item.pixels(self.card.picture().format))}, None)

    def postprocess(self, outputs, context, options):
        return Classification(outputs["scores"][0], self.card.labels)

@hookimpl
def register_models(register):
    register(Trap)
"""
DEADLY, HANGS, FINE = 9, 7, 100
TOPIC = "replies/me"
HASTY = [
    sys.executable,
    "-c",
    "from edged.requests import working; working.HUNG_S = 1.0; from edged.cli import main; main()",
]
"""Who hangs is given up a second after the deadline, not ten."""


def picture(shade, **fields):
    png = cv2.imencode(".png", np.full((8, 8, 3), shade, np.uint8))[1].tobytes()
    return orjson.dumps({"image": pybase64.b64encode_as_string(png), **fields})


@pytest.fixture
def box(tmp_path, mosquitto):
    """Makes daemons of one state folder, with the trap as their only service."""
    folder = tmp_path / "plugins" / "trap"
    folder.mkdir(parents=True)
    made = card(write_graph(folder / "small.onnx"), id="trap", calibration=None)
    said = made.model_dump(mode="json", exclude_defaults=True) | {"api": 2}
    del said["weights"]["clip.mp4"]
    said["graphs"]["main"]["variants"] = ["onnxruntime-f32"]
    (folder / "card.yaml").write_text(yaml.safe_dump(said))
    (folder / "plugin.py").write_text(PLUGIN)
    broker, http = mosquitto(), free_port()
    config = tmp_path / "config.yaml"
    config.write_text(f"""
node: box
paths: {{models: {tmp_path}/models, state: {tmp_path}/state, plugins: [{tmp_path}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{broker.port}'}}
http: {{listen: '127.0.0.1:{http}'}}
services: {{image-classification: {{model: trap}}}}
""")
    install(tmp_path, "trap")
    client = Client(broker.port, TOPIC)

    class Box:
        start = staticmethod(lambda edged=EDGED: running(config, broker.port, "box", edged=edged))
        address = f"http://127.0.0.1:{http}"
        answers = staticmethod(
            lambda: {m.properties.CorrelationData: orjson.loads(m.payload) for m in client.heard}
        )

        @staticmethod
        def ask(name, shade, **fields):
            client.ask("box", "image-classification", picture(shade, **fields), TOPIC, name)

    yield Box
    client.close()


def test_what_kills_the_process_twice_is_answered_and_nobody_else_is_lost(box):
    with box.start() as first:
        until(lambda: first.said("subscribe to:"), "it is up", 90)
        box.ask(b"deadly", DEADLY)
        assert first.ended() != 0
    box.ask(b"innocent", FINE)
    with box.start() as second:
        assert second.ended() != 0, "it is tried once more"
    with box.start():
        until(lambda: len(box.answers()) == 2, "both are answered")
        assert box.answers()[b"deadly"]["error_code"] == 500
        assert "died 2 times" in box.answers()[b"deadly"]["error_msg"]
        assert box.answers()[b"innocent"]["success"] is True


def test_when_all_workers_hang_the_process_ends_so_that_it_is_started_again(box):
    with box.start(HASTY) as daemon:
        until(lambda: daemon.said("subscribe to:"), "it is up", 90)
        names = [b"%d" % number for number in range(8)]
        for name in names:
            box.ask(name, HANGS, timeout_s=1)
        until(lambda: len(box.answers()) == len(names), "each is answered")
        assert {answer["error_code"] for answer in box.answers().values()} == {504}

        def unready():
            try:
                return urllib.request.urlopen(box.address + "/v2/health/ready", timeout=5).status != 200
            except urllib.error.HTTPError as error:
                return b"workers hang" in error.read()
            except OSError:  # it is busy
                return False

        until(unready, "it says that it is not ready")
        assert daemon.ended() == 1
        assert daemon.said("the process ends, so that it is started again")
