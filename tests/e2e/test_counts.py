"""What cameras count, with a real daemon and broker: a square walks over a line, and the daemon is killed."""

import itertools
import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from edged.contracts.message import LineCounts, StreamMessage, ZoneCounts
from tests.broker import free_port, until
from tests.e2e.box import EDGED, Client, running
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
LINE, ASIDE, ZONE = (f"edged/box/stream/door/{at}" for at in ("line/middle", "line/aside", "zone/whole"))
RESULTS = "edged/box/stream/door/object-detection"


@pytest.fixture
def box(tmp_path, mosquitto):
    """Starts the daemon, with these places, on the broker; and the broker."""
    settle(tmp_path / "plugins" / "square")
    write_walk(tmp_path / "walk.mp4")
    broker, config, http = mosquitto(), tmp_path / "config.yaml", free_port()

    def write(places):
        config.write_text(CONFIG.format(tmp_path, broker.port, http, places))

    write(PLACES)
    pulled = subprocess.run(
        [*EDGED, "pull", "square", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert pulled.returncode == 0, pulled.stderr

    @contextmanager
    def start(places=PLACES):
        write(places)
        with running(config, broker.port, "box", edged=[sys.executable, "-c", SYNCED]) as daemon:
            yield daemon

    start.port, start.http = broker.port, http
    return start


def counted(client, topic=LINE) -> LineCounts | None:
    heard = [m for m in client.on(topic) if m.payload]
    return LineCounts.model_validate_json(heard[-1].payload) if heard else None


def test_each_walk_is_counted_once_and_a_kill_loses_and_doubles_none(box):
    client = Client(box.port, "edged/box/stream/#")
    with box() as daemon:
        until(lambda: (said := counted(client)) is not None and said.in_ >= 3, "three walks")
        daemon.stop(signal.SIGKILL)
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
