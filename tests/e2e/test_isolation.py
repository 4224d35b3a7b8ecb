"""A running daemon with a plugin that does harm in a process of its own: all others notice nothing."""

import json
import sys
import time
from datetime import datetime

import numpy as np
import orjson
import pybase64
import pytest

from tests.broker import until
from tests.e2e.box import Client, running
from tests.opened import install
from tests.serving import lair, villain

NAME = "image-classification"
OTHERS = ("object-detection", "ocr", "face-attributes", "semantic-segmentation", "scene-classification")
HASTY = """
from dataclasses import replace
from edged import opening
from edged.cli import main
opening.TERMS = replace(opening.TERMS, rests=(0.1, 0.2, 0.4, 0.8))  # else it rests for 21 s, all in all
main()
"""
HARMS = {villain.SEGFAULT: 500, villain.LOOP: 504, villain.EXIT: 500, villain.EAT: 500}
FINE = 100
LOOPS_S = 8
"""The deadline of the request that loops for ever; whoever waits for it is later than `PROMPT_S`."""
PROMPT_S = 7.0
CONFIG = """
node: box
paths: {{models: {0}/models, state: {0}/state, plugins: [{0}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{1}'}}
http: {{listen: null}}
health_every: 1s
services:
  image-classification: {{model: villain, isolation: process, max_memory: 500000000}}
streams:
  door: {{source: '{0}/door', loop: true, gate: {{fps: 5}}, run: [object-detection]}}
"""


@pytest.fixture
def config(tmp_path, mosquitto):
    """Of a daemon with six services, one of them the villain's, and a stream; and the broker's port."""
    plugins, door = tmp_path / "plugins", tmp_path / "door"
    lair.settle(plugins / "villain")
    lair.write_peaceful(plugins / "peace", {f"peace-{name}": name for name in OTHERS})
    door.mkdir()
    (door / "a.png").write_bytes(pybase64.b64decode(lair.picture(FINE)))
    port, path = mosquitto().port, tmp_path / "config.yaml"
    services = "".join(f"  {name}: {{model: peace-{name}}}\n" for name in OTHERS)
    text = CONFIG.format(tmp_path, port)
    path.write_text(text.replace("streams:", services + "streams:"))
    models = ["villain", *(f"peace-{name}" for name in OTHERS)]
    install(tmp_path, *models)
    return path, port


class Caller:
    """Asks, and keeps what is answered and told."""

    def __init__(self, port):
        self._client = Client(port, "me/answers", "edged/box/info", "edged/box/health", "edged/box/stream/#")
        self._asked = 0
        self.slowest = 0.0
        """Seconds that one of the others took at the most."""

    def ask(self, service, first=FINE, **fields):
        """Returns its correlation data."""
        self._asked += 1
        name = b"%d" % self._asked
        body = orjson.dumps({"image": lair.picture(first), **fields})
        self._client.ask("box", service, body, "me/answers", name)
        return name

    def answers(self, name):
        heard = self._client.on("me/answers")
        return [json.loads(m.payload) for m in heard if m.properties.CorrelationData == name]

    def answer(self, service, first=FINE):
        name = self.ask(service, first)
        until(lambda: self.answers(name), f"an answer of {service}")
        return self.answers(name)[0]

    def ask_others(self):
        """All of the others, which must answer."""
        began = time.monotonic()
        names = [self.ask(service) for service in OTHERS]
        until(lambda: all(self.answers(name) for name in names), "answers of the others")
        self.slowest = max(self.slowest, time.monotonic() - began)
        for name in names:
            assert self.answers(name)[0]["success"] is True, self.answers(name)

    def told(self, topic):
        """The last message there."""
        heard = self._client.on(f"edged/box/{topic}")
        return json.loads(heard[-1].payload) if heard else {}

    def frames(self):
        """Results of the stream."""
        return [json.loads(m.payload) for m in self._client.on("edged/box/stream/door/object-detection")]

    def close(self):
        self._client.close()


@pytest.fixture
def caller(config):
    made = Caller(config[1])
    yield made
    made.close()


def test_what_a_plugin_does_to_its_process_nobody_else_notices(config, caller):
    path, port = config
    with running(path, port, "box", edged=[sys.executable, "-c", HASTY]) as daemon:
        until(lambda: len(caller.told("info").get("services", ())) == 1 + len(OTHERS), "all are ready")
        until(caller.frames, "the stream runs")
        guilty, processes = {}, [process(caller)]
        for harm in HARMS:
            timeout = {"timeout_s": LOOPS_S} if harm == villain.LOOP else {}
            guilty[harm] = caller.ask(NAME, harm, **timeout)
            while not caller.answers(guilty[harm]):
                caller.ask_others()
            processes.append(process(caller))
        assert len(set(processes)) == 1 + len(HARMS), "each time another one takes its place"
        for rest in ("0.1", "0.2", "0.4", "0.8"):
            until(lambda: daemon.said(f"it is started again in {rest} s"))  # noqa: B023

        guilty["last"] = caller.ask(NAME, villain.EXIT)
        aside = "set aside for 600 s, having died 5 times"
        until(lambda: aside in caller.told("info").get("not_ready", {}).get(NAME, ""), aside)
        until(lambda: "set aside" in caller.told("health")["units"][f"service/{NAME}"], "health tells it")
        refused = caller.answer(NAME)
        assert (refused["error_code"], "having died 5 times" in refused["error_msg"]) == (503, True)
        caller.ask_others()

        codes = {harm: [one["error_code"] for one in caller.answers(name)] for harm, name in guilty.items()}
        assert codes == {harm: [code] for harm, code in {**HARMS, "last": 500}.items()}, "each once"
        assert caller.slowest < PROMPT_S
        seqs = [frame["seq"] for frame in caller.frames()]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        came = [datetime.fromisoformat(frame["captured_at"]).timestamp() for frame in caller.frames()]
        assert max(np.diff(came)) < PROMPT_S, "the stream went on"
        assert not any("error" in frame for frame in caller.frames())
        assert daemon.stop() == 0


def process(caller):
    """Id of the villain's process."""
    return next(iter(caller.answer(NAME, villain.PID)["class_probs"]))
