"""What `/v2/models/<model>/infer` takes and gives, and how all below /v2/ fails, for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from edged.http.failures import JSON_BYTES

_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_TENSOR = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": "array"},
        "parameters": {"type": "object"},
    },
}
_TENSORS = {"type": "array", "items": _TENSOR}


def kserve_failures(said: Mapping[str, str], *codes: str) -> dict[str, Any]:
    """Failed answers in the form of KServe's protocol; `said`: what each code means."""
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    content = {"application/json": {"schema": error}}
    return {code: {"description": said[code], "content": content} for code in codes}


def infer_operation(said: Mapping[str, str]) -> dict[str, Any]:
    """The operation; `said`: what each code of a failure means."""
    asked = _object(("inputs",), id={"type": "string"}, inputs=_TENSORS, outputs=_TENSORS)
    text = {"type": "string"}
    given = _object(("model_name", "outputs"), model_name=text, model_version=text, id=text, outputs=_TENSORS)
    length = {
        "name": JSON_BYTES,
        "in": "header",
        "description": "bytes of the JSON, where those of tensors follow it",
        "schema": {"type": "integer"},
    }
    failed = ("400", "401", "403", "404", "413", "429", "500", "503", "504")
    return {
        "operationId": "infer",
        "summary": "the graphs of a model: tensors in, tensors out",
        "parameters": [length],
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}, **_BINARY}},
        "responses": {
            "200": {
                "description": "the tensors",
                "content": {"application/json": {"schema": given}, **_BINARY},
            },
            **kserve_failures(said, *failed),
        },
    }


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}
