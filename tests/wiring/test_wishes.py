"""What is retained follows the daemon to another broker, and ends with the stream."""

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from edged.artefacts.settings import ArtefactSettings
from edged.config.settings import Config, PathSettings
from edged.contracts.message import Health, StreamState
from edged.control import OFF
from edged.core import Core
from edged.daemon import Daemon
from edged.flow.counters import Counters
from edged.http.server import HttpUnit
from edged.http.settings import HttpSettings
from edged.runtimes.devices import RuntimeSettings
from edged.wiring.stores import MadeOf
from edged.wiring.wishes import Wiring
from tests.broker import free_port, until
from tests.e2e.box import Client
from tests.serving import lair

TOPIC = "edged/box/stream/door"
CONFIG = """
node: box
paths: {{models: {folder}/models, state: {folder}/state}}
mqtt: {{url: 'mqtt://127.0.0.1:{port}'}}
streams:
  door: {{source: {folder}/nowhere.mp4, run: [object-detection], publish: {{on: {on}}}}}
"""


@contextmanager
def running(path):
    daemon = Daemon(path, Counters())
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        until(
            lambda: daemon.core.telling.mqtt() is not None and daemon.core.telling.mqtt().state() == "running"
        )
        yield daemon
    finally:
        daemon.stop()
        thread.join(60)


@pytest.fixture
def listen():
    made = []

    def make(broker):
        made.append(Client(broker.port, f"{TOPIC}/#"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def publish(daemon, body):
    """As a worker does."""
    daemon.core.telling._to_broker(frozenset(["object-detection"]), "door", "object-detection", body)


def test_another_broker_learns_states_and_events(tmp_path, mosquitto, listen):
    first, second = mosquitto(), mosquitto()
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder=tmp_path, port=first.port, on="change"))
    with running(path) as daemon:
        until(lambda: "nowhere.mp4" in str(daemon.core.telling.states()), "the camera is offline")
        publish(daemon, b'{"seq": 0}')
        path.write_text(CONFIG.format(folder=tmp_path, port=second.port, on="change"))
        daemon.reload()
        newcomer = listen(second)
        until(lambda: newcomer.on(f"{TOPIC}/state") and newcomer.on(f"{TOPIC}/object-detection"))
        assert newcomer.on(f"{TOPIC}/object-detection")[0].payload == b'{"seq": 0}'
        state = StreamState.model_validate_json(newcomer.on(f"{TOPIC}/state")[0].payload)
        assert state.state == "offline"


@pytest.mark.parametrize("how", ["disabled", "every result", "gone"])
def test_an_event_ends_with_its_stream(tmp_path, mosquitto, listen, how):
    broker = mosquitto()
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder=tmp_path, port=broker.port, on="change"))
    with running(path) as daemon:
        publish(daemon, b'{"seq": 0}')
        listener = listen(broker)
        until(lambda: listener.on(f"{TOPIC}/object-detection"))
        if how == "disabled":
            daemon.verbs["disable"]({"stream": "door"})
        else:
            text = CONFIG.format(folder=tmp_path, port=broker.port, on="every")
            path.write_text(text if how == "every result" else text.partition("streams:")[0])
            daemon.reload()
        until(lambda: [m.payload for m in listener.on(f"{TOPIC}/object-detection")] == [b'{"seq": 0}', b""])
        if how == "disabled":
            until(lambda: OFF in str(daemon.core.telling.states()))
            assert daemon.health().units["stream/door"] == OFF
            assert daemon.core.views.get("door") is None, "nobody sees the last frame any more"
            assert json.loads((tmp_path / "state" / "disabled.json").read_text()) == ["door"]


def test_a_line_that_left_the_configuration_is_taken_back(tmp_path, mosquitto, listen):
    broker, path = mosquitto(), tmp_path / "config.yaml"
    text = CONFIG.format(folder=tmp_path, port=broker.port, on="every")
    places = "lines: {a: {from: [0, 0.5], to: [1, 0.5]}}, zones: {z: {polygon: [[0, 0], [1, 0], [1, 1]]}}"
    path.write_text(text.replace("run: [", f"{places}, run: ["))
    listener = listen(broker)
    with running(path) as daemon:
        until(lambda: listener.on(f"{TOPIC}/line/a") and listener.on(f"{TOPIC}/zone/z"))
        assert json.loads(listener.on(f"{TOPIC}/line/a")[-1].payload)["in"] == 0
        assert json.loads(listener.on(f"{TOPIC}/zone/z")[-1].payload)["count"] is None
        path.write_text(text)
        daemon.reload()
        until(lambda: all(listener.on(f"{TOPIC}/{at}")[-1].payload == b"" for at in ("line/a", "zone/z")))


def test_a_rule_is_told_after_a_restart_and_taken_back_when_it_is_gone(tmp_path, mosquitto, listen):
    broker, path, topic = mosquitto(), tmp_path / "config.yaml", "edged/box/rule/queue"
    text = CONFIG.format(folder=tmp_path, port=broker.port, on="every")
    path.write_text(f"{text}rules: {{queue: {{when: {{offline: door}}}}}}\n")
    listener = Client(broker.port, topic)
    said = lambda: [json.loads(m.payload or b"0") for m in listener.on(topic)]  # noqa: E731
    with running(path):
        until(lambda: said()[-1:] and said()[-1]["active"], "there is no such file, so nothing is shown")
    assert said()[-1]["active"] is None, "nobody looks any more"
    before = len(said())
    with running(path) as daemon:
        until(lambda: len(said()) > before and said()[-1]["active"])
        path.write_text(text)
        daemon.reload()
        until(lambda: said()[-1] == 0)
    path.write_text(text)
    with running(path) as daemon:
        until(lambda: daemon.core.events().queued() == {"events": 0})
        assert said()[-1] == 0
    listener.close()


