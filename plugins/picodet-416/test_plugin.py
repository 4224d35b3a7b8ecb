"""PicoDet: known rows in, known boxes out; and the real weights on real pictures."""

from pathlib import Path

import numpy as np
import pytest

from edged import CardError, DetectionOptions, InferenceError, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.repository.instance import UsedModel
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(DetectionOptions)
PERSON, CAR = 0, 2


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models["picodet-416"]


def gray(height, width):
    return frame_of(np.full((height, width, 3), 128, np.uint8))


def says(*rows):
    """What the graph gives: rows of class, score, x1, y1, x2, y2 on the canvas."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return {"main": FakeSession(lambda _: {"multiclass_nms3_0.tmp_0": table})}


def found(model, frame, *rows, **options):
    tools = Tools(checked(says(*rows), model))
    return answer_of(CARD, model.infer(frame, OPTIONS.model_copy(update=options), tools, FakeRun()))


ONE = (PERSON, 0.9, 104, 208, 208, 416)


def test_boxes_come_back_to_the_picture_by_two_scales(model):
    result = found(model, gray(208, 832), ONE)
    assert result["detection_boxes"] == [[104, 208, 208, 416]]
    assert result["detection_scores"] == [0.9]
    assert result["detection_class_names"] == ["person"]


def test_the_graph_is_fed_the_squashed_picture_red_first_and_leaves_the_boxes_on_the_canvas(model):
    red = np.zeros((100, 200, 3), np.uint8)
    red[..., 2] = 255
    fed = model.preprocess(frame_of(red), OPTIONS).inputs
    assert fed["image"].shape == (1, 416, 416, 3)
    assert fed["image"][0, 415, 415].tolist() == [255, 0, 0]
    assert fed["scale_factor"].tolist() == [[1, 1]]


def test_options_bound_what_is_found(model):
    other = (CAR, 0.5, 110, 210, 208, 416)
    worse = (PERSON, 0.45, 104, 218, 208, 416)
    assert found(model, gray(416, 416), ONE, other, worse)["detection_class_names"] == ["person", "car"]
    kept = found(model, gray(416, 416), ONE, worse, iou_threshold=0.99)
    assert kept["detection_scores"] == [0.9, 0.45]
    assert found(model, gray(416, 416), ONE, other, max_detections=1)["detection_class_names"] == ["person"]
    assert found(model, gray(416, 416), ONE, score_threshold=0.91)["detection_boxes"] == []


def test_the_best_comes_first_and_is_clipped(model):
    result = found(model, gray(416, 416), (CAR, 0.5, -9, -9, 900, 900), ONE)
    assert result["detection_scores"] == [0.9, 0.5]
    assert result["detection_boxes"][1] == [0, 0, 416, 416]


def test_nothing_found_is_empty_lists(model):
    result = answer_of(CARD, conformance(model, says()))
    assert result["detection_boxes"] == result["detection_scores"] == result["detection_classes"] == []


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (np.zeros((3, 5)), r"gives .* of shape \(3, 5\), and not \(any, 6\)"),
        (np.zeros(6), r"gives .* of shape \(6,\), and not \(any, 6\)"),
        (np.full((1, 6), 80), "names classes that the card does not list"),
        (np.full((1, 6), -1), "names classes that the card does not list"),
    ],
)
def test_a_graph_that_is_not_what_the_card_says_is_named(model, output, reason):
    session = FakeSession(lambda _: {"multiclass_nms3_0.tmp_0": output.astype(np.float32)})
    tools = Tools(checked({"main": session}, model))
    with pytest.raises(InferenceError, match=f"of picodet-416 {reason}"):
        model.infer(gray(9, 9), OPTIONS, tools, FakeRun())


def test_a_card_without_the_scale_factor_is_refused(model):
    graph = CARD.graphs["main"]
    without = graph.model_copy(update={"inputs": {"image": graph.inputs["image"]}})
    with pytest.raises(CardError, match="scale_factor"):
        type(model)(CARD.model_copy(update={"graphs": {"main": without}}))


@pytest.mark.parametrize("precision", ["f32", "auto"])
@pytest.mark.parametrize(
    ("picture", "seen"),
    [
        ("astronaut.png", {"person": [12, 9, 512, 367]}),
        ("chelsea.png", {"cat": [0, 0, 300, 413]}),
        ("coffee.png", {"cup": [17, 169, 303, 425], "dining table": [0, 0, 400, 600]}),
        ("motorcycle_left.png", {"motorcycle": [36, 97, 453, 684]}),
    ],
)
def test_real_weights_find_what_people_see(instance_of, media, picture, seen, precision):
    instance = instance_of("picodet-416", precision)
    frame = decode_picture(media(picture).read_bytes(), PictureLimits(), 0.0)
    result = answer_of(CARD, UsedModel(instance).infer(frame, FakeRun()))
    assert set(result["detection_class_names"]) == set(seen)
    assert min(result["detection_scores"]) > 0.8
    for name, box in zip(result["detection_class_names"], result["detection_boxes"], strict=True):
        assert box == pytest.approx(seen[name], abs=15)
