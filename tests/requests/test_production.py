"""A video's way: opened in a child, seen by the model, cut or encoded, kept."""

import threading
import time

import cv2
import orjson
import pytest

from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import StoreFailed
from edged.contracts.items import PixelFormat
from edged.contracts.message import ModelFacts
from edged.contracts.request import RequestJob
from edged.contracts.services import service
from edged.contracts.video import EnlargedVideo, EnlargementOptions, Highlight, HighlightOptions
from edged.flow.counters import Counters
from edged.media.policy import FetchSettings
from edged.requests.queue import RequestQueue
from edged.requests.settings import JobSettings, RequestSettings, VideoLimits
from edged.serving.table import Served, ServiceTable
from tests.broker import until
from tests.media.films import Read, evenly, shade, video
from tests.requests.test_queue import JPEG, OPTIONS, FakeInstance

CUT, ENLARGE, DETECT = "video-highlight", "video-super-resolution", "object-detection"


class FakeModel:
    """What an instance does with a video, by a function of the test."""

    facts = ModelFacts(name="fake", variant="onnxruntime-f32", device="cpu")
    picture = None

    def __init__(self, see):
        self._see = see

    def infer(self, item, options, run, priority):
        return self._see(item, run)


def middle(item, run):
    """The second from 1 to 2."""
    assert sum(1 for _ in item.frames()) > 1
    return Highlight(1_000_000, 2_000_000)


def twice(item, run):
    """Each picture at twice its size."""

    def made():
        for frame in item.frames():
            bgr = frame.pixels(PixelFormat())
            yield cv2.resize(bgr, None, fx=2, fy=2), round(frame.captured_at * 1e6)

    return EnlargedVideo(made())


class Box:
    """The real queue, children and store; the model is the test's."""

    def __init__(self, folder, see=None, store=None, **settings):
        self.media = folder / "media"
        self.media.mkdir(exist_ok=True)
        self.kept = folder / "kept"
        self.store = ArtefactStore(
            ArtefactSettings(url=self.kept.as_uri()), folder, Counters(), lambda id: f"/artefacts/{id}"
        )
        table = ServiceTable()
        table.put(Served(service(CUT), FakeModel(see or middle), HighlightOptions(explain=False)))
        table.put(Served(service(ENLARGE), FakeModel(see or twice), EnlargementOptions(scale=2)))
        table.put(Served(service(DETECT), FakeInstance(), OPTIONS))
        fetch = FetchSettings(folders=(self.media,))
        asked = RequestSettings(fetch=fetch, **settings)
        self.counters = Counters()
        self.queue = RequestQueue(table, asked, 2, self.counters, store=store or (lambda: self.store))
        self.queue.start()
        self.answers = []
        self.reports = []

    def submit(self, name, data, **fields):
        path = self.media / "clip.mp4"
        path.write_bytes(data)
        asked = {"url": str(path), **fields.pop("input", {})}
        self.submit_raw(name, {"input": asked, **fields})

    def submit_raw(self, name, body, is_cancelled=None):
        self.queue.submit(
            RequestJob(
                *(name, orjson.dumps(body), time.monotonic(), self.answers.append),
                progress=lambda _, done: self.reports.append(done),
                is_cancelled=is_cancelled,
            )
        )

    def ask(self, name, data, **fields):
        before = len(self.answers)
        self.submit(name, data, **fields)
        until(lambda: len(self.answers) > before, limit=60)
        answer = self.answers[-1]
        return answer, orjson.loads(answer.body)

    def stop(self):
        if self.queue is not None:
            self.queue.stop()
        self.queue = None

    def files(self):
        return sorted(self.kept.glob("*")) if self.kept.exists() else []


@pytest.fixture
def box(tmp_path):
    boxes = []

    def made(see=None, **settings):
        boxes.append(Box(tmp_path, see, **settings))
        return boxes[-1]

    yield made
    for one in boxes:
        one.stop()


CLIP = video(evenly(75), sound="aac")


