"""Events and pictures at a real broker: what a newcomer finds, and what comes after a pause."""

from functools import partial

import pytest

from edged.contracts.message import RuleState
from edged.flow.counters import Counters
from edged.mqtt.broker import EmbeddedBroker
from edged.mqtt.settings import MqttSettings
from tests.broker import free_port, until

NODE, SERVICE = "shop-1", "object-detection"
TOPIC = f"edged/{NODE}/stream/door/{SERVICE}"
HAPPENED = f"edged/{NODE}/stream/door/event"
SNAPSHOT = f"edged/{NODE}/stream/door/snapshot"


def event(link, body):
    link.publications.result("door", SERVICE, body, retain=True)


def nothing_but(customer, topic, body):
    """The first thing that a newcomer hears on a topic is what it publishes itself."""
    customer.publish(topic, body)
    return customer.next().payload == body


def test_a_newcomer_finds_the_last_event(unit, client):
    link = unit()
    listener = client(TOPIC)
    event(link, b"1")
    event(link, b"2")
    assert [(m.payload, m.retain) for m in (listener.next(), listener.next())] == [
        (b"1", False),
        (b"2", False),
    ]
    found = client(TOPIC).next()
    assert (found.payload, found.retain) == (b"2", True)


def test_a_newcomer_does_not_find_a_result_that_is_no_event(unit, client):
    link = unit()
    link.publications.result("door", SERVICE, b"1")
    assert link._sender.drained(30)
    assert nothing_but(client(TOPIC), TOPIC, b"mine")


def test_a_newcomer_finds_the_last_event_at_amqtt(tmp_path, monkeypatch, unit, client):
    monkeypatch.setattr("edged.mqtt.broker.find_mosquitto", lambda: None)
    port = free_port()
    broker = EmbeddedBroker(MqttSettings(embedded_port=port), tmp_path, 8_000_000)
    broker.start()
    try:
        link = unit(url=f"mqtt://127.0.0.1:{port}", version="3.1.1")
        event(link, b"1")
        event(link, b"2")
        link.publications.snapshot("door", "2026-11-22T08:30:00.000000Z", b"\xff\xd8jpeg")
        assert link._sender.drained(30)
        found = client(TOPIC, version="3.1.1", port=port).next()
        assert (found.payload, bool(found.retain)) == (b"2", True)
    finally:
        broker.stop()


def test_an_event_that_is_forgotten_is_gone(unit, client):
    link = unit()
    listener = client(TOPIC)
    event(link, b"1")
    assert listener.next().payload == b"1"
    link.publications.forget_result("door", SERVICE)
    assert listener.next().payload == b"", "so MQTT says that nothing is retained any more"
    link.publications.forget_result("door", SERVICE)  # knows of none now, so says nothing
    assert link._sender.drained(30)
    assert nothing_but(client(TOPIC), TOPIC, b"mine")
    assert listener.next().payload == b"mine"


def test_events_of_a_pause_come_in_order_once_and_the_last_stays(unit, client, proxy):
    link = unit(url=proxy.url)
    listener = client(TOPIC)
    event(link, b"0")
    assert listener.next().payload == b"0"
    until(lambda: link._sender.drained(0.1), "the broker has acknowledged it")
    proxy.refuses = True
    proxy.cut()
    until(lambda: link.state() != "running" and link._carrier is None)
    for n in (1, 2, 3):
        event(link, b"%d" % n)
    proxy.refuses = False
    assert [listener.next().payload for _ in range(3)] == [b"1", b"2", b"3"]
    assert link._sender.drained(30)
    assert listener.got.empty()
    assert client(TOPIC).next().payload == b"3"


def test_a_broker_that_forgot_gets_the_last_event_again(broker, unit, client):
    link = unit()
    event(link, b"1")
    event(link, b"2")
    assert link._sender.drained(30)
    broker.stop()
    until(lambda: link.state() != "running")
    broker.start()
    until(lambda: link.state() == "running")
    assert client(TOPIC).next().payload == b"2"


def test_an_event_whose_acknowledgement_was_lost_is_not_lost(unit, client, proxy):
    link = unit(url=proxy.url)
    listener = client(TOPIC)
    proxy.lose_down = True
    event(link, b"1")
    assert listener.next().payload == b"1"
    proxy.cut()
    assert listener.next().payload == b"1", "twice rather than not at all"
    assert link._sender.drained(30)
    assert listener.got.empty()


