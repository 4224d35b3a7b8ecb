"""The fields of the answers: their names, their digits, and the order of their axes."""

import jsonschema
import numpy as np
import orjson
import pytest
from pydantic import TypeAdapter

from edged.answers.fields import published
from edged.answers.finding import Finding
from edged.answers.kinds import KINDS
from edged.answers.schema import answer_schema
from edged.contracts.errors import TooLarge
from edged.contracts.image import Detections, SceneClassification, TextRow, Texts
from edged.contracts.masks import InstanceMasks, PartMask
from edged.contracts.pairs import ProductMatch
from edged.contracts.product import ShelfCount
from edged.contracts.services import SERVICES, service
from tests.answers.examples import finding, options_of, written
from tests.masks import mask_of

SIGN = TextRow(np.array([[10, 20], [60, 20], [60, 40], [10, 40]]), 0.9, "出口", (7, 9), 0.98768)
ARROW = TextRow(  # reads upwards, over the edge
    np.array([[180, 90], [180, 50], [210, 50], [210, 90]]), 0.8, "<", (5,), 1.0
)


def answer(name, result, **options):
    """As it is published, read back."""
    found = Finding(service(name), result, options_of(name).model_copy(update=options))
    return orjson.loads(written(found))


WITH_FIELDS = [of for of in SERVICES.values() if not of.takes_sound]


@pytest.mark.parametrize("of", WITH_FIELDS, ids=lambda s: s.name)
def test_schema_and_answer_have_the_same_fields(of):
    told, schema = orjson.loads(written(finding(of.name))), answer_schema(of)
    envelope = {"request_id": "a", "success": True} if of.wraps_answer else {}
    assert set(schema["required"]) <= set(told | envelope) <= set(schema["properties"])
    jsonschema.validate(told | envelope, schema)
    assert schema["$id"] == f"edged/{of.name}/{of.version}"


@pytest.mark.parametrize("of", WITH_FIELDS, ids=lambda s: s.name)
def test_an_answer_reads_back_as_what_it_was(of):
    body = written(finding(of.name))
    kind = KINDS[of.result]
    read = TypeAdapter(kind.fields).validate_json(body, strict=True)
    assert type(read) is kind.fields
    assert orjson.dumps(published(read), option=orjson.OPT_SERIALIZE_NUMPY) == body


def test_class_is_published_without_the_underscore_that_python_wants():
    told = finding("image-classification", 1).answer()
    assert told["class"] == 1
    assert "class_" not in told


def test_boxes_are_published_with_y_first():
    box, half = np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32)
    found = Detections(box, half, np.array([1]), ["cat", "dog"])
    assert answer("object-detection", found) == {
        "detection_boxes": [[2, 1, 4, 3]],
        "detection_scores": [0.5],
        "detection_classes": [1],
        "detection_class_names": ["dog"],
    }


def test_numbers_are_rounded_when_they_are_written_and_not_before():
    found = Detections(np.array([[1.23456, 2, 3, 4]]), np.array([0.123456]), np.array([0]), ["cat"])
    told = answer("object-detection", found)
    assert told["detection_boxes"] == [[2, 1.23, 4, 3]]
    assert told["detection_scores"] == [0.1235]
    assert found.boxes[0, 0] == 1.23456


def test_a_text_is_where_its_vertices_are_and_begins_at_its_own_top_left():
    told = answer("ocr", Texts([SIGN, ARROW], (100, 200), ["background", "text"]))
    assert told["detection_boxes"] == [[20, 10, 40, 60], [50, 180, 90, 200]]
    assert told["detection_keypoints"][0] == [[20, 10], [20, 60], [40, 60], [40, 10]]
    assert told["detection_keypoints"][1] == [[90, 180], [50, 180], [50, 200], [90, 200]]
    assert told["detection_texts_ids"] == [[7, 9], [5, 0]]
    assert told["detection_texts"] == ["出口", "<"]
    assert told["detection_texts_scores"] == [0.9877, 1.0]
    assert told["detection_classes"] == [1, 1]
    assert told["detection_class_names"] == ["text", "text"]


