"""The unit at the broker: absent, restarted, refusing and stolen connections; what is retained; control."""

import logging
import socket
import subprocess
import threading
import time

import orjson
import pytest

from edged.contracts.errors import ConfigError
from edged.contracts.message import Health, StreamState
from edged.flow.counters import Counters
from tests.broker import until

NODE, SERVICE = "shop-1", "object-detection"
REQUEST = f"edged/{NODE}/request/{SERVICE}"


def counted(counters, name, reason):
    return counters.counts().get(name, {}).get(reason, 0)


def retained(client, *topics):
    """What a newcomer finds: topic to payload."""
    customer = client(*topics)
    found = {}
    for _ in topics:
        message = customer.next()
        assert message.retain
        found[message.topic] = message.payload
    return found


def test_state_is_retained_and_offline_is_said_when_it_stops(unit, client):
    link = unit()
    link.publications.stream_state("door", StreamState(state="online", fps=5.0, why=""))
    topics = [f"edged/{NODE}/{end}" for end in ("availability", "info", "stream/door/state")]
    until(lambda: link._sender.drained(1))
    found = retained(client, *topics)
    assert found[topics[0]] == b"online"
    info = orjson.loads(found[topics[1]])
    assert (info["node"], info["version"], info["mqtt"]) == (NODE, "1.2.3", "5")
    assert info["services"][0] == {
        "service": SERVICE, "model": "fake-model", "variant": "none", "device": "cpu", "schema": "s/1",
        "state": "ready", "why": "",
    }  # fmt: skip
    assert orjson.loads(found[topics[2]]) == {
        "state": "online", "fps": 5.0, "why": "", "decodes": "all", "recordings": "", "source": "",
        "enabled": True,
    }  # fmt: skip
    link.stop()
    assert retained(client, topics[0]) == {topics[0]: b"offline"}


def test_the_broker_says_offline_for_a_daemon_that_is_gone(unit, client, proxy):
    unit(url=proxy.url)
    customer = client(f"edged/{NODE}/availability")
    assert customer.next().payload == b"online"
    proxy.cut()
    assert customer.next().payload == b"offline"
    assert customer.next().payload == b"online"


def test_info_says_3_1_1(unit, client):
    assert unit(version="3.1.1")._sender.drained(30)
    (info,) = retained(client, f"edged/{NODE}/info").values()
    assert orjson.loads(info)["mqtt"] == "3.1.1"


def test_a_broker_that_is_absent_at_the_start_is_waited_for(broker, unit, client, caplog):
    broker.stop()
    link = unit(wait=False)
    until(lambda: "cannot reach" in link.state())
    time.sleep(0.5)  # some more tries, and not a line for each
    assert sum("cannot reach" in line for line in caplog.messages) == 1
    before = link.beat()
    until(lambda: link.beat() > before, "it lives")
    broker.start()
    until(lambda: link.state() == "running")
    customer = client("replies/me")
    customer.publish(REQUEST, {"n": 1}, "replies/me")
    assert customer.json()["echo"] == 1


def test_a_restarted_broker_that_forgot_everything_gets_it_again(broker, unit, client):
    link = unit()
    link.publications.stream_state("door", StreamState(state="stalled", fps=0.0, why="no frame"))
    assert link._sender.drained(30)
    broker.stop()
    until(lambda: link.state() != "running")
    link.publications.stream_state("door", StreamState(state="online", fps=5.0, why=""))
    broker.start()
    until(lambda: link.state() == "running")
    customer = client("replies/me", f"edged/{NODE}/stream/door/state")
    assert customer.json()["state"] == "online"
    customer.publish(REQUEST, {"n": 2}, "replies/me")
    assert customer.json()["echo"] == 2


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_refused_connection_is_not_a_connection(tmp_path, mosquitto, unit, version, caplog):
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "locked"
    folder.mkdir()
    passwords = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "me", "right"], check=True)
    passwords.chmod(0o600)
    locked = mosquitto(f"password_file {passwords}", anonymous=False)
    wrong = unit(wait=False, version=version, url=f"mqtt://me:wrong-one@127.0.0.1:{locked.port}")
    until(lambda: "refuses us" in wrong.state())
    assert wrong._carrier is None
    assert "wrong-one" not in caplog.text + wrong.state()
    right = unit(version=version, url=f"mqtt://me:right@127.0.0.1:{locked.port}", state="right")
    assert right.state() == "running"


