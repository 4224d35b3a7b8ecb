"""The contracts: what is asked, what is answered, and that the schema says the same as the answer."""

import jsonschema
import numpy as np
import orjson
import pytest
from edged.contracts.result import result_fields
from pydantic import TypeAdapter, ValidationError

from edged.contracts.errors import NotFound
from edged.contracts.face import FaceAttributes, FaceSimilarity, OutImage
from edged.contracts.image import Classification, Detections, SceneClassification, TextRow, Texts
from edged.contracts.masks import ForegroundMask, InstanceMasks, Rle, Segmentation
from edged.contracts.model import Options
from edged.contracts.pairs import ImageSimilarity, ProductMatch
from edged.contracts.product import ShelfCount
from edged.contracts.services import PARTS, SERVICES, any_service, service
from edged.contracts.text import TextVectors

SIGN = TextRow([[10, 20], [60, 20], [60, 40], [10, 40]], 0.9, "出口", (7, 9), 0.98765)
ARROW = TextRow(
    [[180, 90], [180, 50], [210, 50], [210, 90]], 0.8, "<", (5,), 1.0
)  # reads upwards, over the edge

CAR = Detections([[1.0, 2.0, 3.0, 4.0]], [0.5], [2], ["car"])

RESULTS = {
    "object-detection": CAR,
    "image-classification": Classification(1, "dog", {"cat": 0.25, "dog": 0.75}),
    "semantic-segmentation": Segmentation(np.array([[0.5, 0.75]]), np.array([[0, 15]])),
    "instance-segmentation": InstanceMasks.from_detections(CAR, [Rle([0, 1, 2, 1], [2, 2])]),
    "foreground-segmentation": ForegroundMask("0.25", Rle([3, 1], [2, 2])),
    "scene-classification": SceneClassification.from_array(
        np.array([0.1, 0.2, 0.3, 0.15, 0.05, 0.2]), ["attic", "bar", "cave", "dam", "field", "zoo"]
    ),
    "inventory-counting": ShelfCount.from_detections(CAR, (480, 640)),
    "image-similarity": ImageSimilarity(81.5, 0.25),
    "image-colorization": OutImage("abc"),
    "face-similarity": FaceSimilarity(93),
    "face-attributes": FaceAttributes([31.5], ["female"], ["Happiness"], [[1.0, 2.0, 3.0, 4.0, 0.9]]),
    "face-enhancement": OutImage("abc"),
    "product-comparison": ProductMatch(cosine_similarity=0.5),
    "text-vectorization": TextVectors("7", "0.5,1.0", "0.5,1.0", "0.5,1.0;2.0,3.0", 2, truncated=True),
    "ocr": Texts.from_rows([SIGN, ARROW], (100, 200), ["background", "text"]),
}
READY = [s for s in SERVICES.values() if s.types is not None and s.types.joined is None]


def encoded(answer):
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def faults(name, **fields):
    with pytest.raises(ValidationError) as caught:
        service(name).request.model_validate({"image": "abc", **fields})
    return [".".join(map(str, e["loc"])) for e in caught.value.errors()]


def test_there_are_25_in_six_groups():
    assert len(SERVICES) == 25
    assert {s.group for s in SERVICES.values()} == {"video", "image", "speech", "text", "face", "product"}


def test_an_unknown_service_is_refused_with_close_names():
    with pytest.raises(NotFound, match="did you mean object-detection"):
        service("object-detektion")
    with pytest.raises(NotFound, match="edged services"):
        service("qqqq")


def test_a_service_without_types_says_so():
    with pytest.raises(NotFound, match="'video-highlight' is not part of this version"):
        _ = service("video-highlight").contract


@pytest.mark.parametrize("of", READY, ids=lambda s: s.name)
def test_schema_and_answer_have_the_same_fields(of):
    answer = of.answer("a", result_fields(RESULTS[of.name]))
    schema = of.answer_schema()
    assert set(schema["required"]) <= set(answer) <= set(schema["properties"])
    jsonschema.validate(orjson.loads(encoded(answer)), schema)
    assert schema["$id"] == f"edged/{of.name}/1"


@pytest.mark.parametrize("of", READY, ids=lambda s: s.name)
def test_an_answer_reads_back_as_what_it_was(of):
    result = RESULTS[of.name]
    body = encoded(result_fields(result))
    read = TypeAdapter(of.contract.result).validate_json(body, strict=True)
    assert type(read) is type(result)
    assert encoded(result_fields(read)) == body


@pytest.mark.parametrize("of", READY, ids=lambda s: s.name)
def test_every_field_of_request_and_answer_is_described(of):
    for schema in (of.request_schema(), of.answer_schema()):
        undescribed = [name for name, body in schema["properties"].items() if not body.get("description")]
        assert not undescribed


def test_class_is_published_without_the_underscore_that_python_wants():
    answer = service("image-classification").answer("a", result_fields(RESULTS["image-classification"]))
    assert answer["class"] == 1
    assert "class_" not in answer


