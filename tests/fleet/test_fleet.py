"""`edged fleet` at a real broker: 200 nodes, some of which are not well."""

import io
import json
import os
import re
import subprocess
import threading
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from edged.cli import fleet, terminal
from edged.cli.fleet import broker
from edged.contracts.errors import ConfigError
from edged.fleet.rows import Told, row_of
from edged.mqtt.settings import MqttSettings
from tests.broker import free_port, until
from tests.e2e.box import EDGED, ROOT
from tests.fleet.crowd import Crowd
from tests.fleet.nodes import stream
from tests.mqtt.test_tls import accounts
from tests.tls import Authority

NODES, STREAMS = 200, 3
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "500"}


@pytest.fixture
def look(tmp_path):
    """Runs the command with a configuration of MQTT; what it printed, and said."""

    def run(mqtt, *args, code=0):
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"mqtt": mqtt}))
        done = subprocess.run(
            [*EDGED, "fleet", "-c", str(config), *args],
            capture_output=True,
            text=True,
            timeout=120,
            env=ENVIRONMENT,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    return run


@contextmanager
def crowd_at(port, count=NODES):
    with Crowd(port, count, STREAMS) as crowd:
        told = crowd.tell_all()
        until(lambda: crowd.acknowledged == told, "all is told")
        yield crowd


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_200_nodes_are_shown_those_first_that_need_attention(mosquitto, look, version):
    port = mosquitto().port
    with crowd_at(port) as crowd:
        crowd.tell_health("box-0150", clock="unsynced")
        crowd.tell_state("box-0100", "camera-1", stream("offline", "no route\x1b[2J"))
        until(lambda: crowd.acknowledged == NODES * (3 + STREAMS) + 2)
        crowd.cut("box-0199")
        url = f"mqtt://127.0.0.1:{port}"
        rows = json.loads(look({"url": url, "version": version}, "--json").stdout)
        assert [(row["node"], row["standing"]) for row in rows[:4]] == [
            ("box-0199", "down"),
            ("box-0100", "failing"),
            ("box-0150", "warning"),
            ("box-0000", "fine"),
        ]
        assert rows[1]["attention"] == ["stream camera-1 is offline: no route\x1b[2J"]
        assert len(rows) == NODES
        assert {(row["streams"], row["version"], row["queued"]) for row in rows} == {(STREAMS, "0.2.0", 3)}
        lines = look({"url": url, "version": version}).stderr.splitlines()
        assert (
            lines[0]
            == f"200 nodes at 127.0.0.1:{port}: 1 down, 1 failing, 1 warning, 197 fine; edged 0.2.0 (200)"
        )
        assert lines[3].endswith("stream camera-1 is offline: no route\ufffd[2J"), (
            "it may not write to the terminal"
        )
        assert lines[2].split()[:3] == ["box-0199", "down", "0.2.0"]
        assert len(lines) == NODES + 2


@pytest.mark.parametrize(("width", "columns"), [(80, 4), (200, 12)])
def test_a_narrow_terminal_gets_what_wants_attention(monkeypatch, width, columns):
    seen = io.StringIO()
    console = Console(file=seen, width=width, force_terminal=True, no_color=True, highlight=False)
    for place in (fleet, terminal):
        monkeypatch.setattr(place, "console", console)
    rows = [row_of("box-1", Told()), row_of("box-2", Told(availability="offline"))]
    fleet._show(rows, MqttSettings(url="mqtt://broker"), as_json=False)
    lines = re.sub(r"\x1b\[\d*m", "", seen.getvalue()).splitlines()
    assert len(lines) == 4 and max(map(len, lines)) <= width
    assert len(re.split(r"\s{2,}", lines[1].strip())) == columns
    assert lines[3].split("  ")[0] == "box-2" and "it is not connected to the broker" in lines[3]


def test_watching_sees_a_node_go(mosquitto, tmp_path):
    port = mosquitto().port
    seen: list[Any] = []
    with (
        crowd_at(port, 5) as crowd,
        subprocess.Popen(
            [*EDGED, "fleet", "--url", f"mqtt://127.0.0.1:{port}", "--wait", "300ms", "--watch", "--json"],
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=tmp_path,
        ) as process,
    ):
        reader = threading.Thread(target=lambda: seen.extend(map(json.loads, process.stdout)), daemon=True)
        reader.start()
        until(lambda: seen and [row["standing"] for row in seen[-1]] == ["fine"] * 5, "all are seen")
        crowd.cut("box-0003")
        until(lambda: (seen[-1][0]["node"], seen[-1][0]["standing"]) == ("box-0003", "down"), "it is down")
        process.terminate()
        process.wait(30)
        reader.join(30)


def test_it_goes_by_tls_with_a_password_as_the_daemon_does(tmp_path, mosquitto, look):
    authority = Authority(tmp_path)
    pair = authority.pair("127.0.0.1")
    made = mosquitto(
        f"certfile {pair.certificate}",
        f"keyfile {pair.key}",
        accounts(tmp_path, "shop", "hush"),
        anonymous=False,
    )
    mqtt = {"url": f"mqtts://127.0.0.1:{made.port}", "tls": {"ca": str(authority.ca)}}
    with_password = mqtt | {"username": "shop", "password": "hush"}
    assert json.loads(look(with_password, "--json", "--wait", "300ms").stdout) == []
    refused = look(mqtt | {"username": "shop", "password": "wrong"}, code=1)
    assert "the user or the password is wrong" in refused.stderr
    assert "hush" not in refused.stderr


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_said_once(look):
    said = look({"url": f"mqtt://127.0.0.1:{free_port()}"}, code=1).stderr
    assert said.count("cannot reach the broker") == 1


@pytest.mark.slow
def test_options_that_are_wrong_are_said(look):
    assert "--wait" in look({}, "--wait", "long", code=2).stderr
    assert "--url: want" in look({}, "--url", "http://x", code=2).stderr


def test_another_broker_gets_no_password_of_ours():
    ours = MqttSettings(url="mqtt://broker", username="shop", password="hush", version="3.1.1")
    other = broker(ours, "mqtt://elsewhere")
    assert (other.username, other.password, other.version) == (None, None, "3.1.1")
    assert broker(ours, "mqtt://me:mine@elsewhere").password == SecretStr("mine")
    assert broker(ours, "") is ours
    with pytest.raises(ConfigError):
        broker(ours, "elsewhere")
