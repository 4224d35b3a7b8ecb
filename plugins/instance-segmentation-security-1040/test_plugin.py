"""Mask R-CNN: known rows in, known masks out; and the whole way with a small graph of the same form."""

from hashlib import sha384
from pathlib import Path

import numpy as np
import pytest

from edged import CardError, DetectionOptions, InferenceError, Tensors, Tools
from edged.cards import load_card
from edged.contracts.card import Weights
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of
from tests.masks import mask_of
from tests.opened import pulled
from tests.standins import blueness

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
OPTIONS = CARD.options_as(DetectionOptions)
PERSON, CAR = 0, 2


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models[CARD.id]


def gray(height, width):
    return frame_of(np.full((height, width, 3), 128, np.uint8))


def says(rows, labels, patches):
    """What the graph gives, as arrays."""
    answer: Tensors = {
        "boxes": np.array(rows, np.float32).reshape(-1, 5),
        "labels": np.array(labels, np.int64),
        "masks": np.array(patches, np.float32).reshape(-1, 28, 28),
    }
    return {"main": FakeSession(lambda _: answer)}


LEFT_HALF = np.repeat(np.arange(28)[None] < 14, 28, axis=0)
ALL = np.ones((28, 28))
ONE = (152, 304, 456, 608, 0.9)


def found(model, frame, sessions, **options):
    chosen = OPTIONS.model_copy(update=options)
    return answer_of(CARD, model.infer(frame, chosen, Tools(checked(sessions, model)), FakeRun()))


def test_masks_are_laid_into_the_picture_where_their_box_is(model):
    result = found(model, gray(304, 1216), says([ONE], [PERSON], [LEFT_HALF]))
    assert result["detection_boxes"] == [[152, 304, 304, 912]]
    assert result["detection_class_names"] == ["person"]
    (mask,) = result["detection_masks"]
    assert mask["size"] == [304, 1216]
    assert sum(mask["counts"]) == 304 * 1216
    wanted = np.zeros((304, 1216), bool)
    wanted[152:, 304:608] = True
    assert (mask_of(mask["counts"], (304, 1216)) ^ wanted).sum() <= 152 * 2


def test_options_bound_what_is_found_and_masks_keep_to_their_boxes(model):
    other = (0, 0, 100, 100, 0.95)
    sessions = says([ONE, (152, 310, 456, 608, 0.8), other], [PERSON, PERSON, CAR], [LEFT_HALF, ALL, ALL])
    result = found(model, gray(608, 608), sessions)
    assert result["detection_class_names"] == ["car", "person"]
    areas = [mask_of(m["counts"], (608, 608)).sum() for m in result["detection_masks"]]
    assert areas == pytest.approx([100 * 100, 304 * 152], abs=400)
    assert len(found(model, gray(608, 608), sessions, iou_threshold=1)["detection_masks"]) == 3
    assert found(model, gray(608, 608), sessions, max_detections=1)["detection_class_names"] == ["car"]
    assert found(model, gray(608, 608), sessions, score_threshold=0.96)["detection_masks"] == []


def test_boxes_over_the_edge_are_clipped(model):
    result = found(model, gray(40, 60), says([(-50, -50, 900, 900, 0.9)], [CAR], [ALL]))
    assert result["detection_boxes"] == [[0, 0, 40, 60]]
    assert result["detection_masks"][0]["counts"] == [0, 40 * 60]


def test_nothing_found_is_empty_lists(model):
    result = answer_of(CARD, conformance(model, says([], [], [])))
    assert result["detection_boxes"] == result["detection_classes"] == result["detection_masks"] == []


@pytest.mark.parametrize(
    ("rows", "labels", "patches", "named"),
    [
        ([(*ONE[:4], np.nan)], [PERSON], [ALL], "not finite"),
        ([ONE], [PERSON], [ALL * np.nan], "not finite"),
        ([ONE], [80], [ALL], "does not list"),
        ([ONE], [-1], [ALL], "does not list"),
        ([ONE], [PERSON, CAR], [ALL], "and not"),
    ],
)
def test_a_graph_that_answers_nonsense_is_named(model, rows, labels, patches, named):
    with pytest.raises(InferenceError, match=named):
        found(model, gray(9, 9), says(rows, labels, patches))


def test_a_card_with_other_outputs_is_refused(model):
    graph = CARD.graphs["main"].model_copy(update={"outputs": ("boxes",)})
    with pytest.raises(CardError, match="boxes, labels, masks"):
        type(model)(CARD.model_copy(update={"graphs": {"main": graph}}))


def known(path):
    """A file that the user brings along, as a card knows it."""
    data = path.read_bytes()
    about = {"sha384": sha384(data).hexdigest(), "size": len(data), "origins": [{"file": str(path)}]}
    return Weights.model_validate(about)


def test_from_files_like_the_makers_to_masks(model, tmp_path):
    blueness(tmp_path / CARD.graphs["main"].weights[0])
    weights = {name: known(tmp_path / name) for name in CARD.weights}
    brought = type(model)(CARD.model_copy(update={"weights": weights}))
    instance = pulled(tmp_path / "models", {CARD.id: brought}, CARD.id).acquire(CARD.id)
    assert instance.facts.variant == "openvino-int8"
    picture = np.zeros((50, 80, 3), np.uint8)
    assert len(instance.infer(frame_of(picture), OPTIONS, FakeRun(), Priority.REQUEST)) == 0
    picture[..., 0] = 204
    result = answer_of(CARD, instance.infer(frame_of(picture), OPTIONS, FakeRun(), Priority.REQUEST))
    assert result["detection_boxes"] == [[0, 0, 50, 40]]
    assert result["detection_scores"] == pytest.approx([0.8], abs=0.005)
    assert result["detection_class_names"] == ["person"]
    assert result["detection_masks"][0]["counts"] == [0, *[40] * 99, 40]
    conformance(instance.model, instance.tools.sessions, frame_of(picture))
