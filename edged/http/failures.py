"""Every error over HTTP has the same body as over MQTT, `FailedAnswer`; below `/v1/` and `/v2/` that of the
clients there."""

import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import cast
from urllib.parse import quote

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edged.contracts.errors import EdgedError
from edged.contracts.request import Answer, refusal

RETRY_AFTER_S = 1
"""What a client is told to wait when the box is full."""
MOST_TEXT = 200
"""Characters in a header; no valid `request_id` has more."""
OPENAI = "/v1/"
"""Below it stands what clients of OpenAI's API ask for."""
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_FIELD = re.compile(r"the field `(\w+)`")

JSON_BYTES = "Inference-Header-Content-Length"
"""The header of a body that goes on after its JSON, as KServe's binary extension names it."""
_KSERVE = "/v2/"

_SAID = {
    404: "there is nothing at this address; /openapi.json lists what there is",
    405: "this address wants another method; /openapi.json says which",
}


def response(answer: Answer, path: str = "") -> Response:
    """An answer as it travels over HTTP; its code is the status. `path`: what was asked."""
    headers = {"X-Request-Id": header_text(answer.request_id)}
    if answer.model is not None:
        headers["X-Model"] = answer.model
    if answer.artefact is not None:
        headers["Edged-Artefact"] = answer.artefact
    if answer.code in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if answer.json_bytes is not None:
        headers[JSON_BYTES] = str(answer.json_bytes)
        return Response(answer.body, answer.code, headers, "application/octet-stream")
    body = answer.body if answer.code == 200 or not path.startswith(_KSERVE) else _as_kserve(answer)
    return Response(body, answer.code, headers, "application/json")


def failure(
    code: int, message: str, headers: Mapping[str, str] | None = None, service: str = "", path: str = ""
) -> Response:
    """A failed answer to a request that was not read, of that service where one was asked; in the form that
    is known below `path`."""
    answer = refusal({}, code, message, service)
    failed = response(as_openai(answer, message) if path.startswith(OPENAI) else answer, path)
    failed.headers.update(headers or {})
    return failed


def as_openai(failed: Answer, message: str) -> Answer:
    """A failed answer in the form of OpenAI's API."""
    named, code = _FIELD.search(message), failed.code
    error = {
        "message": message,
        "type": "server_error" if code >= 500 else _TYPES.get(code, "invalid_request_error"),
        "param": named[1] if named else None,
        "code": "model_not_found" if code == 404 and "model" in message else _CODES.get(code),
    }
    return replace(failed, body=orjson.dumps({"error": error}))


def header_text(text: str) -> str:
    """Text that may stand in a header: cut, and percent-encoded where it is not printable ASCII."""
    text = text[:MOST_TEXT]
    return text if text.isascii() and text.isprintable() else quote(text, safe="")


async def on_edged_error(request: Request, error: Exception) -> Response:
    """An error of ours that nobody turned into an answer."""
    code = cast("EdgedError", error).code
    return failure(code, str(error), service=_service(request), path=request.url.path)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """An error of the routing."""
    wrong = cast("HTTPException", error)
    said = _SAID.get(wrong.status_code) or HTTPStatus(wrong.status_code).phrase
    return failure(wrong.status_code, said, wrong.headers, path=request.url.path)


async def on_defect(request: Request, error: Exception) -> Response:
    """A defect of ours; the server logs it."""
    said = "the daemon failed on this request; its log says why"
    return failure(500, said, service=_service(request), path=request.url.path)


def _as_kserve(answer: Answer) -> bytes:
    """The body of a failed answer in the form of KServe's protocol."""
    return orjson.dumps({"error": orjson.loads(answer.body)["error_msg"]})


def _service(request: Request) -> str:
    """The service that was asked, if one was."""
    return str(request.path_params.get("service", ""))
