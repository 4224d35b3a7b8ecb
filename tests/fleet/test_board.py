"""Messages of nodes become rows: those first that need attention, whatever version wrote them."""

import json

import pytest

from edged import __version__
from edged.fleet.board import Board
from tests.fleet.nodes import FACTS, encoded, health, info, stream, told

OFFLINE = "it is not connected to the broker"


def board_of(*messages):
    board = Board()
    for topic, payload in messages:
        board.take(topic, payload)
    return board


def row_with(**messages):
    """The row of a node that told all, with other messages in place of some."""
    board = board_of(*told("shop-1"))
    for name, message in messages.items():
        board.take(f"edged/shop-1/{name}", message if isinstance(message, bytes) else encoded(message))
    (row,) = board.rows()
    return row


def test_a_node_that_is_well():
    (row,) = board_of(*told("shop-1", door=stream(), till=stream("offline", "off", enabled=False))).rows()
    assert (row.node, row.standing, row.attention, row.online) == ("shop-1", "fine", [], True)
    assert (row.version, row.mqtt, row.clock, row.durability) == ("0.2.0", "5", "synced", "process")
    assert [(one.service, one.state, one.variant) for one in row.services] == [
        ("ocr", "ready", "openvino-int8")
    ]
    assert row.queued == 3, "what goes out is no work that waits"
    assert (row.slowest_model, row.p50_ms, row.p99_ms) == ("ppocrv6-small", 20, 31.5)
    assert (row.streams, row.streams_down) == (1, []), "one that is switched off is not down"
    assert (row.disk_free_bytes, row.told_at) == (40_000_000_000, "2026-11-26T10:00:00.000000Z")


@pytest.mark.parametrize(
    ("messages", "standing", "attention"),
    [
        ({"availability": b"offline", "health": health(clock="unsynced")}, "down", OFFLINE),
        ({"availability": b""}, "failing", "it never told whether it is there"),
        ({"info": info(not_ready={"ocr": "no model"})}, "failing", "ocr: no model"),
        ({"health": health(units={"http": "port 8080 is taken"})}, "failing", "http: port 8080 is taken"),
        (
            {"health": health(durability="memory: disk full")},
            "failing",
            "requests are kept in memory: disk full",
        ),
        ({"health": health(disk_free_bytes=7_000_000)}, "warning", "the disk has 7 MB left"),
        ({"health": health(clock="unsynced")}, "warning", "nobody has set its clock"),
        ({"health": health(queues={"requests": 101})}, "warning", "101 requests and frames wait"),
        (
            {"info": info(services=[FACTS.model_copy(update={"why": "the GPU fails"})])},
            "warning",
            "ocr: the GPU fails",
        ),
        ({"stream/door/state": stream("stalled", "no frame")}, "failing", "stream door is stalled: no frame"),
        ({"stream/door/state": stream("offline")}, "failing", "stream door is offline"),
        ({"stream/door/state": stream(recordings="full")}, "warning", "stream door does not record: full"),
    ],
)
def test_what_wants_attention(messages, standing, attention):
    row = row_with(**messages)
    assert (row.standing, row.attention) == (standing, [attention])


def test_streams_and_services_are_told_of_once_though_their_units_fail():
    row = row_with(health=health(units={"stream/door": "offline", "service/ocr": "no model"}))
    assert row.attention == []


def test_those_come_first_that_need_attention_and_the_worst_is_said_first():
    board = board_of(
        *told("c"), *told("d", online=False), *told("a"), *told("b", door=stream("offline", "x"))
    )
    board.take("edged/b/health", encoded(health("b", clock="unsynced")))
    board.take("edged/a/health", encoded(health("a", clock="unsynced")))
    assert [row.node for row in board.rows()] == ["d", "b", "a", "c"]
    assert board.rows()[1].attention == ["stream door is offline: x", "nobody has set its clock"]


def test_a_newer_version_is_read_as_far_as_it_is_known():
    fields = json.loads(encoded(info())) | {"moon": 1}
    fields["services"][0]["tide"] = 2
    row = row_with(info=json.dumps(fields).encode(), health=encoded(health()).replace(b"{", b'{"new": 1,', 1))
    assert (row.standing, row.version, row.queued) == ("fine", "0.2.0", 3)


def test_an_older_version_tells_less():
    fields = {"node": "shop-1", "uptime_s": 1.0, "counters": {}, "latency_ms": {}, "queues": {}, "units": {}}
    row = row_with(health=json.dumps(fields).encode())
    assert (row.standing, row.clock, row.disk_free_bytes, row.p99_ms) == ("fine", "unknown", None, None)


@pytest.mark.parametrize("payload", [b"{", b"[]", b"7", b'{"node": "shop-1"}', b"\xff"])
@pytest.mark.parametrize("what", ["info", "health", "stream/door/state"])
def test_what_cannot_be_read_is_told_and_mended_by_the_next(what, payload):
    board = board_of(*told("shop-1"), (f"edged/shop-1/{what}", payload))
    (row,) = board.rows()
    assert row.standing == "failing"
    name = "state of door" if "door" in what else what
    assert row.attention[0].startswith(f"its {name} cannot be read: ")
    for topic, good in told("shop-1", door=stream()):
        board.take(topic, good)
    assert board.rows()[0].standing == "fine"


def test_a_version_that_is_not_understood_is_named():
    fields = {"node": "shop-1", "version": "9.0.0", "mqtt": "7", "services": []}
    (why,) = row_with(info=json.dumps(fields).encode()).attention
    assert why.startswith("its info cannot be read: mqtt: ")
    assert why.endswith(f" (it has edged 9.0.0, this is {__version__})")
    (why,) = row_with(info=json.dumps({**fields, "version": __version__}).encode()).attention
    assert "it has edged" not in why


def test_what_is_taken_back_is_gone_and_so_is_a_node_of_which_all_is():
    messages = list(told("shop-1", door=stream("offline")))
    board = board_of(*messages)
    board.take("edged/shop-1/stream/door/state", b"")
    assert board.rows()[0].streams == 0
    for topic, _ in messages:
        board.take(topic, b"")
    assert board.rows() == []


@pytest.mark.parametrize("topic", ["edged/a/rule/x", "edged/a/stream/b/ocr", "other/a/info", "edged/info"])
def test_other_topics_are_none_of_its_business(topic):
    assert board_of((topic, b"{}")).rows() == []
