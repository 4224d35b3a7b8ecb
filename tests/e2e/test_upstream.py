"""Models that nobody could fetch yet, from their real URLs: over TLS, a proxy and redirects, by `edged pull`.

The hosts are of the tests, and what they send are small graphs of the same inputs and outputs; the cards are
the real ones but for checksums and sizes. A daemon that needs the models says with which command they come.
"""

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import cv2
import numpy as np
import pybase64
import pytest
import urllib3
import yaml

from edged.cards import load_card
from edged.contracts.card import ModelCard
from tests.broker import free_port, until
from tests.e2e.box import ROOT, running
from tests.standins import STANDINS
from tests.tls import Authority
from tests.weights.hosts import Hosts, Tunnel, held

PLUGINS = ROOT / "plugins"
CACHE = shutil.ignore_patterns("__pycache__")  # which other tests write
USED = ("yunet", "picodet-416", "silero-vad")
TOKENS = "<blk> 0\n▁你 1\n好 2\n镕 3\nABC 4\n"


def cards() -> dict[Path, ModelCard]:
    """The cards of which no origin was ever fetched from."""
    found = {path: path.read_text() for path in PLUGINS.glob("*/*.yaml")}
    return {path: load_card(path) for path, text in sorted(found.items()) if "verified: false" in text}


CARDS = {card.id: path for path, card in cards().items()}


