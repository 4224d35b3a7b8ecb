"""What Home Assistant is told, as far as that can be seen without one; its templates are run by Jinja."""

import json
import re
from dataclasses import replace
from typing import Any

import jinja2
import pytest

from edged.contracts.happenings import EventMessage, LineCounts, RuleState, ZoneCounts
from edged.contracts.message import Health, StreamState
from edged.homeassistant.devices import ShownBox, ShownRule, ShownStream, devices
from edged.homeassistant.settings import HomeAssistantSettings

TAKEN = re.compile(r"[A-Za-z0-9_-]+")
ODD = 'entrance\'s "x" {{ 救命 %} \\'
DOOR = ShownStream(
    lines=["entrance", ODD],
    zones={"till": True, "救命": False},
    rules=[ShownRule("queue"), ShownRule("visitor", is_moment=True), ShownRule("plate", is_of_many=True)],
)
BOX = ShownBox("shop-1", "0.2.0", "https://shop.lan", {"door": DOOR, "mic": ShownStream(listens=True)})
NOTHING, ALL = HomeAssistantSettings(), HomeAssistantSettings(share=("text", "picture", "recording"))
TOPICS = "state_topic", "command_topic", "image_topic", "json_attributes_topic"


def told(box=BOX, settings=NOTHING):
    """By the name of the device: its message, as it goes over the wire."""
    return {one.about["dev"]["name"]: json.loads(json.dumps(one.message())) for one in devices(box, settings)}


def entities(device, **wanted):
    return [
        one
        for one in told(settings=ALL)[device]["cmps"].values()
        if all(one.get(key) == value for key, value in wanted.items())
    ]


def entity(device, **wanted):
    (one,) = entities(device, **wanted)
    return one


def rendered(template, message, **more):
    """As Home Assistant renders it."""
    jinja = jinja2.Environment(undefined=jinja2.StrictUndefined)
    jinja.filters["to_json"] = json.dumps
    jinja.tests["match"] = lambda text, pattern: re.match(pattern, text) is not None
    body = message if isinstance(message, dict) else message.model_dump(by_alias=True)
    return jinja.from_string(template).render(value_json=json.loads(json.dumps(body)), **more)


def event(**fields):
    return EventMessage(
        **{
            "node": "shop-1",
            "stream": "door",
            "seq": 1,
            "id": "e1",
            "began_at": None,
            "phase": "once",
            **fields,
        }
    )


def happens(device, name, message, before=None):
    """What an event entity makes of a message; none: nothing."""
    template = entity(device, p="event", name=name)["value_template"]
    said = rendered(template, message, this={"attributes": before or {}})
    return json.loads(said) if said else None


def test_there_is_a_device_for_the_node_and_one_for_each_stream():
    shown = told()
    assert list(shown) == ["shop-1", "shop-1 door", "shop-1 mic"], "the node comes first: the others name it"
    (node,) = shown["shop-1"]["dev"]["identifiers"]
    assert shown["shop-1"]["dev"] == {
        "identifiers": [node],
        "manufacturer": "edged",
        "sw_version": "0.2.0",
        "name": "shop-1",
        "model": "Edge inference",
        "configuration_url": "https://shop.lan",
    }
    for name, model in (("shop-1 door", "Camera"), ("shop-1 mic", "Microphone")):
        assert shown[name]["dev"]["via_device"] == node
        assert shown[name]["dev"]["model"] == model
    for message in shown.values():
        assert message["o"] == {"name": "edged", "sw": "0.2.0", "url": "https://shop.lan"}
    assert "url" not in told(replace(BOX, url=None))["shop-1"]["o"]


def test_topics_and_ids_are_of_letters_that_home_assistant_takes():
    for one in devices(BOX, HomeAssistantSettings(prefix="ha/here", share=ALL.share)):
        found = re.fullmatch("ha/here/device/(.+)/config", one.topic)
        assert found and TAKEN.fullmatch(found[1])
        for key, fields in one.components.items():
            assert TAKEN.fullmatch(key)
            assert TAKEN.fullmatch(fields["unique_id"])
            assert re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", fields["default_entity_id"])
            assert fields["default_entity_id"].startswith(fields["p"] + ".")


