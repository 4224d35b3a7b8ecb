"""A request's way, over a real broker: every request gets exactly one answer."""

import time

import orjson
import pytest

from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.mqtt.outgoing import Outgoing
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from tests.broker import until
from tests.requests.test_queue import JPEG, FakeInstance, table_with

NODE, SERVICE = "shop-1", "object-detection"
REQUEST = f"edged/{NODE}/request/{SERVICE}"


def test_mqtt_5_answers_on_the_response_topic_with_the_correlation_data(unit, client):
    unit()
    customer = client("replies/me")
    customer.publish(REQUEST, {"request_id": "r1", "n": 7}, "replies/me", b"\x00\x01c")
    message = customer.next()
    assert orjson.loads(message.payload) == {"request_id": "r1", "success": True, "echo": 7}
    assert message.properties.CorrelationData == b"\x00\x01c"
    assert message.properties.ContentType == "application/json"
    assert dict(message.properties.UserProperty) == {"request_id": "r1", "code": "200", "model": "fake-model"}
    assert (message.qos, message.retain) == (1, False)


def test_the_address_of_an_artefact_goes_with_the_answer():
    with_one = Outgoing(
        "x", b"{}", answer=Answer("r", b"{}", 200, "m", artefact="https://box/artefacts/x.mp4")
    )
    without = Outgoing("x", b"{}", answer=Answer("r", b"{}", 200, "m"))
    assert dict(with_one.properties().UserProperty)["artefact"] == "https://box/artefacts/x.mp4"
    assert "artefact" not in dict(without.properties().UserProperty)


@pytest.fixture
def detector():
    """The real queue over a model that is faked."""
    queue = RequestQueue(table_with(FakeInstance()), RequestSettings(), 1, Counters())
    queue.start()
    yield queue
    queue.stop()


def test_a_failed_answer_names_its_request_and_the_model_that_was_found_for_it(unit, client, detector):
    unit(detector)
    customer = client("replies/me", f"edged/{NODE}/response/#")
    customer.publish(REQUEST, {"request_id": "r1", "image": "aGVsbG8="}, "replies/me")
    told = dict(customer.next().properties.UserProperty)
    assert told == {"request_id": "r1", "code": "415", "model": "fake"}
    customer.publish(REQUEST, {"request_id": "r2", "image": JPEG, "reply_to": "a/#"})
    told = dict(customer.next().properties.UserProperty)
    assert told == {"request_id": "r2", "code": "400", "model": "fake"}


def test_a_failed_request_of_a_video_says_so_where_its_clients_look(unit, client, detector):
    unit(detector)
    customer = client("replies/me")
    customer.publish(f"edged/{NODE}/request/video-highlight", {"request_id": "r1"}, "replies/me")
    told = customer.json()
    assert (told["error_code"], told["oss_path"]) == (400, "")
    assert told["result"] == told["error_msg"]


def test_so_does_one_that_was_not_even_read(unit, client, pipeline):
    unit(pipeline(), max_payload_bytes=1000)
    customer = client("replies/me")
    body = {"request_id": "r1", "input": {"url": "x" * 2000}}
    customer.publish(f"edged/{NODE}/request/video-highlight", body, "replies/me")
    told = customer.json()
    assert (told["request_id"], told["error_code"], told["oss_path"]) == ("r1", 413, "")


def test_mqtt_3_answers_where_the_json_says(unit, client):
    unit(version="3.1.1")
    customer = client("replies/#", version="3.1.1")
    customer.publish(REQUEST, {"request_id": "r1", "reply_to": "replies/3", "n": 1})
    message = customer.next()
    assert message.topic == "replies/3"
    assert orjson.loads(message.payload)["request_id"] == "r1"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_without_a_response_topic_the_answer_has_a_topic_of_its_own(unit, client, version):
    unit(version=version)
    customer = client(f"edged/{NODE}/response/#", version=version)
    customer.publish(REQUEST, {"request_id": "a/b +#", "n": 1})
    assert customer.next().topic == f"edged/{NODE}/response/{SERVICE}/a%2Fb%20%2B%23"


@pytest.mark.parametrize("topic", ["", "$SYS/x", f"edged/{NODE}/request/x", "edged/any/request/x", "a\x01b"])
def test_a_bad_reply_to_is_answered_400_on_the_topic_of_its_own(unit, client, topic):
    unit()
    customer = client(f"edged/{NODE}/response/{SERVICE}/r1")
    customer.publish(REQUEST, {"request_id": "r1", "reply_to": topic or "#"})
    answer = customer.json()
    assert (answer["success"], answer["error_code"], answer["request_id"]) == (False, 400, "r1")
    assert "reply_to" in answer["error_msg"]


def test_a_response_topic_that_is_a_request_topic_is_answered_400(unit, client):
    pipeline_runs_nothing = _Refusing()
    unit(pipeline_runs_nothing)
    customer = client(f"edged/{NODE}/response/{SERVICE}/r1")
    customer.publish(REQUEST, {"request_id": "r1"}, reply=f"edged/{NODE}/control/reload", correlation=b"1")
    message = customer.next()
    assert orjson.loads(message.payload)["error_code"] == 400
    assert message.properties.CorrelationData == b"1"
    assert pipeline_runs_nothing.asked == 0


class _Refusing:
    asked = 0

    def submit(self, job):
        self.asked += 1
        raise AssertionError("must not come so far")