def test_a_picture_says_what_it_is_and_is_not_retained(unit, client):
    link = unit()
    listener = client(SNAPSHOT)
    jpeg = b"\xff\xd8" + bytes(200_000)
    link.publications.snapshot("door", "2026-11-22T08:30:00.123456Z", jpeg)
    message = listener.next()
    assert (message.payload, message.retain) == (jpeg, False)
    assert message.properties.ContentType == "image/jpeg"
    assert message.properties.UserProperty == [("captured_at", "2026-11-22T08:30:00.123456Z")]
    assert nothing_but(client(SNAPSHOT), SNAPSHOT, b"mine")


def test_a_picture_goes_over_3_1_1_too(unit, client):
    link = unit(version="3.1.1")
    listener = client(SNAPSHOT, version="3.1.1")
    link.publications.snapshot("door", "2026-11-22T08:30:00.123456Z", b"\xff\xd8jpeg")
    assert listener.next().payload == b"\xff\xd8jpeg"


def test_of_the_pictures_of_a_pause_the_newest_comes(unit, client, proxy):
    counters = Counters()
    link = unit(url=proxy.url, counters=counters)
    listener = client(SNAPSHOT)
    proxy.refuses = True
    proxy.cut()
    until(lambda: link.state() != "running" and link._carrier is None)
    for n in range(5):
        link.publications.snapshot("door", "2026-11-22T08:30:00.123456Z", b"%d" % n)
    assert counters.counts()["mqtt_dropped"]["a newer picture came"] == 4
    proxy.refuses = False
    assert listener.next().payload == b"4"
    assert link._sender.drained(30)
    assert listener.got.empty()


@pytest.mark.parametrize("retain", [False, True])
def test_results_and_events_have_a_bound(unit, proxy, retain):
    counters = Counters()
    link = unit(url=proxy.url, counters=counters, max_waiting_results=10)
    proxy.refuses = True
    proxy.cut()
    until(lambda: link.state() != "running" and link._carrier is None)
    for n in range(25):
        link.publications.result("door", SERVICE, b"%d" % n, retain=retain)
    assert link.queued()["mqtt/results"] == 10
    assert counters.counts()["mqtt_dropped"]["the broker is away or too slow"] == 15


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_happens_is_acknowledged_and_not_retained(unit, client, version):
    link, settled = unit(version=version), []
    listener = client(HAPPENED)
    for n in range(3):
        link.publications.event("door", b"%d" % n, partial(settled.append, n))
    heard = [listener.next() for _ in range(3)]
    assert [(m.payload, m.qos, m.retain) for m in heard] == [(b"%d" % n, 1, False) for n in range(3)]
    until(lambda: settled == [0, 1, 2])
    assert nothing_but(client(HAPPENED), HAPPENED, b"mine")


def test_what_happens_while_the_connection_breaks_comes_in_order(unit, client, proxy):
    link, settled = unit(url=proxy.url), []
    listener = client(HAPPENED)
    proxy.lose_down = True
    for n in range(3):
        link.publications.event("door", b"%d" % n, partial(settled.append, n))
    assert [listener.next().payload for _ in range(3)] == [b"0", b"1", b"2"]
    assert settled == [], "nobody has acknowledged it"
    link.publications.event("door", b"3", partial(settled.append, 3))
    proxy.cut()
    again = [listener.next().payload for _ in range(4)]
    while again[-1] != b"3" or len(again) < 4:
        again.append(listener.next().payload)
    assert again[-4:] == [b"0", b"1", b"2", b"3"], "twice rather than not at all"
    until(lambda: settled == [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("version", "limit"), [("5", "max_packet_size 20000"), ("5", "message_size_limit 20000")]
)
def test_what_the_broker_never_takes_does_not_stop_the_others(mosquitto, unit, client, version, limit):
    narrow, counters, settled = mosquitto(limit), Counters(), []
    link = unit(url=narrow.url, counters=counters, version=version)
    listener = client(HAPPENED, port=narrow.port)
    bodies = [b"1", bytes(30_000), b"3"]
    for body in bodies:
        link.publications.event("door", body, partial(settled.append, body))
    heard = {listener.next().payload}
    while b"3" not in heard:
        heard.add(listener.next().payload)
    assert heard == {b"1", b"3"}
    until(lambda: sorted(settled) == sorted(bodies))


def test_rules_are_retained_until_they_are_gone(unit, client):
    link, topic = unit(), f"edged/{NODE}/rule/queue"
    link.publications.rule("queue", RuleState(active=True, since=None))
    assert link._sender.drained(30)
    listener = client(topic)
    assert listener.next().payload == b'{"active":true,"since":null}'
    link.publications.forget(topic)
    assert listener.next().payload == b""
