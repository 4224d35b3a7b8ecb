"""Rules with a real daemon and a real broker, each of which is killed again and again.

A square walks down a picture, stands there and is gone for a while, for ever; models that need no weights
find it, read it and say that it is light. Each beginning has its end, and none comes twice.
"""

import itertools
import json
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from edged.contracts.happenings import EventMessage, LineCounts, RuleState
from tests.broker import free_port, until
from tests.e2e.box import Client, kill_broker, running
from tests.mqtt.conftest import Proxy
from tests.opened import install
from tests.square import MODELS, SYNCED, settle, write_walk

CONFIG = """
node: box
paths: {{models: {0}/models, state: {0}/state, plugins: [{0}/plugins]}}
mqtt: {{url: 'mqtt://127.0.0.1:{1}'}}
http: {{listen: '127.0.0.1:{2}'}}
services:
  object-detection: {{model: square}}
  ocr: {{model: sign}}
  scene-classification: {{model: place}}
streams:
  door:
    source: {0}/walk.mp4
    loop: {4}
    gate: {{fps: 10}}
    run: [object-detection, ocr]
    lines: {{middle: {{from: [0.1, 0.5], to: [0.9, 0.5]}}}}
    zones: {{low: {{polygon: [[0, 0.6], [1, 0.6], [1, 1], [0, 1]], events: true}}}}
  view: {{source: {0}/walk.mp4, loop: {4}, gate: {{fps: 4}}, run: [scene-classification]}}
  away: {{source: 'rtsp://127.0.0.1:1/nobody', run: [scene-classification]}}
rules:
{3}
"""
RULES = r"""
  visitor: {when: {line: door/middle, direction: in}}
  queue: {when: {zone: door/low, count: ">= 1"}, for: 0.2s, end_after: 1s}
  loiterer: {when: {zone: door/low, stays: 0.5s}, end_after: 1s}
  anybody: {when: {seen: person, stream: door}, end_after: 1s}
  plate: {when: {text: "[A-Z]{2}-\\d{3,4}", stream: door}, end_after: 1s}
  light: {when: {seen: beach, stream: view}, end_after: 1s}
  blind: {when: {offline: away}, for: 0.5s}
"""
LASTING = ("queue", "loiterer", "anybody", "plate", "light")
KILLS = 3


@pytest.fixture
def box(tmp_path, mosquitto):
    """Starts the daemon with these rules; and its broker."""
    settle(tmp_path / "plugins" / "square")
    write_walk(tmp_path / "walk.mp4", before=4, there=36, gone=90, pace=8)
    broker, config, http = (
        mosquitto("persistence true", f"persistence_location {tmp_path}/"),
        tmp_path / "config.yaml",
        free_port(),
    )

    def write(rules=RULES, loop="true", port=broker.port):
        config.write_text(CONFIG.format(tmp_path, port, http, rules, loop))

    write()
    install(tmp_path, *MODELS)

    @contextmanager
    def start(rules=RULES, loop="true", port=broker.port):
        write(rules, loop, port)
        with running(config, broker.port, "box", edged=[sys.executable, "-c", SYNCED]) as daemon:
            yield daemon

    return SimpleNamespace(start=start, write=write, broker=broker, config=config, http=http)


class Ear(Client):
    """Hears all events and how the rules are."""

    def __init__(self, port):
        super().__init__(port, "edged/box/stream/+/event", "edged/box/rule/#", "edged/box/stream/door/line/#")

    def events(self, **wanted):
        """Those with these fields, in the order in which they came first: each once."""
        bodies = dict.fromkeys(m.payload for m in list(self.heard) if m.topic.endswith("/event"))
        events = [EventMessage.model_validate_json(body) for body in bodies]
        return [one for one in events if all(getattr(one, key) == value for key, value in wanted.items())]

    def open(self):
        """Ids of what rules began and did not end."""
        told = self.events(event="rule")
        return {one.id for one in told if one.phase == "begin"} - {
            one.id for one in told if one.phase == "end"
        }

    def told(self, name):
        """Whether a rule held, as it was told from message to message."""
        told = (message.payload for message in self.on(f"edged/box/rule/{name}"))
        return [RuleState.model_validate_json(payload).active for payload in told if payload]

    def rule(self, name):
        """As it was told last; none: it was not, or is taken back."""
        told = self.on(f"edged/box/rule/{name}")
        return RuleState.model_validate_json(told[-1].payload) if told and told[-1].payload else None

    def active(self, name):
        """Whether it holds; none: nobody knows, or it was not told."""
        return told.active if (told := self.rule(name)) is not None else None

    def counted(self):
        """How many went in, as it was told last."""
        told = self.on("edged/box/stream/door/line/middle")
        return LineCounts.model_validate_json(told[-1].payload).in_


