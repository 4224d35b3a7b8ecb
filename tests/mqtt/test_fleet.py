"""`edged/any`: a request goes to a box that has the service, and to none that has not."""

import orjson
import pytest

from edged.contracts.message import ServiceFacts
from tests.broker import until

OCR, DETECTION = "ocr", "object-detection"


class Box:
    """A node, and which services are ready there."""

    def __init__(self, unit, pipeline, node, *services):
        self.ready = list(services)
        self.work = pipeline()
        self.unit = unit(self.work, node=node, state=node, info=self._facts)
        until(lambda: self.unit._shared.state() == "running")

    def _facts(self):
        return [
            ServiceFacts(service=name, model="m", variant="v", device="cpu", schema="s/1")
            for name in self.ready
        ]


@pytest.fixture
def box(unit, pipeline):
    return lambda *args: Box(unit, pipeline, *args)


def ask(customer, service, count=20):
    """How often each was answered: once, if nobody is lucky twice."""
    for n in range(count):
        customer.publish(f"edged/any/request/{service}", {"n": n, "of": service}, "replies/me", b"%d" % n)
    return [customer.next().properties.CorrelationData for _ in range(count)]


def test_only_boxes_with_the_service_are_asked(box, client):
    reads, detects = box("a", OCR), box("b", DETECTION)
    customer = client("replies/me")
    for service in (OCR, DETECTION):
        assert len(set(ask(customer, service))) == 20
    for one, service in ((reads, OCR), (detects, DETECTION)):
        assert [orjson.loads(body)["of"] for body in one.work.runs] == [service] * 20


def test_a_box_joins_and_leaves_as_its_services_come_and_go(box, client):
    both, late = box("a", OCR, DETECTION), box("b")
    customer = client("replies/me")
    assert len(set(ask(customer, OCR))) == 20
    assert not late.work.runs, "it still loads"
    late.ready = [OCR]
    late.unit.publish_info()
    both.ready = [DETECTION]
    both.unit.publish_info()
    for one in (late, both):
        topic = f"edged/{one.unit._topics.node}/request/{OCR}"
        customer.publish(topic, {"n": 1}, "replies/me")
        customer.json()
    before = len(both.work.runs)
    assert len(set(ask(customer, OCR))) == 20
    assert len(both.work.runs) == before
    assert len(late.work.runs) == 21


def test_its_filters_come_back_with_the_connection(broker, box, client):
    one = box("a", OCR)
    broker.stop()
    until(lambda: one.unit._shared.state() != "running")
    one.ready = [DETECTION]
    one.unit.publish_info()
    broker.start()
    until(lambda: one.unit.state() == "running" and one.unit._shared.state() == "running")
    assert len(set(ask(client("replies/me"), DETECTION))) == 20