def test_health_is_told_again_when_the_broker_is_reached(tmp_path, mosquitto):
    path, broker = tmp_path / "config.yaml", mosquitto()
    path.write_text(f"{CONFIG.format(folder=tmp_path, port=broker.port, on='every')}health_every: 1h\n")
    broker.stop()
    daemon = Daemon(path, Counters())
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        until(lambda: daemon.health().queues.get("mqtt/results") == 1, "health is told while it is away")
        broker.start()
        listener = Client(broker.port, "edged/box/health")
        until(
            lambda: any(
                Health.model_validate_json(told.payload).units["mqtt"] == "running"
                for told in listener.on("edged/box/health")
            ),
            "nobody waits an hour to read that it is connected",
        )
        listener.close()
    finally:
        daemon.stop()
        thread.join(60)


def test_what_waits_for_a_broker_that_is_away_is_seen_in_health_and_metrics(tmp_path):
    path, http = tmp_path / "config.yaml", free_port()
    text = CONFIG.format(folder=tmp_path, port=free_port(), on="every")
    path.write_text(f"{text}http: {{listen: '127.0.0.1:{http}'}}\n")
    daemon = Daemon(path, Counters())
    thread = threading.Thread(target=daemon.run)
    thread.start()

    def waiting(name):
        return daemon.health().queues.get(f"mqtt/{name}", 0)

    try:
        until(
            lambda: daemon.core.units.get("http", HttpUnit) is not None and waiting("results") == 1,
            "health is published",
        )
        for n in range(3):
            daemon.core.telling._to_broker(frozenset(), "door", "object-detection", b"%d" % n)
            daemon.core.telling.snapshot("door", 1000.0, b"jpeg")
        assert (waiting("results"), waiting("snapshots"), waiting("answers")) == (4, 1, 0)
        until(lambda: waiting("states") == 2, "that the node is online, that the camera is offline")
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=30) as answer:
            assert b'edged_queue_depth{queue="mqtt/results"} 4.0' in answer.read()
        assert daemon.wiring.status().queues["mqtt/snapshots"] == 1
    finally:
        daemon.stop()
        thread.join(60)


def test_whoever_needs_the_store_of_artefacts_gets_the_same_one(tmp_path):
    wiring = Wiring(Core(Counters()), {}, frozenset, print)
    paths = PathSettings(models=tmp_path, state=tmp_path)
    config = Config(paths=paths, http=HttpSettings(public_url="https://shop.example"))
    store = wiring.stores.artefacts(config)
    assert wiring.stores.artefacts(config.model_copy()) is store
    other_token = HttpSettings(public_url="https://shop.example", token="0123456789abcdef")
    assert wiring.stores.artefacts(config.model_copy(update={"http": other_token})) is store
    address = store.reserve(".mp4").artefact.address
    assert address is not None and address.startswith("https://shop.example/artefacts/")
    before = wiring.wishes(config)
    after = wiring.wishes(Config(paths=paths, artefacts=ArtefactSettings(max_bytes=1), http=config.http))
    changed = {name for name in before if before[name].settings != after[name].settings}
    assert changed == {"artefacts", "http"}
    unit = before["artefacts"].make()
    unit.start()
    assert (tmp_path / "artefacts").is_dir()
    unit.stop()


def test_threads_that_want_the_same_get_the_same():
    made_of, made = MadeOf[object](), []
    begun, go = threading.Event(), threading.Event()

    def make():
        begun.set()
        assert go.wait(30)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(made_of.of, "key", make)
        assert begun.wait(30)
        second = pool.submit(made_of.of, "key", make)
        time.sleep(0.1)
        go.set()
        assert first.result(30) is second.result(30)
    assert len(made) == 1


def test_decoding_gets_the_memory_that_the_configuration_names(tmp_path):
    core = Core(Counters())
    wiring = Wiring(core, {}, frozenset, print)
    paths = PathSettings(models=tmp_path, state=tmp_path)
    before = wiring.wishes(Config(paths=paths))
    after = wiring.wishes(Config(paths=paths, runtime=RuntimeSettings(memory=123_000_000)))
    assert core.memory.total == 123_000_000
    assert before["frames"].settings == after["frames"].settings, "nothing is made anew for it"
    queue = after["requests"].make()
    assert queue._steps._memory is core.memory


def test_a_reload_finds_new_plugins(tmp_path, mosquitto):
    path, plugins = tmp_path / "config.yaml", tmp_path / "plugins"
    plugins.mkdir()
    path.write_text(
        f"paths: {{models: {tmp_path}/models, state: {tmp_path}/state, plugins: [{plugins}]}}\n"
        f"mqtt: {{url: 'mqtt://127.0.0.1:{mosquitto().port}'}}\nhttp: {{listen: null}}\n"
    )
    with running(path) as daemon:
        catalogue = daemon.wiring.opener(daemon.config).catalogue
        known = {card.id: card for card in catalogue.cards}
        assert "villain" not in known
        lair.settle(plugins / "villain")
        daemon.reload()
        until(lambda: "villain" in {card.id for card in catalogue.cards}, "it is offered")
        assert all(catalogue.card(id) is card for id, card in known.items()), "nothing else has changed"
