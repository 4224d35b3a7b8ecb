"""What `/v2/models/<model>/infer` takes and gives, and how all below /v2/ fails, for the OpenAPI document."""

from typing import Any

from edged.http.failures import JSON_BYTES
from edged.http.openapi_parts import FAILURES, gets, parameter

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


def kserve_paths() -> dict[str, Any]:
    """All below /v2."""
    anything, model = {"type": "object"}, [parameter("model")]
    ready = gets("ready", "every service is up", "application/json", anything)
    ready["get"]["responses"]["503"] = {"description": "`why` says which is not"}
    paths = {
        "/v2": gets("server", "metadata of the server", "application/json", anything),
        "/v2/health/live": gets("alive", "the server answers", "application/json", anything),
        "/v2/health/ready": ready,
        "/v2/models/{model}": gets(
            "model",
            "metadata: tensors, and labels by id",
            "application/json",
            anything,
            "404",
            parameters=model,
        ),
        "/v2/models/{model}/ready": gets(
            "model_ready", "it is up", "application/json", anything, "404", parameters=model
        ),
        "/v2/models/{model}/infer": {"parameters": model, "post": _infer()},
    }
    for path in (path for name, path in paths.items() if name.startswith("/v2/") and "get" in path):
        responses = path["get"]["responses"]
        responses |= _failures_in_its_form(*(code for code in responses if code in ("401", "404")))
    return paths


def _failures_in_its_form(*codes: str) -> dict[str, Any]:
    """Failed answers in the form of KServe's protocol."""
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    content = {"application/json": {"schema": error}}
    return {code: {"description": FAILURES[code], "content": content} for code in codes}


def _infer() -> dict[str, Any]:
    """The operation."""
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
            **_failures_in_its_form(*failed),
        },
    }


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}
