"""Shelves with known products, through the real detector, embedding and gallery."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged import Detections, Embedding, GalleryIndex
from edged.cards import load_card
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.ops.boxes import iou
from edged.testing import FakeRun, answer_of, conformance, frame_of
from tests.opened import pulled
from tests.shelf import on_ground, products, shelf

HERE = Path(__file__).parent
GROUNDS = ((255, 255, 255), (190, 205, 215), (120, 130, 140))
STRANGER = "rose"
"""Stands on the shelves and is not enrolled."""


@pytest.fixture(scope="module")
def things(models_root, weight_store):
    card = load_card(HERE.parent / "pplcnetv2-base" / "card.yaml")
    return products(lambda name: weight_store.ensure(card, [name], lambda *_: None)[name])


@pytest.fixture(scope="module")
def gallery(things, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    for name in things.keys() - {STRANGER}:
        (folder / name).mkdir()
        for number, ground in enumerate(GROUNDS):
            cv2.imwrite(str(folder / name / f"{number}.png"), on_ground(things[name], ground))
    return folder


@pytest.fixture(scope="module")
def counter(models_root, gallery):
    models = discover([HERE.parent], entry_points=False).models
    return pulled(models_root, models, "shelf-count", gallery=gallery).acquire("shelf-count", precision="f32")


def counted(counter, picture, **options):
    chosen = card_options(counter.card).model_copy(update=options)
    return answer_of(counter.card, counter.infer(frame_of(picture), chosen, FakeRun(), Priority.REQUEST))


def found(result, boxes):
    """How many of the true boxes are answered."""
    answered = np.array(result["detection_boxes"], np.float32).reshape(-1, 4)
    return int((iou(boxes.astype(np.float32), answered).max(axis=1) > 0.5).sum())


@pytest.mark.parametrize("form", [(3, 6, 120, 13), (4, 10, 110, 14)])
def test_a_shelf_is_counted_by_product(counter, things, form):
    picture, names, boxes = shelf(things, *form)
    result = counted(counter, picture)
    expected = Counter("unknown" if name == STRANGER else name for name in names)
    wrong = sum((expected - Counter(result["product_count"])).values())
    assert wrong <= len(names) // 20  # a product may be missed, none may get another's name
    assert sum((Counter(result["product_count"]) - expected).values()) <= 1
    assert found(result, boxes) >= len(names) * 0.95
    assert result["ori_img_shape"] == list(picture.shape[:2])
    assert sum(result["product_count"].values()) == len(result["detection_boxes"])
    assert all(a >= b for a, b in pairwise(result["detection_scores"]))


def test_small_products_are_found_in_tiles(counter, things):
    picture, names, boxes = shelf(things, 6, 16, 100, 26)
    assert len(names) == 96
    whole = counter.model.card.parameters["tile"]
    assert picture.shape[1] > whole * 2
    assert found(counted(counter, picture), boxes) >= 86


def test_class_ids_are_those_of_the_skus_in_order(counter, things, gallery):
    picture, _, _ = shelf(things, 2, 4, 200, 3)
    result = counted(counter, picture)
    known = ["unknown", *sorted(things.keys() - {STRANGER})]
    assert [known[i] for i in result["detection_classes"]] == result["detection_class_names"]
    assert json.loads((gallery / "ids.json").read_text()) == {sku: i for i, sku in enumerate(known) if i}


def test_a_strict_distance_makes_everything_unknown(counter, things):
    picture, _, _ = shelf(things, 2, 4, 200, 3)
    assert set(counted(counter, picture, max_distance=0.05)["product_count"]) == {"unknown"}


def test_an_empty_wall_has_no_products(counter):
    result = counted(counter, np.full((480, 640, 3), 190, np.uint8))
    assert (result["detection_boxes"], result["product_count"]) == ([], {})


class Detector:
    """Sees the same in every tile."""

    def infer(self, item, run, **options):
        boxes = np.array([[20.0, 10.0, 40.0, 50.0], [0.0, 0.0, 90.0, 90.0]])
        return Detections(boxes, np.array([0.5, 0.9]), np.array([1, 0]), ["person", "cup"])


class Look:
    """Every crop looks the same."""

    def infer(self, item, run, **_):
        return Embedding(np.array([0.8, 0.6], np.float32))


class Enrolled:
    """Two products, or none."""

    def __init__(self, *skus):
        vectors = np.eye(2, dtype=np.float32)[: len(skus)]
        ids = tuple(range(7, 7 - len(skus), -1))
        self._index = GalleryIndex(skus, ids, vectors.reshape(-1, 2), np.arange(len(skus)))

    def index(self, run):
        return self._index


@pytest.mark.parametrize(("skus", "id_", "name"), [(("a", "b"), 7, "a"), ((), 0, "unknown")])
def test_it_keeps_the_promises_of_a_model(skus, id_, name):
    model = discover([HERE.parent], entry_points=False).models["shelf-count"]
    parts = {"products": Detector(), "embedding": Look()}
    found = conformance(model, {}, resources={"gallery": Enrolled(*skus)}, models=parts)
    result = answer_of(model.card, found)
    assert result["detection_class_names"] == [name]  # and the person is no product
    assert result["detection_classes"] == [id_]
    assert result["product_count"] == {name: 1}
