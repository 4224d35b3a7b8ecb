"""`POST /api/uploads`: what is sent ahead of a request, within bounds, and for this box alone."""

import errno
import os
import threading
from contextlib import closing

import pytest

from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import NotFound
from edged.contracts.image import DetectionOptions
from edged.contracts.services import service
from edged.http import connection as bounds
from edged.http.uploads import MOST_AT_A_TIME, PIECE
from edged.media.fetch import Fetched
from edged.requests.queue import RequestQueue
from edged.requests.settings import RequestSettings
from edged.serving.table import Served
from tests.broker import until
from tests.http.conftest import JPEG, TOKEN, UPLOAD_BYTES, FakeInstance

FILM = bytes(range(251)) * 10_000  # several pieces


def kept(box):
    folder = box.folder / "uploads"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def id_of(answer):
    scheme, _, id = answer.json["url"].partition(":")
    assert scheme == "upload"
    return id


def begun(box, length=UPLOAD_BYTES):
    """A connection on which an upload has begun."""
    connection = box.connection()
    connection.putrequest("POST", "/api/uploads")
    connection.putheader("Content-Length", str(length))
    connection.endheaders(b"x")
    return connection


def test_it_is_kept_for_us_alone(box):
    assert len(FILM) > 2 * PIECE
    answer = box.start().post("/api/uploads", FILM)
    assert answer.code == 201
    (file,) = kept(box)
    assert (file.name, file.read_bytes()) == (id_of(answer), FILM)
    assert len(id_of(answer)) == 32, "128 bits"
    assert file.stat().st_mode & 0o77 == 0 or file.parent.stat().st_mode & 0o77 == 0
    assert box.get(f"/artefacts/{id_of(answer)}").code == 404, "nobody gets it back"


def test_it_may_come_in_chunks(box):
    answer = box.start().post("/api/uploads", iter([b"ab", b"cd"]))
    assert answer.code == 201
    assert kept(box)[0].read_bytes() == b"abcd"


def test_an_empty_one(box):
    answer = box.start().post("/api/uploads", b"")
    assert (answer.code, kept(box)) == (400, [])
    assert "empty" in answer.json["error_msg"]


@pytest.mark.parametrize("body", [b"x" * (UPLOAD_BYTES + 1), iter([b"x" * 1_000_000] * 31)])
def test_a_long_one_is_413_and_leaves_nothing(box, body):
    answer = box.start().post("/api/uploads", body)
    assert answer.code == 413
    assert "`requests.video.max_bytes`" in answer.json["error_msg"]
    until(lambda: kept(box) == [])


def test_who_may_not_ask_may_not_send(guarded):
    assert guarded.post("/api/uploads", b"x").code == 401
    cookie = guarded.post("/api/login", {"token": TOKEN}).headers["Set-Cookie"].split("; ")[0]
    foreign = {"Cookie": cookie, "Origin": "http://evil.example"}
    assert guarded.post("/api/uploads", b"x", **foreign).code == 403
    assert kept(guarded) == []
    for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"Cookie": cookie}):
        assert guarded.post("/api/uploads", b"x", **headers).code == 201


def test_only_some_come_in_at_a_time(box):
    box.start()
    others = [begun(box) for _ in range(MOST_AT_A_TIME)]
    until(lambda: len(kept(box)) == MOST_AT_A_TIME, "they are coming in")
    answer = box.post("/api/uploads", b"x")
    assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
    for other in others:
        other.close()
    until(lambda: kept(box) == [], "nothing of those who left remains")
    assert box.post("/api/uploads", b"x").code == 201


def test_it_may_take_longer_than_other_bodies_as_long_as_it_comes(box, monkeypatch):
    monkeypatch.setitem(bounds.PATIENCE_S, bounds.Phase.BODY, 2.5)
    monkeypatch.setattr(bounds, "LEAST_BROUGHT", 1000)
    box.start()
    pause = threading.Event()
    with closing(begun(box, 1 + 5 * 2000)) as coming:
        for _ in range(5):
            pause.wait(1)
            coming.send(b"x" * 2000)
        assert coming.getresponse().status == 201, "five seconds"
    with closing(begun(box)) as trickling, pytest.raises(OSError):
        for _ in range(30):
            pause.wait(1)
            trickling.send(b"x" * 10)
    until(lambda: len(kept(box)) == 1, "nothing of it remains")


def test_a_full_disk_is_said(box, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    answer = box.start().post("/api/uploads", b"x")
    assert (answer.code, kept(box)) == (503, [])
    assert answer.json["error_msg"].startswith("the store of uploads is full (No space left on device)")
    assert "`uploads.max_bytes`" in answer.json["error_msg"]


def test_the_oldest_go_first(tmp_path, box):
    store = ArtefactStore(ArtefactSettings(max_bytes=10), tmp_path, box.counters, name="uploads")
    ids = []
    for data in (b"aaaa", b"bbbb", b"cccc"):
        with store.draft("") as draft:
            draft.file.write(data)
            ids.append(draft.keep().id)
    with pytest.raises(NotFound, match=r"there is no such upload; it may be older than `uploads.max_age`"):
        store.open(ids[0])
    with store.open(ids[2]) as found:
        assert found.file.read() == b"cccc"
    assert box.counters.counts()["uploads"]["removed for size"] == 1


def test_a_request_names_it(box):
    """Through the real queue: by its id and no other way; the request's own limits hold."""

    def opened(id):
        found = box.uploads.open(id)
        return Fetched(found.file, found.size)

    box.table.put(
        Served(
            service("object-detection"),
            FakeInstance(),
            DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10),
        )
    )
    queue = RequestQueue(box.table, RequestSettings(), 2, box.counters, uploads=opened)
    queue.start()
    try:
        box.start(intake=queue)

        def asked(url):
            return box.post("/api/predict/object-detection", {"input": {"url": url}})

        url = box.post("/api/uploads", JPEG).json["url"]
        assert asked(url).json["detection_boxes"] == [[0, 0, 40, 60]]
        assert asked(url).code == 200, "more than once"
        assert asked(f"upload:{'0' * 32}").code == 404
        for trick in ("upload:", "upload:../in-work", "upload:%2e%2e", "upload://x", f"upload:{box.folder}"):
            refused = asked(trick)
            assert refused.code == 404, trick
            assert "there is no such upload" in refused.json["error_msg"]
        large = box.post("/api/uploads", b"x" * 25_000_000).json["url"]
        assert asked(large).code == 413
    finally:
        queue.stop()
