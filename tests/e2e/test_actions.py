"""Actions of a real daemon: what an earlier run left is delivered, told in health, and no secret with it."""

import json
import socket
import urllib.request

import pytest

from tests.actions.box import Box
from tests.actions.receivers import Desk
from tests.broker import free_port, until
from tests.e2e.box import running
from tests.test_secrets import MARK, everything_heard, leaks, processes_of

pytestmark = pytest.mark.slow

CONFIG = """
node: box
paths: {{state: state}}
health_every: 1s
mqtt: {{url: embedded, embedded_port: {port}, username: me, password: secret-of-the-broker}}
http: {{listen: '127.0.0.1:{http}'}}
time_zone: Europe/Berlin
actions:
  desk: {{webhook: "{desk}?{mark}", headers: {{Authorization: "Bearer {mark}"}}}}
  phone: {{notify: "json://me:{mark}@127.0.0.1:{phone}/{mark}", timeout: 20s}}
  dead: {{webhook: "http://me:{mark}@127.0.0.1:{dead}/{mark}"}}
"""
DEAD = '{"name":"dead","kind":"webhook","why":"connection refused"}'


def status(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status") as answer:
        return json.load(answer)


def actions(port):
    return {one["name"]: (one["waiting"], one["why"]) for one in status(port)["actions"]}


def test_a_daemon_delivers_and_tells_no_secret(tmp_path):
    port, http = free_port(), free_port()
    nobody = "http://127.0.0.1:1/"
    with Box(tmp_path / "state", desk=nobody, phone=nobody, dead=nobody) as left:
        for _ in range(3):
            left.happen("desk", "phone", "dead")
    config = tmp_path / "config.yaml"
    with Desk() as desk, Desk() as phone, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # nobody else takes the port, and nobody listens at it
        given = {"desk": desk.url, "phone": phone.port, "dead": dead.getsockname()[1]}
        config.write_text(CONFIG.format(port=port, http=http, mark=MARK, **given))
        with running(config, port, "box", *["--verbose"]) as daemon:
            client, heard = everything_heard(port, "me", "secret-of-the-broker")
            until(lambda: len(desk.took) >= 3 and len(phone.took) >= 3, "all that waited")
            until(lambda: any("dead: connection refused" in one for one in heard), "why")
            until(lambda: any(one.startswith("edged/box/info ") and DEAD in one for one in heard), "in info")
            for said in processes_of(daemon.process.pid):
                assert MARK.encode() not in said
            settled = {"desk": (0, ""), "phone": (0, ""), "dead": (3, "connection refused")}
            until(lambda: actions(http) == settled, "their rows are gone")
            told = json.dumps(status(http))
            client.loop_stop()
        assert not daemon.said(MARK)
    assert desk.took[0].headers["authorization"] == f"Bearer {MARK}"
    assert {took.json["title"] for took in phone.took} == {"queue at door"}
    assert MARK not in "".join(heard) + told
    assert leaks(tmp_path, "config.yaml") == []
