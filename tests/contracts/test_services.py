"""The contracts: what is asked, and that every field of it and of the answer is described."""

import jsonschema
import pytest
from pydantic import ValidationError

from edged.answers.schema import answer_schema
from edged.contracts.errors import NotFound
from edged.contracts.model import Options
from edged.contracts.services import PARTS, SERVICES, any_service, service

EVERY = list(SERVICES.values())


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


@pytest.mark.parametrize("of", EVERY, ids=lambda s: s.name)
def test_every_field_of_request_and_answer_is_described(of):
    for schema in (of.request_schema(), answer_schema(of)):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"].startswith(f"edged/{of.name}/{of.version}")
        undescribed = [n for n, body in schema.get("properties", {}).items() if not body.get("description")]
        assert not undescribed


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
    assert service("image-classification").options is Options
    assert faults("image-classification", top_k=3) == ["top_k"]


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
    with_masks = [s.name for s in EVERY if s.on_streams.get("mask_encoding") == "rle"]
    assert with_masks == ["semantic-segmentation", "foreground-segmentation"]
    assert not service("image-similarity").takes_frames
    assert service("inventory-counting").takes_frames


def test_parts_cannot_be_requested():
    assert any_service("face-detection").name == "face-detection"
    with pytest.raises(NotFound):
        service("face-detection")
    assert not PARTS.keys() & SERVICES.keys()
