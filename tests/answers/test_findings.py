"""What a finding says, and what is left of it for some classes."""

import numpy as np
import orjson
import pytest

from edged.answers.finding import class_fault
from edged.contracts.errors import InferenceError
from edged.contracts.image import Classification, Detections, TextRow, Texts
from edged.contracts.masks import Segmentation
from edged.contracts.pairs import ImageSimilarity
from edged.contracts.product import ShelfCount
from edged.contracts.services import service
from tests.answers.examples import finding, instances, scene
from tests.answers.examples import texts as read


def told(name, result, **options):
    """A finding of that result."""
    made = finding(name, **options)
    return type(made)(made.service, result, made.options)


PEOPLE = {0: "person", 15: "cat"}
TWO = Detections(np.array([[2.0, 1, 4, 3], [6, 5, 8, 7]]), np.array([0.9, 0.8]), np.array([0, 15]), PEOPLE)


def test_of_objects_only_the_classes_and_their_number_count():
    moved = Detections(np.full((2, 4), 9.0), TWO.scores, np.array([15, 0]), PEOPLE)
    gists = [told("object-detection", found).gist() for found in (TWO, moved, TWO.chosen([1]))]
    assert gists[0] == gists[1] != gists[2]


@pytest.mark.parametrize("name", ["object-detection", "inventory-counting"])
def test_all_lists_of_the_objects_are_cut_alike(name):
    result = TWO if name == "object-detection" else ShelfCount(*fields(TWO), (480, 640))
    kept, left = told(name, result).only(["cat"])
    assert left
    answer = kept.answer()
    assert answer["detection_boxes"].tolist() == [[5, 6, 7, 8]]
    assert answer["detection_scores"].tolist() == [np.float32(0.8)]
    assert answer["detection_classes"].tolist() == [15]
    assert answer["detection_class_names"] == ["cat"]
    assert answer.get("ori_img_shape", [480, 640]) == [480, 640], "is no list of objects, though as long"
    assert len(result.boxes) == 2, "the result itself is untouched"


def fields(found):
    return found.boxes, found.scores, found.classes, found.names


def test_masks_are_cut_with_their_objects():
    kept, left = told("instance-segmentation", instances(3)).only(["person", "car"])
    assert left
    whole = finding("instance-segmentation", 3).answer()["detection_masks"]
    assert kept.answer()["detection_masks"] == [whole[0], whole[2]]


def test_none_is_left():
    kept, left = told("object-detection", TWO).only(["dog"])
    assert not left
    assert kept.answer()["detection_boxes"].shape == (0, 4)
    assert kept.answer()["detection_scores"].shape == (0,)


def test_of_a_classification_the_best_class_counts():
    first, later, other = (
        told("image-classification", Classification(np.array(shares), ["cat", "dog"]))
        for shares in ([0.7, 0.2], [0.6, 0.3], [0.2, 0.7])
    )
    assert first.gist() == later.gist() != other.gist()
    assert first.only(["cat"])[1]
    assert not first.only(["dog"])[1]
    assert first.only(["dog"])[0].answer()["class_name"] == "cat", "it cannot be cut"


def test_of_a_text_its_words_count():
    a, b = read(2), read(2)
    turned = type(b)(b.rows[::-1], b.size, b.names)
    assert told("ocr", a).gist() == told("ocr", turned).gist() != told("ocr", read(1)).gist()


def test_what_has_no_classes_stays():
    whole = finding("ocr")
    assert whole.only(["text"]) == (whole, True)


def test_unknown_classes_name_close_ones():
    known = ("person", "bicycle", "motorcycle", "traffic light")
    detection = service("object-detection")
    assert class_fault(detection, ["person"], known) is None
    assert class_fault(detection, [], known) is None
    assert "did you mean person?" in class_fault(detection, ["Persons"], known)
    assert "'zebra'" in class_fault(detection, ["person", "zebra"], known)
    assert "no classes" in class_fault(service("ocr"), ["text"], known)


