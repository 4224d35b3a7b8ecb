"""The contracts: what is asked, what is answered, and that the schema says the same as the answer."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from edged.contracts.errors import NotFound
from edged.contracts.image import Classification, Detections, TextRow, Texts
from edged.contracts.model import Options
from edged.contracts.result import result_fields
from edged.contracts.services import SERVICES, service

SIGN = TextRow([[10, 20], [60, 20], [60, 40], [10, 40]], 0.9, "出口", (7, 9), 0.98765)
ARROW = TextRow(
    [[180, 90], [180, 50], [210, 50], [210, 90]], 0.8, "<", (5,), 1.0
)  # reads upwards, over the edge

RESULTS = {
    "object-detection": Detections([[1.0, 2.0, 3.0, 4.0]], [0.5], [2], ["car"]),
    "image-classification": Classification(1, "dog", {"cat": 0.25, "dog": 0.75}),
    "ocr": Texts.from_rows([SIGN, ARROW], (100, 200), ["background", "text"]),
}
READY = [s for s in SERVICES.values() if s.types is not None]


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
    with pytest.raises(NotFound, match="'face-similarity' is not part of this version"):
        _ = service("face-similarity").contract


@pytest.mark.parametrize("of", READY, ids=lambda s: s.name)
def test_schema_and_answer_have_the_same_fields(of):
    answer = of.answer("a", RESULTS[of.name])
    schema = of.answer_schema()
    assert set(answer) == set(schema["properties"]) == set(schema["required"])
    assert schema["$id"] == f"edged/{of.name}/1"


@pytest.mark.parametrize("of", READY, ids=lambda s: s.name)
def test_an_answer_reads_back_as_what_it_was(of):
    result = RESULTS[of.name]
    read = TypeAdapter(of.contract.result).validate_json(json.dumps(result_fields(result)), strict=True)
    assert read == result


@pytest.mark.parametrize("of", READY, ids=lambda s: s.name)
def test_every_field_of_request_and_answer_is_described(of):
    for schema in (of.request_schema(), of.answer_schema()):
        undescribed = [name for name, body in schema["properties"].items() if not body.get("description")]
        assert not undescribed


def test_class_is_published_without_the_underscore_that_python_wants():
    answer = service("image-classification").answer("a", RESULTS["image-classification"])
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
    import numpy as np

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
