"""A real Home Assistant, a real broker, a real daemon whose camera counts."""

import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from edged.contracts.message import StreamState
from edged.homeassistant.announcer import Announcer
from edged.homeassistant.devices import ShownBox, ShownRule, ShownStream, devices
from edged.homeassistant.settings import HomeAssistantSettings
from tests.broker import until
from tests.e2e.box import Client, running
from tests.opened import install
from tests.square import SYNCED, settle, write_walk

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

CONFIG = """
node: box
paths: {{models: {0}/models, state: {0}/state, plugins: [{0}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{1}'}}
http: {{listen: null}}
services: {{object-detection: {{model: square}}, ocr: {{model: sign}}}}
health_every: 2s
homeassistant: {{share: [picture, text]}}
rules:
  queue: {{when: {{zone: Ladentür/whole, count: ">= 1"}}, end_after: 1s}}
  visitor: {{when: {{line: Ladentür/middle, direction: in}}}}
  plate: {{when: {{text: "[A-Z]{{2}}-[0-9]+", stream: Ladentür}}, end_after: 1s}}
  blind: {{when: {{offline: Ladentür}}, end_after: 1s}}
streams:
  Ladentür:
    source: {0}/walk.mp4
    loop: true
    gate: {{fps: 10}}
    run: [object-detection, ocr]
    {2}
"""
LINE = "middle: {from: [0.1, 0.5], to: [0.9, 0.5]}"
ASIDE = "aside: {from: [0.0, 0.9], to: [0.1, 0.9]}"
ZONE = "zones: {whole: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], events: true}}"
PLACES = f"lines: {{{LINE}, {ASIDE}}}\n    {ZONE}"
OTHER = "\n  Ladentur: {{source: {0}/walk.mp4, run: [object-detection], zones: {{}}}}"
CAMERA = "box_ladentur"
COUNT, GONE, WHO = f"sensor.{CAMERA}_middle_in", f"sensor.{CAMERA}_aside_in", f"sensor.{CAMERA}_whole"
SWITCH, STATE, PICTURE = f"switch.{CAMERA}_enabled", f"sensor.{CAMERA}_state", f"image.{CAMERA}_picture"
ALL = HomeAssistantSettings(share=("text", "picture", "recording"))
NODE = "binary_sensor.box_problem"
QUEUE, BLIND = f"binary_sensor.{CAMERA}_queue", f"binary_sensor.{CAMERA}_blind"


@pytest.fixture
def box(tmp_path, broker):
    """Starts the daemon; and writes its configuration anew."""
    settle(tmp_path / "plugins" / "square")
    write_walk(tmp_path / "walk.mp4", gone=80)
    config = tmp_path / "config.yaml"

    def write(places=PLACES, more=""):
        config.write_text((CONFIG + more).format(tmp_path, broker.port, places))

    write()
    install(tmp_path, "square", "sign")

    @contextmanager
    def start():
        with running(config, broker.port, "box", edged=[sys.executable, "-c", SYNCED]) as daemon:
            yield daemon

    return SimpleNamespace(start=start, write=write)


def happened(home, entity):
    """The type of the last event; none: there was none."""
    return home.states()[f"event.{CAMERA}_{entity}"]["attributes"]["event_type"]


def counts_on(home):
    """Wait until somebody more has crossed the line."""
    before = None

    def more():
        nonlocal before
        state = home.state(COUNT)
        if state is None or not state.isdigit():
            return False
        before = int(state) if before is None else before
        return int(state) > before

    until(more, "the line counts", 120)