def test_a_model_without_labels_may_know_any_class():
    assert class_fault(service("inventory-counting"), ["cola"], ()) is None


def shelf(*classes):
    boxes = np.tile([0.0, 0, 1, 1], (len(classes), 1))
    names = {1: "cola", 2: "water"}
    found = ShelfCount(boxes, np.full(len(classes), 0.5), np.array(classes), names, (10, 20))
    return told("inventory-counting", found)


def test_products_are_narrowed_with_their_counts():
    kept, left = shelf(1, 2, 1).only(["cola"])
    assert left
    assert kept.answer()["product_count"] == {"cola": 2}
    assert kept.answer()["detection_class_names"] == ["cola", "cola"]
    assert not shelf(2).only(["cola"])[1]


@pytest.mark.parametrize(
    ("classes", "seen"),
    [
        (np.zeros((10, 20), int), (0,)),
        (np.repeat([[0, 15]], 10, axis=1).repeat(10, axis=0), (0, 15)),
        (np.array([[0] * 199 + [7]]), (0,)),  # a single pixel is noise
        (np.array([[0] * 150 + [8] * 50]), (0, 8)),
    ],
)
def test_classes_that_cover_something_are_seen(classes, seen):
    logits = np.moveaxis(np.eye(16)[classes], -1, 0)
    assert told("semantic-segmentation", Segmentation(logits, (10, 20), range(16))).gist() == seen


@pytest.mark.parametrize(
    ("name", "a", "b", "same"),
    [
        ("foreground-segmentation", 1, 3, True),
        ("foreground-segmentation", 0, 3, False),
        ("face-attributes", 1, 2, False),
        ("face-enhancement", 1, 2, False),
        ("speech-recognition-zh", 1, 2, False),
        ("speaker-classification-zh", 2, 2, True),
        ("music-detection", 1, 2, True),
    ],
)
def test_what_a_finding_says(name, a, b, same):
    assert (finding(name, a).gist() == finding(name, b).gist()) is same


def test_of_scenes_the_five_best_count_whatever_their_order():
    a = scene(0)
    turned = a.probabilities.copy()
    turned[:5] = turned[4::-1]
    b = type(a)(turned, a.names)
    assert a.best != b.best
    assert told("scene-classification", a).gist() == told("scene-classification", b).gist()


def test_somebody_is_there_from_the_threshold_on():
    faint = finding("foreground-segmentation", 1, threshold=1.0)
    faint.result.parts[0].values[:] *= 0.6
    assert not faint.gist()
    assert told("foreground-segmentation", faint.result, threshold=0.5).gist()


@pytest.mark.parametrize(
    ("name", "result", "field"),
    [
        ("image-classification", Classification(np.array([0.5, np.nan]), ["cat", "dog"]), "class_probs"),
        ("object-detection", Detections(TWO.boxes, np.array([np.inf, 1]), TWO.classes, PEOPLE), "scores"),
        ("image-similarity", ImageSimilarity(float("nan"), 0.5), "similarity"),
    ],
)
def test_what_is_not_finite_is_no_answer(name, result, field):
    with pytest.raises(InferenceError, match=f"not finite.*{field}"):
        told(name, result).encoded({})


def test_a_text_may_say_null():
    row = TextRow(np.zeros((4, 2)), 0.9, "null", [1], 0.9)
    said = told("ocr", Texts([row], (10, 10), ["background", "text"])).encoded({"request_id": "r-1"})
    assert orjson.loads(said)["detection_texts"] == ["null"]


def test_the_field_that_the_original_misspells_may_be_written_in_both_ways():
    made = finding("object-detection", 2)
    both = type(made)(made.service, made.result, made.options, pai_spelling=True).answer()
    assert both["detection_classe_names"] == both["detection_class_names"] == ["person", "bicycle"]
    assert "detection_classe_names" not in made.answer()