def test_names_that_look_alike_are_two_devices_with_entities_of_their_own():
    streams = {name: ShownStream(zones={"a": True, "ä": True}, lines=["a", "ä"]) for name in ("tür", "tur")}
    shown = devices(ShownBox("shop", "1", None, streams), ALL)
    assert len({one.topic for one in shown}) == 3
    ids = [fields["unique_id"] for one in shown for fields in one.components.values()]
    assert len(set(ids)) == len(ids)
    assert len(shown[1].components) == 3 + 2 + 2 * (4 + 1) + 2 * (1 + 1)
    again = devices(ShownBox("shop", "2", "http://x", dict(reversed(streams.items()))), NOTHING)
    assert {one.topic for one in again} == {one.topic for one in shown}


def test_a_line_and_a_zone_and_a_rule_of_one_name_are_three_entities():
    stream = ShownStream(lines=["a"], zones={"a": True}, rules=[ShownRule("a", True), ShownRule("b")])
    (_, door) = devices(ShownBox("shop", "1", None, {"door": stream}), NOTHING)
    assert sum(fields["name"] == "a" for fields in door.components.values()) == 4


def test_availability_is_that_of_the_node_and_of_the_stream():
    both = told()["shop-1 door"]
    assert both["availability_mode"] == "all"
    node, stream = both["availability"]
    assert node == {"topic": "edged/shop-1/availability"}
    assert stream["topic"] == "edged/shop-1/stream/door/state"
    for state, there in (("online", "online"), ("stalled", "offline"), ("offline", "offline")):
        assert rendered(stream["value_template"], StreamState(state=state, fps=1, why="")) == there
    own = {one["name"] for one in both["cmps"].values() if one.get("availability") == [node]}
    assert own == {"Enabled", "State", "queue", "plate"}, "what is known of a stream that is off"
    assert told()["shop-1"]["availability"] == [node]


def test_a_camera_is_shown_only_where_pictures_are_shared():
    def kinds(settings, device="shop-1 door"):
        return {one["p"] for one in told(settings=settings)[device]["cmps"].values()}

    assert kinds(ALL) - kinds(NOTHING) == {"image", "button"}
    assert kinds(HomeAssistantSettings(share=("picture",))) == kinds(ALL)
    assert kinds(HomeAssistantSettings(share=("text", "recording"))) == kinds(NOTHING)
    assert kinds(ALL, "shop-1 mic") == {"switch", "sensor"}
    assert entity("shop-1 door", p="image")["image_topic"] == "edged/shop-1/stream/door/snapshot"
    button = entity("shop-1 door", p="button")
    assert button["command_topic"] == "edged/shop-1/control/snapshot"
    assert json.loads(button["payload_press"]) == {"stream": "door"}


def test_texts_pictures_and_recordings_are_told_only_where_they_are_shared():
    beside = {"text": "text", "picture": "snapshot", "recording": "recording"}
    for shared in ((), *((one,) for one in beside), tuple(beside)):
        messages = json.dumps(told(settings=HomeAssistantSettings(share=shared)))
        for what, field in beside.items():
            assert (f"value_json.get('{field}')" in messages) is (what in shared)


def test_a_line_counts_for_ever_and_by_the_day():
    counts: dict[str, Any] = {"since": None, "by_class": {}, "hour": None}
    some = LineCounts(**{"in": 7}, out=5, today={"in": 3, "out": 2}, **counts)
    unset = LineCounts(**{"in": 7}, out=5, today=None, **counts)
    for name, now, without in (
        ("in", "7", "7"),
        ("out", "5", "5"),
        ("in today", "3", "None"),
        ("out today", "2", "None"),
    ):
        for line in ("entrance", ODD):
            one = entity("shop-1 door", p="sensor", name=f"{line} {name}")
            assert one["state_topic"] == f"edged/shop-1/stream/door/line/{line}"
            assert one["state_class"] == "total_increasing"
            assert rendered(one["value_template"], some) == now
            assert rendered(one["value_template"], unset) == without


