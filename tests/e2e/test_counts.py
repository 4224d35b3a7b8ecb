"""What cameras count, and events of it, with a real daemon and broker: a square walks, both are killed."""

import contextlib
import itertools
import json
import signal
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from edged.contracts.happenings import EventMessage, LineCounts, ZoneCounts
from edged.contracts.message import StreamMessage
from tests.broker import free_port, until
from tests.e2e.box import Client, kill_broker, running
from tests.mqtt.conftest import Proxy
from tests.opened import install
from tests.square import SYNCED, settle, write_walk

CONFIG = """
node: box
paths: {{models: {0}/models, state: {0}/state, plugins: [{0}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{1}'}}
http: {{listen: '127.0.0.1:{2}'}}
time_zone: Asia/Kathmandu
services: {{object-detection: {{model: square}}}}
streams:
  door:
    source: {0}/walk.mp4
    loop: true
    gate: {{fps: 10}}
    run: [object-detection]
    {3}
"""
PLACES = """lines: {middle: {from: [0.1, 0.5], to: [0.9, 0.5]}, aside: {from: [0.0, 0.9], to: [0.1, 0.9]}}
    zones: {whole: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}"""
LADDER = "lines: {{{}}}".format(
    ", ".join(f"at{y}: {{from: [0.1, 0.{y}], to: [0.9, 0.{y}]}}" for y in (30, 40, 50, 60))
)
"""Four lines, one below the other."""
EVENTS, STATE = "edged/box/stream/door/event", "edged/box/stream/door/state"
LINE, ASIDE, ZONE = (f"edged/box/stream/door/{at}" for at in ("line/middle", "line/aside", "zone/whole"))
RESULTS = "edged/box/stream/door/object-detection"


@pytest.fixture
def box(tmp_path, mosquitto):
    """Starts the daemon, with these places, on the broker; and the broker."""
    settle(tmp_path / "plugins" / "square")
    write_walk(tmp_path / "walk.mp4")
    broker, config, http = mosquitto(), tmp_path / "config.yaml", free_port()

    def write(places, port=broker.port):
        config.write_text(CONFIG.format(tmp_path, port, http, places))

    write(PLACES)
    install(tmp_path, "square")

    @contextmanager
    def start(places=PLACES, port=broker.port):
        write(places, port)
        with running(config, broker.port, "box", edged=[sys.executable, "-c", SYNCED]) as daemon:
            yield daemon

    start.port, start.http, start.broker = broker.port, http, broker
    return start


def counted(client, topic=LINE) -> LineCounts | None:
    heard = [m for m in client.on(topic) if m.payload]
    return LineCounts.model_validate_json(heard[-1].payload) if heard else None


def test_each_walk_is_counted_once_and_a_kill_loses_and_doubles_none(box):
    client = Client(box.port, "edged/box/stream/#")
    with box() as daemon:
        until(lambda: (said := counted(client)) is not None and said.in_ >= 3, "three walks")
        daemon.stop(signal.SIGKILL)
    client.caught_up()
    told = [LineCounts.model_validate_json(m.payload) for m in client.on(LINE) if m.payload]
    before = told[-1]
    assert [said.in_ for said in told] == sorted(said.in_ for said in told)
    assert before.by_class["person"].in_ == before.in_
    assert before.today is not None and before.today.in_ >= before.in_ - 1
    assert {said.out for said in told} == {0}
    zones = [ZoneCounts.model_validate_json(m.payload).count for m in client.on(ZONE)]
    assert set(zones) == {None, 1}, "it is there in all rounds, and while nobody knows that is said"
    messages = [StreamMessage.model_validate_json(m.payload) for m in client.on(RESULTS)]
    highest = max(track for m in messages for track in m.tracks or [] if track is not None)
    walks = sum(b.frame.seq < a.frame.seq for a, b in itertools.pairwise(messages))
    assert abs(before.in_ - walks) <= 1, "each round of the clip has one walk"

    heard = len(client.heard)
    with box() as daemon:
        until(lambda: (said := counted(client)) is not None and said.in_ >= before.in_ + 2, "two more")
        after = [
            LineCounts.model_validate_json(m.payload) for m in client.on(LINE) if m in client.heard[heard:]
        ]
        assert after[0].in_ == before.in_
        assert after[0].since == before.since
        later = [json.loads(m.payload) for m in client.heard[heard:] if m.topic == RESULTS]
        new = [track for m in later for track in m.get("tracks") or [] if track is not None]
        assert new and min(new) > highest, "no id is used again"
        daemon.stop()
    until(lambda: ZoneCounts.model_validate_json(client.on(ZONE)[-1].payload).count is None)
    aside = counted(client, ASIDE)
    assert aside is not None and (aside.in_, aside.out) == (0, 0)

    with box("lines: {middle: {from: [0.1, 0.5], to: [0.9, 0.5]}}"):
        until(
            lambda: client.on(ASIDE)[-1].payload == client.on(ZONE)[-1].payload == b"",
            "what is gone is emptied",
        )
    late = Client(box.port, "edged/box/stream/door/#")
    until(lambda: late.on(LINE), "the line is still there")
    assert not late.on(ASIDE) and not late.on(ZONE)
    late.close()
    client.close()