def test_the_best_seconds_are_cut_and_kept(box):
    made = box()
    answer, body = made.ask(CUT, CLIP)
    assert answer.code == 200
    [path] = made.files()
    assert body == {
        **{"oss_path": path.as_uri(), "result": "", "success": True},
        **{"start": 1_000_000, "end": 2_000_000},
    }
    assert answer.artefact == f"/artefacts/{path.name}"
    film = Read(path.read_bytes())
    assert film.shades == pytest.approx([shade(i) for i in range(25, 50)], abs=2)
    assert film.sounds == ["aac"]
    assert film.beep_s == pytest.approx(0.2, abs=0.05)


def test_a_video_is_made_larger_picture_by_picture(box):
    made = box()
    answer, body = made.ask(ENLARGE, CLIP, input={"play_duration": "2000000"})
    assert (answer.code, body["success"]) == (200, True)
    film = Read(made.files()[0].read_bytes())
    assert film.size == (96, 128)
    assert film.shades == pytest.approx([shade(i) for i in range(50)], abs=2)
    assert made.reports[-1] <= 1


def test_what_can_be_decoded_of_a_damaged_video_is_used_and_the_answer_says_so(box):
    fragments = video(evenly(75), form="matroska")
    answer, body = box().ask(CUT, fragments[: len(fragments) * 2 // 3])
    assert answer.code == 200
    assert body["result"] != ""


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"this is no video, but a text", 415, "`input.url`"),
        (b"", 415, "`input.url`"),
        (CLIP[:200], 415, "`input.url`"),
    ],
)
def test_bad_files_are_refused_in_the_form_of_the_service(box, data, code, said):
    made = box()
    answer, body = made.ask(CUT, data)
    assert (answer.code, body["error_code"], body["oss_path"]) == (code, code, "")
    assert said in body["result"]
    assert body["result"] == body["error_msg"]
    assert made.files() == []


@pytest.mark.parametrize("duration", ["0", "abc", -5, 0, 1.5])
def test_bad_durations_are_refused_by_name(box, duration):
    answer, body = box().ask(CUT, CLIP, input={"play_duration": duration})
    assert (answer.code, body["oss_path"]) == (400, "")
    assert "play_duration" in body["error_msg"]


def test_a_duration_beyond_the_video_is_all_of_it(box):
    made = box()
    assert made.ask(ENLARGE, CLIP, input={"play_duration": 10**15})[0].code == 200
    assert len(Read(made.files()[0].read_bytes()).times) == 75


def test_a_picture_beyond_the_limit_names_it(box):
    answer, body = box(video=VideoLimits(max_pixels=1000)).ask(CUT, CLIP)
    assert answer.code == 413
    assert "requests.video.max_pixels" in body["error_msg"]


def test_a_store_that_cannot_keep_anything_is_said_before_the_work(box):
    def never(item, run):
        raise AssertionError("nothing is to be looked at")

    def shut():
        raise StoreFailed("the store of artefacts cannot be written: see `artefacts.url`")

    answer, body = box(never, store=shut).ask(CUT, CLIP)
    assert answer.code == StoreFailed.code
    assert "artefacts.url" in body["result"]


def test_a_model_that_fails_in_the_middle_leaves_no_half_file(box):
    def broken(item, run):
        def made():
            for n, frame in enumerate(item.frames()):
                if n == 20:
                    raise ValueError("no more")
                yield frame.pixels(PixelFormat()), n * 40_000

        return EnlargedVideo(made())

    made = box(broken)
    answer, _ = made.ask(ENLARGE, CLIP)
    assert answer.code == 500
    assert made.files() == []


def test_cancelled_in_the_middle_leaves_no_half_file(box):
    begun, go_on = threading.Event(), threading.Event()

    def slow(item, run):
        def made():
            for n, frame in enumerate(item.frames()):
                if n == 20:
                    begun.set()
                    assert go_on.wait(60)
                yield frame.pixels(PixelFormat()), n * 40_000

        return EnlargedVideo(made())

    made = box(slow)
    made.submit(ENLARGE, CLIP, request_id="r-1")
    assert begun.wait(60)
    made.queue.cancel("r-1")
    go_on.set()
    until(lambda: made.answers, limit=60)
    assert made.answers[0].code == 499
    assert made.files() == []