def test_two_boxes_of_one_name_are_told_apart_in_the_log(unit, caplog, pipeline):
    first = unit(state="one")
    second = unit(state="two", wait=False)
    says = f"as 'edged-{NODE}'? give each a `node` name of its own"  # not "...-any"
    until(lambda: says in first.state() + second.state())
    assert says in caplog.text


def test_what_the_state_tells_stands_in_the_log_already(broker, unit, monkeypatch):
    lines = []

    def slowly(_, record):
        time.sleep(0.5)
        lines.append(record.getMessage())

    monkeypatch.setattr(logging.StreamHandler, "emit", slowly)
    broker.stop()
    link = unit(wait=False)
    until(lambda: "cannot reach" in link.state())
    assert any("cannot reach" in line for line in lines)


def test_a_broker_that_says_so_names_the_rival_at_once(unit):
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = unit(wait=False, url=f"mqtt://127.0.0.1:{server.getsockname()[1]}", version="5")
        sock, _ = server.accept()
        sock.recv(65536)
        sock.sendall(bytes([0x20, 3, 0, 0, 0]))  # CONNACK
        sock.sendall(bytes([0xE0, 2, 0x8E, 0]))  # DISCONNECT, session taken over
        until(lambda: "another client took our place" in link.state())
        sock.close()


