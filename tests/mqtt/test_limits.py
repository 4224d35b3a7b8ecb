"""What the broker does not take: the client hears of it, and nobody else suffers."""

import time
from dataclasses import replace

import orjson
import paho.mqtt.client as paho
import pytest

from edged.contracts.request import refusal
from edged.flow.counters import Counters
from edged.mqtt.carrier import LARGEST
from edged.mqtt.deadly import REST_S, SOON_S, Deadly
from edged.mqtt.fitting import fitted, packet_bytes
from edged.mqtt.outgoing import Outgoing
from tests.broker import until
from tests.mqtt.conftest import FACTS

NODE, SERVICE = "shop-1", "object-detection"
REQUEST = f"edged/{NODE}/request/{SERVICE}"


class Long:
    """A pipeline that answers with as many bytes as it is asked for."""

    def submit(self, job):
        fields = orjson.loads(job.payload)
        said = refusal(fields, 400, "x" * fields.get("bytes", 0))
        job.reply(said)


def answered(customer):
    message = customer.next()
    return orjson.loads(message.payload)["error_code"], message.properties


def said(customer, topic):
    """The next message on a topic."""
    while (message := customer.next()).topic != topic:
        pass
    return orjson.loads(message.payload)


@pytest.mark.parametrize("length", [0, 100, 127, 128, 16_000, 70_000, 2_100_000])
def test_the_size_is_that_of_the_packet(length):
    message = Outgoing("å/topic", b"x" * length, qos=1, correlation=b"c" * 300)
    sent: list[bytes] = []
    link = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    link._sock = object()
    link._packet_queue = lambda command, packet, *rest: sent.append(bytes(packet))
    link._send_publish(1, message.topic.encode(), message.body, 1, properties=message.properties())
    link._sock = None
    assert packet_bytes(message, speaks_5=True) == len(sent[0])


def test_an_answer_that_does_not_fit_is_413(mosquitto, unit, client):
    narrow = mosquitto("max_packet_size 65700")
    counters = Counters()
    link = unit(Long(), url=narrow.url, counters=counters)
    customer = client("replies/me", port=narrow.port)
    customer.publish(REQUEST, {"bytes": 66_000, "request_id": "long"}, "replies/me", b"mine")
    code, beside = answered(customer)
    assert (code, beside.CorrelationData) == (413, b"mine")
    customer.publish(REQUEST, {"bytes": 10}, "replies/me", b"c" * 65_530)
    code, beside = answered(customer)
    assert code == 413
    assert not hasattr(beside, "CorrelationData"), "with it there is room for nothing else"
    customer.publish(REQUEST, {"bytes": 60_000}, "replies/me", b"mine")
    assert answered(customer)[0] == 400
    link.publications.snapshot("door", "2026-01-01T00:00:00Z", b"x" * 70_000)
    customer.publish(REQUEST, {"bytes": 1}, "replies/me", b"mine")
    assert answered(customer)[0] == 400
    counts = counters.counts()
    assert counts["mqtt_published"]["413 instead of an answer"] == 2
    assert counts["mqtt_dropped"] == {"larger than what the broker takes": 1}
    assert link.state() == "running"


@pytest.mark.parametrize(
    ("version", "limit"),
    [("3.1.1", "max_packet_size 65700"), ("5", "message_size_limit 60000")],  # it tells neither
)
def test_what_the_connection_dies_on_three_times_is_set_aside(
    mosquitto, unit, client, *, version, limit, tmp_path, caplog
):
    narrow, counters = mosquitto(limit), Counters()
    link = unit(Long(), url=narrow.url, counters=counters, version=version)
    customer = client("replies/me", port=narrow.port)
    before = time.monotonic()
    customer.publish(REQUEST, {"bytes": 66_000, "request_id": "long", "reply_to": "replies/me"})
    for n in range(5):
        customer.publish(REQUEST, {"bytes": n, "request_id": str(n), "reply_to": "replies/me"})
    codes = {}
    while len(codes) < 6:  # one whose PUBACK was cut off comes twice
        answer = customer.json()
        codes[answer["request_id"]] = answer["error_code"]
    print(f"all answered after {time.monotonic() - before:.1f} s")
    assert codes == {"long": 413, **{str(n): 400 for n in range(5)}}
    until(lambda: link.state() == "running")
    assert counters.counts()["mqtt_set_aside"] == {"answer": 1}
    (kept,) = (tmp_path / "state" / "mqtt" / "aside").iterdir()
    fields = orjson.loads(kept.read_bytes())
    assert fields["topic"] == "replies/me"
    assert orjson.loads(fields["body"])["error_msg"] == "x" * 66_000
    assert str(kept) in caplog.text
    assert "on an answer on 'replies/me' (66" in caplog.text
    assert "a `node` name of its own" not in caplog.text
    link.stop()
    again = unit(Long(), url=narrow.url, version=version)
    assert again._sender.drained(30)
    assert all(
        orjson.loads(customer.got.get().payload)["error_code"] == 400 for _ in range(customer.got.qsize())
    )


SILENT = [("3.1.1", "max_packet_size 20000"), ("5", "message_size_limit 20000")]
"""mosquitto hangs up without having said what it takes."""


