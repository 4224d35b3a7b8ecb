"""A running daemon that is told of no service offers what is installed."""

import json
import signal
import subprocess

import orjson

from tests.broker import free_port, until
from tests.e2e.box import EDGED, Client, running
from tests.requests.test_queue import JPEG

NAME = "object-detection"
INFO = "edged/box/info"
CONFIG = """
node: box
paths: {{models: {models}, state: {state}}}
mqtt: {{url: 'mqtt://127.0.0.1:{port}'}}
http: {{listen: '127.0.0.1:{http}'}}
runtime: {{idle: {idle}}}
health_every: {every}
"""


def in_memory(config):
    done = subprocess.run(
        [*EDGED, "ps", "--json", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {facts["service"]: facts for facts in json.loads(done.stdout)}


def test_it_loads_stays_over_a_reload_and_leaves(tmp_path, models_dir, mosquitto):
    port, http, config = mosquitto().port, free_port(), tmp_path / "config.yaml"
    client = Client(port, INFO, "me/answers")

    def write(**settings):
        given = {"models": models_dir, "state": tmp_path / "state", "port": port, "http": http, "idle": "10m"}
        config.write_text(CONFIG.format(**{**given, "every": "2s", **settings}))

    def state():
        told = client.on(INFO)
        services = json.loads(told[-1].payload)["services"] if told else []
        return next((facts["state"] for facts in services if facts["service"] == NAME), None)

    write()
    try:
        with running(config, port, "box", "--quiet") as daemon:
            until(lambda: state() == "idle", "it is offered")
            until(lambda: daemon.said("subscribe to:"), "readiness", 90)
            assert in_memory(config) == {}
            for n in range(5):
                client.ask("any", NAME, orjson.dumps({"image": JPEG}), "me/answers", b"%d" % n)
            until(lambda: len(client.on("me/answers")) == 5, "all are answered")
            assert all(json.loads(m.payload)["success"] for m in client.on("me/answers"))
            until(lambda: state() == "ready")
            before = in_memory(config)[NAME]
            assert (before["pinned"], before["asked"], before["memory_bytes"] > 0) == (False, 5, True)
            write(every="1s")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: sum("applying" in line for line in daemon.log) == 2, "it has reloaded")
            after = in_memory(config)[NAME]
            assert after["asked"] == 5 and after["up_s"] >= before["up_s"], "it stayed"
            write(idle="500ms")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: state() == "idle", "it left")
            assert in_memory(config) == {}
    finally:
        client.close()