def test_a_silent_broker_is_given_up_and_tried_again(unit, monkeypatch):
    monkeypatch.setattr("edged.mqtt.connection.HANDSHAKE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = unit(wait=False, url=f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        until(lambda: "does not finish the handshake" in link.state())
        started = time.monotonic()
        link.stop()
        assert time.monotonic() - started < 20


def test_a_broker_that_hangs_up_on_mqtt_5_is_spoken_to_in_3_1_1(broker, unit, client):
    old = OldBroker(broker.port)
    unit(url=old.url)
    customer = client("replies/me", version="3.1.1")
    customer.publish(REQUEST, {"n": 1, "reply_to": "replies/me"})
    assert customer.json()["echo"] == 1
    assert old.refused >= 1
    old.close()


class OldBroker:
    """Hangs up on a CONNECT of MQTT 5, passes all else on to a broker."""

    def __init__(self, to):
        self.refused = 0
        self._to = to
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._server.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            hello = near.recv(65536)
            if b"MQTT\x05" in hello:
                self.refused += 1
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            far.sendall(hello)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()


def test_control_runs_verbs_and_answers(unit, client):
    seen = []

    def reload(fields):
        seen.append(fields)
        if fields.get("wrong"):
            raise ConfigError("config.yaml: node: missing")
        return "reloaded"

    def breaks(_):
        raise RuntimeError("secret detail")

    unit(verbs={"reload": reload, "breaks": breaks})
    customer = client(f"edged/{NODE}/control/+/response")
    customer.publish(f"edged/{NODE}/control/reload", b"", correlation=b"c1")
    message = customer.next()
    assert orjson.loads(message.payload) == {"verb": "reload", "success": True, "message": "reloaded"}
    assert message.properties.CorrelationData == b"c1"
    for verb, body, says in (
        ("reload", {"wrong": 1}, "node: missing"),
        ("reload", b"[1]", "JSON object"),
        ("reload", b"{", "not JSON"),
        ("dance", {}, "known are breaks, reload"),
        ("breaks", {}, "its log says why"),
    ):
        customer.publish(f"edged/{NODE}/control/{verb}", body)
        answer = customer.json()
        assert (answer["verb"], answer["success"]) == (verb, False)
        assert says in answer["message"]
    assert seen == [{}, {"wrong": 1}]


def test_more_orders_than_can_wait_are_refused(unit, client):
    begun, go = threading.Event(), threading.Event()
    done = []

    def slow(fields):
        begun.set()
        assert go.wait(60)
        done.append(fields["n"])
        return "done"

    unit(verbs={"slow": slow})
    customer = client(f"edged/{NODE}/control/+/response")
    topic = f"edged/{NODE}/control/slow"
    customer.publish(topic, {"n": 0}, correlation=b"0")
    assert begun.wait(60)
    for n in range(1, 70):
        customer.publish(topic, {"n": n}, correlation=b"%d" % n)
    customer.publish(topic, b" " * 70_000, correlation=b"long")
    refused = {}
    for _ in range(6):
        message = customer.next()
        refused[message.properties.CorrelationData] = orjson.loads(message.payload)["message"]
    assert set(refused) == {b"65", b"66", b"67", b"68", b"69", b"long"}
    assert "64 orders wait already" in refused[b"65"]
    assert "70000 bytes, 65536 are allowed" in refused[b"long"]
    go.set()
    assert all(customer.json()["success"] for _ in range(65))
    assert done == list(range(65))
    customer.publish(topic, {"n": 70})
    assert customer.json()["success"]


def test_an_order_that_comes_while_the_daemon_ends_is_refused(unit, client):
    link = unit(verbs={"reload": lambda _: "reloaded"})
    customer = client(f"edged/{NODE}/control/+/response")
    link._control.close()
    customer.publish(f"edged/{NODE}/control/reload", {})
    answer = customer.json()
    assert (answer["success"], answer["message"]) == (False, "the daemon ends; nothing was done")
    link.publications.available(True)
    assert link._sender.drained(30), "the connection lives"


def test_results_wait_for_the_broker_and_the_oldest_are_dropped_and_counted(unit, client, proxy):
    counters = Counters()
    link = unit(counters=counters, url=proxy.url, max_waiting_results=50)
    customer = client(f"edged/{NODE}/stream/door/+")
    proxy.refuses = True
    proxy.cut()
    until(lambda: link.state() != "running" and link._carrier is None)
    for n in range(80):
        started = time.monotonic()
        link.publications.result("door", SERVICE, b"%d" % n)
        assert time.monotonic() - started < 20
    assert counted(counters, "mqtt_dropped", "the broker is away or too slow") == 30
    proxy.refuses = False
    assert [int(customer.next().payload) for _ in range(50)] == list(range(30, 80))
    assert link._sender.drained(30)
    assert customer.got.empty()


def test_results_and_health_are_published_under_their_topics(unit, client):
    link = unit()
    customer = client(f"edged/{NODE}/stream/door/{SERVICE}", f"edged/{NODE}/health")
    link.publications.result("door", SERVICE, b'{"seq": 1}')
    message = customer.next()
    assert (message.payload, message.retain) == (b'{"seq": 1}', False)
    link.publications.health(
        Health(
            node=NODE,
            uptime_s=1,
            counters={},
            latency_ms={},
            queues={"requests": 0},
            units={},
            durability="process",
            clock="synced",
        )
    )
    assert customer.json()["queues"] == {"requests": 0}
    late = client(f"edged/{NODE}/health").next()
    assert late.retain
    assert orjson.loads(late.payload)["queues"] == {"requests": 0}


def test_our_own_messages_never_come_back(unit, client):
    counters = Counters()
    link = unit(verbs={"reload": lambda _: "done"}, counters=counters)
    customer = client(f"edged/{NODE}/#", f"edged/{NODE}/control/+/response")
    customer.publish(f"edged/{NODE}/control/reload", b"")
    customer.publish(REQUEST, {"n": 1})
    seen: set[str] = set()
    while f"edged/{NODE}/control/reload/response" not in seen or not any("/response/" in t for t in seen):
        seen.add(customer.next().topic)
    assert link._sender.drained(30)
    assert counted(counters, "mqtt_requests", "taken") == 1
    assert counters.counts()["mqtt_control"] == {"done": 1}


def test_a_stop_before_the_broker_was_ever_there_is_quick(broker, unit):
    broker.stop()
    link = unit(wait=False)
    started = time.monotonic()
    link.stop()
    assert time.monotonic() - started < 20


def test_home_assistant_is_heard_when_it_starts(unit, client):
    born = []
    unit(born=lambda: born.append(1), prefix="ha")
    deaf = unit(node="shop-2", state="two")
    customer = client()
    for topic, payload in (("ha/status", b"offline"), ("homeassistant/status", b"online")):
        customer.publish(topic, payload)
    customer.publish("ha/status", b"online")
    customer.publish("ha/status", b"online")
    until(lambda: len(born) == 2)
    assert deaf.state() == "running"


def test_messages_that_are_kept_come_one_after_the_other_and_the_last_one_stays(unit, client, broker):
    topic = "homeassistant/device/x/config"
    customer = client(topic)
    link = unit()
    for body in (b"1", b"2", b"3"):
        link.publications.retained(topic, body)
    assert [customer.next().payload for _ in range(3)] == [b"1", b"2", b"3"]
    assert retained(client, topic) == {topic: b"3"}
    broker.stop()
    until(lambda: link.state() != "running")
    link.publications.retained(topic, b"4")
    link.publications.retained(topic, b"5")
    broker.start()
    late = client(topic)
    until(lambda: late.next().payload == b"5", "a broker that forgot everything gets it again")
    link.publications.retained(topic, b"")
    assert late.next().payload == b""
