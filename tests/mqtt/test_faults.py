"""What goes wrong in the field: cut connections, killed processes, full disks. No request is lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest

from edged.contracts.errors import QueueFull
from edged.flow.counters import Counters
from tests.broker import until

HERE = Path(__file__).parent
NODE, SERVICE = "shop-1", "object-detection"
REQUEST = f"edged/{NODE}/request/{SERVICE}"


def counted(counters, name, reason):
    return counters.counts().get(name, {}).get(reason, 0)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_cut_connection_makes_a_double_that_is_answered_once(unit, client, proxy, pipeline, version):
    counters, work = Counters(), pipeline()
    link = unit(work, counters=counters, url=proxy.url, version=version)
    customer = client("replies/#", version=version)
    proxy.lose_up = True  # the broker sees neither our PUBACK nor our answer
    for n in range(20):  # without a name: only the broker's DUP and packet id tell
        customer.publish(REQUEST, {"n": n % 2, "reply_to": "replies/3"}, "replies/5")
    until(lambda: len(work.runs) == 20)
    proxy.cut()
    until(lambda: counted(counters, "mqtt_requests", "double") == 20)
    assert sorted(customer.json()["echo"] for _ in range(20)) == [0] * 10 + [1] * 10
    until(lambda: counted(counters, "mqtt_published", "answer") == 20)
    assert link.state() == "running"
    assert customer.got.empty()
    assert len(work.runs) == 20


def test_an_answer_whose_puback_is_lost_is_sent_again_and_counted(unit, client, proxy, pipeline):
    counters, work = Counters(), pipeline()
    work.open.clear()
    unit(work, counters=counters, url=proxy.url)
    customer = client("replies/me")
    customer.publish(REQUEST, {"n": 0}, "replies/me", b"0")
    until(lambda: len(work.jobs) == 1)
    proxy.lose_down = True
    work.open.set()
    assert customer.json()["echo"] == 0
    proxy.cut()
    assert customer.json()["echo"] == 0  # at least once is all that QoS 1 promises
    until(lambda: counted(counters, "mqtt_published", "answer") == 1)
    assert counters.counts()["mqtt_published"]["answer sent again"] == 1


def _daemon(url, state, seconds):
    root = HERE.parent.parent
    return subprocess.Popen(
        [sys.executable, str(HERE / "slow_daemon.py"), url, str(state), str(seconds)],
        env={**os.environ, "PYTHONPATH": str(root)},
    )


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_no_request_is_lost_when_the_process_is_killed_again_and_again(broker, client, tmp_path, version):
    total = 150
    customer = client("replies/#", version=version)
    status = client(f"edged/{NODE}/availability")
    daemon = _daemon(broker.url, tmp_path / "killed", 0.01)
    while status.next().payload != b"online":
        pass
    answers: list[int] = []

    def collect():
        while not customer.got.empty():
            answers.append(orjson.loads(customer.got.get().payload)["n"])
        return len(answers)

    sent = 0
    for kill_at in (20, 60, 90):
        for _ in range(total // 3):
            name = str(sent).encode()
            customer.publish(REQUEST, {"n": sent, "reply_to": "replies/3"}, "replies/5", name)
            sent += 1
        until(lambda: collect() >= kill_at)  # noqa: B023 - called at once
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        daemon = _daemon(broker.url, tmp_path / "killed", 0.01)
    try:
        until(lambda: collect() and len(set(answers)) == total)
        assert set(answers) == set(range(total))
        doubles = len(answers) - total
        print(f"{doubles} answers came twice: killed between the answer and its PUBACK")
        assert doubles <= 3 * 20  # mosquitto lets 20 be on their way to it
    finally:
        daemon.kill()
        daemon.wait()


@pytest.mark.parametrize("version", ["5", pytest.param("3.1.1", marks=pytest.mark.long)])
def test_a_broker_that_is_killed_five_times_under_load_stops_nothing(broker, unit, client, pipeline, version):
    """It loses what it had taken; who asks again is answered, and in the end nothing waits anywhere."""
    total, answered = 300, set()
    link = unit(pipeline(places=2000, seconds=0.005), version=version)
    for life in range(6):
        customer = client("replies/#", version=version)
        for n in set(range(total)) - answered:
            customer.publish(REQUEST, {"n": n, "reply_to": "replies/3"}, "replies/5", str(n).encode())
        wanted = total if life == 5 else min(total, len(answered) + 40)
        while len(answered) < wanted:
            answered.add(customer.json()["echo"])
        if life < 5:
            broker.kill()
            customer.close()
            broker.start()
            until(lambda: link.state() == "running")
    until(lambda: set(link.queued().values()) == {0}, "nothing waits")
    assert link.state() == "running"


def test_with_a_full_disk_requests_are_answered_and_acknowledged_late(unit, client, pipeline, caplog):
    counters, work = Counters(), pipeline()
    work.open.clear()
    link = unit(work, counters=counters)
    link._journal._ledger._ledger._db.execute("PRAGMA max_page_count = 1")
    customer = client("replies/me")
    for n in range(50):
        customer.publish(REQUEST, {"n": n, "x": "y" * 4000}, "replies/me", str(n).encode() * 500)
    until(lambda: counted(counters, "mqtt_requests", "taken") == 50)
    failures = counters.counts()["journal_failures"]
    assert failures["database or disk is full"] >= 40
    work.open.set()
    assert sorted(customer.json()["echo"] for _ in range(50)) == list(range(50))
    assert link.state() == "running"
    assert sum("fails" in line for line in caplog.messages) == 1


def test_an_unjournalled_request_is_delivered_again_after_a_kill_since_it_was_not_acknowledged(
    unit, client, proxy, pipeline
):
    counters, work = Counters(), pipeline()
    work.open.clear()
    link = unit(work, counters=counters, url=proxy.url)
    link._journal._ledger._ledger._db.execute("PRAGMA max_page_count = 1")
    customer = client("replies/me")
    for n in range(50):
        customer.publish(REQUEST, {"n": n}, "replies/me", str(n).encode() * 500)
    until(lambda: counted(counters, "mqtt_requests", "taken") == 50)
    unjournalled = sum(counters.counts()["journal_failures"].values())
    assert unjournalled > 0
    proxy.cut()  # as a kill, as far as the broker can tell: it sends again what was not acknowledged
    until(lambda: counted(counters, "mqtt_requests", "double") >= unjournalled)
    work.open.set()
    assert sorted(customer.json()["echo"] for _ in range(50)) == list(range(50))


def test_requests_of_the_last_run_wait_while_the_queue_is_full(broker, client, unit, pipeline, tmp_path):
    stuck = pipeline()
    stuck.open.clear()
    first = unit(stuck)
    customer = client("replies/me")
    customer.publish(REQUEST, {"n": 1}, "replies/me", b"1")
    until(lambda: len(stuck.jobs) == 1)
    first.stop()
    work = pipeline()
    room, submit = threading.Event(), work.submit

    def full(job):
        if not room.is_set():
            raise QueueFull("no room yet")
        submit(job)

    work.submit = full
    second = unit(work)
    time.sleep(0.5)
    assert not work.runs
    assert second.queued()["mqtt/leftovers"] == 1
    room.set()
    assert customer.json()["echo"] == 1
    stuck.open.set()  # the old unit is stopped: what its pipeline says now is not sent
    time.sleep(0.3)
    assert customer.got.empty()


def test_what_waits_for_the_broker_is_counted_by_what_it_is(unit, client, proxy, pipeline):
    work = pipeline()
    work.open.clear()
    link = unit(work, url=proxy.url)
    customer = client("replies/me")
    until(lambda: link._sender.drained(0.1))
    assert set(link.queued().values()) == {0}
    proxy.lose_down = True  # the broker's acknowledgements
    link.publications.result("door", SERVICE, b"1", retain=True)
    until(lambda: link.queued()["mqtt/unacknowledged"] == 1)
    assert link.queued()["mqtt/results"] == 0
    proxy.lose_down = False
    customer.publish(REQUEST, {"n": 7}, "replies/me", b"7")
    until(lambda: len(work.jobs) == 1)
    proxy.refuses = True
    proxy.cut()
    until(lambda: link.queued()["mqtt/results"] == 1, "it waits again")
    work.open.set()
    until(lambda: link.queued()["mqtt/answers"] == 1)
    assert link.queued()["mqtt/unacknowledged"] == 0
    proxy.refuses = False
    assert customer.json()["echo"] == 7
    until(lambda: set(link.queued().values()) == {0})
