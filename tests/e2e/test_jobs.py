"""Videos in a running daemon: jobs that survive its death, and artefacts over HTTP."""

import json
import signal
import subprocess
import time

import orjson
import pytest
import urllib3

from tests.answers import examples
from tests.broker import free_port, until
from tests.e2e.box import EDGED, Client, running
from tests.media.films import Read, evenly, video
from tests.opened import install
from tests.serving import lair

CUT = "video-highlight"
PLUGIN = """
import time
from pathlib import Path
from edged import Highlight, Model, hookimpl

HOLD = Path(__file__).with_name("hold")

class Held(Model):
    "In the middle of its work it waits as long as there is that file."
    def infer(self, item, options, tools, run):
        for n, frame in enumerate(item.frames()):
            run.progress(n / 75)
            while n == 40 and HOLD.exists():
                run.check()
                run.progress(n / 75)
                time.sleep(0.05)
        return Highlight(1_000_000, 2_000_000)

@hookimpl
def register_models(register):
    register(Held)
"""
CONFIG = """
node: box
paths: {{models: {0}/models, state: {0}/state, plugins: [{0}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{1}'}}
http: {{listen: '127.0.0.1:{2}', public_url: 'http://127.0.0.1:{2}'}}
requests: {{fetch: {{folders: ['{0}/media']}}}}
services:
  video-highlight: {{model: held}}
"""


class Box:
    """Its configuration, and ways to ask what runs by it."""

    def __init__(self, folder, port):
        self.port, self.http = port, free_port()
        self.config, self.clip = folder / "config.yaml", folder / "media" / "clip.mp4"
        self.kept, self.hold = folder / "state" / "artefacts", folder / "plugins" / "held" / "hold"
        self.config.write_text(CONFIG.format(folder, port, self.http))
        self.clip.parent.mkdir()
        self.clip.write_bytes(video(evenly(75), sound="aac"))
        self.request = {"request_id": "r-1", "input": {"url": str(self.clip)}}

    def running(self):
        return running(self.config, self.port, "box")

    def call(self, method, path, body=None, **headers):
        return urllib3.request(
            *(method, f"http://127.0.0.1:{self.http}{path}"),
            body=None if body is None else orjson.dumps(body),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=60,
            retries=False,
        )

    def is_ready(self):
        try:
            return self.call("GET", "/v2/health/ready").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def state(self, where):
        return self.call("GET", where).json()

    def later(self):
        taken = self.call("POST", f"/api/predict/{CUT}", self.request, Prefer="respond-async")
        assert taken.status == 202
        return taken.headers["Location"]

    def files(self):
        return [path for path in self.kept.glob("*.mp4") if not path.name.startswith(".")]


@pytest.fixture
def box(tmp_path, mosquitto):
    place = tmp_path / "plugins" / "held"
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(PLUGIN)
    options = examples.options_of(CUT).model_dump(mode="json")
    lair.write_card(place / "card.yaml", id="held", service=CUT, options=options, labels=[])
    made = Box(tmp_path, mosquitto().port)
    install(tmp_path, "held")
    return made


def test_a_job_in_work_at_the_death_of_the_daemon_is_done_once_after_it(box):
    client = Client(box.port, "me/answers", "edged/box/progress/#")
    box.hold.touch()
    with box.running() as daemon:
        until(lambda: daemon.said("subscribe to:"), "a ready daemon", 90)
        where = box.later()
        client.ask("box", CUT, orjson.dumps({**box.request, "request_id": "r-2"}), "me/answers", b"r-2")
        until(lambda: box.state(where)["done"] > 0, "work on the job")
        daemon.stop(signal.SIGKILL)
    assert box.files() == []
    box.hold.unlink()
    with box.running():
        until(box.is_ready, "a ready daemon", 90)
        until(lambda: box.state(where)["state"] == "done", "the job", 90)
        until(lambda: client.on("me/answers"), "the answer over MQTT", 90)
        state = box.state(where)
        [told] = client.on("me/answers")
        time.sleep(1)  # for a second answer, which must not come
        assert len(client.on("me/answers")) == 1
        assert len(box.files()) == 2
        assert not list(box.kept.glob(".draft*"))
        answer = json.loads(told.payload)
        assert answer["oss_path"].startswith("file:///")
        properties = dict(told.properties.UserProperty)
        assert properties["artefact"].startswith(f"http://127.0.0.1:{box.http}/artefacts/")
        film = Read(box.call("GET", state["artefact"].removeprefix(f"http://127.0.0.1:{box.http}")).data)
        assert len(film.times) == 25
        assert any(message.topic == "edged/box/progress/r-2" for message in client.heard)
    client.close()


def test_cancelled_over_http_and_by_control(box):
    client = Client(box.port, "me/answers")
    box.hold.touch()
    with box.running() as daemon:
        until(lambda: daemon.said("subscribe to:"), "a ready daemon", 90)
        where = box.later()
        until(lambda: box.state(where)["done"] > 0, "work on the job")
        client.ask("box", CUT, orjson.dumps({**box.request, "request_id": "r-2"}), "me/answers", b"r-2")
        assert box.call("DELETE", where).json()["state"] == "cancelled"
        client.publish("edged/box/control/cancel", b'{"request_id": "r-2"}')
        until(lambda: client.on("me/answers"), "the answer over MQTT")
        assert json.loads(client.on("me/answers")[0].payload)["error_code"] == 499
        assert box.state(where)["answer"]["error_code"] == 499
        assert box.files() == []
    client.close()


def infer(box, *args, **options):
    command = [*EDGED, "infer", CUT, str(box.clip), *args, "-c", str(box.config)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=box.config.parent, **options
    )


def test_on_the_command_line_the_video_is_where_it_was_wanted(box):
    said, shown = infer(box, "-o", "best.mp4").communicate(timeout=120)
    best = box.config.parent / "best.mp4"
    assert json.loads(said)["oss_path"] == best.as_uri()
    assert len(Read(best.read_bytes()).times) == 25
    assert "written to best.mp4" in shown
    assert "%" in shown
    assert sorted(path.name for path in box.config.parent.glob(".edged-*")) == []


def test_interrupted_on_the_command_line_it_leaves_nothing(box):
    box.hold.touch()
    process = infer(box, start_new_session=True)
    until(lambda: list(box.config.parent.glob(".edged-*")), "its work", 90)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not [*box.config.parent.glob(".edged-*"), *box.config.parent.glob("*.mp4")]