class Shop(NamedTuple):
    """A machine with the plugins, and the hosts that it reaches."""

    config: Path
    hosts: Hosts
    edged: list[str]

    def run(self, *command: str) -> subprocess.Popen[str]:
        """A command of edged, begun."""
        return subprocess.Popen(
            [*self.edged, *command, "-c", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory, models_root, instance_of, weight_store):
    """The models that others use are installed; the hosts have all that the cards name."""
    folder = tmp_path_factory.mktemp("shop")
    plugins = folder / "plugins"
    for used in USED:
        instance_of(used)
        shutil.copytree(PLUGINS / used, plugins / used, ignore=CACHE)
        link(folder / "models", models_root, load_card(PLUGINS / used / "card.yaml"))
    bert = load_card(PLUGINS / "text-vectors" / "bert-base.yaml")
    own = {
        "tokens.txt": TOKENS.encode(),
        "tokenizer.json": weight_store.ensure(bert, ["tokenizer.json"], lambda *_: None)[
            "tokenizer.json"
        ].read_bytes(),
    }
    for place in {path.parent for path in CARDS.values()}:
        shutil.copytree(place, plugins / place.name, ignore=CACHE)
    authority = Authority(folder / "authority")
    with Hosts(authority) as hosts, Tunnel(hosts.port) as tunnel, pytest.MonkeyPatch.context() as patch:
        for path in CARDS.values():
            publish(plugins / path.relative_to(PLUGINS), folder, hosts, own)
        for name in (*os.environ,):
            if name.lower().endswith("_proxy") or name in ("HF_TOKEN", "NETRC"):
                patch.delenv(name)
        patch.setenv("HOME", str(folder))
        patch.setenv("HTTPS_PROXY", tunnel.url())
        patch.setenv("SSL_CERT_FILE", str(authority.ca))
        start = f"import edged.opening as o, pathlib; o.CHECKOUT = pathlib.Path({str(plugins)!r})"
        main = "from edged.cli import main; main()"
        yield Shop(folder / "config.yaml", hosts, [sys.executable, "-c", f"{start}; {main}"])


def link(models: Path, shared: Path, card: ModelCard) -> None:
    """Have a model installed that is installed in the shared folder."""
    (models / "weights").mkdir(parents=True, exist_ok=True)
    (models / card.id).symlink_to(shared / card.id)
    for about in card.weights.values():
        if (there := shared / "weights" / about.checksum).exists():
            (models / "weights" / about.checksum).symlink_to(there)


def publish(card: Path, folder: Path, hosts: Hosts, own: dict[str, bytes]) -> None:
    """Put the stand-ins of a card's files where it says that they are, and their sums into the card."""
    fields = yaml.safe_load(card.read_text())
    made = folder / "made" / fields["id"]
    made.mkdir(parents=True)
    for name in fields["weights"]:
        if name in STANDINS:
            STANDINS[name](made / name)
        elif name in own:
            (made / name).write_bytes(own[name])
    for name, about in fields["weights"].items():
        data = (made / name).read_bytes()
        kind = "sha384" if "sha384" in about else "sha256"
        about[kind] = hashlib.new(kind, data).hexdigest()
        if "size" in about:
            about["size"] = len(data)
        hosts.files[urlsplit(about["origins"][0]["https"]).path] = data
    card.write_text(yaml.safe_dump(fields, allow_unicode=True))


def test_these_are_all():
    assert sorted(CARDS) == [
        "bge-base-zh-v1-5",
        "deoldify-artistic",
        "gfpgan",
        "instance-segmentation-security-1040",
        "pp-humanseg",
        "zipformer-ctc-zh",
        "zipformer-ctc-zh-live",
    ]


# --- a daemon


@pytest.fixture(scope="module")
def url(shop):
    """A daemon that shall serve all of them and has none."""
    broker, port, folder = free_port(), free_port(), shop.config.parent
    (folder / "media").mkdir()
    with wave.open(str(folder / "media" / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(64000))
    services = {card.service: {"model": name} for name, card in ((c.id, c) for c in cards().values())}
    settings = {
        "node": "box",
        "paths": {"models": "models"},
        "mqtt": {"url": "embedded", "embedded_port": broker},
        "http": {"listen": f"127.0.0.1:{port}"},
        "services": services,
        "requests": {"fetch": {"folders": [str(folder / "media")]}},
    }
    shop.config.write_text(yaml.safe_dump(settings))
    with running(shop.config, broker, "box", edged=shop.edged) as daemon:
        until(lambda: daemon.said("subscribe to:") or daemon.process.poll() is not None, "the daemon", 90)
        yield f"http://127.0.0.1:{port}"


def picture(media):
    bgr = cv2.imread(str(media("astronaut.png")))
    bgr[..., 0] = 204  # rather blue
    return {"image": pybase64.b64encode_as_string(cv2.imencode(".png", bgr)[1].tobytes())}


def request(service, media, folder):
    if service == "text-vectorization":
        return {"id": "1", "first_sequence": "你好", "second_sequence": "世界", "sequence_length": 9}
    if service.startswith("speech"):
        return {"input": {"url": f"file://{folder}/media/voice.wav"}}
    return picture(media)


@pytest.mark.parametrize("name", CARDS)
def test_the_503_names_the_command_that_brings_the_model(shop, url, media, name):
    card = load_card(CARDS[name])
    body = request(card.service, media, shop.config.parent)
    where = f"{url}/api/predict/{card.service}"

    def ask():
        return urllib3.request("POST", where, json=body, timeout=120, retries=False)

    until(lambda: "still loading" not in ask().json().get("error_msg", ""), "a reason", 120)
    refused = ask().json()
    assert (refused["success"], refused["error_code"]) == (False, 503)
    told = re.findall(r"`(.*?)`", refused["error_msg"])
    assert told == [f"edged pull {name}"]
    _, *command = shlex.split(told[0])
    with shop.run(*command) as pulling:
        assert pulling.wait(300) == 0, pulling.stderr.read()
    until(lambda: ask().status == 200, f"an answer by {name}", 150)
    answer = ask()
    assert answer.headers["X-Model"] == name
    checks[card.service](answer.json())


def same_size(answer):
    image = cv2.imdecode(np.frombuffer(pybase64.b64decode(answer["out_image"]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (512, 512, 3)


def of_768(answer):
    assert [len(row.split(",")) for row in answer["all_hidden_outputs"].split(";")] == [768] * 7


def silence(answer):
    assert answer == {"0": ""}


def one_person(answer):
    assert answer["detection_class_names"] == ["person"]
    assert answer["detection_scores"] == pytest.approx([0.8], abs=0.01)


checks = {
    "image-colorization": same_size,
    "face-enhancement": same_size,
    "foreground-segmentation": lambda answer: answer["mask"],
    "text-vectorization": of_768,
    "speech-recognition-zh": silence,
    "speech-recognition-zh-live": silence,
    "instance-segmentation": one_person,
}
"""What the stand-ins say, by service."""


# --- Ctrl-C


def test_a_pull_that_was_stopped_goes_on(shop, tmp_path):
    """Half of the file is there when Ctrl-C comes; the other half travels with the next pull."""
    config = tmp_path / "config.yaml"
    config.write_text(f"paths: {{models: {tmp_path / 'models'}}}\n")
    stopped = shop._replace(config=config)
    name, reached = "deoldify-artistic", threading.Event()
    (path,) = (path for path in shop.hosts.files if "deoldify" in path)
    half = len(shop.hosts.files[path]) // 2
    shop.hosts.plan = [held(half, reached)]
    with stopped.run("pull", name) as pulling:
        assert reached.wait(60)
        part = begun(tmp_path)
        pulling.send_signal(signal.SIGINT)
        said = pulling.communicate(timeout=120)[1]
        assert pulling.returncode == 130, said
    assert f"run `edged pull {name}` again: it goes on from there" in said
    assert "Traceback" not in said
    here = part.stat().st_size
    assert 0 < here <= half
    shop.hosts.asked.clear()
    with stopped.run("pull", name) as pulling:
        assert pulling.wait(300) == 0, pulling.stderr.read()
    assert [asked.headers.get("Range") for asked in shop.hosts.bytes_asked] == [f"bytes={here}-"]
    assert not part.exists()


def begun(folder):
    """The half-transferred file, once some of it lies on the disk."""

    def parts():
        return [path for path in folder.glob("models/weights/*/*.part.https") if path.stat().st_size]

    until(parts, "a part of the file")
    return parts()[0]
