"""A real Home Assistant that hears by a real daemon, over Wyoming: set up by hand, and found by zeroconf."""

import socket
import sys
from contextlib import contextmanager

import pytest

from tests.broker import free_port, until
from tests.e2e.box import running
from tests.homeassistant.real import HomeAssistant
from tests.speech import pcm_of, wav_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

CONFIG = """
node: {node}
paths: {{models: {models}, state: {state}}}
mqtt: {{url: 'mqtt://127.0.0.1:{broker}'}}
http: {{listen: null}}
wyoming: {{listen: '{host}:{port}', clients: [{host}], announce: {announce}, longest: 20s}}
services: {{transcription: {{}}}}
"""
ENTITY = "stt.edged_hall"


@pytest.fixture(scope="module")
def pulled(instance_of, models_root):
    instance_of("whisper-transcription")
    return models_root


@pytest.fixture
def box(tmp_path, pulled, broker):
    """Starts the daemon; gives the port of Wyoming."""

    @contextmanager
    def start(host="127.0.0.1", node="hall", *, announce=False):
        port, config, state = free_port(), tmp_path / "config.yaml", tmp_path / "state"
        given = {"models": pulled, "state": state, "broker": broker.port, "host": host, "port": port}
        config.write_text(CONFIG.format(**given, node=node, announce=str(announce).lower()))
        with running(config, broker.port, node, "--quiet") as daemon:
            until(lambda: daemon.said("subscribe to:"), "readiness", 120)
            yield port

    return start


def test_what_is_said_is_understood(home, box, media):
    english, mandarin = (pcm_of(media(name)) for name in ("english.wav", "hello-world.wav"))
    with box() as port:
        made = home.set_up("wyoming", host="127.0.0.1", port=port)
        assert (made["type"], made["title"]) == ("create_entry", "edged hall")
        until(lambda: home.state(ENTITY) is not None, "there is an entity that hears")
        heard = home.hear(ENTITY, wav_of(english), "en")
        assert heard["result"] == "success"
        assert "mother nature" in heard["text"].lower()
        assert "世界" in home.hear(ENTITY, wav_of(mandarin), "zh")["text"]
        assert home.hear(ENTITY, wav_of(bytes(64_000)), "en") == {"result": "success", "text": ""}
        with home.websocket() as talk:  # as a voice assistant
            engines = talk.ask("stt/engine/list", language="en-GB")["providers"]
            assert [(one["engine_id"], one["supported_languages"]) for one in engines] == [(ENTITY, ["en"])]
            none = dict.fromkeys(
                ("tts_engine", "tts_language", "tts_voice", "wake_word_entity", "wake_word_id")
            )
            pipeline = talk.ask(
                "assist_pipeline/pipeline/create",
                **{**none, "name": "box", "language": "en", "conversation_language": "en"},
                **{"conversation_engine": "conversation.home_assistant"},
                **{"stt_engine": ENTITY, "stt_language": "en"},
            )
            talk.ask(
                *("assist_pipeline/run",),
                **{"start_stage": "stt", "end_stage": "stt", "pipeline": pipeline["id"]},
                input={"sample_rate": 16_000, "no_vad": True},
            )
            begun = talk.event("run-start")
            talk.sound(begun["runner_data"]["stt_binary_handler_id"], english)
            assert talk.event("stt-end")["stt_output"]["text"] == heard["text"]
        assert not home.complaints()
        assert home.hear(ENTITY, wav_of(english * 5), "en")["result"] == "error", "more than it listens to"
    assert home.hear(ENTITY, wav_of(english), "en")["result"] == "error", "the box is gone"


def test_it_is_found_by_zeroconf(python, tmp_path, broker, box):
    home = HomeAssistant(python, tmp_path / "home", broker.port, "zeroconf:")
    node = f"hall-{free_port()}"  # others on this network may tell of themselves, too
    try:
        home.start()
        with box(own_address(), node, announce=True), home.websocket() as talk:

            def found():
                flows = talk.ask("config_entries/flow/progress")
                return [one["flow_id"] for one in flows if node in str(one["context"])]

            until(found, "it is discovered", 120)
            made = home.confirm(found()[0])
            assert (made["type"], made["title"]) == ("create_entry", f"edged {node}")
            until(lambda: home.state(f"stt.edged_{node.replace('-', '_')}") is not None, "it hears")
        assert not home.complaints()
    finally:
        home.stop()
        sys.stdout.write((tmp_path / "home" / "said.log").read_text()[-6000:])


def own_address():
    """By which this machine is known on its network; there a browser hears who announces himself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no network")
        return sock.getsockname()[0]
