"""Clients that use a name again: each time they are answered, whenever the daemon dies."""

import time

import pytest

from edged.flow.counters import Counters

REQUEST = "edged/shop-1/request/object-detection"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_third_time_is_answered_though_it_comes_as_a_redelivery(unit, client, proxy, pipeline, version):
    counters, work = Counters(), pipeline()
    link = unit(work, url=proxy.url, counters=counters, version=version)
    customer = client("replies/me")
    ask = {"n": 1, "request_id": "mine", "reply_to": "replies/me"}
    for _ in range(2):
        customer.publish(REQUEST, ask, "replies/me", b"same")
        assert customer.json()["echo"] == 1
    assert link._sender.drained(30)
    proxy.lose_down = True  # as if it were killed: the third one comes, and is not acknowledged
    customer.publish(REQUEST, ask, "replies/me", b"same")
    time.sleep(0.5)
    proxy.cut()
    assert customer.json()["echo"] == 1
    assert len(work.runs) == 3


def test_after_a_restart_it_is_answered_too(unit, client, proxy, pipeline):
    first = unit(pipeline(), url=proxy.url)
    customer = client("replies/me")
    for _ in range(2):
        customer.publish(REQUEST, {"n": 1}, "replies/me", b"same")
        assert customer.json()["echo"] == 1
    assert first._sender.drained(30)
    first._requests.close()  # SIGTERM: what comes from now on is the next start's
    customer.publish(REQUEST, {"n": 1}, "replies/me", b"same")
    time.sleep(0.5)
    first.stop()
    unit(pipeline(), url=proxy.url)
    assert customer.json()["echo"] == 1


def test_pollers_with_constant_names_lose_nothing_over_three_restarts(unit, client, pipeline):
    """120 requests; each poller asks when it has its answer. One that is not answered asks no more."""
    link, customer = unit(pipeline(seconds=0.01)), client("replies/me")
    answers = dict.fromkeys((b"%d" % n for n in range(6)), 0)
    for name in answers:
        customer.publish(REQUEST, {"n": 1}, "replies/me", name)
    restart_at = [90, 60, 30]
    while min(answers.values()) < 20:
        name = customer.next().properties.CorrelationData
        answers[name] += 1
        customer.publish(REQUEST, {"n": 1}, "replies/me", name)
        if restart_at and sum(answers.values()) > restart_at[-1]:
            restart_at.pop()
            link.stop()
            link = unit(pipeline(seconds=0.01), wait=False)
    assert not restart_at