def test_options_may_be_left_out_and_keep_their_limits():
    request = service("object-detection").request
    assert request.model_validate({"image": "abc"}).model_fields_set == {"image"}
    assert request.model_validate({"image": "abc", "score_threshold": None})
    assert (
        request.model_validate({"image": "abc", "score_threshold": 1}).model_dump()["score_threshold"] == 1.0
    )
    assert faults("object-detection", score_threshold=1.5) == ["score_threshold"]
    limits = service("object-detection").request_schema()["properties"]["max_detections"]["anyOf"][0]
    assert (limits["minimum"], limits["maximum"]) == (1, 1000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score_threshold", "0.3"),
        ("score_threshold", True),
        ("max_detections", 3.0),
        ("max_detections", "3"),
        ("timeout_s", "2"),
        ("request_id", 7),
        ("image", 5),
        ("scorethreshold", 0.3),
    ],
)
def test_wrong_types_and_unknown_fields_are_refused_by_name(field, value):
    assert faults("object-detection", **{field: value}) == [field]


def test_image_classification_has_no_options():
    assert service("image-classification").contract.options is Options
    assert faults("image-classification", top_k=3) == ["top_k"]


def test_detections_leave_out_what_is_not_finite_and_put_y_first():
    found = Detections.from_arrays(
        np.array([[1, 2, 3, 4], [np.nan, 0, 1, 1], [0, 0, 1, 1]], np.float32),
        np.array([0.5, 0.9, np.inf], np.float32),
        np.array([1, 0, 0]),
        ["cat", "dog"],
    )
    assert found == Detections([[2, 1, 4, 3]], [0.5], [1], ["dog"])


def test_a_text_is_where_its_vertices_are_and_begins_at_its_own_top_left():
    answer = result_fields(RESULTS["ocr"])
    assert answer["detection_boxes"] == [[20, 10, 40, 60], [50, 180, 90, 200]]
    assert answer["detection_keypoints"][0] == [[20, 10], [20, 60], [40, 60], [40, 10]]
    assert answer["detection_keypoints"][1] == [[90, 180], [50, 180], [50, 200], [90, 200]]
    assert answer["detection_texts_ids"] == [[7, 9], [5, 0]]
    assert answer["detection_texts"] == ["出口", "<"]
    assert answer["detection_texts_scores"] == [0.9877, 1.0]
    assert answer["detection_classes"] == [1, 1]
    assert answer["detection_class_names"] == ["text", "text"]


def test_no_text_is_empty_lists():
    empty = result_fields(Texts.from_rows([], (100, 200), ["background", "text"]))
    assert set(map(str, empty.values())) == {"[]"}


def test_scenes_are_the_five_best():
    answer = result_fields(RESULTS["scene-classification"])
    assert answer["class"] == [2, 1, 5, 3, 0]
    assert answer["class_name"] == ["cave", "bar", "zoo", "dam", "attic"]
    assert len(answer["class_probs"]) == 6


def test_what_a_result_lacks_is_neither_published_nor_wanted():
    of = service("product-comparison")
    assert of.answer("a", result_fields(ProductMatch(l2_distance=0.0))) == {
        "request_id": "a",
        "success": True,
        "l2_distance": 0.0,
    }
    schema = of.answer_schema()
    assert schema["required"] == ["request_id", "success"]
    assert schema["properties"]["l2_distance"]["type"] == "number"
    assert "class_probs" not in service("semantic-segmentation").answer_schema()["required"]


def test_the_metric_stands_among_the_parameters_and_nowhere_else():
    request = service("product-comparison").request
    params = {"imagea": "abc", "imageb": "abc", "metric": "Cosine"}
    read = request.model_validate({"function_name": "match", "function_params": params}, strict=True)
    assert read.metric == "Cosine"
    assert "metric" not in request.model_fields
    with pytest.raises(ValidationError, match="L2"):
        request.model_validate({"function_name": "match", "function_params": {**params, "metric": "l2"}})


@pytest.mark.parametrize("size", ["model", "input", [1, 8192], [480, 640]])
def test_a_mask_has_the_size_that_is_asked_for(size):
    request = service("foreground-segmentation").request
    assert request.model_validate({"image": "abc", "output_size": size}, strict=True)


@pytest.mark.parametrize("size", ["big", [0, 1], [1, 8193], [1], [1.5, 2], [True, 2], {"h": 1}, 5])
def test_another_size_is_refused_with_what_it_may_be(size):
    with pytest.raises(ValidationError, match=r"`model`, `input` or \[height, width\]"):
        service("semantic-segmentation").request.model_validate(
            {"image": "abc", "output_size": size}, strict=True
        )


def test_masks_are_short_on_streams():
    with_masks = [s.name for s in READY if s.contract.on_streams.get("mask_encoding") == "rle"]
    assert with_masks == ["semantic-segmentation", "foreground-segmentation"]
    assert not service("image-similarity").takes_frames
    assert service("inventory-counting").takes_frames


def test_parts_cannot_be_requested():
    assert any_service("face-detection").name == "face-detection"
    with pytest.raises(NotFound):
        service("face-detection")
    assert not PARTS.keys() & SERVICES.keys()


def test_products_are_counted_by_name():
    found = Detections([[0.0, 0.0, 1.0, 1.0]] * 3, [0.9, 0.8, 0.7], [1, 0, 1], ["cola", "unknown", "cola"])
    count = ShelfCount.from_detections(found, (480, 640))
    assert count.product_count == {"cola": 2, "unknown": 1}
    assert count.ori_img_shape == [480, 640]
