"""What an answer says, and what is left of it for some classes."""

import numpy as np
import pytest
from edged.contracts.result import result_fields

from edged.contracts.image import Detections
from edged.contracts.masks import Runs
from edged.contracts.product import ShelfCount
from edged.pipeline.seen import class_fault, gist_of_any, kind_of

TWO = {
    "detection_boxes": [[1, 2, 3, 4], [5, 6, 7, 8]],
    "detection_scores": np.array([0.9, 0.8]),
    "detection_classes": [0, 15],
    "detection_class_names": ["person", "cat"],
    "ori_img_shape": [480, 640],
}
DETECTION = kind_of("object-detection")
CLASSES = kind_of("image-classification")


def test_of_objects_only_the_classes_and_their_number_count():
    moved = {**TWO, "detection_boxes": [[9, 9, 9, 9]] * 2, "detection_class_names": ["cat", "person"]}
    one = {**TWO, "detection_class_names": ["cat"]}
    assert DETECTION.gist(TWO) == DETECTION.gist(moved)
    assert DETECTION.gist(TWO) != DETECTION.gist(one)


def test_all_lists_of_the_objects_are_cut_alike():
    kept = DETECTION.only(TWO, ["cat"])
    assert not kept.empty
    assert kept.answer["detection_boxes"] == [[5, 6, 7, 8]]
    assert kept.answer["detection_scores"].tolist() == [0.8]
    assert kept.answer["detection_classes"] == [15]
    assert kept.answer["detection_class_names"] == ["cat"]
    assert kept.answer["ori_img_shape"] == [480, 640], "is no list of objects, though as long"
    assert len(TWO["detection_boxes"]) == 2, "the answer itself is untouched"


def test_none_is_left():
    kept = DETECTION.only(TWO, ["dog"])
    assert kept.empty
    assert kept.answer["detection_boxes"] == []
    assert kept.answer["detection_scores"].shape == (0,)


def test_of_a_classification_the_best_class_counts():
    first = {"class": 3, "class_name": "cat", "class_probs": {"cat": 0.7, "dog": 0.2}}
    later = {"class": 3, "class_name": "cat", "class_probs": {"cat": 0.6, "dog": 0.3}}
    assert CLASSES.gist(first) == CLASSES.gist(later)
    assert CLASSES.gist(first) != CLASSES.gist({**first, "class_name": "dog"})
    assert not CLASSES.only(first, ["cat"]).empty
    assert CLASSES.only(first, ["dog"]).empty


def test_of_a_text_its_words_count():
    ocr = kind_of("ocr")
    a = {"detection_texts": ["one", "two"], "detection_scores": [0.1, 0.2]}
    assert ocr.gist(a) == ocr.gist({**a, "detection_texts": ["two", "one"], "detection_scores": [0.3, 0.4]})
    assert ocr.gist(a) != ocr.gist({**a, "detection_texts": ["one"]})


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ({"text": "hello", "score": 0.4}, {"text": "hello", "score": 0.5}, True),
        ({"text": "hello"}, {"text": "hallo"}, False),
        ({"boxes": [[1.0, 2.0]]}, {"boxes": [[3.0, 4.0]]}, True),
        ({"boxes": [[1.0, 2.0]]}, {"boxes": []}, False),
        ({"count": {"cola": 1}}, {"count": {"cola": 2}}, False),
        ({"mask": np.zeros((2, 2))}, {"mask": np.ones((2, 2))}, True),
        ({"p": np.float32(1)}, {"p": np.float32(2)}, True),
        ({"ok": True, "none": None}, {"ok": False, "none": None}, False),
    ],
)
def test_of_any_other_answer_scores_and_coordinates_do_not_count(a, b, same):
    assert (gist_of_any(a) == gist_of_any(b)) is same
    hash(gist_of_any(a))


def test_unknown_classes_name_close_ones():
    known = ("person", "bicycle", "motorcycle", "traffic light")
    assert class_fault("object-detection", ["person"], known) is None
    assert class_fault("object-detection", [], known) is None
    assert "did you mean person?" in class_fault("object-detection", ["Persons"], known)
    assert "'zebra'" in class_fault("object-detection", ["person", "zebra"], known)
    assert "no classes" in class_fault("ocr", ["text"], known)


def test_a_model_without_labels_may_know_any_class():
    assert class_fault("inventory-counting", ["cola"], ()) is None


def shelf(*names):
    found = Detections([[0.0, 0.0, 1.0, 1.0]] * len(names), [0.5] * len(names), [1] * len(names), list(names))
    return result_fields(ShelfCount.from_detections(found, (10, 20)))


def test_products_are_narrowed_with_their_counts():
    kept = kind_of("inventory-counting").only(shelf("cola", "water", "cola"), ["cola"])
    assert kept.answer["product_count"] == {"cola": 2}
    assert kept.answer["detection_class_names"] == ["cola", "cola"]
    assert not kept.empty
    assert kind_of("inventory-counting").only(shelf("water"), ["cola"]).empty


def pixels(preds):
    return {"preds": preds, "probs": np.ones((10, 20))}


@pytest.mark.parametrize(
    ("preds", "seen"),
    [
        (np.zeros((10, 20), int), (0,)),
        (np.repeat([[0, 15]], 10, axis=1).repeat(10, axis=0), (0, 15)),
        (np.array([[0] * 199 + [7]]), (0,)),  # a single pixel is noise
        (Runs([150, 50], [0.0, 8.0], [10, 20]), (0, 8)),
    ],
)
def test_classes_that_cover_something_are_seen(preds, seen):
    assert kind_of("semantic-segmentation").gist(pixels(preds)) == seen


@pytest.mark.parametrize(
    ("service", "a", "b", "same"),
    [
        ("foreground-segmentation", {"human_ratio": "0.1"}, {"human_ratio": "0.4"}, True),
        ("foreground-segmentation", {"human_ratio": "0.0"}, {"human_ratio": "0.4"}, False),
        ("face-attributes", {"face_gender": ["male"]}, {"face_gender": ["male", "male"]}, False),
        ("image-colorization", {"out_image": "a"}, {"out_image": "b"}, True),
        ("scene-classification", {"class_name": ["bar", "cave"]}, {"class_name": ["cave", "bar"]}, True),
    ],
)
def test_what_an_answer_says(service, a, b, same):
    assert (kind_of(service).gist(a) == kind_of(service).gist(b)) is same
