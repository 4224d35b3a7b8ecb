"""People: known detections and opacities through the plugin, and the real weights on real pictures."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edged import Detections, ForegroundOptions, ModelCard, Tools
from edged.cards import load_card
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.picture import PictureLimits, decode_picture
from edged.ops.masks import mask_iou
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, frame_of
from tests.masks import mask_of
from tests.opened import pulled

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
UPSTREAM = load_card(HERE / "pp-humanseg.yaml")
OPTIONS = CARD.options_as(ForegroundOptions)


@pytest.fixture(scope="module")
def models():
    return discover([HERE.parent], entry_points=False).models


class Detector:
    """Finds what it is told: pairs of a class and a box (top, left, bottom, right)."""

    card = CARD

    def __init__(self, *found):
        self._found = found
        self.asked = []

    def infer(self, item, run, **options):
        self.asked.append(options)
        boxes = np.array([box for _, box in self._found], np.float32).reshape(-1, 4)[:, [1, 0, 3, 2]]
        return Detections(
            boxes, np.full(len(boxes), 0.9), np.arange(len(boxes)), [name for name, _ in self._found]
        )


def bright():
    """A graph for which white is foreground."""
    return FakeSession(lambda fed: {"output": (fed["input"][..., 0] / 255).astype("f4")[None]})


def scene(*rectangles):
    bgr = np.zeros((120, 200, 3), np.uint8)
    for top, left, bottom, right in rectangles:
        bgr[top:bottom, left:right] = 255
    return bgr


def outlined(models, bgr, detector, session=None, **options):
    model, chosen = models["modnet"], OPTIONS.model_copy(update=options)
    tools = Tools(checked({"main": session or bright()}, model), models={"people": detector})
    return answered(CARD, model.infer(frame_of(bgr), chosen, tools, FakeRun()), **options)


def answered(card, result, **options):
    """The answer, its mask as an array where it is a list."""
    answer = answer_of(card, result, **options)
    return {
        **answer,
        "mask": np.array(answer["mask"]) if options.get("mask_encoding") is None else answer["mask"],
    }


def test_only_people_and_their_surroundings_count(models):
    bgr = scene((30, 20, 100, 60), (30, 140, 100, 180))
    detector = Detector(("person", (30, 20, 100, 60)), ("dog", (30, 140, 100, 180)))
    result = outlined(models, bgr, detector)
    expected = scene((30, 20, 100, 60))[..., 0] > 0
    assert mask_iou(result["mask"].astype(bool), expected) > 0.93
    assert result["mask"][:, 120:].sum() == 0
    assert float(result["human_ratio"]) == pytest.approx(result["mask"].mean(), abs=1e-6)
    assert detector.asked == [{"score_threshold": OPTIONS.person_threshold}]


def test_nobody_is_an_empty_mask_and_costs_no_run(models):
    session = bright()
    result = outlined(models, np.full((90, 90, 3), 255, np.uint8), Detector(), session)
    assert result["human_ratio"] == "0.000000"
    assert not result["mask"].any()
    assert session.asked == []


def test_without_the_detector_the_whole_picture_is_outlined(models):
    detector = Detector()
    result = outlined(models, scene((30, 20, 100, 60)), detector, person_threshold=0.0)
    assert mask_iou(result["mask"].astype(bool), scene((30, 20, 100, 60))[..., 0] > 0) > 0.93
    assert detector.asked == []


def test_a_person_over_the_edge_is_cut(models):
    result = outlined(models, scene((0, 0, 60, 40)), Detector(("person", (-20, -10, 60, 40))))
    assert result["mask"][:50, :35].all()


def test_the_largest_are_outlined_first_and_no_more_than_the_card_says(models):
    crowd = [("person", (10 * i, 10, 10 * i + 5 + i, 20 + i)) for i in range(11)]
    session = bright()
    outlined(models, scene(), Detector(*crowd), session)
    assert len(session.asked) == CARD.parameters["most"]


@pytest.mark.parametrize(
    ("asked", "size"), [("input", (120, 200)), ("model", (320, 320)), ((30, 50), (30, 50))]
)
def test_sizes_and_runs(models, asked, size):
    result = outlined(
        models,
        scene((30, 20, 100, 60)),
        Detector(("person", (30, 20, 100, 60))),
        output_size=asked,
        mask_encoding="rle",
    )
    assert result["mask"]["size"] == list(size)
    mask = mask_of(result["mask"]["counts"], size)
    white = cv2.resize(scene((30, 20, 100, 60)), size[::-1], interpolation=cv2.INTER_AREA)[..., 0] > 127
    assert mask_iou(mask, white) > 0.88


def found(instance_of, path, precision="f32", **options):
    instance = instance_of("modnet", precision)
    frame = decode_picture(path.read_bytes(), PictureLimits(), 0.0)
    result = instance.infer(frame, OPTIONS.model_copy(update=options), FakeRun(), Priority.REQUEST)
    return answered(CARD, result, **options)


def test_an_astronaut_is_outlined(instance_of, media):
    mask = found(instance_of, media("astronaut.png"))["mask"].astype(bool)
    assert mask[60:180, 190:260].mean() > 0.95  # the face
    assert mask[:, 480:].mean() < 0.1
    assert 0.35 < mask.mean() < 0.55


@pytest.mark.parametrize("name", ["coffee.png", "chelsea.png", "rocket.jpg"])
def test_where_nobody_is_the_mask_is_empty(instance_of, media, name):
    assert found(instance_of, media(name))["human_ratio"] == "0.000000"


def test_int8_outlines_the_same(instance_of, media):
    f32, int8 = (
        found(instance_of, media("astronaut.png"), precision)["mask"].astype(bool)
        for precision in ("f32", "int8")
    )
    assert mask_iou(f32, int8) > 0.9


def test_the_upstream_model_goes_the_same_way(models, tmp_path):
    """On a small graph of the same input and output: what is red is a person."""
    out = "save_infer_model/scale_0.tmp_1"
    plane = np.zeros((2, 3, 1, 1), np.float32)
    plane[1, 0] = 0.5
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "plane", "half"], ["opacities"]),
            helper.make_node("Identity", ["opacities"], [out]),
        ],
        "red",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 192, 192])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, [1, 2, 192, 192])],
        [numpy_helper.from_array(plane, "plane"), numpy_helper.from_array(np.float32([0, 0.5]), "half")],
    )
    name = next(iter(UPSTREAM.weights))
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / name
    )
    data = (tmp_path / name).read_bytes()
    weights = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "origins": [{"file": name}]}
    fields = UPSTREAM.model_dump(mode="json") | {
        "weights": {name: weights},
        "folder": str(tmp_path),
        "uses": {},
    }
    of = ModelCard.model_validate(fields)
    assert not UPSTREAM.verified
    people = type(models["pp-humanseg"])(of)
    instance = pulled(tmp_path / "models", {of.id: people}, of.id).acquire(of.id)
    bgr = np.zeros((100, 100, 3), np.uint8)
    bgr[:, :50, 2] = 255
    options = of.options_as(ForegroundOptions).model_copy(update={"person_threshold": 0.0})
    result = answered(of, instance.infer(frame_of(bgr), options, FakeRun(), Priority.REQUEST))
    assert result["mask"][:, :48].all()
    assert not result["mask"][:, 52:].any()