def test_a_zone_is_counted_or_unknown():
    one = entity("shop-1 door", p="sensor", name="till")
    assert (one["state_topic"], one["state_class"]) == ("edged/shop-1/stream/door/zone/till", "measurement")
    since = "2026-11-26T21:00:00.000000Z"
    some = ZoneCounts(count=2, longest_since=since, by_class={"person": 2})
    unknown = ZoneCounts(count=None, longest_since=None, by_class=None)
    assert [rendered(one["value_template"], said) for said in (some, unknown)] == ["2", "None"]
    attributes = json.loads(rendered(one["json_attributes_template"], some))
    assert attributes == {"by_class": {"person": 2}, "longest_since": since}


def test_a_rule_is_on_off_or_unknown():
    one = entity("shop-1 door", p="binary_sensor", name="queue")
    assert one["state_topic"] == "edged/shop-1/rule/queue"
    states = [
        rendered(one["value_template"], RuleState(active=active, since=None))
        for active in (True, False, None)
    ]
    assert states == ["ON", "OFF", "None"]
    assert not entities("shop-1 door", p="binary_sensor", name="visitor"), "a moment is an event"


def test_crossings_are_events_of_their_line():
    for line, other in (("entrance", ODD), (ODD, "entrance")):
        one = entity("shop-1 door", p="event", name=line)
        assert one["state_topic"] == "edged/shop-1/stream/door/event"
        for way in one["event_types"]:
            crossed = event(event="line", line=line, direction=way, **{"class": "person"})
            happened = happens("shop-1 door", line, crossed)
            assert (happened["event_type"], happened["class"], happened["id"]) == (way, "person", "e1")
        assert one["event_types"] == ["in", "out"]
        assert happens("shop-1 door", line, event(event="line", line=other, direction="in")) is None
        assert happens("shop-1 door", line, event(event="zone", zone=line, phase="begin")) is None


def test_visits_are_events_of_their_zone_where_it_has_events():
    came = event(event="zone", zone="till", phase="begin", track=3)
    left = event(event="zone", zone="till", phase="end", track=3, reason="over")
    types = [happens("shop-1 door", "till", one)["event_type"] for one in (came, left)]
    assert types == ["entered", "left"] == entity("shop-1 door", p="event", name="till")["event_types"]
    assert not entities("shop-1 door", p="event", name="救命")


def test_a_moment_is_an_event_of_its_rule():
    crossed = event(event="rule", rule="visitor", line="entrance", direction="in", text="AB-123")
    happened = happens("shop-1 door", "visitor", crossed)
    assert (happened["event_type"], happened["text"]) == ("happened", "AB-123")
    assert happens("shop-1 door", "entrance", crossed) is None, "the crossing has an event of its own"


def test_each_that_a_rule_finds_is_an_event():
    read = event(event="rule", rule="plate", phase="begin", text="AB-123")
    assert happens("shop-1 door", "plate", read)["event_type"] == "began"
    gone = event(event="rule", rule="plate", phase="end", reason="over", text="AB-123")
    assert happens("shop-1 door", "plate", gone)["event_type"] == "ended"
    assert entity("shop-1 door", p="binary_sensor", name="plate")
    assert not entities("shop-1 door", p="event", name="queue")


def test_an_event_that_comes_again_has_not_happened_again():
    came = event(event="zone", zone="till", phase="begin")
    before = happens("shop-1 door", "till", came)
    assert happens("shop-1 door", "till", came, before) is None
    assert happens("shop-1 door", "till", event(event="zone", zone="till", phase="end"), before)
    assert happens("shop-1 door", "till", event(event="zone", zone="till", phase="begin", id="e2"), before)