@pytest.mark.parametrize(("runs", "kills"), [(2, 2), pytest.param(4, 3, marks=pytest.mark.long)])
def test_each_crossing_is_an_event_whatever_is_killed(box, runs, kills):
    """The broker and the daemon are killed in turns, and what is told again says the same."""
    proxy = Proxy(box.port)
    client = Client(box.port, EVENTS, STATE)

    def told():
        return [EventMessage.model_validate_json(message.payload) for message in client.on(EVENTS)]

    def more():
        newest = max((event.seq for event in told()), default=-1)
        until(lambda: any(event.seq > newest for event in told()), "another event")

    for run in range(runs):
        with box(LADDER, int(proxy.url.rpartition(":")[2])) as daemon:
            for _ in range(kills):
                more()
                kill_broker(box.broker, proxy, client)
            more()
            if run < runs - 1:
                daemon.stop(signal.SIGKILL)
            else:
                client.publish("edged/box/control/disable", b'{"stream": "door"}')
                until(lambda: b"disabled by" in client.on(STATE)[-1].payload, "nothing more happens")
                *_, last = kept = events_of(box)
                until(lambda: last["seq"] in {event.seq for event in told()}, "all is told")  # noqa: B023
                picture = picture_of(box, last)
                daemon.stop()
    heard = told()
    client.close()
    proxy.close()
    numbers = [event.seq for event in heard]
    assert set(numbers) >= {event["seq"] for event in kept}, "none is missing"
    assert set(numbers) == set(range(max(numbers) + 1))
    assert picture.startswith(b"\xff\xd8\xff"), "a JPEG"
    first = list(dict.fromkeys(numbers))
    assert first == sorted(first), "in their order"
    assert len({event.model_dump_json() for event in heard}) == len(first), "what comes again says the same"
    assert len({event.id for event in heard}) == len(first)
    print(f"{len(first)} events, {len(heard)} messages")
    assert {(e.event, e.phase, e.direction, e.class_) for e in heard} == {("line", "once", "in", "person")}
    late = Client(box.port, "edged/box/stream/door/#")
    until(lambda: all(late.on(f"edged/box/stream/door/line/at{y}") for y in (30, 40, 50, 60)))
    assert not late.on(EVENTS), "events are not retained"
    totals = [counted(late, f"edged/box/stream/door/line/at{y}") for y in (30, 40, 50, 60)]
    late.close()
    assert sum(said.in_ for said in totals if said is not None) == len(first), "counts and events agree"


def picture_of(box, event):
    """What was seen then; it is written a little later."""
    got = []

    def fetched():
        with contextlib.suppress(urllib.error.HTTPError):  # 409: not yet
            got.append(urllib.request.urlopen(f"http://127.0.0.1:{box.http}{event['snapshot']}").read())
        return got

    until(fetched, "its picture")
    return got[0]


def events_of(box):
    """As HTTP tells them, the oldest first."""
    with urllib.request.urlopen(f"http://127.0.0.1:{box.http}/api/events?limit=1000") as answer:
        return json.load(answer)["events"][::-1]
