"""From the raw body of a request to its typed form."""

import uuid
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from edged.contracts.errors import BadRequest
from edged.contracts.objections import objections
from edged.contracts.service import Service

_KEY = "this key "
"""So begins what is wrong with a key, and not with its value."""


def parsed(payload: bytes) -> Mapping[str, Any]:
    """The JSON object, with a `request_id`. Raises `BadRequest`."""
    fields = json_object(payload)
    if fields.get("request_id") is None:
        fields["request_id"] = str(uuid.uuid4())
    return fields


def json_object(payload: bytes, what: str = "the request") -> dict[str, Any]:
    """The JSON object that somebody sent; `what` it is called. Raises `BadRequest` where it is none."""
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{what} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest(f"{what} must be a JSON object, not {_json_type(fields)}")
    return fields


def validated(of: Service, fields: Mapping[str, Any]) -> Any:
    """The typed request. Raises `BadRequest` with one sentence that names each wrong field."""
    try:
        return of.request.model_validate(fields, strict=True)
    except ValidationError as error:
        raise BadRequest("; ".join(islice(objected(of.request, fields, error), 5))) from error


def objected(model: type[BaseModel], fields: Mapping[str, Any], error: ValidationError) -> Iterator[str]:
    """A sentence for each wrong field; the parts of `whole_sentence` as they stand."""
    for place, sentence in objections(model, fields, error).items():
        if not place and sentence.startswith("wants "):
            yield f"the request {sentence}"
        elif not place or sentence.startswith("the field "):
            yield sentence
        elif sentence.startswith(_KEY):
            yield f"the field `{place}` {sentence.removeprefix(_KEY)}"
        else:
            yield f"the field `{place}` is wrong: {sentence}"


def _json_type(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return orjson.dumps(value).decode()
    if isinstance(value, int | float):
        return f"the number {value}"
    return {"str": "a string", "list": "an array", "dict": "an object"}.get(
        type(value).__name__, "another type"
    )


def options_of(of: Service, request: BaseModel) -> dict[str, Any]:
    """The options that the request names."""
    names = of.options.model_fields.keys() & (request.model_fields_set | of.inside)
    return {name: value for name in names if (value := getattr(request, name)) is not None}