def test_scenes_are_the_five_best():
    shares, names = [0.1, 0.2, 0.3, 0.15, 0.05, 0.2], ["attic", "bar", "cave", "dam", "field", "zoo"]
    told = answer("scene-classification", SceneClassification(np.array(shares), names))
    assert told["class"] == [2, 1, 5, 3, 0]
    assert told["class_name"] == ["cave", "bar", "zoo", "dam", "attic"]
    assert len(told["class_probs"]) == 6


def test_an_action_is_told_with_whose_name_it_is():
    told = finding("video-classification", 4).answer()
    assert (told["class"], told["class_id"], told["taxonomy"]) == (
        "skydiving",
        4,
        "kinetics400",
    )
    assert len(told["class_probs"]) == 5
    assert next(iter(told["class_probs"])) == "skydiving"


@pytest.mark.parametrize(
    ("cosine", "metric", "told"),
    [
        (1.0000001, "L2", {"l2_distance": 0.0}),
        (0.5, "L2", {"l2_distance": 1.0}),
        (-1.0, "L2", {"l2_distance": 4.0}),
        (1.0000001, "Cosine", {"cosine_similarity": 1.0}),
        (0.5, "Cosine", {"cosine_similarity": 0.75}),
        (-1.0, "Cosine", {"cosine_similarity": 0.0}),
    ],
)
def test_products_are_compared_on_the_originals_scale_by_what_was_asked_for(cosine, metric, told):
    assert answer("product-comparison", ProductMatch(cosine), metric=metric) == told


def test_what_may_be_lacking_is_not_wanted():
    schema = answer_schema(service("product-comparison"))
    assert schema["required"] == ["request_id", "success"]
    assert schema["properties"]["l2_distance"]["type"] == "number"
    assert "class_probs" not in answer_schema(service("semantic-segmentation"))["required"]


def test_products_are_counted_by_name():
    boxes = np.tile([0.0, 0.0, 1.0, 1.0], (3, 1))
    names = {0: "unknown", 1: "cola"}
    found = ShelfCount(boxes, np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]), names, (480, 640))
    told = answer("inventory-counting", found)
    assert told["product_count"] == {"cola": 2, "unknown": 1}
    assert told["ori_img_shape"] == [480, 640]


def test_a_mask_is_that_of_the_whole_picture():
    inside = np.array([[True, False], [True, True]])
    car = Detections(np.array([[2.0, 1, 4, 3]]), np.array([0.5]), np.array([2]), {2: "car"})
    told = answer("instance-segmentation", InstanceMasks.of(car, [PartMask(1, 2, inside)], (4, 5)))
    (runs,) = told["detection_masks"]
    assert runs == {"counts": [7, 1, 4, 2, 6], "size": [4, 5]}
    np.testing.assert_array_equal(mask_of(runs["counts"], runs["size"])[1:3, 2:4], inside)


def test_too_many_probabilities_are_refused_with_the_option_that_asks_for_less():
    with pytest.raises(TooLarge, match="smaller `output_size`"):
        finding("semantic-segmentation", return_all_probs=True, output_size=(2000, 2000)).answer()


@pytest.mark.parametrize("size", [(6, 8), (60, 80), (13, 21)])
def test_a_map_has_the_size_that_is_asked_for(size):
    told = finding("semantic-segmentation", 3, output_size=size, return_all_probs=True).answer()
    assert told["preds"].shape == told["probs"].shape == size
    assert told["class_probs"].shape == (6, *size)
    np.testing.assert_array_equal(told["class_probs"].argmax(axis=0), told["preds"])
    np.testing.assert_allclose(told["class_probs"].max(axis=0), told["probs"], atol=1e-4)
    assert finding("foreground-segmentation", 2, output_size=size).answer()["mask"].shape == size
