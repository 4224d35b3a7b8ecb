"""Whatever is sent as a request gets one answer, of a documented code; the daemon lives on as it is."""

import os
from collections import Counter
from pathlib import Path

import orjson
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.broker import until
from tests.e2e.box import ROOT, Client, running
from tests.e2e.fuzz import CODES, Case, Fuzz
from tests.opened import install

MODELS = ("yolox-nano", "picture-similarity", "yamnet", "bge-small-zh")
AT_A_TIME = 50
"""Fewer than the queue holds: each is looked into."""
LOOK_EVERY = 500
"""Requests between two looks at the memory."""
MOST_GROWTH = 50_000_000
"""Bytes in the second half. *Measured* over 10,000, twice: 732, 814 and 823 MB, and 726, 787 and 808 MB,
after 500, 5,000 and all: what libraries keep, in steps."""
CONFIG = """
node: box
paths: {{models: {models}}}
mqtt: {{url: 'mqtt://127.0.0.1:{port}'}}
http: {{listen: null}}
requests: {{fetch: {{folders: [{recordings}]}}}}
services:
  object-detection: {{model: yolox-nano}}
  image-similarity: {{}}
  music-detection: {{}}
  text-vectorization: {{model: bge-small-zh}}
"""


@pytest.fixture
def config(tmp_path, models_root, mosquitto):
    """Of a daemon with services for pictures, pairs, sound and text."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    port = mosquitto().port
    made = tmp_path / "config.yaml"
    made.write_text(CONFIG.format(models=models_root, port=port, recordings=recordings))
    install(ROOT, *MODELS, models=models_root)
    return made, port, recordings


def send(client: Client, case: Case, name: bytes) -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = case.reply_to
    properties.CorrelationData = name
    for key, value in case.more.items():
        setattr(properties, key, value)
    client._client.publish(f"edged/box/request/{case.service}", case.payload, 1, properties=properties)


def resident(pid: int) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.long)])
def test_each_gets_one_answer_and_the_daemon_stays_as_it_is(config, tmp_path, count):
    path, port, recordings = config
    fuzz, cases, memory = Fuzz(count, recordings), {}, []
    client = Client(port, "replies/#", "edged/box/response/#", "+")  # the last for a strange `reply_to`
    with running(path, port, "box") as daemon:
        until(lambda: daemon.said("subscribe to:"), "readiness", 120)
        while len(cases) < count:
            for _ in range(AT_A_TIME):
                name = b"%d" % len(cases)
                cases[name] = fuzz.case()
                send(client, cases[name], name)
            until(lambda: len(client.heard) >= len(cases), f"an answer to each of {len(cases)}", 180)
            if len(cases) % LOOK_EVERY == 0:
                memory.append(resident(daemon.process.pid))
        send(client, Case("text-vectorization", b'{"id": "1", "first_sequence": "a"}'), b"last")
        until(lambda: len(client.heard) > count, "a good one")
        assert daemon.stop() == 0
        log = "".join(daemon.log)
    client.close()
    answers = Counter(message.properties.CorrelationData for message in client.heard)
    assert answers == Counter([*cases, b"last"])
    codes = Counter[int]()
    for message in client.heard:
        fields = orjson.loads(message.payload)
        code = fields.get("error_code", 200)
        assert code in CODES, (cases[message.properties.CorrelationData], fields)
        assert (code == 200) == fields.get("success", True), fields
        codes[code] += 1
    print(f"codes {dict(codes)}; memory {[size // 10**6 for size in memory]} MB")
    assert codes[200] > count / 20, "good ones are among them"
    assert "Traceback" not in log
    settled = memory[len(memory) // 2 :]
    assert settled[-1] - settled[0] < MOST_GROWTH
