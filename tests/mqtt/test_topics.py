"""Topic rules, as a table."""

import pytest

from edged.contracts.errors import BadRequest
from edged.mqtt.topics import Topics, as_level, node_fault, response_topic, stream_fault

T = Topics("shop-1")


@pytest.mark.parametrize(
    ("built", "wanted"),
    [
        (T.availability, "edged/shop-1/availability"),
        (T.info, "edged/shop-1/info"),
        (T.health, "edged/shop-1/health"),
        (T.requests, "edged/shop-1/request/+"),
        (T.shared_requests("ocr"), "$share/edged/edged/any/request/ocr"),
        (T.controls, "edged/shop-1/control/+"),
        (T.response("ocr", "r1"), "edged/shop-1/response/ocr/r1"),
        (T.response("ocr", "a/+#"), "edged/shop-1/response/ocr/a%2F%2B%23"),
        (T.progress("r1"), "edged/shop-1/progress/r1"),
        (T.stream("door", "ocr"), "edged/shop-1/stream/door/ocr"),
        (T.stream_state("door"), "edged/shop-1/stream/door/state"),
        (T.snapshot("door"), "edged/shop-1/stream/door/snapshot"),
        (T.event("door"), "edged/shop-1/stream/door/event"),
        (T.rule("queue"), "edged/shop-1/rule/queue"),
        (T.discovery("edged_1"), "homeassistant/device/edged_1/config"),
        (T.birth, "homeassistant/status"),
        (Topics("shop-1", "ha/here").birth, "ha/here/status"),
        (T.control("switch"), "edged/shop-1/control/switch"),
        (T.control_response("reload"), "edged/shop-1/control/reload/response"),
    ],
)
def test_topics_are_those_of_the_design(built, wanted):
    assert built == wanted


@pytest.mark.parametrize(
    ("topic", "service", "verb"),
    [
        ("edged/shop-1/request/ocr", "ocr", None),
        ("edged/any/request/ocr", "ocr", None),
        ("edged/shop-1/request/", "", None),
        ("edged/shop-2/request/ocr", None, None),
        ("edged/shop-1/request/ocr/x", None, None),
        ("edged/shop-1/control/reload", None, "reload"),
        ("edged/any/control/reload", None, None),
        ("edged/shop-1/control/reload/response", None, None),
        ("other/shop-1/request/ocr", None, None),
        ("", None, None),
    ],
)
def test_topics_are_read_back(topic, service, verb):
    assert (T.requested(topic), T.commanded(topic)) == (service, verb)


@pytest.mark.parametrize(
    "topic",
    [
        "a", "replies/me", "/", "客户/一", "edged", "edged/x", "edged/shop-1/response/ocr/r1",
        "edged/test/reply/1",         "a" * 1000, "other/shop-1/request/x", "a$b", "a b",
    ],
)  # fmt: skip
def test_an_answer_may_go_there(topic):
    assert response_topic(topic) == topic


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("", "empty"),
        ("a/+", "wildcards"),
        ("#", "wildcards"),
        ("a#b", "wildcards"),
        ("$SYS/broker", "start with"),
        ("$share/x/y", "start with"),
        ("a\0b", "NUL"),
        ("a\nb", "control characters"),
        ("a\x7fb", "control characters"),
        ("a\ufffe", "control characters"),
        ("a\ufdd0", "control characters"),
        ("a" * 1001, "1000 characters"),
        ("/" * 100, "100 levels"),
        ("edged/shop-1/request/ocr", "edged's own"),
        ("edged/other/request/ocr", "edged's own"),
        ("edged/any/request/ocr", "edged's own"),
        ("edged/shop-1/control/reload", "edged's own"),
        ("edged/shop-1/availability", "edged's own"),
        ("homeassistant", "learns of devices"),
        ("homeassistant/device/edged_1/config", "learns of devices"),
        ("homeassistant/status", "learns of devices"),
    ],
)
def test_an_answer_may_not_go_there(topic, why):
    with pytest.raises(BadRequest, match=why) as raised:
        response_topic(topic)
    assert raised.value.code == 400


def test_nor_where_home_assistant_was_told_to_look():
    for topic in ("ha/here/device/x/config", "ha/here", "homeassistant/device/x/config"):
        with pytest.raises(BadRequest, match="learns of devices"):
            response_topic(topic, "ha/here")
    assert response_topic("ha/there", "ha/here") == "ha/there"
    assert response_topic("homeassistants/x") == "homeassistants/x"


@pytest.mark.parametrize("name", ["shop-1", "Ladentür", "a b", "a.b_c", "x" * 64, "ANY"])
def test_good_names(name):
    assert node_fault(name) is None
    assert stream_fault(name) is None


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "+", "a#", "x" * 65, "a\0", "a\n b"])
def test_bad_names(name):
    assert node_fault(name)
    assert stream_fault(name)


def test_any_is_the_name_of_no_node_but_may_be_a_streams():
    assert "any" in (node_fault("any") or "")
    assert stream_fault("any") is None


def test_any_text_is_made_a_level_that_brokers_take():
    for text in ("a/b", "+", "#", "\0", "日本", "x" * 10_000, "\U0001f600" * 1000):
        level = as_level(text)
        assert len(level) <= 600
        assert not set(level) & set("/+#\0")
        assert level.isascii()
