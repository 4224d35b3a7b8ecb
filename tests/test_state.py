"""The state that 0.1.0 left behind is taken over: what it promised is kept, what it pulled is used."""

import base64
import contextlib
import json
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from edged.control import OFF
from edged.daemon import Daemon
from edged.derive.manifest import Manifest, Measured, Recipe
from edged.flow.counters import Counters
from edged.mqtt.address import WORLD, Address
from edged.requests.doubles import identity
from edged.requests.journal import Journal
from edged.requests.layout import VERSION
from tests.broker import until
from tests.e2e.box import Client

STATE = Path(__file__).parent / "state-0.1.0"
SERVICE = "image-classification"
CONFIG = """
node: shop-1
paths: {{models: {folder}/models, state: {folder}/state, plugins: [{folder}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{port}'}}
http: {{listen: null}}
services: {{image-classification: {{model: small}}}}
streams:
  door: {{source: {folder}/nowhere.mp4, run: [image-classification]}}
"""


@pytest.fixture
def left(tmp_path):
    """A copy of the state folder, as if 0.1.0 had been killed a moment ago."""
    folder = tmp_path / "left"
    shutil.copytree(STATE, folder)
    for file in [folder, *folder.rglob("*")]:
        file.chmod(0o755 if file.is_dir() else 0o644)  # the checkout may be read-only
    with contextlib.closing(sqlite3.connect(folder / "state" / "mqtt" / "requests.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        for column in ("received", "answered"):
            db.execute(f"UPDATE requests SET {column} = ? WHERE {column} IS NOT NULL", (time.time(),))
        db.commit()
    card = folder / "plugins" / "small" / "card.yaml"
    card.write_text("api: 2\n" + card.read_text())  # as its owner does, told by docs/plugins.md
    return folder


@contextlib.contextmanager
def running(folder, port):
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(folder=folder, port=port))
    daemon = Daemon(path, Counters())
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(60)


def test_a_daemon_of_today_keeps_what_0_1_0_promised(left, mosquitto):
    broker = mosquitto()
    customer = Client(broker.port, "replies/#")
    topics = ["replies/unsent", "replies/waits-3", "replies/waits-5"]
    with running(left, broker.port) as daemon:
        until(lambda: {m.topic for m in customer.heard} >= set(topics), "all three are answered")
        until(lambda: set(daemon.core.telling.mqtt().queued().values()) == {0})
        until(lambda: "stream/door" in daemon.core.units.states())
        assert daemon.core.units.states()["stream/door"] == OFF
    customer.close()
    assert sorted(m.topic for m in customer.heard) == topics, "each once, and none that had arrived before"
    unsent, waits_3, waits_5 = (customer.on(topic)[0] for topic in topics)
    assert json.loads(unsent.payload) == {"request_id": "unsent", "success": True, "from": "0.1.0"}
    assert unsent.properties.CorrelationData == b"\x00unsent"
    assert dict(unsent.properties.UserProperty) == {"request_id": "unsent", "code": "200", "model": "small"}
    assert waits_5.properties.CorrelationData == b"\x00waits\xff"
    for message, name in ((waits_3, "waits-3"), (waits_5, "waits-5")):
        answer = json.loads(message.payload)
        assert (answer["request_id"], answer["success"]) == (name, True)
        assert "red" in str(answer), "the picture is red, says the model that 0.1.0 pulled"


def test_the_journal_is_brought_into_the_layout_of_today(left):
    folder = left / "state" / "mqtt"
    for _ in range(2):  # the second time it is there already
        journal = Journal(folder, Counters())
        journal.open()
        (_, by_5), (row, by_3) = journal.asked(WORLD)
        assert Address.read(by_5.reply) == Address("replies/waits-5", b"\x00waits\xff")
        assert Address.read(by_3.reply) == Address("", b"")
        payload = journal.payload(row)
        (answer,) = journal.answered(WORLD)
        assert Address.read(journal.answer_of(answer).reply) == Address("replies/unsent", b"\x00unsent")
        known = {name for name, _ in journal.identities(WORLD)}
        journal.close()
    fields = {"request_id": "arrived", "image": json.loads(payload)["image"]}
    name = identity(
        json.dumps(fields).encode(), SERVICE.encode(), b"replies/arrived", b"\x00arrived", b"None"
    )
    assert name in known, "its double would not be served again"
    assert base64.b64decode(fields["image"]).startswith(b"\x89PNG")
    assert not list(folder.glob("damaged-*")) + list(folder.glob("newer-*"))
    with contextlib.closing(sqlite3.connect(folder / "requests.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


WRITTEN = {
    Manifest: {"model", "variant", "recipe", "tools", "files", "seconds", "measured"},
    Recipe: {"version", "sources", "graphs", "calibration"},
    Measured: {"device", "identity", "agreement", "ms", "why_not"},
}
"""By 0.1.0."""


@pytest.mark.parametrize("part", WRITTEN)
def test_what_0_1_0_did_not_write_in_a_manifest_has_a_default(part):
    required = {name for name, field in part.model_fields.items() if field.is_required()}
    assert required <= WRITTEN[part]


def test_a_manifest_of_another_release_is_honoured(left):
    folder = left / "models" / "small" / "onnxruntime-f32"
    before = Manifest.load(folder)
    assert before is not None
    fields = json.loads((folder / "manifest.json").read_text())
    assert set(fields) == WRITTEN[Manifest]
    measured = {"device": "cpu", "identity": "this one", "ms": 1.5}
    calibration = {"media": ["clip.mp4"], "frames": 8}
    recipe = {**fields["recipe"], "calibration": calibration}
    (folder / "manifest.json").write_text(json.dumps({**fields, "recipe": recipe}))
    before = Manifest.load(folder)
    assert before.recipe.calibration.frames == 8
    later = {
        **fields,
        "of_a_later_release": [1],
        "recipe": {**recipe, "also": {"later": True}, "calibration": {**calibration, "light": "dim"}},
        "measured": [{**measured, "watts": 3}],
    }
    (folder / "manifest.json").write_text(json.dumps(later))
    assert Manifest.load(folder) == before.with_measured(Measured(**measured))
    del later["model"]
    (folder / "manifest.json").write_text(json.dumps(later))
    assert Manifest.load(folder) is None
