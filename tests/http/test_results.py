"""Stream messages as server-sent events."""

import time
from collections import deque
from contextlib import ExitStack, closing

import pytest

from edged.http import results
from tests.broker import until


class Listener:
    """Reads events."""

    def __init__(self, box, query=""):
        self.connection = box.connection()
        self.connection.request("GET", f"/api/results{query}")
        self.answer = self.connection.getresponse()
        if self.answer.status == 200:
            assert self.block() == [b"retry: 2000"]

    def block(self):
        """The lines up to an empty one."""
        lines = []
        while line := self.answer.readline().rstrip(b"\n"):
            lines.append(line)
        return lines

    def close(self):
        self.answer.close()
        self.connection.close()


def test_each_message_is_an_event_for_everyone(box):
    box.start()
    with closing(Listener(box)) as one, closing(Listener(box)) as other:
        assert one.answer.headers.get_content_type() == "text/event-stream"
        assert one.answer.headers["Cache-Control"] == "no-store"
        box.unit.publish_result("door", "ocr", b'{"seq":1}')
        box.unit.publish_result("yard", "ocr", b'{"seq":2}')
        for listener in (one, other):
            assert listener.block() == [b"event: result", b'data: {"seq":1}']
            assert listener.block() == [b"event: result", b'data: {"seq":2}']


def test_of_one_stream_only(box):
    box.start()
    with closing(Listener(box, "?stream=yard")) as listener:
        box.unit.publish_result("door", "ocr", b"1")
        box.unit.publish_result("yard", "ocr", b"2")
        assert listener.block()[1] == b"data: 2"


def test_there_is_no_head_of_what_does_not_end(box):
    box.start()
    assert box.ask("HEAD", "/api/results").code == 405
    assert box.ask("HEAD", "/api/streams/door/live").code == 405


def test_nobody_listening_costs_nothing_and_leaves_nothing(box):
    box.start()
    box.unit.publish_result("door", "ocr", b"1")
    with closing(Listener(box)) as listener:
        box.unit.publish_result("door", "ocr", b"2")
        assert listener.block()[1] == b"data: 2"
    until(lambda: not box.unit._feed._listeners, "who left is forgotten")


def test_the_newest_win_when_a_client_is_too_slow(box, monkeypatch):
    monkeypatch.setattr(results, "WAITING", 4)
    box.start()
    with closing(Listener(box)) as listener:
        body = b"x" * 1_000_000
        dropped = lambda: box.counters.counts().get("http_results_dropped", {})  # noqa: E731

        def publish():
            box.unit.publish_result("door", "ocr", body)
            return dropped()

        until(publish, "its queue is full")
        for number in range(4):
            box.unit.publish_result("door", "ocr", b"%d" % number)
        seen = []
        while not seen or seen[-1] != b"data: 3":
            seen.append(listener.block()[1])
        assert [line for line in seen if len(line) < 20][-1] == b"data: 3"


def test_what_comes_while_the_last_one_is_taken_wakes_the_client(box):
    box.start()
    with closing(Listener(box)) as client:
        [listener] = box.unit._feed._listeners
        seen = []

        class Bodies(deque):
            def append(self, body):
                box.unit._feed._loop.call_soon_threadsafe(listener.arrived.set)
                seen.append(client.block()[1])
                time.sleep(0.1)  # it waits for more
                super().append(body)

        listener.bodies = Bodies([b"1"], maxlen=results.WAITING)
        box.unit.publish_result("door", "ocr", b"2")
        assert [*seen, client.block()[1]] == [b"data: 1", b"data: 2"]


def test_a_heartbeat_when_nothing_happens(box, monkeypatch):
    monkeypatch.setattr(results, "HEARTBEAT_S", 0.05)
    box.start()
    with closing(Listener(box)) as listener:
        assert listener.block() == [b": nothing new"]
        box.unit.publish_result("door", "ocr", b"1")
        while (block := listener.block()) == [b": nothing new"]:
            pass
        assert block[1] == b"data: 1"


def test_one_listener_too_many_is_told_so(box, monkeypatch):
    monkeypatch.setattr(results, "MOST_LISTENERS", 2)
    box.start()
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(closing(Listener(box)))
        refused = box.get("/api/results")
        assert (refused.code, refused.json["error_code"]) == (503, 503)


def test_publishing_before_the_start_and_after_the_stop_is_harmless(box):
    box.start()
    listener = Listener(box)
    box.unit.stop()
    box.unit.publish_result("door", "ocr", b"1")
    with pytest.raises(AssertionError):
        assert listener.block()
    listener.close()
