"""The verbs about streams, and the memory of what was switched off."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from edged.contracts.errors import BadRequest, ConfigError, EdgedError, NotFound, NotReady
from edged.contracts.verb import Done
from edged.control import Control, Switches
from edged.core import Core
from edged.flow.counters import Counters
from edged.flow.units import Wish
from edged.media.frame import PictureFrame
from edged.streams.unit import StreamUnit


class Nothing:
    """Lanes, and a supervisor, that do nothing."""

    def start(self):
        pass

    def stop(self):
        pass


class House:
    """Two streams and what was asked of the daemon."""

    def __init__(self, folder):
        self.switches = Switches(folder)
        self.shown = []
        self.cancelled = []
        self.applied = 0
        core = Core(Counters())
        core.telling.snapshot = lambda *shot: self.shown.append(shot)
        core.cancel = self.cancelled.append
        self.views = core.views
        self.units = core.units
        streams = ["door", "yard"]
        self.control = Control(core, self.switches, streams=lambda: streams, apply=self._apply)

    def _apply(self):
        self.applied += 1

    def told(self, verb, **fields):
        return self.control.verbs()[verb](fields)

    def runs(self, stream, recordings):
        unit = StreamUnit(Nothing(), Nothing(), recordings=recordings)
        self.units.reconcile({f"stream/{stream}": Wish(recordings, lambda: unit)})

    def sees(self, stream, at=7.0):
        self.views.add(stream).put(PictureFrame(np.zeros((300, 400, 3), np.uint8), at), "other", None)


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_off_and_on_again(house, tmp_path):
    assert house.told("disable", stream="door") == "stream 'door' is switched off"
    assert house.switches.off() == {"door"}
    assert house.told("disable", stream="door") == "stream 'door' is switched off already"
    assert Switches(tmp_path).off() == {"door"}, "it survives a restart"
    assert house.told("enable", stream="door") == "stream 'door' is switched on"
    assert house.told("enable", stream="door") == "stream 'door' is switched on already"
    assert Switches(tmp_path).off() == set()
    assert house.applied == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disabled.json"], (
        "nothing half-written is left"
    )


def test_a_switch_says_how_it_shall_be(house):
    assert house.told("switch", stream="door", enabled=False) == "stream 'door' is switched off"
    assert house.switches.off() == {"door"}
    assert house.told("switch", stream="door", enabled=False) == "stream 'door' is switched off already"
    assert house.told("switch", stream="door", enabled=True) == "stream 'door' is switched on"
    assert house.switches.off() == set()


@pytest.mark.parametrize("verb", ["enable", "disable", "snapshot", "record"])
def test_an_unknown_stream_names_close_ones(house, verb):
    with pytest.raises(NotFound, match="did you mean door"):
        house.told(verb, stream="dor")
    with pytest.raises(NotFound, match="there are door, yard"):
        house.told(verb, stream="zzz")
    assert house.applied == 0


@pytest.mark.parametrize(
    ("verb", "fields", "says"),
    [
        ("disable", {}, "name the stream"),
        ("enable", {"stream": None}, "name the stream"),
        ("disable", {"stream": 5}, "a string"),
        ("disable", {"strem": "door"}, "`stream`|'strem' is unknown"),
        ("snapshot", {"strem": "door"}, "'strem' is unknown"),
        ("record", {"seconds": 5}, "name the stream"),
        ("record", {"stream": "door", "second": 5}, "'second' is unknown"),
        ("switch", {"stream": "door"}, "`enabled` must be true or false"),
        ("switch", {"stream": "door", "enabled": "false"}, "`enabled` must be true or false"),
        ("switch", {"stream": "door", "enabled": 0}, "`enabled` must be true or false"),
        ("switch", {"enabled": True}, "name the stream"),
        ("switch", {"strem": "door", "enabled": True}, "'strem' is unknown"),
        ("cancel", {}, "name the request"),
        ("cancel", {"request_id": ""}, "name the request"),
        ("cancel", {"request_id": 7}, "a string"),
        ("cancel", {"stream": "door"}, "this verb knows `request_id`"),
    ],
)
def test_wrong_fields(house, verb, fields, says):
    with pytest.raises(BadRequest, match=says):
        house.told(verb, **fields)


def test_a_snapshot_of_one_and_of_all(house):
    house.sees("door", at=7.0)
    assert house.told("snapshot", stream="door") == "a snapshot of stream 'door' is published"
    ((stream, captured_at, jpeg),) = house.shown
    assert (stream, captured_at, jpeg[:3]) == ("door", 7.0, b"\xff\xd8\xff")
    house.sees("yard")
    assert house.told("snapshot") == "snapshots are published of door, yard"
    assert [shot[0] for shot in house.shown] == ["door", "door", "yard"]


def test_a_snapshot_of_nothing(house):
    with pytest.raises(NotReady, match="'door': it has no frame yet"):
        house.told("snapshot", stream="door")
    with pytest.raises(NotReady, match="no stream has a frame yet"):
        house.told("snapshot")
    house.told("disable", stream="door")
    with pytest.raises(NotReady, match="disabled by control/disable"):
        house.told("snapshot", stream="door")
    assert house.shown == []


def test_a_recording_is_begun_and_has_an_address(house):
    lengths = []
    recordings = SimpleNamespace(begin=lambda seconds: lengths.append(seconds) or "/artefacts/a.mp4")
    house.runs("door", recordings)
    done = Done("stream 'door' is recorded: /artefacts/a.mp4", "/artefacts/a.mp4")
    assert house.told("record", stream="door") == done
    assert house.told("record", stream="door", seconds=30) == done
    assert lengths == [None, 30.0]


def test_what_cannot_be_recorded(house):
    with pytest.raises(NotReady, match="'door' cannot be recorded: it is not running"):
        house.told("record", stream="door")
    house.runs("door", None)
    with pytest.raises(BadRequest, match=r"set `streams\.door\.record`"):
        house.told("record", stream="door")
    house.told("disable", stream="yard")
    with pytest.raises(NotReady, match="disabled by control/disable"):
        house.told("record", stream="yard")
    for seconds in (0, -1, 601, "5", True, [5]):
        with pytest.raises(BadRequest, match="`seconds` must be a number over 0, 600 at most"):
            house.told("record", stream="door", seconds=seconds)


def test_a_request_is_cancelled(house):
    assert "answered 499" in house.told("cancel", request_id="r-1")
    assert house.cancelled == ["r-1"]


@pytest.mark.parametrize("text", ["", "{}", '["a", 5]', "[\xff"])
def test_a_damaged_memory_opens_no_camera(tmp_path, text):
    (tmp_path / "disabled.json").write_text(text, "latin-1")
    with pytest.raises(ConfigError, match=r"disabled\.json .* remove it"):
        Switches(tmp_path)


def test_what_cannot_be_remembered_is_done_and_said(house, tmp_path):
    (tmp_path / "disabled.new").mkdir()
    with pytest.raises(EdgedError, match="the next start will not know it"):
        house.told("disable", stream="door")
    assert house.switches.off() == {"door"}
    assert house.applied == 1


def test_another_state_folder_takes_them_along(house, tmp_path):
    house.told("disable", stream="door")
    other = tmp_path / "other"
    other.mkdir()
    (other / "disabled.json").write_text('["gate"]')
    house.switches.move(other)
    assert json.loads((other / "disabled.json").read_text()) == ["door", "gate"]
    house.told("enable", stream="door")
    assert Switches(other).off() == {"gate"}
    assert Switches(tmp_path).off() == {"door"}