def test_a_switch_orders_what_control_understands_and_shows_what_is():
    one = entity("shop-1 door", p="switch")
    assert one["command_topic"] == "edged/shop-1/control/switch"
    orders = [json.loads(one[key]) for key in ("payload_on", "payload_off")]
    assert orders == [{"stream": "door", "enabled": True}, {"stream": "door", "enabled": False}]
    for enabled, shown in ((True, one["state_on"]), (False, one["state_off"])):
        state = StreamState(state="offline", fps=0, why="", enabled=enabled)
        assert rendered(one["value_template"], state) == shown


def test_how_a_stream_and_the_box_are():
    state, fps = (entity("shop-1 door", name=name) for name in ("State", "Frames per second"))
    now = StreamState(state="stalled", fps=4.5, why="no frame came")
    assert rendered(state["value_template"], now) in state["options"]
    assert json.loads(rendered(state["json_attributes_template"], now))["why"] == "no frame came"
    assert rendered(fps["value_template"], now) == "4.5"
    health = Health(
        node="shop-1",
        uptime_s=12.6,
        counters={},
        latency_ms={},
        queues={"requests": 3, "loading": 1, "mqtt/results": 9},
        units={"mqtt": "running", "stream/door": "no route to host"},
        durability="process",
        clock="synced",
    )
    problem, uptime, waiting = (
        entity("shop-1", name=name) for name in ("Problem", "Uptime", "Waiting requests")
    )
    assert rendered(problem["value_template"], health) == "OFF", "a stream has an entity of its own"
    assert float(rendered(uptime["value_template"], health)) == 13
    assert rendered(waiting["value_template"], health) == "4"
    broken = health.model_copy(update={"units": {"http": "port in use", "mqtt": "running"}})
    assert rendered(problem["value_template"], broken) == "ON"
    assert json.loads(rendered(problem["json_attributes_template"], broken)) == {
        "why": {"http": "port in use"}
    }
    info = {"services": [{"state": "ready"}, {"state": "idle"}, {"state": "ready"}]}
    assert rendered(entity("shop-1", name="Ready services")["value_template"], info) == "2"


def test_no_topic_that_is_published_on_by_others_has_a_wildcard_or_lies_outside_of_the_node():
    for message in told(settings=ALL).values():
        topics = [one[key] for one in message["cmps"].values() for key in TOPICS if key in one]
        topics += [one["topic"] for one in message["availability"]]
        assert all(topic.startswith("edged/shop-1/") for topic in topics)


def test_states_are_short():
    """Home Assistant takes no state of more than 255 characters: what may be long is an attribute."""
    long = "x" * 1000
    states = {
        "State": StreamState(state="offline", fps=0, why=long, recordings=long),
        "queue": RuleState(active=True, since=long[:30]),
        "till": ZoneCounts(count=1, longest_since=None, by_class={long: 1}),
        "救命": ZoneCounts(count=1, longest_since=None, by_class={long: 1}),
    }
    for name, message in states.items():
        for one in entities("shop-1 door", name=name):
            if one["p"] != "event":  # its state is when it happened
                assert len(rendered(one["value_template"], message)) < 256


@pytest.mark.parametrize("share", [NOTHING, ALL], ids=["nothing", "all"])
def test_fifty_streams_with_all_that_they_may_have(share):
    names = ["名" * 60 + f"{i:04}" for i in range(32)]  # the longest that there may be
    full = ShownStream(
        lines=names, zones=dict.fromkeys(names, True), rules=[ShownRule(name) for name in names]
    )
    box = ShownBox("名" * 64, "0.2.0", None, {f"{i}" + "名" * 60: full for i in range(50)})
    shown = devices(box, share)
    assert len({one.topic for one in shown}) == 51
    ids = [fields["unique_id"] for one in shown for fields in one.components.values()]
    assert len(set(ids)) == len(ids) > 50 * 32 * 8
    sizes = [len(json.dumps(one.message(), ensure_ascii=False).encode()) for one in shown]
    assert max(sizes) < 1_000_000
    usual = devices(BOX, share)
    assert max(len(json.dumps(one.message(), ensure_ascii=False).encode()) for one in usual) < 16_000