@pytest.fixture
def ear(box):
    made = Ear(box.broker.port)
    yield made
    made.close()


def paired(events):
    """Beginnings and their ends, by id; fails where an end has no beginning, or one of them comes twice."""
    for (id_, phase), number in Counter((one.id, one.phase) for one in events).items():
        assert number == 1, f"{phase} of {id_} came {number} times with other words"
    begins = {one.id: one for one in events if one.phase == "begin"}
    ends = {one.id: one for one in events if one.phase == "end"}
    assert not ends.keys() - begins.keys(), "an end without a beginning"
    for id_, end in ends.items():
        begin = begins[id_]
        assert (end.rule, end.zone, end.track, end.text) == (begin.rule, begin.zone, begin.track, begin.text)
        assert end.seq > begin.seq and end.ended_at >= begin.began_at == end.began_at
    return begins, ends


def test_each_kind_of_rule_begins_and_ends(box, ear):
    with box.start() as daemon:
        over = {"phase": "end", "reason": "over"}
        until(lambda: all(ear.events(rule=rule, **over) for rule in LASTING), "a round of each")
        until(lambda: ear.active("blind") is True, "offline")
        until(lambda: ear.events(rule="visitor", phase="once"))
        until(lambda: ear.active("visitor") is False)
        until(lambda: (True, False) in itertools.pairwise(ear.told("queue")), "it held, and does no more")
        until(lambda: ear.counted() == len(ear.events(event="line")), "counts and events agree")
        asked = f"http://127.0.0.1:{box.http}/api/events?rule=visitor&limit=1"
        with urllib.request.urlopen(asked) as answer:
            [newest] = json.load(answer)["events"]
        assert newest["direction"] == "in"
        with urllib.request.urlopen(f"http://127.0.0.1:{box.http}/api/status") as answer:
            active = {stream["name"]: stream["active"] for stream in json.load(answer)["streams"]}
        assert active["away"] == ["blind"]
        daemon.stop()
    begins, ends = paired(ear.events())
    assert {one.text for one in begins.values() if one.rule == "plate"} == {"HH-1234"}
    assert {one.class_ for one in begins.values() if one.rule == "light"} == {"beach"}
    assert {one.track for one in begins.values() if one.rule == "loiterer"} <= {
        one.track for one in begins.values() if one.event == "zone"
    }
    for stream in ("door", "view", "away"):
        seqs = [one.seq for one in ear.events(stream=stream)]
        assert seqs == list(range(len(seqs))), "in their order, without a gap"
    assert {one.rule for one in ends.values()} >= {*LASTING}
    with box.start():
        until(lambda: ear.events(rule="blind", reason="stopped"), "what waited for the connection")


