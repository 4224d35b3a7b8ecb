"""`edged pull` of many: what cannot be had stops nobody else, and is told with its reason."""

import base64
import socket

import cv2
import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.contracts.errors import ConfigError, EdgedError
from edged.repository.puller import Puller
from tests.broker import free_port, until
from tests.e2e.box import Client, running


def edged(*args):
    """The exit code, stdout and stderr of a command."""
    done = CliRunner().invoke(app, [*map(str, args)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def installed(config):
    rows = orjson.loads(edged("models", "--json", "-c", config)[1])
    return {row["model"] for row in rows if row["installed"]}


def test_the_rest_is_pulled_and_all_of_it_told(config):
    code, out, err = edged("pull", "gone", "closed", "goood", "good", "-c", config)
    assert (code, out) == (1, "")
    assert installed(config) == {"good"}
    table = err[err.index("1 of 4 models were had") :].splitlines()
    assert [line.split()[:3] for line in table[2:]] == [
        ["gone", "image-classification", "no"],
        ["closed", "scene-classification", "no"],
        ["goood", "-", "no"],
        ["good", "image-classification", "yes"],
    ]
    assert "gone.onnx" in table[2]
    assert "CC-BY-NC-4.0 is not permissive (stands on its page)" in table[3]
    assert "`edged pull closed --accept-licence`" in table[3]
    assert "did you mean good" in table[4]


def test_as_data(config):
    code, out, _ = edged("pull", "gone", "good", "good", "--json", "-c", config)
    rows = orjson.loads(out)
    assert code == 1
    assert [(row["model"], row["service"], row["had"]) for row in rows] == [
        ("gone", "image-classification", False),
        ("good", "image-classification", True),
    ]
    assert "gone.onnx" in rows[0]["why_not"]
    assert rows[1]["why_not"] is None


def test_all_were_had(config):
    code, out, err = edged("pull", "good", "closed", "--accept-licence", "-c", config)
    assert (code, out) == (0, "")
    assert "2 of 2 models were had" in err
    assert installed(config) == {"good", "closed"}


def test_of_one_a_sentence_is_enough(config):
    code, _, err = edged("pull", "gone", "-c", config)
    assert code == 1
    assert "gone: gone.onnx of gone cannot be had" in err
    assert "models were had" not in err


def test_every_model_is_tried(config, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out, _ = edged("pull", "--all", "--from", tmp_path / "empty", "--json", "-c", config)
    told = {row["model"]: row for row in orjson.loads(out)}
    assert code == 1
    assert told.keys() == {row["model"] for row in orjson.loads(edged("models", "--json", "-c", config)[1])}
    assert not [row for row in told.values() if not row["had"] and not row["why_not"]]
    assert told["shelf-count"]["why_not"].startswith("it builds on picodet-416, pplcnetv2-features, which")


def test_what_the_configuration_needs(config):
    config.write_text(
        config.read_text()
        + "services: {image-classification: {model: good}, ocr: {model: ppocr}}\n"
        + "streams: {door: {source: 'models:gone/clip.mp4', run: [image-classification]}}\n"
    )
    code, out, _ = edged("pull", "--default", "--json", "-c", config)
    told = {(row["model"], row["service"]): row["had"] for row in orjson.loads(out)}
    assert code == 1
    assert told["good", "image-classification"]
    assert not told["gone", "image-classification"]
    assert not told[None, "ocr"]


@pytest.mark.parametrize(
    "error", [EdgedError("no room"), RuntimeError("[/] a plugin's own")], ids=["ours", "a plugin's"]
)
def test_whatever_goes_wrong_with_one(config, monkeypatch, error):
    pull = Puller.pull

    def failing(self, model, *args, **how):
        if model == "closed":
            raise error
        return pull(self, model, *args, **how)

    monkeypatch.setattr(Puller, "pull", failing)
    code, out, _ = edged("pull", "closed", "good", "--accept-licence", "--json", "-c", config)
    assert code == 1
    assert [row["had"] for row in orjson.loads(out)] == [False, True]
    assert str(error) in orjson.loads(out)[0]["why_not"]


CRASHES = """
import ctypes
from edged import SinglePassModel, hookimpl

class Crasher(SinglePassModel):
    def preprocess(self, item, options):
        ctypes.string_at(0)

    def postprocess(self, outputs, context, options):
        pass

@hookimpl
def register_models(register):
    register(Crasher)
"""


def test_a_plugin_that_crashes_when_it_is_tried_takes_nobody_along(config, tmp_path):
    folder = tmp_path / "own" / "crash"
    folder.mkdir()
    card = (tmp_path / "own" / "good" / "card.yaml").read_text()
    card = card.replace("id: good", "id: crash").replace("decoder: classification\n", "")
    card = card.replace("rank: 50", "rank: 70").replace("parameters: {activation: softmax}\n", "")
    (folder / "card.yaml").write_text(card)
    (folder / "plugin.py").write_text(CRASHES)
    (folder / "good.onnx").write_bytes((tmp_path / "own" / "good" / "good.onnx").read_bytes())
    code, out, err = edged("pull", "crash", "good", "--json", "-c", config)
    crashed, good = orjson.loads(out)
    assert (code, crashed["had"], good["had"]) == (1, False, True)
    assert "the workshop of crash failed" in crashed["why_not"]
    assert "SIGSEGV" in crashed["why_not"]
    assert crashed["why_not"] in err.replace("\n", " ")
    assert installed(config) == {"crash", "good"}, "what was derived before it was tried stays"


def test_nothing_named_is_a_wrong_use(config):
    done = CliRunner().invoke(app, ["pull", "-c", str(config)])
    assert isinstance(done.exception, ConfigError)


def test_the_daemon_serves_what_could_be_pulled(config, tmp_path):
    port = free_port()
    config.write_text(
        config.read_text()
        + "services: {image-classification: {model: good}, scene-classification: {model: closed}}\n"
        + f"node: box\nmqtt: {{embedded_port: {port}}}\nhttp: {{listen: null}}\n"
    )
    picture = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    body = orjson.dumps({"image": base64.b64encode(picture).decode()})
    with running(config, port, "box", "--pull") as box:
        until(lambda: box.said("subscribe to:"), "the daemon", 60)
        assert box.said("1 of 2 models were had")
        assert box.said("edged pull closed --accept-licence")
        caller = Client(port, "me/answers/#")
        try:
            for number, service in enumerate(("image-classification", "scene-classification")):
                caller.ask("box", service, body, f"me/answers/{service}", str(number).encode())
            until(lambda: len(caller.heard) == 2, "two answers")
        finally:
            caller.close()
        answers = {message.topic.split("/")[-1]: orjson.loads(message.payload) for message in caller.heard}
    assert answers["image-classification"]["success"] is True
    assert answers["scene-classification"]["error_code"] == 503
    assert "edged pull closed" in answers["scene-classification"]["error_msg"]


def test_sigterm_ends_it_also_while_it_pulls(config, tmp_path, monkeypatch):
    """The first process of a container ignores what it does not handle, so only SIGKILL would."""
    card = tmp_path / "own" / "gone" / "card.yaml"
    card.write_text(card.read_text().replace("{file: gone.onnx}", "{pypi: gone==1, member: gone.onnx}"))
    config.write_text(config.read_text() + "services: {image-classification: {model: gone}}\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        monkeypatch.setenv("PIP_INDEX_URL", "http://{}:{}/simple".format(*silent.getsockname()))
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        with running(config, free_port(), "box", "--pull") as box:
            asked, _ = silent.accept()
            with asked:
                assert box.stop() == 0
    assert "Traceback" not in "".join(box.log)