def test_who_is_gone_in_the_middle_has_cancelled_it(box):
    gone = threading.Event()

    def leaving(item, run):
        gone.set()
        run.check()
        raise AssertionError("nobody waits any more")

    made = box(leaving)
    (made.media / "clip.mp4").write_bytes(CLIP)
    made.submit_raw(CUT, {"input": {"url": str(made.media / "clip.mp4")}}, gone.is_set)
    until(lambda: made.answers, limit=60)
    assert made.answers[0].code == 499


def test_what_evidently_takes_too_long_is_413_by_name(box, monkeypatch):
    monkeypatch.setattr("edged.requests.forecast.TRIED_S", 0.2)

    def slow(item, run):
        for n in range(1000):
            run.progress(n / 1000)
            time.sleep(0.05)
        raise AssertionError("it was not given up")

    answer, body = box(slow).ask(CUT, CLIP, timeout_s=5)
    assert answer.code == 413
    assert "play_duration" in body["error_msg"]


def test_twenty_at_once_some_wait_the_others_are_refused_and_quick_ones_are_answered_meanwhile(box):
    working, go_on = threading.Event(), threading.Event()

    def slow(item, run):
        working.set()
        assert go_on.wait(60)
        return middle(item, run)

    made = box(slow, jobs=JobSettings(max_waiting=4))
    made.submit(CUT, CLIP, request_id="r-0")
    assert working.wait(60)
    for n in range(1, 20):
        made.submit(CUT, CLIP, request_id=f"r-{n}")
    until(lambda: len(made.answers) == 15, limit=60)
    assert {answer.code for answer in made.answers} == {429}
    for n in range(20):
        made.submit_raw(DETECT, {"image": JPEG, "request_id": f"quick-{n}"})
    until(lambda: len(made.answers) == 35, limit=60)
    assert [answer.code for answer in made.answers[15:]] == [200] * 20
    go_on.set()
    until(lambda: len(made.answers) == 40, limit=60)
    assert [answer.code for answer in made.answers[35:]] == [200] * 5
    assert len({answer.request_id for answer in made.answers}) == 40
    assert len(made.files()) == 5


def test_a_stop_lets_go_of_a_job_soon(box):
    begun = threading.Event()

    def endless(item, run):
        begun.set()
        while True:
            run.check()
            time.sleep(0.01)

    made = box(endless)
    made.submit(CUT, CLIP)
    assert begun.wait(60)
    started = time.monotonic()
    made.stop()
    assert time.monotonic() - started < 60


def test_pictures_that_no_player_plays_are_refused_before_the_work(box, monkeypatch):
    monkeypatch.setattr("edged.requests.production.MOST_PIXELS", 96 * 128 - 1)
    answer, body = box().ask(ENLARGE, CLIP)
    assert answer.code == 413
    assert "`scale`" in body["error_msg"]
    assert "input.url" not in body["error_msg"]


def test_who_makes_pictures_is_told_when_nobody_takes_them_any_more(box):
    ended = threading.Event()

    def stubborn(item, run):
        def made():
            try:
                for frame in item.frames():
                    yield frame.pixels(PixelFormat()), round(frame.captured_at * 1e6)
                    yield frame.pixels(PixelFormat())[:10], 0
            finally:
                ended.set()

        return EnlargedVideo(made())

    answer, _ = box(stubborn).ask(ENLARGE, CLIP)
    assert answer.code == 500
    assert ended.is_set()


def test_a_span_without_a_picture_is_said_of_the_field(box):
    def beyond(item, run):
        return Highlight(50_000_000, 55_000_000)

    made = box(beyond)
    answer, body = made.ask(CUT, CLIP)
    assert answer.code == 422
    assert body["result"].startswith("the media of the field `input.url` has no picture in the span")
    assert made.files() == []
