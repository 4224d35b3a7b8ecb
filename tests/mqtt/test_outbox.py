"""What waits, without a broker: what is kept, what is dropped, in which order it goes."""

from dataclasses import replace
from functools import partial

import pytest

from edged.flow.counters import Counters
from edged.mqtt import outbox as outbox_module
from edged.mqtt.outbox import Outbox
from edged.mqtt.outgoing import Outgoing


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def outbox(counters):
    return Outbox(counters, ring=3)


def answer(n):
    return Outgoing("replies/me", b"answer %d" % n, "answer", 1, row=n)


def all_of(outbox):
    taken = []
    while batch := outbox.take(nothing_flies=True):
        taken += batch
    return taken


def bodies(messages):
    return [message.body for message in messages]


def test_each_policy_keeps_what_it_promises(outbox, counters):
    for n in range(5):
        outbox.state("state", b"state %d" % n)
        outbox.latest("picture", b"picture %d" % n, ())
        outbox.ring("result", b"result %d" % n)
        outbox.answer(answer(n), on_disk=True)
    assert outbox.waiting() == {"answers": 5, "events": 0, "results": 3, "snapshots": 1, "states": 1}
    taken = bodies(all_of(outbox))
    assert taken[:4] == [b"state 4", b"picture 4", b"answer 0", b"result 2"], "one of each kind first"
    assert [body for body in taken if b"answer" in body] == [b"answer %d" % n for n in range(5)]
    assert [body for body in taken if b"result" in body] == [b"result %d" % n for n in (2, 3, 4)]
    assert outbox.empty()
    assert counters.counts()["mqtt_dropped"] == {
        "a newer picture came": 4,
        "the broker is away or too slow": 2,
    }


def test_what_is_retained_is_sent_again_to_a_broker_that_may_have_forgotten_it(outbox):
    outbox.state("a", b"1")
    outbox.ring("event", b"1", qos=1, retain=True)
    outbox.ring("result", b"1")
    all_of(outbox)
    outbox.again()
    assert bodies(all_of(outbox)) == [b"1", b"1"]
    outbox.ring("event", b"2", qos=1, retain=True)
    outbox.state("b", b"1")
    outbox.again()
    assert [(m.topic, m.body) for m in all_of(outbox)] == [("a", b"1"), ("event", b"2"), ("b", b"1")]
    outbox.forget("event")
    outbox.forget("event")
    assert [(m.topic, m.body, m.retain) for m in all_of(outbox)] == [("event", b"", True)]


def test_what_a_broken_connection_left_goes_first_and_in_order(outbox, counters):
    sent = [answer(1), Outgoing("event", b"1", qos=1), Outgoing("result", b"1"), answer(2)]
    outbox.answer(answer(3), on_disk=True)
    outbox.ring("event", b"2", qos=1)
    outbox.put_back(sent)
    taken = all_of(outbox)
    assert [m.row for m in taken if m.policy == "answer"] == [1, 2, 3]
    assert [m.body for m in taken if m.topic == "event"] == [b"1", b"2"]
    assert counters.counts()["mqtt_dropped"] == {"the connection broke": 1}, "QoS 0 is not sent twice"
    assert counters.counts()["mqtt_published"] == {"answer sent again": 2}


def test_answers_that_are_on_disk_do_not_fill_the_memory(outbox, monkeypatch):
    monkeypatch.setattr(outbox_module, "HELD_BYTES", 10)
    for n, on_disk in enumerate((True, True, True, False)):
        outbox.answer(answer(n), on_disk)
    assert bodies(all_of(outbox)) == [b"answer 0", b"answer 1", None, b"answer 3"]
    outbox.answer(answer(4), on_disk=True)
    assert bodies(all_of(outbox)) == [b"answer 4"], "those that went made room"


def test_the_last_word_on_a_retained_topic_is_not_dropped(outbox, counters):
    outbox.ring("event", b"1", qos=1, retain=True)
    outbox.ring("event", b"2", qos=1, retain=True)
    outbox.ring("gone", b"1", qos=1, retain=True)
    outbox.forget("gone")
    for n in range(5):
        outbox.ring("result", b"%d" % n)
    left = [(m.topic, m.body) for m in all_of(outbox)]
    assert left == [("event", b"2"), ("gone", b""), ("result", b"4")]
    assert counters.counts()["mqtt_dropped"] == {"the broker is away or too slow": 6}


def test_what_is_published_again_does_not_come_after_what_is_newer(outbox):
    for topic in ("a", "event", "gone"):
        outbox.ring(topic, b"1", qos=1, retain=True)
    all_of(outbox)
    outbox.again()
    outbox.ring("event", b"2", qos=1, retain=True)
    outbox.forget("gone")
    assert [(m.topic, m.body) for m in all_of(outbox)] == [("a", b"1"), ("event", b"2"), ("gone", b"")]


def test_a_deadly_event_waits_once(outbox):
    outbox.ring("event", b"1", qos=1, retain=True)
    (event,) = all_of(outbox)
    outbox.put_back([replace(event, deaths=outbox_module.SUSPECT)])
    outbox.again()
    assert outbox.waiting() == {"answers": 0, "events": 0, "results": 1, "snapshots": 0, "states": 0}


def test_events_wait_in_order_behind_those_that_are_tried_alone(outbox):
    settled = []
    for n in range(4):
        event = Outgoing("event", b"%d" % n, "event", 1, settled=partial(settled.append, n))
        outbox.answer(event, on_disk=False)
    first = all_of(outbox)
    assert [(m.body, m.qos, m.retain) for m in first] == [(b"%d" % n, 1, False) for n in range(4)]
    outbox.answer(Outgoing("event", b"4", "event", 1), on_disk=False)
    outbox.put_back([replace(message, deaths=outbox_module.SUSPECT) for message in first])
    assert outbox.waiting()["events"] == 5
    outbox.state("state", b"1")
    order = []
    while batch := outbox.take(nothing_flies=True):
        order += [m.body for m in batch if m.topic == "event"]
    assert order == [b"0", b"1", b"2", b"3", b"4"]
    assert outbox.empty() and settled == []