def test_whatever_is_killed_each_beginning_has_its_end_and_none_comes_twice(box, ear):
    """The daemon is killed while rules hold, the broker while events are told."""
    proxy = Proxy(box.broker.port)
    by_proxy = int(proxy.url.rpartition(":")[2])
    for number in range(KILLS):
        known = len(ear.events(rule="queue", phase="begin"))
        with box.start(port=by_proxy) as daemon:
            until(lambda: len(ear.events(rule="queue", phase="begin")) > known, "it holds")  # noqa: B023
            if number % 2:
                kill_broker(box.broker, proxy, ear)
                until(lambda: len(ear.events(rule="queue", phase="begin")) > known + 1, "and again")  # noqa: B023
            daemon.stop(signal.SIGKILL)
    proxy.close()
    with box.start() as daemon:
        until(lambda: ear.events(rule="queue", phase="end", reason="over"), "it goes on")
        daemon.stop()
    with box.start("  other: {when: {line: door/middle}}"):
        until(lambda: ear.rule("queue") is None and ear.on("edged/box/rule/queue"), "the topic is emptied")
        until(lambda: ear.events(rule="other"), "what waited was sent before")
        until(lambda: not ear.open(), "of all streams")
        _, ends = paired(ear.events())
    reasons = Counter(one.reason for one in ends.values())
    assert reasons["killed"] >= KILLS
    for stream in ("door", "view", "away"):
        seqs = sorted(one.seq for one in ear.events(stream=stream))
        assert seqs == list(range(len(seqs))), "none is lost"
    for before, after in itertools.pairwise(ear.events(rule="blind")):
        assert (before.phase, after.phase) in {("begin", "end"), ("end", "begin")}


def test_a_broker_that_knows_nothing_learns_rules_and_counts(box, ear):
    with box.start():
        until(lambda: ear.events(rule="visitor") and ear.active("blind"), "something is known")
        box.broker.kill()
        (box.config.parent / "mosquitto.db").unlink(missing_ok=True)
        box.broker.start()
        fresh = Ear(box.broker.port)
        try:
            until(lambda: all(fresh.rule(name) for name in ("visitor", "blind", *LASTING)), "each rule")
            until(lambda: fresh.active("blind") is True)
            until(lambda: fresh.on("edged/box/stream/door/line/middle"), "counts")
        finally:
            fresh.close()


def test_reload_removal_and_switching_off_end_what_goes_on(box, ear):
    holds = '  there: {when: {zone: door/low, count: "< 9"}}\n'
    with box.start(holds) as daemon:
        until(lambda: ear.active("there"), "it holds")
        box.write(holds + "  more: {when: {zone: door/low}}\n")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: len(ear.events(rule="there", phase="begin")) == 2, "it holds again")
        assert [one.reason for one in ear.events(rule="there", phase="end")] == ["reload"]
        until(lambda: ear.active("there"), "it is told to hold")
        ear.publish("edged/box/control/disable", b'{"stream": "door"}')
        until(lambda: len(ear.events(rule="there", phase="end")) == 2)
        until(lambda: ear.active("there") is None, "nobody knows")
        ear.publish("edged/box/control/enable", b'{"stream": "door"}')
        until(lambda: len(ear.events(rule="there", phase="begin")) == 3)
        box.write("  visitor: {when: {line: door/middle}}\n")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: ear.on("edged/box/rule/there")[-1].payload == b"", "the rule is gone")
        until(lambda: len(ear.events(rule="there", phase="end")) == 3)
        reasons = [one.reason for one in ear.events(rule="there", phase="end")]
        assert reasons == ["reload", "disabled", "removed"]


def test_replay_counts_as_the_daemon_does(box, ear):
    box.write(loop="false")
    command = [sys.executable, "-c", SYNCED, "replay", "door", str(box.config.parent / "walk.mp4")]
    done = subprocess.run(
        [*command, "--json", "-c", str(box.config)], capture_output=True, text=True, check=True
    )
    *replayed, counts = map(json.loads, done.stdout.splitlines())
    told = Counter(
        (one["event"], one.get("rule"), one.get("zone"), one.get("line"), one["phase"]) for one in replayed
    )

    def live():
        events = ear.events(stream="door")
        return Counter((one.event, one.rule, one.zone, one.line, one.phase) for one in events)

    with box.start(loop="false"):
        until(lambda: live() >= told, "the clip was played")
    assert live() == told
    line = LineCounts.model_validate_json(ear.on("edged/box/stream/door/line/middle")[-1].payload)
    assert counts["lines"]["middle"]["person"] == {"in": line.in_, "out": line.out} == {"in": 1, "out": 0}
