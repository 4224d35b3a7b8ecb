"""Schemas gathered in one document: each once, references resolved, names that clash refused."""

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from pydantic import BaseModel

from edged.answers.schema import answer_schema, message_schema
from edged.contracts.schema import gathered, reference
from edged.contracts.services import SERVICES


class Point(BaseModel):
    x: float


class Line(BaseModel):
    ends: list[Point]


def test_inner_definitions_are_moved_beside():
    components = gathered({"line": {"$id": "a/b", **Line.model_json_schema()}})
    assert components.keys() == {"line", "Point"}
    assert "$id" not in components["line"]
    document = {"components": {"schemas": components}, **reference("line")}
    Draft202012Validator(document).validate({"ends": [{"x": 1}]})
    with pytest.raises(ValidationError):
        Draft202012Validator(document).validate({"ends": [{"x": "one"}]})


def test_two_schemas_of_one_name_must_be_equal():
    gathered({"a": Line.model_json_schema(), "Point": Point.model_json_schema()})
    with pytest.raises(ValueError, match="Point"):
        gathered({"a": Line.model_json_schema(), "Point": {"type": "string"}})


def test_a_field_called_ref_stays():
    assert gathered({"a": {"properties": {"$ref": {"type": "string"}}}})["a"]["properties"]["$ref"]


@pytest.mark.parametrize("name", [s.name for s in SERVICES.values() if not s.takes_sound])
def test_a_stream_message_has_the_fields_of_the_answer_but_the_envelope(name):
    service = SERVICES[name]
    schema = message_schema(service)
    result = schema["properties"]["result"]["properties"]
    envelope = {"request_id", "success"} if service.wraps_answer else set()
    assert result.keys() == answer_schema(service)["properties"].keys() - envelope
    assert schema["properties"]["schema"]["const"] == service.schema_id
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("of", [s for s in SERVICES.values() if s.takes_sound], ids=lambda s: s.name)
def test_a_stream_message_holds_the_whole_answer_of_a_service_that_listens(of):
    schema = message_schema(of)
    assert schema["properties"]["result"] == {k: v for k, v in answer_schema(of).items() if k != "$id"}
    Draft202012Validator.check_schema(schema)
