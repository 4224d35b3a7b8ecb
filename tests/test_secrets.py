"""No secret leaves the daemon: no log, topic, file, error, argument or child's environment holds one."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import orjson
import paho.mqtt.client as paho
import pytest

from tests.broker import free_port, until
from tests.e2e.box import EDGED, ROOT, running
from tests.streams.cameras import MJPEG, http_camera, mjpeg
from tests.tls import Authority

MARK = "hunter2"
"""Part of every secret here, so that one search finds them all."""
pytestmark = pytest.mark.slow  # each runs the command, or a daemon

CAMERAS = """
streams:
  quoted: {source: "rtsp://viewer:%(mark)s-rtsp@127.0.0.1:%(dead)d/live", run: [object-detection]}
  refused: {source: "http://viewer:%(mark)s-http@127.0.0.1:%(refusing)d/mjpeg", run: [object-detection]}
  query: {source: "http://127.0.0.1:%(dead)d/mjpeg?token=%(mark)s-query", run: [object-detection]}
  slashed: {source: "rtsp://viewer:a/b@%(mark)s@127.0.0.1:%(dead)d/live", run: [object-detection]}
"""


@pytest.fixture
def refusing_camera():
    """Its port; it knows another password."""
    with http_camera(mjpeg, MJPEG, user="viewer:another") as port:
        yield port


def everything_heard(port, user, password):
    """A client that hears all topics, what is retained first."""
    heard: list[str] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.username_pw_set(user, password)
    client.on_connect = lambda c, *_: c.subscribe("#", qos=1)
    client.on_message = lambda c, u, m: heard.append(f"{m.topic} {m.payload!r} {vars(m.properties)}")

    def connected():
        try:
            client.connect("127.0.0.1", port)
        except OSError:
            return False
        return True

    until(connected, "a connection to the broker")
    client.loop_start()
    return client, heard


def processes_of(pid):
    """Arguments of the daemon and of its children, and the environment of the children.

    A thread or a child may end while it is looked at; the daemon may not.
    """
    yield (Path("/proc") / str(pid) / "cmdline").read_bytes()
    for task in (Path("/proc") / str(pid) / "task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in (task / "children").read_text().split():
                with suppress(FileNotFoundError, ProcessLookupError):
                    yield (Path("/proc") / child / "environ").read_bytes()
                    yield from processes_of(int(child))


def test_threads_that_end_meanwhile_are_passed_over(tmp_path, monkeypatch):
    kept = Path.read_text

    def ended(self, *given):
        if self.name == "children" and self.parent.name == str(threading.get_native_id()):
            raise ProcessLookupError(3, "No such process")
        return kept(self, *given)

    monkeypatch.setattr(Path, "read_text", ended)
    assert len([*processes_of(os.getpid())]) == 1


def leaks(folder, *exempt):
    """Files below the folder that hold the mark."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in exempt]
    return [path for path in files if MARK.encode() in path.read_bytes()]


def test_a_daemon_with_failing_cameras_tells_no_secret(tmp_path, models_root, refusing_camera, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", f"{MARK}-mqtt")
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"paths: {{models: {models_root}}}\nhealth_every: 1s\nservices: {{}}\n"
        f"mqtt: {{url: embedded, embedded_port: {port}, username: me, password: '${{SHOP_PASSWORD}}'}}\n"
        + CAMERAS
        % {"mark": MARK, "dead": free_port(), "refusing": refusing_camera}
    )
    good = config.read_text()
    with running(config, port, "edged", "--verbose") as box:
        client, heard = everything_heard(port, "me", f"{MARK}-mqtt")
        states = [f"edged/edged/stream/{name}/state" for name in ("quoted", "refused", "query", "slashed")]
        until(
            lambda: all(any(h.startswith(topic) and "offline" in h for h in heard) for topic in states),
            states,
        )
        until(lambda: sum(h.startswith("edged/edged/health") for h in heard) >= 2, "health")
        config.write_text(good.replace("username: me", f"username: me, password:{MARK}-typo"))
        client.publish("edged/edged/control/reload", b"{}", qos=1)
        until(lambda: any("control/reload/response" in h for h in heard), "an answer to reload")
        assert MARK.encode() not in b"".join(processes_of(box.process.pid))
        client.disconnect()
        client.loop_stop()
        box.stop()
    assert heard
    assert box.log
    assert MARK not in "\n".join(heard)
    assert MARK not in "".join(box.log) + "\n".join(map(str, box.lines))
    assert leaks(tmp_path, "config.yaml") == []


