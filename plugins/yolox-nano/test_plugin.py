"""YOLOX: known tensors in, known boxes out; and the real weights on real pictures."""

import math
from pathlib import Path

import av
import numpy as np
import onnxruntime
import pytest

from edged import DetectionOptions, InferenceError, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.media.frame import VideoFrame
from edged.media.picture import PictureLimits, decode_picture
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(DetectionOptions)
PERSON, BICYCLE, CAR = 0, 1, 2


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models["yolox-nano"]


def gray(height, width):
    return frame_of(np.full((height, width, 3), 128, np.uint8))


def head(*objects):
    """What the graph says when it sees objects: (cell, class, score, dx, dy, width, height), in strides."""
    out = np.zeros((1, 3549, 85), np.float32)
    for cell, label, score, dx, dy, width, height in objects:
        out[0, cell, :5] = [dx, dy, math.log(width), math.log(height), 1.0]
        out[0, cell, 5 + label] = score
    return {"output": out}


def found(model, frame, outputs, **options):
    tools = Tools(checked({"main": FakeSession(lambda _: outputs)}, model))
    return answer_of(CARD, model.infer(frame, OPTIONS.model_copy(update=options), tools, FakeRun()))


ONE = (106, PERSON, 0.9, 0.5, 0.5, 2, 4)
"""Cell 106 is row 2, column 2 of the first grid, of 52 cells a row: centre 20, 20, 16 wide and 32 high."""


def test_a_box_comes_out_in_pixels_of_the_picture(model):
    result = found(model, gray(832, 416), head(ONE))  # the canvas has half the picture's size
    assert result["detection_boxes"] == [[8.0, 24.0, 72.0, 56.0]]
    assert result["detection_scores"] == [0.9]
    assert result["detection_classes"] == [PERSON]
    assert result["detection_class_names"] == ["person"]


def test_every_grid_has_its_own_stride(model):
    second = (2704, CAR, 0.8, 1, 1, 1, 1)  # first cell of stride 16
    third = (2704 + 676 + 1, BICYCLE, 0.7, 1, 1, 1, 1)  # second cell of stride 32
    result = found(model, gray(416, 416), head(second, third))
    assert result["detection_boxes"] == [[8, 8, 24, 24], [16, 48, 48, 80]]
    assert result["detection_class_names"] == ["car", "bicycle"]


def test_of_overlapping_boxes_of_a_class_the_best_stays(model):
    worse = (107, PERSON, 0.8, -0.4, 0.5, 2, 4)
    other = (107, CAR, 0.7, -0.4, 0.5, 2, 4)
    result = found(model, gray(416, 416), head(worse, ONE), iou_threshold=0.45)
    assert result["detection_scores"] == [0.9]
    assert found(model, gray(416, 416), head(other, ONE))["detection_class_names"] == ["person", "car"]
    assert len(found(model, gray(416, 416), head(worse, ONE), iou_threshold=0.95)["detection_boxes"]) == 2


def test_options_bound_what_is_found(model):
    many = [(cell, CAR, 0.5 + cell / 1000, 0.5, 0.5, 1, 1) for cell in range(0, 300, 2)]
    assert len(found(model, gray(416, 416), head(*many))["detection_boxes"]) == 100
    few = found(model, gray(416, 416), head(*many), max_detections=3, score_threshold=0.2)
    assert few["detection_scores"] == [0.798, 0.796, 0.794]
    assert found(model, gray(416, 416), head(ONE), score_threshold=0.91)["detection_boxes"] == []


def test_a_box_is_clipped_to_the_picture_even_one_that_is_larger_than_numbers_can_be(model):
    wide = (0, CAR, 0.9, 0, 0, 1000, 1000)
    endless = (500, PERSON, 0.8, 0, 0, 1, 1)
    outputs = head(wide, endless)
    outputs["output"][0, 500, 2:4] = 1000, 1000
    assert found(model, gray(200, 416), outputs)["detection_boxes"] == [[0, 0, 200, 416]] * 2


def test_nothing_found_is_empty_lists(model):
    result = answer_of(CARD, conformance(model, {"main": FakeSession(lambda _: head())}))
    assert result["detection_boxes"] == result["detection_scores"] == result["detection_classes"] == []


def test_the_graph_is_fed_blue_first_top_left_aligned_on_114(model):
    blue = np.zeros((100, 200, 3), np.uint8)
    blue[..., 0] = 255
    (fed,) = model.preprocess(frame_of(blue), OPTIONS).inputs.values()
    assert fed.shape == (1, 416, 416, 3)
    assert fed[0, 0, 0].tolist() == fed[0, 207, 415].tolist() == [255, 0, 0]
    assert fed[0, 208, 0].tolist() == [114, 114, 114]


def test_a_graph_that_is_not_what_the_card_says_is_named(model):
    with pytest.raises(InferenceError, match=r"yolox-nano gives .*\(1, 3549, 6\).*\(1, 3549, 85\)"):
        found(model, gray(10, 10), {"output": np.zeros((1, 3549, 6), np.float32)})


@pytest.fixture(scope="module")
def sessions(yolox_onnx):
    """The published graph, fed as the folded one will be."""
    graph = onnxruntime.InferenceSession(yolox_onnx, providers=["CPUExecutionProvider"])

    def run(inputs):
        planes = {name: array.transpose(0, 3, 1, 2).astype(np.float32) for name, array in inputs.items()}
        return {"output": graph.run(["output"], planes)[0]}

    return {"main": FakeSession(run)}


def assert_finds(result, name, box, score, within=12):
    """The best object of that name is there, to `within` pixels."""
    index = result["detection_class_names"].index(name)
    assert result["detection_boxes"][index] == pytest.approx(box, abs=within)
    assert result["detection_scores"][index] == pytest.approx(score, abs=0.1)


@pytest.mark.parametrize(
    ("picture", "best"),
    [
        ("astronaut.png", ("person", [20, 11, 507, 369], 0.93)),
        ("chelsea.png", ("cat", [0, 0, 300, 451], 0.63)),
        ("coffee.png", ("cup", [16, 162, 295, 421], 0.90)),
        ("motorcycle_left.png", ("motorcycle", [67, 110, 446, 709], 0.90)),
    ],
)
def test_real_weights_find_what_people_see(model, sessions, media, picture, best):
    frame = decode_picture(media(picture).read_bytes(), PictureLimits(), 0.0)
    result = answer_of(CARD, conformance(model, sessions, frame))
    assert_finds(result, *best)
    assert result["detection_class_names"][0] == best[0], "and nothing is surer"


def test_real_weights_on_the_demo_clip(model, sessions, bikes):
    with av.open(str(bikes)) as clip:
        decoded = next(frame for i, frame in enumerate(clip.decode(video=0)) if i == 125)
    result = answer_of(CARD, conformance(model, sessions, VideoFrame(decoded, 0.0, 125)))
    assert_finds(result, "person", [0, 359, 272, 490], 0.85)
    assert_finds(result, "bicycle", [152, 386, 272, 513], 0.79)
