"""A real Home Assistant: installed into an environment of its own, started, asked by its REST API."""

import base64
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.broker import free_port, until

OLDEST = (3, 12)
"""Python, for a release that knows device discovery (2024.12)."""
INTEGRATIONS = ("frontend", "api", "mqtt", "image", "wyoming")
"""Whose requirements are installed; each with those that it builds on."""
KEY = "k" * 64
FLOWS = "/api/config/config_entries/flow"
NOW = "2026-01-01T00:00:00+00:00"
CONFIGURATION = """
homeassistant: {{name: test, country: DE, time_zone: UTC, latitude: 52, longitude: 13, elevation: 0}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
config:
logger: {{default: warning}}
{more}
"""


def python_with_home_assistant(cache: Path) -> Path:
    """A Python that has the newest Home Assistant that it runs; made once, in the folder of the cache.

    `EDGED_TEST_HOMEASSISTANT` names another one, which has it already.
    """
    if given := os.environ.get("EDGED_TEST_HOMEASSISTANT"):
        return Path(given)
    found = sorted({fit for path in _pythons() if (fit := _fit(path)) is not None}, reverse=True)
    if not found:
        pytest.skip(f"Home Assistant needs Python {OLDEST[0]}.{OLDEST[1]} or newer, with venv: there is none")
    version, python = found[0]
    folder = cache / f"homeassistant-{version[0]}.{version[1]}"
    own = folder / "bin" / "python"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be at it
        marker, wanted = folder / "installed", " ".join(INTEGRATIONS)
        if not marker.exists() or marker.read_text() != wanted:
            subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
            _install(own, "homeassistant")
            _install(own, *_requirements(folder))
            marker.write_text(wanted)
    return own


def _pythons():
    names = (f"python3.{minor}" for minor in range(OLDEST[1], 20))
    yield from (found for name in names if (found := shutil.which(name)))
    yield from Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin/python")
    yield sys.executable


def _fit(python):
    """Its version, if it is new enough and makes environments with a pip; none: it does not."""
    code = "import ensurepip, sys, venv; print(list(sys.version_info[:3]))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    version = tuple(json.loads(said.stdout)) if said.returncode == 0 else (0,)
    return (version, str(python)) if version >= OLDEST else None