def test_refused_connections_tell_no_secret(tmp_path, models_root, mosquitto):
    authority = Authority(tmp_path / "certificates")
    shown, mine = authority.pair("localhost"), authority.pair("edged", key_password=f"{MARK}-key")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "me", "another"], check=True)
    broker = mosquitto(
        f"certfile {shown.certificate}", f"keyfile {shown.key}", f"password_file {passwords}", anonymous=False
    )
    secret = tmp_path / "secret"
    secret.write_text(f"{MARK}-key")
    tls = {
        "ca": authority.ca,
        "certificate": mine.certificate,
        "key": mine.key,
        "key_password": f"file:{secret}",
    }
    mqtt = {"url": f"mqtts://me:{MARK}-url@localhost:{broker.port}", "tls": tls}
    config = tmp_path / "config.yaml"
    config.write_bytes(orjson.dumps({"paths": {"models": models_root}, "mqtt": mqtt}, default=str))
    with running(config, broker.port, "edged", "--verbose") as box:
        until(lambda: box.said("the user or the password is wrong"), "the refusal")
        box.stop()
    assert MARK not in "".join(box.log)
    assert leaks(tmp_path, "config.yaml", "secret") == []


FAULTY = {
    "a URL with a wrong port": "mqtt: {url: 'mqtt://me:%s@host:99999'}",
    "a password for a port": "mqtt: {url: 'mqtt://me@host:%s'}",
    "a URL that is cut off": "mqtt: {url: 'mqtt//me:%s@host'}",
    "a host that is none": "mqtt: {url: 'mqtt://me:%s@[::1'}",
    "a list": "mqtt: {username: me, password: [%s]}",
    "no user": "mqtt: {password: %s}",
    "an alias": "mqtt: {password: *%s}",
    "a tag": "mqtt: {password: !%s x}",
    "a tag of YAML": "mqtt: {password: !!int %s}",
    "an anchor given twice": "mqtt: {username: &%s a, password: &%s b}",
    "no space after the colon": "mqtt: {password:%s}",
    "two colons": "mqtt:\n  password: %s: x",
    "an open quote": "mqtt: {password: '%s}",
    "a wrong escape": 'mqtt: {password: "%s\\q"}',
    "a forgotten key": "mqtt: %s",
    "nothing but the secret": "%s",
    "a key password without a key": "mqtt: {url: mqtts://host, tls: {key_password: %s}}",
    "a stream named by its URL": "streams: {'rtsp://me:%s@camera/1': {source: a.mp4, run: []}}",
    "a stream that is its URL": "streams: {door: 'rtsp://me:%s@camera/1'}",
    "a source for a service": "streams: {door: {source: a.mp4, run: ['rtsp://me:%s@camera/1']}}",
    "a source that is a list": "streams: {door: {source: ['rtsp://me:%s@camera/1'], run: []}}",
    "a misspelt password": "mqtt: {pasword: %s, url: 'http://x'}",
    "a misspelt section": "mqt: {urll: 'mqtt://me:%s@host:99999'}",
    "a misspelt source": "streams: {door: {sorce: ['rtsp://me:%s@camera/1'], run: [ocrr]}}",
    "a model that is a URL": "services: {ocr: {model: 'rtsp://me:%s@camera/1'}}",
    "a clip that is a URL": "streams: {door: {source: 'models:rtsp://me:%s@camera/1', run: [ocr]}}",
    "a webhook with a wrong port": "actions: {desk: {webhook: 'https://me:%s@host:99999/%s'}}",
    "a webhook that is none": "actions: {desk: {webhook: '%s'}}",
    "an action that is its URL": "actions: {desk: 'https://host/%s'}",
    "a URL that apprise does not know": "actions: {desk: {notify: 'what://%s'}}",
    "a header that is none": 'actions: {desk: {webhook: "http://a/%s", headers: {A: "%s\\n"}}}',
    "a misspelt webhook": "actions: {desk: {webhok: 'https://host/%s'}}",
    "a stream without a service": "streams: {door: {source: 'rtsp://me:a/b@%s@camera/1', run: []}}",
}

CHECKER = """
import sys
from edged.cli import main
for path in sys.argv[1:]:
    sys.argv = ["edged", "check", "--config", path]
    try:
        main()
    except SystemExit as end:
        assert end.code == 2, f"{path}: {end.code}"
"""


def test_edged_check_tells_no_secret_of_a_faulty_configuration(tmp_path):
    paths = []
    for name, text in FAULTY.items():
        paths.append(tmp_path / f"{name}.yaml")
        paths[-1].write_text(text.replace("%s", MARK))
    checked = subprocess.run(
        [sys.executable, "-c", CHECKER, *paths],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert checked.returncode == 0, checked.stderr
    said = checked.stdout + checked.stderr
    assert [line for line in said.splitlines() if MARK in line] == []
    for path in paths:
        assert str(path) in said.replace("\n", ""), "each is refused by name"


@pytest.mark.parametrize("command", ["check", "services", "run"])
def test_every_command_refuses_without_a_traceback(tmp_path, command):
    """A traceback would show the lines of the program that hold the value."""
    config = tmp_path / "config.yaml"
    config.write_text(f"mqtt: {{url: 'mqtt://me:{MARK}@host:99999', tls: {{key_password: {MARK}}}}}")
    done = subprocess.run(
        [*EDGED, command, "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert MARK not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