def test_entities_appear_change_and_go(home, box, broker):
    with box.start() as daemon:
        until(lambda: home.state(SWITCH) == "on", "the switch is on")
        counts_on(home)
        until(lambda: home.state(WHO) == "1", "somebody is there")
        until(lambda: home.state(NODE) == "off", "the box is well")
        assert home.state(STATE) == "online"
        until(lambda: home.state(QUEUE) == "on", "somebody waits")
        until(lambda: home.state(BLIND) == "off", "it is not blind")
        for entity, types in (("middle", ["in"]), ("whole", ["entered", "left"]), ("visitor", ["happened"])):
            until(lambda entity=entity, types=types: happened(home, entity) in types, entity)
        until(lambda: happened(home, "plate") in ("began", "ended"), "a text was read")
        assert home.states()[f"event.{CAMERA}_plate"]["attributes"]["text"] == "HH-1234"
        parent = home.rendered(f"{{{{ device_attr(device_id('{SWITCH}'), 'via_device_id') }}}}")
        assert parent == home.rendered(f"{{{{ device_id('{NODE}') }}}}")

        home.call("button/press", f"button.{CAMERA}_take_a_picture")
        until(lambda: home.state(PICTURE) not in ("unknown", "unavailable"), "a picture came")
        assert home.image(PICTURE)[:3] == b"\xff\xd8\xff"

        home.call("switch/turn_off", SWITCH)
        until(lambda: home.state(SWITCH) == "off", "the switch is off")
        until(lambda: home.state(COUNT) == "unavailable", "what the camera counts is not known")
        assert home.state(STATE) == "offline"
        until(lambda: home.state(BLIND) == "unknown", "nobody knows of a stream that is off")
        home.call("switch/turn_on", SWITCH)
        until(lambda: home.state(SWITCH) == "on", "the switch is on again")
        counts_on(home)

        home.stop()
        home.start()
        until(
            lambda: home.state(PICTURE) not in ("unknown", "unavailable", None), "it is shown a new picture"
        )

        box.write(f"lines: {{{LINE}}}\n    {ZONE}", OTHER)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: home.state(GONE) is None, "the line that is gone is gone")
        until(lambda: home.state(f"{SWITCH}_2") == "on", "another stream is there, by nearly the same name")
        counts_on(home)
        box.write(f"lines: {{{LINE}}}\n    {ZONE}")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: home.state(f"{SWITCH}_2") is None, "the stream that is gone is gone")
        assert not home.rendered(f"{{{{ device_id('{SWITCH}_2') or '' }}}}").strip("None")
        counts_on(home)
        daemon.stop()
    until(lambda: home.state(COUNT) == home.state(SWITCH) == home.state(NODE) == "unavailable")
    assert not home.complaints()


def test_all_is_there_again_after_restarts_of_each(home, box, broker):
    with box.start() as daemon:
        counts_on(home)
        broker.kill()
        until(lambda: home.state(COUNT) == "unavailable", "Home Assistant has lost its broker")
        broker.start()
        counts_on(home)
        before = {name for name in home.states() if "box" in name}

        home.stop()
        forget(broker.port)  # so Home Assistant learns it only when it says that it has started
        home.start()
        counts_on(home)
        until(lambda: {name for name in home.states() if "box" in name} == before)

        daemon.stop(signal.SIGKILL)
        until(lambda: home.state(SWITCH) == "unavailable", "the last will is heard", 120)
    box.write(f"lines: {{{LINE}}}\n    {ZONE}")
    with box.start():
        counts_on(home)
        until(lambda: home.state(GONE) is None, "what went while the daemon was away is gone")
        assert {name for name in home.states() if "box" in name} == {
            name for name in before if "aside" not in name
        }


def test_fifty_streams_of_odd_names_are_taken_and_taken_back(home, broker, tmp_path):
    names = ["tür", "tur", "救命", "救 命", "{{ x }}", "'\"\\", "🚪", "%}", "-", "None", *map(str, range(40))]
    places = ["till", 'entrance\'s "x" {% raw %}', "救命", "a.b"]
    rules = [ShownRule("queue"), ShownRule("救命", is_of_many=True), ShownRule("{{", is_moment=True)]
    full = ShownStream(lines=places, zones=dict.fromkeys(places, True), rules=rules)
    box = ShownBox("shöp 1", "0.2.0", "https://shop.lan", dict.fromkeys(names, full))
    wanted = devices(box, ALL)
    announcer, client = Announcer(), Client(broker.port, "answers")
    others = home.states().keys()

    def ours():
        return home.states().keys() - others

    def switched_on():
        return [one for one in home.states().values() if one["state"] == "on"]

    def say(topic, body):
        client._client.publish(topic, body, qos=1, retain=True).wait_for_publish()

    def tell(devices):
        for topic, body in announcer.want(tmp_path / "told.json", devices, 0.0):
            say(topic, body)

    tell(wanted)
    until(lambda: len(ours()) == sum(len(one.components) for one in wanted), "an entity for each", 240)
    assert sum(name.startswith("event.") for name in ours()) == 50 * (4 + 4 + 2)
    state = StreamState(state="offline", fps=0.0, why="").model_dump_json().encode()
    say("edged/shöp 1/availability", b"online")
    say("edged/shöp 1/stream/救命/state", state)
    until(lambda: [one["attributes"]["friendly_name"] for one in switched_on()] == ["shöp 1 救命 Enabled"])
    tell(devices(replace(box, streams=dict.fromkeys(names[:10], replace(full, lines=[]))), ALL))
    until(lambda: len(ours()) == 4 + 10 * (5 + 8 + 4), "those that are left", 240)
    tell([])
    until(lambda: not ours(), "none", 240)
    client.close()
    assert not home.complaints()


def forget(port):
    """Have the broker forget the two devices."""
    client = Client(port, "homeassistant/device/+/config")
    until(lambda: len(client.heard) == 2)
    for topic in [message.topic for message in client.heard]:
        client._client.publish(topic, b"", qos=1, retain=True).wait_for_publish()
    client.close()
