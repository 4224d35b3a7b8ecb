"""The live view: newest frame, newest answers, encoded only for who looks and once for all of them."""

import threading

import cv2
import numpy as np
import pytest

from edged.answers import drawing
from edged.answers.drawing import LONGEST_SIDE
from edged.answers.finding import Finding
from edged.contracts.image import Classification, DetectionOptions, Detections
from edged.contracts.model import Options
from edged.contracts.services import service
from edged.media.frame import PictureFrame
from edged.streams.live import FRESH_S, LiveView, LiveViews
from edged.streams.places import PlacesSettings

OPTIONS = DetectionOptions(score_threshold=0.3, iou_threshold=0.5, max_detections=10)


def seen(name, *box):
    """One object in its box x1, y1, x2, y2."""
    boxes = np.array([box], np.float32)
    found = Detections(boxes, np.array([0.9]), np.array([0]), [name])
    return Finding(service("object-detection"), found, OPTIONS)


CAT = seen("cat", 100, 100, 300, 300)
DOG = seen("dog", 350, 100, 550, 300)
NOTHING = Finding(service("object-detection"), CAT.result.chosen([]), OPTIONS)


def frame(at=0.0, size=(400, 640), shade=128):
    return PictureFrame(np.full((*size, 3), shade, np.uint8), at)


def picture(view, **asked):
    _, jpeg = view.jpeg(**asked)
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def drawn_at(shown, row, column):
    return np.ptp(shown[row - 4 : row + 5, column - 4 : column + 5]) > 40


def test_nothing_to_show():
    view = LiveView()
    assert view.version == 0
    assert view.jpeg() is None
    assert view.jpeg(wait_s=0.01) is None


def test_the_finding_is_drawn():
    view = LiveView()
    view.put(frame(), "object-detection", CAT)
    shown = picture(view)
    assert shown.shape == (400, 640, 3)
    assert drawn_at(shown, 300, 200)
    assert not drawn_at(shown, 50, 600)


def test_answers_of_two_services_are_drawn_on_the_newest_frame_also_on_a_small_one():
    view = LiveView()
    view.put(frame(0.0, (160, 200)), "object-detection", seen("cat", 50, 50, 100, 150))
    kinds = Classification(np.array([0.1, 0.9]), ["dog", "cat"])
    finding = Finding(service("image-classification"), kinds, Options())
    view.put(frame(0.5, (160, 200)), "image-classification", finding)
    shown = picture(view)
    factor = shown.shape[0] // 160
    assert drawn_at(shown, 150 * factor, 75 * factor)
    assert drawn_at(shown, 8, 20)


def test_an_old_answer_is_not_drawn_on_a_new_frame():
    view = LiveView()
    view.put(frame(0.0), "object-detection", CAT)
    view.put(frame(FRESH_S + 0.1), "other", NOTHING)
    assert not drawn_at(picture(view), 300, 200)


def test_a_failure_takes_the_answer_away():
    view = LiveView()
    view.put(frame(0.0), "object-detection", CAT)
    view.put(frame(0.2), "object-detection", None)
    assert not drawn_at(picture(view), 300, 200)


def test_a_slow_service_does_not_bring_an_older_frame_back():
    view = LiveView()
    view.put(frame(1.0, shade=200), "object-detection", CAT)
    view.put(frame(0.8, shade=20), "other", NOTHING)
    assert picture(view)[390, 630].mean() > 190
    view.put(frame(-3600.0, shade=20), "other", NOTHING)  # the clock was set
    assert picture(view)[390, 630].mean() < 30


def test_bare_frames_show_only_when_nothing_is_inferred():
    view = LiveView()
    view.put_bare(frame(0.0, shade=10))
    assert picture(view).mean() < 20
    view.put(frame(1.0), "object-detection", CAT)
    before = view.version
    view.put_bare(frame(1.2))
    assert view.version == before
    view.put_bare(frame(2.5, shade=250))
    assert picture(view)[390, 630].mean() > 240


def test_a_large_picture_is_made_smaller():
    view = LiveView()
    view.put(frame(size=(2160, 3840)), "object-detection", CAT)
    assert picture(view).shape == (LONGEST_SIDE * 9 // 16, LONGEST_SIDE, 3)


def test_ids_stand_below_their_boxes():
    plain, followed = LiveView(), LiveView()
    plain.put(frame(), "object-detection", CAT)
    followed.put(frame(), "object-detection", CAT, [7])
    changed = np.abs(picture(plain).astype(int) - picture(followed)).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert len(rows) > 50
    assert 270 <= rows.min() <= rows.max() <= 305
    assert 95 <= columns.min() <= columns.max() <= 200


@pytest.mark.parametrize(
    ("begin", "end", "tip"),
    [((0.3, 0.5), (0.7, 0.5), (0, 1)), ((0.7, 0.5), (0.3, 0.5), (0, -1)), ((0.5, 0.2), (0.5, 0.8), (-1, 0))],
)
def test_the_arrow_of_a_line_points_to_where_in_is(begin, end, tip):
    line = {"from": begin, "to": end}
    view = LiveView(PlacesSettings.model_validate({"lines": {"a": line}}))
    view.put(frame(), "object-detection", NOTHING)
    rows, columns = np.nonzero(np.abs(picture(view).astype(int) - 128).max(axis=2) > 40)
    middle = np.array([640, 400]) / 2
    around = np.array([columns.mean(), rows.mean()]) - middle
    assert float(around @ tip) > 8


def test_a_zone_is_drawn_and_nothing_without_one():
    zone = {"polygon": [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]}
    view, bare = LiveView(PlacesSettings.model_validate({"zones": {"till": zone}})), LiveView()
    for one in (view, bare):
        one.put(frame(), "object-detection", NOTHING)
    shown = picture(view)
    assert all(abs(int(shown[y, x].max()) - int(shown[y, x].min())) > 30 for y, x in ((200, 160), (300, 320)))
    assert np.ptp(picture(bare)) < 5


def test_encoded_once_for_all_who_look_and_not_at_all_for_nobody(monkeypatch):
    encoded = []
    real = drawing.encode_jpeg
    monkeypatch.setattr(drawing, "encode_jpeg", lambda bgr: encoded.append(1) or real(bgr))
    view = LiveView()
    for at in range(5):
        view.put(frame(at / 10), "object-detection", CAT)
    assert not encoded
    got = []
    threads = [threading.Thread(target=lambda: got.append(view.jpeg())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(encoded) == 1
    assert len({version for version, _ in got}) == 1


def test_who_waits_is_woken_by_a_newer_version():
    view = LiveView()
    view.put(frame(), "object-detection", CAT)
    first, _ = view.jpeg()
    assert view.jpeg(after=first) is None
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(view.jpeg(after=first, wait_s=60)))
    waiter.start()
    view.put(frame(0.1), "object-detection", DOG)
    waiter.join(60)
    assert woken[0][0] > first


def test_views_by_stream():
    views = LiveViews()
    old = views.add("door")
    assert views.get("door") is old
    assert views.names() == ["door"]
    old.put(frame(), "object-detection", CAT)
    views.remove("door")
    assert views.get("door") is None
    new = views.add("door")
    new.put(frame(), "object-detection", CAT)
    assert new.version > old.version, "a watcher of the old one must see the new one as newer"


@pytest.mark.parametrize("after", [-1, 0])
def test_zero_is_before_everything(after):
    view = LiveView()
    assert view.jpeg(after=after) is None
