"""Live pictures: encoded only while somebody looks, once for all who do."""

import threading
import time
from contextlib import ExitStack, closing

import cv2
import numpy as np
import pytest

from edged.http import live
from tests.broker import until


class CountedView:
    """A view whose every look shows another picture; knows how often it had to encode."""

    def __init__(self):
        self.encoded = 0
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def version(self):
        return self.encoded + 1

    def jpeg(self, after=-1, wait_s=0.0):
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(0.005)
        with self._lock:
            self._at_once -= 1
            self.encoded += 1
            return self.encoded, b"picture %d" % self.encoded


class Viewer:
    """Reads parts as a browser does."""

    def __init__(self, box, stream="door"):
        self.connection = box.connection()
        self.connection.request("GET", f"/api/streams/{stream}/live")
        self.answer = self.connection.getresponse()
        if self.answer.status == 200:
            assert self.answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=edged-picture"
            assert self.answer.readline() == b"--edged-picture\r\n"

    def part(self):
        """One picture, with the boundary behind it."""
        assert self.answer.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(self.answer.readline().removeprefix(b"Content-Length: "))
        assert self.answer.readline() == b"\r\n"
        jpeg = self.answer.read(length)
        assert self.answer.readline() == b"\r\n"
        assert self.answer.readline() == b"--edged-picture\r\n"
        return jpeg

    def close(self):
        self.answer.close()
        self.connection.close()


def shade(jpeg):
    return int(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean())


def test_a_snapshot(box):
    box.start()
    box.show(shade=90)
    answer = box.get("/api/streams/door/snapshot")
    assert (answer.code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["Cache-Control"] == "no-store"
    assert shade(answer.body) == pytest.approx(90, abs=2)


def test_no_such_stream_and_one_that_has_shown_nothing(box):
    box.start()
    box.views.add("new")
    for what in ("snapshot", "live"):
        answer = box.get(f"/api/streams/none/{what}")
        assert (answer.code, answer.json["error_code"]) == (404, 404)
    assert box.get("/api/streams/new/snapshot").code == 503


def test_pictures_come_as_the_stream_goes_on(box):
    box.start()
    box.show(shade=50)
    with closing(Viewer(box)) as viewer:
        assert shade(viewer.part()) == pytest.approx(50, abs=2)
        box.show(shade=200, seq=1)
        assert shade(viewer.part()) == pytest.approx(200, abs=2)


def test_the_same_picture_again_when_nothing_new_comes(box, monkeypatch):
    monkeypatch.setattr(live, "REPEAT_S", 0.05)
    box.start()
    box.show()
    with closing(Viewer(box)) as viewer:
        assert viewer.part() == viewer.part()


def test_the_first_picture_is_waited_for(box):
    box.start()
    box.views.add("door")
    with closing(Viewer(box)) as viewer:
        box.show(shade=70)
        assert shade(viewer.part()) == pytest.approx(70, abs=2)


def test_when_the_stream_ends_so_does_the_picture(box):
    box.start()
    box.show()
    with closing(Viewer(box)) as viewer:
        viewer.part()
        box.views.remove("door")
        assert viewer.answer.read() == b""


def test_twenty_viewers_cost_no_more_than_one_and_leave_room_for_others(box):
    view = CountedView()
    box.views._views["door"] = view
    box.start()
    with ExitStack() as stack:
        viewers = [stack.enter_context(closing(Viewer(box))) for _ in range(20)]
        started, before = time.monotonic(), view.encoded
        for _ in range(5):
            assert all(viewer.part().startswith(b"picture") for viewer in viewers)
        assert box.get("/v2/health/ready").code == 200
        most = (time.monotonic() - started) / (live.INTERVAL_S / 2) + 3
        assert view.encoded - before <= most
        assert view.most_at_once == 1
    until(lambda: box.unit._app._live._viewers == 0, "all have left")
    rest = view.encoded
    box.get("/v2/health/live")
    time.sleep(3 * live.INTERVAL_S)
    assert view.encoded == rest, "nobody looks"


def test_one_viewer_too_many_is_told_so(box, monkeypatch):
    monkeypatch.setattr(live, "MOST_VIEWERS", 1)
    box.start()
    box.show()
    with closing(Viewer(box)) as viewer:
        viewer.part()
        refused = box.get("/api/streams/door/live")
        assert (refused.code, refused.json["error_code"]) == (503, 503)
