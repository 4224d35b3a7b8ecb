"""A daemon that listens: a microphone of a real sound server; recordings and texts over MQTT."""

import json

import numpy as np
import pytest
from selenium.webdriver.common.by import By

from edged.answers.schema import answer_schema
from edged.contracts.happenings import EventMessage
from edged.contracts.message import StreamMessage
from edged.contracts.services import service
from edged.media.sound import RATE
from edged.replay.clip import sound_of
from tests.actions.receivers import Desk
from tests.broker import free_port, until
from tests.e2e.box import ROOT, running
from tests.http.browser import complaints
from tests.media.sounds import encoded
from tests.opened import install
from tests.speech import SAID, errors

HEARD = "edged/box/stream/counter/event"
LIVE, LANGUAGE, MUSIC = "speech-recognition-zh-live", "speech-detection-zh", "music-detection"
RECORDED = {
    "speech-recognition-zh": "mandarin-recognition",
    "speech-recognition-zh-live": "mandarin-live",
    "speech-detection-zh": "mandarin-detection",
    "speech-vectorization-zh": "speech-vector-zh",
    "speech-vectorization-en": "speech-vector-en",
    "speaker-classification-zh": "ina-gender",
    "music-detection": "yamnet",
    "text-vectorization": "bge-small-zh",
}


@pytest.fixture(scope="module")
def models(models_root):
    """The repository with all that listens, pulled."""
    install(ROOT, *RECORDED.values(), models=models_root)
    return models_root


def written(folder, text):
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def messages(client, name):
    return [
        StreamMessage.model_validate_json(message.payload)
        for message in client.on(f"edged/box/stream/counter/{name}")
    ]


def state(listener):
    heard = listener.on("edged/box/stream/counter/state")
    return heard[-1].payload.decode() if heard else ""


def ready(listener):
    """How many services are."""
    heard = listener.on("edged/box/info")
    told = json.loads(heard[-1].payload)["services"] if heard else []
    return sum(one["state"] == "ready" for one in told)


@pytest.fixture
def kitchen(null_sink, monkeypatch):
    """A sound server that the daemon finds."""
    for name, value in null_sink.environment.items():
        if name != "HOME":
            monkeypatch.setenv(name, value)
    return null_sink


def test_a_microphone_feeds_three_services(models, kitchen, media, client, tmp_path):
    port = free_port()
    text = f"""
node: box
paths: {{models: {models}}}
mqtt: {{url: embedded, embedded_port: {port}}}
http: {{listen: null}}
streams:
  counter:
    source: mic:kitchen
    run: [{{{MUSIC}: {{every: 2s, options: {{language: en}}}}}}, {LANGUAGE}, {LIVE}]
"""
    with running(written(tmp_path, text), port, "box", "--quiet") as box:
        listener = client(port, "edged/box/stream/#", "edged/box/info")
        until(lambda: ready(listener) == 3)
        until(lambda: messages(listener, MUSIC), "a piece of silence")
        kitchen.play(media("mandarin.wav"))
        until(lambda: any(message.final for message in messages(listener, LIVE)), "what was said")
        until(lambda: messages(listener, LANGUAGE), "its language")
        *partial, last = messages(listener, LIVE)
        assert partial
        assert not any(message.final for message in partial)
        (said,) = last.result.values()
        assert errors(said.replace(";", ""), SAID["mandarin.wav"]) <= 5
        assert list(messages(listener, LANGUAGE)[0].result.values()) == ['{"class":"是"}\n']
        assert set(messages(listener, MUSIC)[0].result.values()) == {'{"class":"No"}\n'}

        kitchen.pull_out("kitchen")
        until(lambda: "vanished" in state(listener) or "no microphone" in state(listener), "that it is gone")
        kitchen.plug_in("kitchen")
        until(lambda: '"online"' in state(listener), "that it is back")
        known = len(messages(listener, LANGUAGE))
        kitchen.play(media("mandarin.wav"))
        until(lambda: len(messages(listener, LANGUAGE)) > known, "its language again")
        assert box.stop() == 0


