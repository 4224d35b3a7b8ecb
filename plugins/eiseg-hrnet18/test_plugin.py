"""EISeg: known boxes in, known clicks and masks out; and the real weights against people's outlines."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import CardError, DetectionOptions, Detections, Tools
from edged.cards import load_card
from edged.contracts.errors import Cancelled
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.ops.masks import mask_iou
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of
from tests.masks import mask_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(DetectionOptions)
OUTPUT = CARD.graphs["mask"].outputs[0]
BLACK, WHITE = 0, 255


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models[CARD.id]


class Detector:
    """A used model that finds the boxes (top, left, bottom, right) that it is given, surest first."""

    card = CARD

    def __init__(self, *boxes):
        self._boxes = np.array(boxes, np.float64).reshape(-1, 4)
        self.asked: dict[str, float] = {}

    def infer(self, item, run, **options):
        self.asked = options
        scores = np.linspace(0.9, 0.5, len(self._boxes))
        classes = np.zeros(len(self._boxes), int)
        return Detections(self._boxes[:, [1, 0, 3, 2]], scores, classes, ["person"])


def bright():
    """A graph for which an object is what is white in the crop."""
    return FakeSession(lambda fed: {OUTPUT: np.where(fed["image"][..., 0] > 128, 5, -5)[None].astype("f4")})


def picture(size, *rectangles):
    """White rectangles (top, left, bottom, right) on black."""
    bgr = np.full((*size, 3), BLACK, np.uint8)
    for top, left, bottom, right in rectangles:
        bgr[top:bottom, left:right] = WHITE
    return frame_of(bgr)


def found(model, frame, detector, session, run=None, **options):
    tools = Tools(checked({"mask": session}, model), models={"detector": detector})
    return model.infer(frame, OPTIONS.model_copy(update=options), tools, run or FakeRun())


def masks(result):
    published = answer_of(CARD, result)["detection_masks"]
    assert all(sum(m["counts"]) == m["size"][0] * m["size"][1] for m in published)
    return [mask_of(m["counts"], tuple(m["size"])) for m in published]


def clicked(fed, channel):
    """Middles (y, x) of the disks in one of the three maps."""
    drawn = (fed["coord_features"][0, channel] > 0).astype(np.uint8)
    return {(round(y), round(x)) for x, y in cv2.connectedComponentsWithStats(drawn)[3][1:]}


def test_a_mask_lies_where_its_object_is(model):
    there = 60, 40, 160, 100
    result = found(model, picture((200, 300), there), Detector((55, 38, 165, 103)), bright())
    (mask,) = masks(result)
    assert mask.shape == (200, 300)
    wanted = np.zeros((200, 300), bool)
    wanted[60:160, 40:100] = True
    assert mask_iou(mask, wanted) > 0.97
    answer = answer_of(CARD, result)
    assert answer["detection_masks"][0]["counts"][0] == np.flatnonzero(mask)[0]
    assert answer["detection_boxes"] == [[55, 38, 165, 103]]
    assert answer["detection_class_names"] == ["person"]


def test_clicks_lie_on_the_axis_and_beside_the_box(model):
    session = bright()
    found(model, picture((700, 700)), Detector((200, 300, 500, 400)), session)
    (fed,) = session.asked
    # The crop is 420 x 140 pixels of the picture around (350, 350), on 256 x 256.
    assert clicked(fed, 0) == set()
    assert clicked(fed, 1) == {(82, 128), (128, 128), (174, 128)}
    assert clicked(fed, 2) == {(28, 128), (228, 128), (128, 28), (128, 228)}
    assert (fed["coord_features"][0, 1] > 0).sum() == pytest.approx(3 * 25 * np.pi, rel=0.1)  # of radius 5


def test_who_stands_in_front_is_no_part_of_what_is_behind(model):
    front, behind = (100, 200, 300, 300), (50, 50, 350, 450)
    session = bright()
    frame = picture((400, 500), front, (180, 60, 220, 440))
    found(model, frame, Detector(front, behind), session)
    first, second = session.asked
    assert len(clicked(first, 1)) == 3
    assert clicked(second, 1) == {(128, 77), (128, 179)}  # not in the middle, where the one in front is
    assert clicked(second, 2) >= {(96, 128), (128, 128), (160, 128)}  # but these were clicks on that one


def test_where_the_whole_axis_is_taken_clicks_go_around_it(model):
    bar, box = (195, 50, 205, 450), (100, 50, 300, 450)
    session = bright()
    found(model, picture((400, 500), bar), Detector(bar, box), session)
    rows = {y for y, _ in clicked(session.asked[1], 1)}
    assert len(rows) == 2
    assert 128 not in rows


def test_one_object_that_was_found_twice_is_segmented_once(model):
    session = bright()
    frame = picture((200, 300), (60, 40, 160, 100))
    first, second = masks(found(model, frame, Detector((60, 40, 160, 100), (62, 40, 165, 102)), session))
    assert len(session.asked) == 1
    assert mask_iou(first, second) > 0.95


@pytest.mark.parametrize(
    ("box", "area"),
    [
        ((100, 100, 200, 140), 110 * 44),
        ((0, 0, 300, 400), 300 * 400),
        ((-20, 380, 40, 420), 43 * 22),
        ((50, 50, 50, 50), 0),
        ((300, 400, 300, 400), 0),
    ],
)
def test_masks_keep_to_their_boxes_and_to_the_picture(model, box, area):
    everything = picture((300, 400), (0, 0, 300, 400))
    (mask,) = masks(found(model, everything, Detector(box), bright()))
    assert mask.sum() == area


def test_a_picture_of_one_pixel(model):
    (mask,) = masks(found(model, picture((1, 1), (0, 0, 1, 1)), Detector((0, 0, 1, 1)), bright()))
    assert mask.tolist() == [[True]]


def test_nothing_found_is_empty_lists_and_no_run(model):
    session = bright()
    answer = answer_of(CARD, conformance(model, {"mask": session}, models={"detector": Detector()}))
    assert answer["detection_boxes"] == answer["detection_scores"] == answer["detection_masks"] == []
    assert not session.asked


def test_options_are_the_detectors(model):
    detector = Detector()
    found(model, picture((9, 9)), detector, bright(), score_threshold=0.7, max_detections=3)
    assert detector.asked == {"score_threshold": 0.7, "iou_threshold": 0.6, "max_detections": 3}


def test_it_says_how_far_it_is_and_stops_when_it_shall(model):
    two = Detector((60, 40, 160, 100), (20, 120, 190, 200))
    run = FakeRun()
    found(model, picture((200, 300)), two, bright(), run)
    assert run.reported == [0.5, 1]
    session = bright()
    with pytest.raises(Cancelled):
        found(model, picture((200, 300)), two, session, FakeRun(Cancelled("enough")))
    assert not session.asked


def test_a_card_without_clicks_is_refused(model):
    graph = CARD.graphs["mask"]
    without = graph.model_copy(update={"inputs": {"image": graph.inputs["image"]}})
    with pytest.raises(CardError, match="coord_features"):
        type(model)(CARD.model_copy(update={"graphs": {"mask": without}}))


def best(result, outlined):
    """How far the best of the masks is the one that people drew, 0 to 1."""
    return max(mask_iou(mask, outlined) for mask in masks(result))


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_real_weights_outline_what_people_outlined(instance_of, media, precision):
    instance = instance_of(CARD.id, precision)
    with np.load(media("voc.npz")) as voc:
        frame, outlines = frame_of(voc["rgb"][..., ::-1].copy()), voc["masks"]
    result = instance.infer(frame, OPTIONS, FakeRun(), Priority.REQUEST)
    largest = sorted(outlines, key=lambda mask: -mask.sum())[1:4]  # people; before them comes the table
    assert min(best(result, mask) for mask in largest) > 0.87

    frame = decode_picture(media("quokka.jpg").read_bytes(), PictureLimits(), 0.0)
    (polygon,) = json.loads(media("quokka_annotations.json").read_text())["polygons"]
    drawn = np.zeros((frame.height, frame.width), np.uint8)
    cv2.fillPoly(drawn, [np.array([[p["x"], p["y"]] for p in polygon["keypoints"]], np.int32)], 1)
    result = instance.infer(frame, OPTIONS, FakeRun(), Priority.REQUEST)
    assert best(result, drawn > 0) > 0.93


def test_real_weights_find_nothing_where_nothing_is(instance_of):
    instance = instance_of(CARD.id)
    result = instance.infer(picture((300, 400)), OPTIONS, FakeRun(), Priority.REQUEST)
    assert answer_of(CARD, result)["detection_masks"] == []
