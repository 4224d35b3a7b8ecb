"""Home Assistant is told by a daemon of what there is, again when it starts, and of what is gone."""

import json
import threading
from queue import Queue

import pytest

from edged.config.settings import Config
from edged.contracts.errors import NotReady
from edged.contracts.message import StreamState
from edged.control import OFF
from edged.core import Core
from edged.flow.counters import Counters
from edged.homeassistant.settings import HomeAssistantSettings
from edged.wiring.home import birth
from tests.broker import until
from tests.e2e.box import Client
from tests.wiring.test_wishes import CONFIG, TOPIC, running

HOME = "homeassistant/device"


def retained(broker, *, of=HOME):
    """What a newcomer finds of the devices: names and keys of entities, by topic."""
    client = Client(broker.port, f"{of}/+/config", "edged/box/availability")
    until(lambda: client.on("edged/box/availability"), "what is retained has come")
    found = {
        message.topic: json.loads(message.payload)
        for message in list(client.heard)
        if message.payload and message.topic.endswith("/config")
    }
    client.close()
    return {about["dev"]["name"]: set(about["cmps"]) for about in found.values()}


def test_home_assistant_is_told_of_what_there_is_and_no_more(tmp_path, mosquitto):
    broker, other, path = mosquitto(), mosquitto(), tmp_path / "config.yaml"

    def write(home="true", places="", to=broker, rules="{}"):
        text = CONFIG.format(folder=tmp_path, port=to.port, on="every").replace("run: [", f"{places} run: [")
        path.write_text(f"{text}homeassistant: {home}\nrules: {rules}\n")

    line = "lines: {a: {from: [0, 0.5], to: [1, 0.5]}},"
    write(places=line, rules="{visitor: {when: {line: door/a}}, off: {when: {offline: door}}}")
    with running(path) as daemon:
        until(lambda: retained(broker).keys() == {"box", "box door"}, "the box and the stream")
        first = retained(broker)["box door"]
        assert sum(key.startswith("line_a_") for key in first) == 5
        ends = [key.endswith("_event") for key in first if key.startswith("rule_")]
        assert sorted(ends) == [False, True], "one that lasts, and one for a moment"

        def after(**settings):
            write(**settings)
            daemon.reload()

        after()
        until(lambda: retained(broker)["box door"] == {"enabled", "state", "fps"}, "the line is gone")
        after(home="{share: [picture]}")
        until(lambda: retained(broker)["box door"] >= {"picture", "take_picture"}, "a picture")
        after(home="{prefix: ha}")
        until(lambda: retained(broker, of="ha/device").keys() == {"box", "box door"}, "elsewhere")
        assert retained(broker) == {}
        after(to=other)
        until(lambda: retained(other).keys() == {"box", "box door"}, "at another broker")
        assert retained(other)["box door"] == {"enabled", "state", "fps"}
        after(home="false", to=other)
        until(lambda: retained(other) == {}, "nothing any more")


def test_home_assistant_that_has_started_is_told_again(tmp_path, mosquitto):
    broker, path = mosquitto(), tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder=tmp_path, port=broker.port, on="every") + "homeassistant: true\n")
    with running(path):
        listener = Client(broker.port, f"{HOME}/+/config")
        until(lambda: len(listener.heard) >= 2)
        heard = len(listener.heard)
        listener.publish("homeassistant/status", b"offline")
        listener.publish("homeassistant/status", b"online")
        until(lambda: len(listener.heard) == heard + 2, "both devices, once")
        assert [m.payload for m in listener.heard[heard:]] == [m.payload for m in listener.heard[:2]]
        listener.close()


@pytest.mark.parametrize("share", [(), ("text",), ("picture",)])
def test_home_assistant_that_has_started_is_shown_pictures_where_they_are_shared(share):
    shown = threading.Event()

    def snapshot(fields):
        assert fields == {}
        shown.set()
        raise NotReady("no stream has a frame yet")

    settings = Config(homeassistant=HomeAssistantSettings(share=share))
    birth(Core(Counters()).telling, settings, {"snapshot": snapshot})()
    for thread in threading.enumerate():
        if thread.name == "pictures":
            thread.join(30)
    assert shown.is_set() is ("picture" in share)
    assert birth(Core(Counters()).telling, Config(), {}) is None, "nobody listens where it is off"


def test_births_that_come_while_pictures_are_made_are_one():
    asked: Queue[threading.Thread] = Queue()
    go_on = threading.Semaphore(0)

    def snapshot(_):
        asked.put(threading.current_thread())
        assert go_on.acquire(timeout=30)
        raise NotReady("no stream has a frame yet")

    settings = Config(homeassistant=HomeAssistantSettings(share=("picture",)))
    born = birth(Core(Counters()).telling, settings, {"snapshot": snapshot})
    born()
    first = asked.get(timeout=30)
    for _ in range(20):
        born()
    go_on.release()
    assert asked.get(timeout=30) is first, "of that thread, for all who were born meanwhile"
    go_on.release()
    first.join(30)
    assert asked.empty()
    born()
    assert asked.get(timeout=30) is not first, "and later ones have theirs"
    go_on.release()


def test_a_switch_turns_a_stream_off_and_on(tmp_path, mosquitto):
    broker, path = mosquitto(), tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder=tmp_path, port=broker.port, on="every"))
    listener = Client(broker.port, f"{TOPIC}/#")

    def enabled():
        said = listener.on(f"{TOPIC}/state")
        return StreamState.model_validate_json(said[-1].payload).enabled if said else None

    with running(path):
        until(lambda: enabled() is True)
        for on in (False, True):
            order = {"stream": "door", "enabled": on}
            listener.publish("edged/box/control/switch", json.dumps(order).encode())
            until(lambda on=on: enabled() is on, "it is told")
    listener.close()


def test_a_stream_that_is_switched_on_says_so_before_its_first_frame():
    telling = Core(Counters()).telling
    telling.opening("door")
    assert telling.states() == {}, "a daemon that starts says nothing yet"
    telling.state("door", StreamState(state="offline", fps=0, why=OFF, enabled=False))
    telling.opening("door")
    opening = StreamState(state="offline", fps=0, why="its source is being opened")
    assert telling.states() == {"door": opening}
    telling.state("door", running := StreamState(state="online", fps=5, why=""))
    telling.opening("door")
    assert telling.states() == {"door": running}