def test_too_long_a_payload_is_answered_413_and_names_the_setting(unit, client):
    unit(_Refusing(), max_payload_bytes=10_000)
    customer = client("replies/me")
    customer.publish(REQUEST, {"image": "x" * 20_000, "request_id": "long"}, "replies/me")
    answer = customer.json()
    assert (answer["error_code"], answer["request_id"]) == (413, "long")
    assert "mqtt.max_payload_bytes" in answer["error_msg"]


def test_requests_to_any_node_are_shared_by_the_fleet(unit, client, pipeline):
    first, second = pipeline(), pipeline()
    unit(first, node="a", state="a")
    unit(second, node="b", state="b")
    customer = client("replies/me")
    for n in range(40):
        customer.publish(f"edged/any/request/{SERVICE}", {"n": n}, "replies/me", str(n).encode())
    assert sorted(customer.json()["echo"] for _ in range(40)) == list(range(40))
    assert first.runs and second.runs
    assert len(first.runs) + len(second.runs) == 40


def test_2000_requests_at_once_get_one_answer_each(unit, client, pipeline):
    counters, work = Counters(), pipeline(places=64, workers=2)
    work.open.clear()
    unit(work, counters=counters)
    customer, listener = client(), client("replies/me")
    for n in range(2000):
        customer.publish(REQUEST, {"n": n}, "replies/me", str(n).encode())
    refused = lambda: counters.counts().get("mqtt_requests", {}).get("refused 429")  # noqa: E731
    until(refused, "there is no room")
    work.open.set()
    codes: dict[bytes, int] = {}
    for _ in range(2000):
        message = listener.next()
        assert message.properties.CorrelationData not in codes
        codes[message.properties.CorrelationData] = int(dict(message.properties.UserProperty)["code"])
    assert set(codes) == {str(n).encode() for n in range(2000)}
    assert set(codes.values()) == {200, 429}
    counts = counters.counts()["mqtt_requests"]
    assert counts["taken"] == 2000
    assert counts["refused 429"] == list(codes.values()).count(429)
    time.sleep(0.3)
    assert listener.got.empty()


def test_equal_requests_without_a_name_are_all_answered(unit, client, pipeline):
    work = pipeline()
    unit(work)
    customer = client("replies/me")
    for _ in range(10):
        customer.publish(REQUEST, {"n": 5}, "replies/me")
    assert [customer.json()["echo"] for _ in range(10)] == [5] * 10
    assert len(work.runs) == 10


def test_the_same_correlation_data_in_flight_is_a_double(unit, client, pipeline):
    counters, work = Counters(), pipeline()
    work.open.clear()
    unit(work, counters=counters)
    customer = client("replies/me")
    for body in ({"n": 1}, {"n": 1}, {"n": 2}):
        customer.publish(REQUEST, body, "replies/me", b"same")
    until(lambda: counters.counts().get("mqtt_requests", {}).get("double") == 1)
    work.open.set()
    assert sorted([customer.json()["echo"], customer.json()["echo"]]) == [1, 2]
    assert len(work.runs) == 2


def test_who_asks_again_after_the_answer_gets_another(unit, client, pipeline):
    work = pipeline()
    unit(work)
    customer = client("replies/me")
    for _ in range(5):
        customer.publish(REQUEST, {"n": 1, "request_id": "mine"}, "replies/me", b"same")
        assert customer.json()["echo"] == 1
    assert len(work.runs) == 5


def test_a_request_that_was_refused_for_want_of_room_may_be_sent_again(unit, client, pipeline):
    work = pipeline(places=1, workers=1)
    work.open.clear()
    unit(work)
    customer = client("replies/me")
    for n in (1, 2, 3):  # one in the worker's hands at most, one waiting, the last has no place
        customer.publish(REQUEST, {"n": n}, "replies/me", str(n).encode())
    refused = customer.next()
    assert orjson.loads(refused.payload)["error_code"] == 429
    work.open.set()
    answered = {refused.properties.CorrelationData}
    while len(answered) < 3:
        answered.add(customer.next().properties.CorrelationData)
    n = int(refused.properties.CorrelationData)
    customer.publish(REQUEST, {"n": n}, "replies/me", refused.properties.CorrelationData)
    assert customer.json()["echo"] == n


def test_a_retained_request_is_not_served_at_each_connection(unit, client, pipeline):
    work = pipeline()
    customer = client("replies/me", version="3.1.1")
    customer.publish(REQUEST, {"n": 1, "reply_to": "replies/me"}, retain=True).wait_for_publish(30)
    unit(work, version="3.1.1")
    customer.publish(REQUEST, {"n": 2, "reply_to": "replies/me"})
    assert customer.json()["echo"] == 2
    assert len(work.runs) == 1


def test_progress_is_published_under_the_request_id(unit, client):
    class Halfway:
        def submit(self, job):
            job.progress("r/1", 0.5)

    unit(Halfway())
    customer = client(f"edged/{NODE}/progress/+")
    customer.publish(REQUEST, {"request_id": "r/1"})
    message = customer.next()
    assert message.topic == f"edged/{NODE}/progress/r%2F1"
    assert orjson.loads(message.payload)["done"] == 0.5


def test_requests_by_qos_0_are_answered_too(unit, client):
    unit()
    customer = client("replies/me")
    customer.publish(REQUEST, {"n": 9}, "replies/me", qos=0)
    assert customer.json()["echo"] == 9


def test_no_json_at_all_reaches_the_pipeline_whose_answer_it_is(unit, client, pipeline):
    work = pipeline()
    unit(work)
    customer = client("replies/me")
    customer.publish(REQUEST, b"\xff\x00nonsense", "replies/me")
    assert customer.json()["success"] is True
    assert work.runs == [b"\xff\x00nonsense"]
