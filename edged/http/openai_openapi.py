"""What stands below /v1 in the OpenAPI document: as much of OpenAI's API as there is here."""

from collections.abc import Mapping
from typing import Any

from edged.contracts.schema import reference
from edged.http.embeddings import MOST_TEXTS
from edged.http.subtitles import FORMATS
from edged.http.transcript_events import EVENTS

_TEXT = {"type": "string"}
_FILE = {"type": "string", "format": "binary", "description": "the recording, or a video with a sound track"}
_MODEL = {"type": "string", "description": "one that /v1/models lists, such as `whisper-1`"}
_HEARD = {
    "model": _MODEL,
    "prompt": {"type": "string", "description": "what may have been said before: names, spelling, style"},
    "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "temperature": {"type": "number", "const": 0},
}
_LANGUAGE = {"type": "string", "description": "code of the language; it is found where this is left out"}
_GRANULARITIES = {
    "type": "array",
    "items": {"const": "segment"},
    "description": "with `verbose_json`; words have no times here",
}
_STREAM = {
    "type": "boolean",
    "description": "server-sent events `transcript.text.delta` as it is heard, and `transcript.text.done`",
}


def openai_schemas() -> dict[str, Any]:
    """Components."""
    fields = {"message": _TEXT, "type": _TEXT}
    maybe = {"type": ["string", "null"]}
    error = {
        "type": "object",
        "required": ["message", "type", "param", "code"],
        "properties": {**fields, "param": maybe, "code": maybe},
    }
    return {"OpenAIError": {"type": "object", "required": ["error"], "properties": {"error": error}}}


def openai_paths(failures: Mapping[str, str]) -> dict[str, Any]:
    """By address. `failures`: what each code means."""

    def operation(name: str, summary: str, *codes: str, **more: Any) -> dict[str, Any]:
        failed = {code: _failed(failures[code]) for code in codes or failures}
        answer = {"application/json": {"schema": {"type": "object"}}}
        told = {"description": summary, "content": answer}
        return {
            **{"operationId": f"openai_{name}", "summary": summary, "tags": ["openai"]},
            **more,
            "responses": {"200": told, **failed},
        }

    spoken = {**_HEARD, "language": _LANGUAGE, "timestamp_granularities[]": _GRANULARITIES, "stream": _STREAM}
    transcribe = operation("transcribe", "what is said in a recording", requestBody=_form(spoken))
    translate = operation("translate", "what is said, in English", requestBody=_form(_HEARD))
    for told in (transcribe, translate):
        told["responses"]["200"]["content"] |= {
            kind: {"schema": _TEXT} for kind in ("text/plain", "text/vtt")
        }
    transcribe["responses"]["200"]["content"][EVENTS] = {"schema": _TEXT}
    embed = operation("embed", "what texts mean, as vectors", requestBody=_texts())
    named = [{"name": "model", "in": "path", "required": True, "schema": _TEXT}]
    return {
        "/v1/audio/transcriptions": {"post": transcribe},
        "/v1/audio/translations": {"post": translate},
        "/v1/embeddings": {"post": embed},
        "/v1/models": {"get": operation("models", "what can be asked for", "401")},
        "/v1/models/{model}": {
            "get": operation("model", "one of them", "401", "404", parameters=named),
        },
    }


def _failed(meaning: str) -> dict[str, Any]:
    content = {"application/json": {"schema": reference("OpenAIError")}}
    return {"description": meaning, "content": content}


def _form(fields: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": ["file"], "properties": {"file": _FILE, **fields}}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def _texts() -> dict[str, Any]:
    several = {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_TEXTS}
    fields = {
        "input": {"oneOf": [_TEXT, several]},
        "model": _MODEL,
        "encoding_format": {"type": "string", "enum": ["float", "base64"], "default": "float"},
        "user": _TEXT,
    }
    schema = {"type": "object", "required": ["input"], "properties": fields}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