@pytest.mark.parametrize(("version", "limit"), SILENT)
def test_a_state_that_connections_die_on_is_set_aside_and_tried_again_when_it_is_another(
    mosquitto, unit, client, *, version, limit, tmp_path, caplog
):
    narrow, counters, variants = mosquitto(limit), Counters(), ["x" * 30_000]
    customer = client("replies/me", f"edged/{NODE}/#", port=narrow.port)

    def info():
        return [FACTS.model_copy(update={"variant": variants[-1]})]

    before = time.monotonic()
    link = unit(Long(), url=narrow.url, counters=counters, version=version, info=info, wait=False)
    until(lambda: counters.counts().get("mqtt_set_aside"))
    print(f"set aside after {time.monotonic() - before:.1f} s")
    until(lambda: link.state() == "running")
    began = link._main._attempt
    for n in range(3):
        link.publish_info()
        customer.publish(REQUEST, {"bytes": n, "request_id": str(n), "reply_to": "replies/me"})
        assert said(customer, "replies/me")["error_code"] == 400
    assert counters.counts()["mqtt_set_aside"] == {"state": 1}
    (kept,) = (tmp_path / "state" / "mqtt" / "aside").iterdir()
    assert orjson.loads(kept.read_bytes())["topic"] == f"edged/{NODE}/info"
    assert str(kept) in caplog.text
    variants.append("small")
    link.publish_info()
    assert said(customer, f"edged/{NODE}/info")["services"][0]["variant"] == "small"
    assert link._main._attempt is began, "no connection was lost any more"


@pytest.mark.parametrize(("version", "limit"), [SILENT[1], pytest.param(*SILENT[0], marks=pytest.mark.long)])
def test_pictures_that_connections_die_on_are_left_out(mosquitto, unit, client, *, version, limit):
    """Of QoS 0, of which the broker says nothing; as retained results, which are sent again."""
    narrow, counters = mosquitto(limit), Counters()
    link = unit(Long(), url=narrow.url, counters=counters, version=version)
    customer = client(f"edged/{NODE}/stream/#", port=narrow.port)
    dropped = "the connection to the broker was lost each time it was sent"
    link.publications.result("door", "events", b'"' + b"y" * 30_000 + b'"', retain=True)
    for n in range(3000):
        link.publications.snapshot("door", "2026-01-01T00:00:00Z", b"x" * (30_000 + n))
        if counters.counts().get("mqtt_dropped", {}).get(dropped, 0) > 5:
            break
        time.sleep(0.02)
    else:
        pytest.fail(f"connections are lost for ever: {counters.counts()}")
    until(lambda: link.state() == "running")
    began = link._main._attempt
    link.publications.snapshot("door", "2026-01-01T00:00:00Z", b"x" * 40_000)
    link.publications.result("door", "events", b"1", retain=True)
    link.publications.snapshot("door", "2026-01-01T00:00:00Z", b"fits")
    got = {}
    while len(got) < 2:
        message = customer.next()
        got[message.topic.rpartition("/")[2]] = message.payload
    assert got == {"events": b"1", "snapshot": b"fits"}
    assert link._main._attempt is began


def test_what_was_set_aside_is_tried_again_after_an_hour_or_when_it_is_shorter():
    deadly = Deadly()
    assert deadly.limit("a", 0.0) == LARGEST
    deadly.condemn("a", 500, now=0.0)
    assert (deadly.limit("a", REST_S), deadly.limit("b", 0.0)) == (499, LARGEST)
    assert deadly.limit("a", REST_S + 1) == LARGEST


def test_a_topic_is_suspected_when_connections_end_right_after_it_and_it_never_lived_on():
    deadly = Deadly()
    for now in (0.0, 100.0):
        deadly.sent("small", now - SOON_S - 1)
        deadly.sent("large", now)
        deadly.cut(["unsent"], now)
    assert [deadly.suspects(topic) for topic in ("small", "large", "unsent")] == [False, True, True]
    deadly.sent("large", 200.0)
    deadly.sent("large", 200.0 + SOON_S + 1)
    assert not deadly.suspects("large")


def test_nothing_fits_into_next_to_nothing():
    answer = refusal({"request_id": "r" * 3000}, 400, "no")
    message = Outgoing("replies/me", answer.body, "answer", 1, correlation=b"c" * 50, answer=answer)
    shorter = fitted(message, 2500, True)
    assert shorter is not None
    assert (shorter.correlation, shorter.answer.code) == (b"c" * 50, 413)
    assert orjson.loads(shorter.body)["request_id"] == "r" * 200
    assert fitted(message, 100, True) is None
    video = fitted(replace(message, service="video-classification"), 2500, True)
    assert video is not None
    assert "result" in orjson.loads(video.body), "in the form of its service"
    assert fitted(Outgoing("stream", b"x" * 200), 100, True) is None


def test_a_connection_that_breaks_again_and_again_condemns_nobody(unit, client, proxy, pipeline):
    """What was on its way at two deaths is tried alone, and then arrives."""
    counters = Counters()
    link = unit(pipeline(), url=proxy.url, counters=counters)
    customer, names = client("replies/me"), set()
    for n in range(6):
        for m in range(50):
            customer.publish(REQUEST, {"n": m}, "replies/me", b"%d %d" % (n, m))
        until(lambda: link.state() == "running" or n > 4)  # noqa: B023 - called at once
        proxy.lose_down = n % 2 == 0
        time.sleep(0.05)
        proxy.cut()
        until(lambda: link.state() != "running")
    while len(names) < 300:
        names.add(customer.next().properties.CorrelationData)
    assert "mqtt_set_aside" not in counters.counts()
