"""What the parts of the OpenAPI document have in common."""

from collections.abc import Mapping
from typing import Any

from edged.contracts.message import FailedAnswer
from edged.contracts.schema import reference

FAILURES: Mapping[str, str] = {
    "400": "not JSON; a field missing, unknown or of the wrong type",
    "401": "the box wants its token",
    "403": "the configuration does not allow this URL, path or origin",
    "404": "no such service, one that is not configured here, or media not found",
    "413": "over a limit of size, which the message names",
    "415": "no picture, audio or video that can be decoded",
    "422": "well-formed, but not usable",
    "429": "the queue is full; `Retry-After` says when to try again",
    "500": "the plugin or the runtime failed",
    "503": "configured, but not installed, or it could not be opened; the store of artefacts is full",
    "504": "it took too long",
}
NAME = {"type": "string", "pattern": "^[^/]+$"}
HEADERS = {
    name: {"schema": {"type": "string"}, "description": what}
    for name, what in {
        "X-Request-Id": "of the answer; percent-encoded if not ASCII",
        "Edged-Artefact": "of the file that the request left, if any: its address, or a path of this server",
        "X-Model": "id of the model that ran; of a failed answer there once one was found for it",
    }.items()
}


def failed(text: str, form: type[FailedAnswer]) -> dict[str, Any]:
    """A failed answer in this form."""
    content = {"application/json": {"schema": reference(form.__name__)}}
    return {"description": text, "headers": HEADERS, "content": content}


def failures(*codes: str) -> dict[str, Any]:
    """Failed answers of these codes."""
    return {code: {"$ref": f"#/components/responses/Failed{code}"} for code in codes}


def gets(
    name: str, summary: str, media_type: str, schema: Mapping[str, Any], *failing: str, **more: Any
) -> dict[str, Any]:
    """A path with one GET."""
    ok = {"description": summary, "content": {media_type: {"schema": schema}}}
    operation = {
        "operationId": name,
        "summary": summary,
        "responses": {"200": ok, **failures("401", *failing)},
    }
    return {"get": operation | more}


def parameter(name: str, place: str = "path") -> dict[str, Any]:
    """One of a path, or of its query."""
    return {"name": name, "in": place, "required": place == "path", "schema": NAME}


def queries(said: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of a query: what each means, by name."""
    text = {"type": "string"}
    return [{"name": name, "in": "query", "description": it, "schema": text} for name, it in said.items()]