def test_who_says_a_word_makes_an_event_and_the_text_stays_in_the_house(models, media, client, tmp_path):
    """Home Assistant and who is told by an action hear it only where `share` says so."""
    port, sentence = free_port(), tmp_path / "sentence.wav"
    spoken = np.concatenate([chunk.samples for chunk in sound_of(media("hello-world.wav"), 0.0)])
    sentence.write_bytes(encoded(np.append(spoken, np.zeros(RATE, np.float32)), rate=RATE))  # a pause
    with Desk() as desk, Desk() as trusted:
        text = f"""
node: box
paths: {{models: {models}, state: {tmp_path}/state}}
mqtt: {{url: embedded, embedded_port: {port}}}
http: {{listen: null}}
homeassistant: true
streams: {{counter: {{source: {sentence}, loop: true, run: [{LIVE}]}}}}
rules:
  hello: {{when: {{said: 世界, stream: counter}}, actions: [desk, trusted]}}
  help: {{when: {{said: 救命, stream: counter}}}}
actions:
  desk: {{webhook: "{desk.url}"}}
  trusted: {{webhook: "{trusted.url}", share: [text]}}
"""
        with running(written(tmp_path, text), port, "box", "--quiet"):
            listener = client(port, "edged/box/stream/+/event", "homeassistant/#")
            until(lambda: len(desk.took) > 1 and len(trusted.took) > 1, "who says it, again and again")
            until(lambda: len(listener.on(HEARD)) > 1, "the same over MQTT")
            until(lambda: len(listener.heard) > len(listener.on(HEARD)), "Home Assistant is told")
            events = [EventMessage.model_validate_json(m.payload) for m in listener.on(HEARD)]
    assert {(one.event, one.phase, one.rule) for one in events} == {("rule", "once", "hello")}
    assert all("世界" in (one.text or "") for one in events)
    assert len({one.id for one in events}) == len(events), "each utterance is one"
    assert {took.json["text"] for took in desk.took} == {None}
    assert all("世界" not in json.dumps(took.json, ensure_ascii=False) for took in desk.took)
    assert all("世界" in took.json["text"] for took in trusted.took)
    home = [m.payload.decode() for m in listener.heard if m.topic.startswith("homeassistant/")]
    assert home and not any("value_json.text" in told or "世界" in told for told in home)


def test_requests_of_speech_and_text(models, media, client, tmp_path):
    port = free_port()
    recordings = {}
    for name in ("mandarin.wav", "english.wav", "woman.wav", "guitar.wav"):
        recordings[name] = tmp_path / name
        recordings[name].write_bytes(media(name).read_bytes())
    text = f"""
node: box
paths: {{models: {models}}}
mqtt: {{url: embedded, embedded_port: {port}}}
http: {{listen: null}}
requests: {{fetch: {{folders: [{tmp_path}]}}}}
services: {{{", ".join(f"{name}: {{model: {model}}}" for name, model in RECORDED.items())}}}
"""

    def ask(listener, name, fields):
        topic = f"answers/{len(listener.heard)}"
        listener.ask("box", name, json.dumps(fields).encode(), topic, b"1")
        until(lambda: listener.on(topic), f"an answer of {name}")
        return listener.on(topic)[0]

    with running(written(tmp_path, text), port, "box", "--quiet"):
        listener = client(port, "answers/#", "edged/box/info")
        until(lambda: ready(listener) == len(RECORDED))

        def heard(name, recording, **fields):
            message = ask(listener, name, {"input": {"url": str(recordings[recording])}, **fields})
            return json.loads(message.payload)

        assert heard("speech-recognition-zh", "mandarin.wav")["0"].startswith("对;")
        assert heard("speech-recognition-zh", "guitar.wav") == {"0": ""}
        assert heard("speech-recognition-zh-live", "mandarin.wav", beam=2)["0"].startswith("对;")
        assert heard("speech-detection-zh", "mandarin.wav") == {"0": '{"class":"是"}\n'}
        assert heard("speech-detection-zh", "english.wav", language="en") == {"0": '{"class":"No"}\n'}
        assert heard("speaker-classification-zh", "woman.wav") == {"0": '{"class":"女"}\n'}
        assert heard("music-detection", "guitar.wav") == {"0": '{"class":"是"}\n'}
        for name in ("speech-vectorization-zh", "speech-vectorization-en"):
            assert len(heard(name, "english.wav").split(",")) == 512
        assert "nobody speaks" in heard("speech-vectorization-en", "guitar.wav")["error_msg"]

        message = ask(
            listener, "text-vectorization", {"id": "a", "first_sequence": "你好", "request_id": "r-1"}
        )
        answer = json.loads(message.payload)
        assert set(answer) == set(answer_schema(service("text-vectorization"))["properties"]) - {"truncated"}
        assert (answer["id"], answer["dimension"]) == ("a", 512)
        assert len(answer["all_hidden_outputs"].split(";")) == 4
        properties = dict(message.properties.UserProperty)
        assert (properties["request_id"], properties["model"]) == ("r-1", "bge-small-zh")


def test_the_page_sends_a_recording_and_shows_what_is_heard(models, media, browser, tmp_path):
    mqtt, http = free_port(), free_port()
    text = f"""
node: box
paths: {{models: {models}}}
mqtt: {{url: embedded, embedded_port: {mqtt}}}
http: {{listen: "127.0.0.1:{http}"}}
services: {{music-detection: {{model: yamnet}}}}
"""
    with running(written(tmp_path, text), mqtt, "box", "--quiet") as daemon:
        until(lambda: daemon.said("subscribe to:"), "readiness")
        browser.get(f"http://127.0.0.1:{http}/")
        until(lambda: browser.find_elements(By.NAME, "recording"), "something can be tried")
        browser.find_element(By.NAME, "recording").send_keys(str(media("guitar.wav")))
        shown = "return document.querySelector('#attempt .shown').innerText"
        until(lambda: "是" in browser.execute_script(shown), "what is heard is shown")
        assert len(list((tmp_path / "state" / "uploads").iterdir())) == 1
        assert complaints(browser) == []
        browser.get("about:blank")