def _install(python, *packages):
    command = [python, "-m", "pip", "install", "--quiet", "--prefer-binary", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def _requirements(folder):
    """What the integrations import beside the core, as their manifests say."""
    (root,) = folder.glob("lib/*/site-packages/homeassistant/components")
    left, known, wanted = list(INTEGRATIONS), set(), set()
    while left:
        if (name := left.pop()) not in known:
            known.add(name)
            manifest = json.loads((root / name / "manifest.json").read_text())
            left += manifest.get("dependencies", [])
            wanted |= set(manifest.get("requirements", []))
    return sorted(wanted)


class HomeAssistant:
    """One installation, with its MQTT integration at a broker; it can be stopped and started again."""

    def __init__(self, python: Path, folder: Path, broker_port: int, more: str = "") -> None:
        """`more`: lines of its configuration."""
        self._python = python
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "said.log"
        (folder / ".storage").mkdir(parents=True)
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self._port, more=more))
        self._store("auth", _one_user())
        self._store("core.config_entries", {"entries": [_mqtt_entry(broker_port)]})

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [self._python, "-m", "homeassistant", "-c", self._folder, "--skip-pip"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        until(self._runs, "Home Assistant runs", 240)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def states(self) -> dict[str, dict[str, Any]]:
        """By id of the entity, those of MQTT and of Home Assistant's own."""
        return {one["entity_id"]: one for one in self._asked("/api/states")}

    def state(self, entity: str) -> str | None:
        """None: there is no such entity."""
        found = self.states().get(entity)
        return None if found is None else found["state"]

    def call(self, service: str, entity: str) -> None:
        """`switch/turn_off`, for one entity."""
        self._asked(f"/api/services/{service}", {"entity_id": entity})

    def rendered(self, template: str) -> str:
        return self._ask("/api/template", {"template": template}).decode()

    def image(self, entity: str) -> bytes:
        return self._ask(self.states()[entity]["attributes"]["entity_picture"])

    def set_up(self, integration: str, **fields: Any) -> dict[str, Any]:
        """As somebody who fills in its form; what comes of it."""
        form = self._asked(FLOWS, {"handler": integration})
        return dict(self._asked(f"{FLOWS}/{form['flow_id']}", fields))

    def confirm(self, flow: str) -> dict[str, Any]:
        """As somebody who takes what was discovered."""
        return dict(self._asked(f"{FLOWS}/{flow}", {}))

    def hear(self, entity: str, wav: bytes, language: str) -> dict[str, Any]:
        """What a speech-to-text entity makes of a recording of 16 kHz, 16 bits, one channel."""
        how = f"format=wav; codec=pcm; sample_rate=16000; bit_rate=16; channel=1; language={language}"
        return dict(json.loads(self._ask(f"/api/stt/{entity}", wav, {"X-Speech-Content": how})))

    @contextlib.contextmanager
    def websocket(self) -> Iterator["Talk"]:
        """What only its WebSocket API gives."""
        with connect(f"ws://127.0.0.1:{self._port}/api/websocket", max_size=None) as opened:
            talk = Talk(opened)
            talk.hear("auth_required")
            talk.say({"type": "auth", "access_token": _token()})
            talk.hear("auth_ok")
            yield talk

    def complaints(self) -> list[str]:
        """What it said of MQTT, of Wyoming or of us that is a warning or worse."""
        lines = self._log.read_text("utf-8", "replace").splitlines()
        bad = [line for line in lines if " WARNING " in line or " ERROR " in line]
        return [line for line in bad if any(name in line for name in ("mqtt", "wyoming", "edged"))]

    def version(self) -> str:
        return str(self._asked("/api/config")["version"])

    def _runs(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self._log.read_text()[-4000:]
        try:
            return bool(self._asked("/api/config")["state"] == "RUNNING")
        except (OSError, KeyError):  # not yet
            return False

    def _asked(self, path, body=None):
        return json.loads(self._ask(path, body))

    def _ask(self, path, body=None, headers=None) -> bytes:
        url, said = f"http://127.0.0.1:{self._port}{path}", {"Authorization": f"Bearer {_token()}"}
        if isinstance(body, dict):
            said["Content-Type"], body = "application/json", json.dumps(body).encode()
        request = urllib.request.Request(url, body, {**said, **(headers or {})})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return bytes(answer.read())

    def _store(self, key, data):
        stored = {"version": 1, "minor_version": 1, "key": key, "data": data}
        (self._folder / ".storage" / key).write_text(json.dumps(stored))


class Talk:
    """A conversation over its WebSocket API."""

    def __init__(self, opened: ClientConnection) -> None:
        self._opened = opened
        self._asked = 0

    def say(self, message: dict[str, Any]) -> None:
        self._opened.send(json.dumps(message))

    def sound(self, handler: int, pcm: bytes) -> None:
        """For who asked for it; nothing at all is its end."""
        for at in range(0, len(pcm), 2048):
            self._opened.send(bytes([handler]) + pcm[at : at + 2048])
        self._opened.send(bytes([handler]))

    def hear(self, kind: str) -> dict[str, Any]:
        """The next message of a kind; others are passed over."""
        while (message := json.loads(self._opened.recv(120)))["type"] != kind:
            pass
        return dict(message)

    def ask(self, kind: str, **fields: Any) -> Any:
        """The result of a command."""
        self._asked += 1
        self.say({"id": self._asked, "type": kind, **fields})
        answer = self.hear("result")
        assert answer["success"], answer
        return answer["result"]

    def event(self, kind: str) -> dict[str, Any]:
        """The data of the next event of a kind that a command is told of."""
        while (event := self.hear("event")["event"])["type"] != kind:
            assert event["type"] != "error", event
        return dict(event["data"] or {})


def _one_user():
    """Its owner, with a token that lives long."""
    group = "system-admin"
    user = {"id": "u", "group_ids": [group], "is_owner": True, "is_active": True, "name": "test"}
    token = dict.fromkeys(
        ["client_id", "client_icon", "last_used_at", "last_used_ip", "expire_at", "version"]
    )
    token |= {"id": "t", "user_id": "u", "client_name": "test", "token_type": "long_lived_access_token"}
    token |= {"created_at": NOW, "access_token_expiration": 1e9, "token": "t", "jwt_key": KEY}
    return {
        "users": [{**user, "system_generated": False, "local_only": False}],
        "groups": [{"id": group, "name": "Administrators"}],
        "credentials": [],
        "refresh_tokens": [token],
    }


def _mqtt_entry(port):
    about = {"entry_id": "mqtt", "domain": "mqtt", "title": "mqtt", "version": 1, "minor_version": 1}
    how: dict[str, Any] = {"source": "user", "unique_id": None, "disabled_by": None, "options": {}}
    polls = {"pref_disable_new_entities": False, "pref_disable_polling": False}
    return {**about, **how, **polls, "data": {"broker": "127.0.0.1", "port": port, "protocol": "5"}}


def _token():
    """Signed as Home Assistant signs."""
    now = int(time.time())
    parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": "t", "iat": now - 60, "exp": now + 86400})
    said = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    signature = hmac.new(KEY.encode(), said, hashlib.sha256).digest()
    return b".".join((said, _base64(signature))).decode()


def _base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")
