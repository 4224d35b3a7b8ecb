"""What is gone is taken back, whoever told of it when."""

import json

import pytest

from edged.homeassistant.announcer import GONE_S, Announcer
from edged.homeassistant.devices import ShownBox, ShownStream, devices
from edged.homeassistant.settings import HomeAssistantSettings

DAY = 86400.0


def shown(lines=("entrance",), streams=("door",), prefix="homeassistant"):
    box = ShownBox("shop", "1", None, {name: ShownStream(lines=list(lines)) for name in streams})
    return devices(box, HomeAssistantSettings(prefix=prefix))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "homeassistant.json"


class Home:
    """Knows what Home Assistant would know."""

    def __init__(self):
        self.retained = {}
        self.entities = {}

    def hear(self, messages):
        for topic, body in messages:
            if not body:
                self.retained.pop(topic, None)
                self.entities.pop(topic, None)
                continue
            self.retained[topic] = body
            known = self.entities.setdefault(topic, {})
            for key, fields in json.loads(body)["cmps"].items():
                if fields.keys() == {"p"}:
                    known.pop(key, None)
                else:
                    known[key] = fields["p"]
        return self

    def knows(self, wanted):
        assert self.entities == {
            one.topic: {key: fields["p"] for key, fields in one.components.items()} for one in wanted
        }
        for one in wanted:
            assert json.loads(self.retained[one.topic]) == json.loads(json.dumps(one.message()))
        assert self.retained.keys() == {one.topic for one in wanted}


def test_it_is_told_once_and_all_of_it_when_somebody_starts(path):
    announcer, home = Announcer(), Home()
    assert announcer.all() == []
    home.hear(announcer.want(path, shown(), 0.0)).knows(shown())
    assert announcer.want(path, shown(), 1.0) == []
    Home().hear(announcer.all()).knows(shown())
    assert next(topic for topic, _ in announcer.all()) == shown()[0].topic, "the node first"


def test_an_entity_that_is_gone_is_named_by_its_platform_alone_and_then_not_at_all(path):
    announcer, home = Announcer(), Home()
    home.hear(announcer.want(path, shown(lines=["a", "b"]), 0.0))
    said = announcer.want(path, shown(lines=["a"]), 1.0)
    home.hear(said).knows(shown(lines=["a"]))
    (topic, first), (same, second) = said
    assert topic == same
    gone = json.loads(first)["cmps"]
    assert len(gone) == 5 and all(fields.keys() == {"p"} for fields in gone.values())
    assert not gone.keys() & json.loads(second)["cmps"].keys()


def test_a_device_that_is_gone_is_emptied_and_comes_back(path):
    announcer, home = Announcer(), Home()
    home.hear(announcer.want(path, shown(streams=["door", "yard"]), 0.0))
    said = announcer.want(path, shown(), 1.0)
    assert said == [(shown(streams=["door", "yard"])[2].topic, b"")]
    home.hear(said).knows(shown())
    home.hear(announcer.want(path, shown(streams=["door", "yard"]), 2.0)).knows(
        shown(streams=["door", "yard"])
    )


def test_what_an_earlier_run_told_is_taken_back(path):
    home = Home().hear(Announcer().want(path, shown(lines=["a", "b"], streams=["door", "yard"]), 0.0))
    home.hear(Announcer().want(path, shown(lines=["a"]), 1.0)).knows(shown(lines=["a"]))


def test_it_is_said_again_in_case_that_nobody_heard(path):
    home = Home().hear(Announcer().want(path, shown(lines=["a", "b"], streams=["door", "yard"]), 0.0))
    Announcer().want(path, shown(lines=["a"]), 1.0)
    later = Announcer()
    home.hear(later.want(path, shown(lines=["a"]), GONE_S)).knows(shown(lines=["a"]))
    assert later.want(path, shown(lines=["a"]), 2 * GONE_S + DAY), "and after a month no more"
    assert all(b'{"p":' not in body.replace(b'"p":"', b"") for _, body in later.all())
    assert [topic for topic, _ in later.all()] == [one.topic for one in shown()]


def test_switched_off_all_of_it_is_taken_back(path):
    announcer, home = Announcer(), Home()
    home.hear(announcer.want(path, shown(), 0.0))
    home.hear(announcer.want(path, [], 1.0)).knows([])
    Home().hear(Announcer().want(path, [], 2.0)).knows([])
    assert Announcer().want(path, [], 2.0) == [(one.topic, b"") for one in shown()]


def test_with_another_prefix_it_is_elsewhere(path):
    announcer, home = Announcer(), Home()
    home.hear(announcer.want(path, shown(), 0.0))
    home.hear(announcer.want(path, shown(prefix="ha"), 1.0)).knows(shown(prefix="ha"))


def test_who_was_never_told_leaves_no_file(path):
    assert Announcer().want(path, [], 0.0) == []
    assert not path.exists()


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"a": {"b": {}}}'])
def test_a_file_that_cannot_be_read_is_said_and_begun_anew(path, written, caplog):
    path.parent.mkdir()
    path.write_bytes(written)
    Home().hear(Announcer().want(path, shown(), 0.0)).knows(shown())
    assert "cannot be read, so Home Assistant may keep what is gone" in caplog.text
    assert Announcer().want(path, [], 1.0) == [(one.topic, b"") for one in shown()]


def test_a_disk_that_cannot_be_written_does_not_keep_it_from_being_told(path, caplog):
    path.parent.write_text("a file in the place of the folder")
    Home().hear(Announcer().want(path, shown(), 0.0)).knows(shown())
    assert "cannot be written" in caplog.text


def test_nothing_half_written_is_left(path):
    Announcer().want(path, shown(), 0.0)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
