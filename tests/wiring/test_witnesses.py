"""From the settings of a stream to its witness: what it listens for, and why it ends."""

import numpy as np
import pytest

from edged.config.settings import Config, StreamSettings
from edged.contracts.message import StreamState
from edged.contracts.services import service
from edged.counts.calendar import Calendar, zone_named
from edged.events.look import Look, Read
from edged.events.settings import RuleSettings
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.streams.gates import GateSettings
from edged.streams.message import Outcome
from edged.streams.noticing import Interest
from edged.streams.publisher import Outlet
from edged.streams.unit import StreamUnit
from edged.wiring.witnesses import Attention, Endings, classes_of, interest_of, machine_of
from tests.answers.examples import finding

SEEN, TEXT, SAID = ({key: "x", "stream": "door"} for key in ("seen", "text", "said"))
SQUARE = [[0, 0], [1, 0], [1, 1]]


def stream(*run):
    return StreamSettings.model_validate({"source": "rtsp://camera", "run": run})


def rules(*whens):
    return {str(n): RuleSettings.model_validate({"when": when}) for n, when in enumerate(whens)}


@pytest.mark.parametrize(
    ("run", "whens", "wanted"),
    [
        (("ocr",), (), Interest()),
        (("ocr",), (TEXT,), Interest(texts=True)),
        (("speech-recognition-zh",), (SAID, SAID), Interest(speech=True)),
        (("scene-classification",), (SEEN, {"offline": "door"}), Interest(frozenset("x"))),
        (("scene-classification", "ocr"), (SEEN, TEXT), Interest(frozenset("x"), texts=True)),
    ],
)
def test_services_are_listened_to_only_where_a_rule_wants_it(run, whens, wanted):
    assert interest_of(stream(*run), rules(*whens)) == wanted
    assert bool(wanted) is any(when in (SEEN, TEXT, SAID) for when in whens)


def test_what_is_seen_is_told_by_the_tracks_where_there_are_some():
    tracked = stream("object-detection").model_copy(update={"track": True})
    assert interest_of(tracked, rules(SEEN)) == Interest()


@pytest.mark.parametrize(
    ("run", "warned"),
    [
        (("scene-classification",), True),
        (("scene-classification", "ocr"), True),
        (("scene-classification", "image-classification"), False),  # each may know some
    ],
)
def test_a_class_that_is_seen_is_known_by_the_only_service_that_has_some(run, warned):
    camera = stream(*run)
    classes = classes_of("door", camera, rules(SEEN, TEXT))
    assert classes == {"rules.0.when.seen": ["x"]}
    attention = Attention(None, Parts(Interest(frozenset("x"))), classes=classes)
    outlet = attention.outlet(Outlet("box", "door", (), Counters()), camera.run)
    assert outlet.classes == (classes if warned else {})


def test_places_and_rules_want_classes():
    line = {"from": [0, 0], "to": [1, 1], "classes": ["cat"]}
    camera = StreamSettings.model_validate({"source": "x", "run": ["object-detection"], "lines": {"a": line}})
    wanted = {"streams.door.lines.a.classes": ("cat",), "rules.0.when.seen": ["x"]}
    assert classes_of("door", camera, rules(SEEN)) == wanted


def test_a_slow_gate_makes_results_as_seldom_as_a_slow_service():
    """A rule over what is read once in ten seconds knows for thirty what was read last, from the first on."""
    camera = stream("ocr").model_copy(update={"gate": GateSettings(fps=0.1)})
    machine = machine_of(camera, rules(TEXT), Calendar(zone_named("UTC")), {})
    machine.step(Look(0.0, 0.0, Read("ocr", ("nothing",))))
    machine.tick(20.0, 20.0)
    assert machine.standings()["0"].active is False
    machine.tick(31.0, 31.0)
    assert machine.standings()["0"].active is None


def test_a_machine_knows_all_rules_of_its_stream():
    machine = machine_of(stream("ocr"), rules(TEXT, SAID), Calendar(zone_named("UTC")), {})
    assert set(machine.standings()) == {"0", "1"}


def test_why_what_goes_on_ends():
    off = set()
    endings = Endings(lambda: off)
    door = {"source": "rtsp://camera", "run": ["object-detection"], "zones": {"till": {"polygon": SQUARE}}}
    there = {"when": {"zone": "door/till"}}
    endings.goes_on(Config.model_validate({"streams": {"door": door}, "rules": {"there": there}}))
    assert (endings.why("door", "rule", "there"), endings.why("gone", "rule", "there")) == (
        "reload",
        "removed",
    )
    assert (endings.why("door", "rule", "gone"), endings.why("door", "zone", "gone")) == (
        "removed",
        "removed",
    )
    assert endings.why("door", "zone", "till") == "reload"
    off.add("door")
    assert endings.why("door", "rule", "there") == "disabled"
    endings.end()
    assert {endings.why(name, "rule", "there") for name in ("door", "gone")} == {"stopped"}


def test_a_stream_says_that_it_ends_before_its_source_does():
    told = []

    class Part:
        def __init__(self, name):
            self.stop = lambda: told.append(name)

    unit = StreamUnit(
        Part("lanes"),
        Part("source"),
        lambda: told.append("stopped"),
        stopping=lambda: told.append("stopping"),
    )
    unit.stop()
    assert told == ["stopping", "source", "lanes", "stopped"]


class Parts:
    """The counts and the witness of a stream, which remember what they are told."""

    def __init__(self, wanted):
        self.told = []
        self.wanted = wanted

    def __getattr__(self, name):
        return lambda *given: self.told.append((name, *given))


@pytest.fixture
def frame():
    return PictureFrame(np.zeros((6, 8, 3), np.uint8), 1_795_422_600.0, 7)


def test_the_source_and_its_rest_are_told_to_who_wants_to_know(frame):
    counts, witness, why = Parts(None), Parts(Interest()), lambda kind, name: "disabled"
    attention = Attention(counts, witness, why)
    attention.told(StreamState(state="online", fps=5.0, why=""))
    attention.still(frame)
    attention.told(StreamState(state="stalled", fps=0.0, why="no frame"))
    attention.stopping()
    attention.stopped()
    assert counts.told == [("unknown",), ("close",)]
    assert witness.told == [
        ("reached", "online"),
        ("still", frame.captured_at),
        ("reached", "stalled"),
        ("leave",),
        ("close", why),
    ]


def test_outcomes_are_told_only_where_a_rule_wants_them(frame):
    outlet = Outlet("box", "door", (), Counters())
    assert Attention().outlet(outlet) is Attention(Parts(None), Parts(Interest())).outlet(outlet) is outlet
    counts, witness = Parts(None), Parts(Interest(texts=True))
    result = Outcome(frame, service("ocr"), None, finding("ocr", 1))
    Attention(counts, witness).outlet(outlet).notice(result)
    assert witness.told == [("notice", result)]
    assert counts.told == [("looked", frame.captured_at)]
