"""What goes over HTTP as an OpenAPI 3.1 document, generated from the contracts."""

from collections.abc import Mapping
from typing import Any

from edged.answers.schema import answer_schema
from edged.contracts.message import FailedAnswer, FailedVideoAnswer, JobState
from edged.contracts.pairs import ProductInput
from edged.contracts.schema import gathered, reference
from edged.contracts.service import Service
from edged.contracts.services import SERVICES
from edged.http.counts import CountsAnswer
from edged.http.drawings import DrawnAnswer
from edged.http.events import EventsAnswer
from edged.http.jobs import JobAnswer
from edged.http.kserve_openapi import kserve_paths
from edged.http.openai_openapi import openai_paths, openai_schemas
from edged.http.openapi_parts import FAILURES, HEADERS, failed, failures, gets, parameter
from edged.http.status import Status
from edged.http.stream_openapi import stream_paths
from edged.http.uploads import UploadAnswer

_DRAWING = {
    "name": "drawing",
    "in": "query",
    "description": "whether to answer the picture with what was found, too",
    "schema": {"type": "boolean", "default": False},
}
_LATER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async`: 202 with the address of a job, where the answer is fetched later",
    "schema": {"type": "string"},
}
_PIXEL = "/9j/4AAQSkZJRg..."


def openapi(version: str) -> dict[str, Any]:
    """The document; `version` is edged's."""
    served = list(SERVICES.values())
    paths: dict[str, Any] = {f"/api/predict/{s.name}": {"post": _predict(s)} for s in served}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edged over HTTP",
            "version": version,
            "description": "An edge inference daemon. Requests are the same JSON as over MQTT.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"cookie": []}, {}],
        "paths": paths | _pages() | _jobs() | stream_paths() | kserve_paths() | openai_paths(FAILURES),
        "components": {
            "schemas": gathered(_schemas(served)) | openai_schemas(),
            "responses": {f"Failed{code}": failed(text, FailedAnswer) for code, text in FAILURES.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`http.token` of config.yaml"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "edged", "description": "of /api/login"},
            },
        },
    }


def _schemas(served: list[Service]) -> dict[str, Mapping[str, Any]]:
    kinds = (
        FailedAnswer,
        FailedVideoAnswer,
        Status,
        DrawnAnswer,
        JobState,
        JobAnswer,
        UploadAnswer,
        CountsAnswer,
        EventsAnswer,
    )
    schemas: dict[str, Mapping[str, Any]] = {kind.__name__: kind.model_json_schema() for kind in kinds}
    for service in served:
        schemas[f"{_title(service)}Request"] = service.request_schema()
        schemas[f"{_title(service)}Answer"] = answer_schema(service)
    return schemas


def _title(service: Service) -> str:
    return service.name.title().replace("-", "")


def _predict(service: Service) -> dict[str, Any]:
    request = {
        "schema": reference(f"{_title(service)}Request"),
        "examples": {"request": {"value": _example(service)}},
    }
    return {
        "operationId": f"predict_{service.name.replace('-', '_')}",
        "summary": service.summary,
        "tags": [service.group],
        "parameters": [_LATER, *([_DRAWING] if service.takes_pictures else [])],
        "requestBody": {"required": True, "content": {"application/json": request}},
        "responses": {
            "200": {
                "description": "the answer",
                "headers": HEADERS,
                "content": {"application/json": {"schema": _answered(service)}},
            },
            "202": _job_taken(),
            **_failures_of(service),
        },
    }


def _job_taken() -> dict[str, Any]:
    where = {"schema": {"type": "string"}, "description": "`/api/jobs/<id>`"}
    content = {"application/json": {"schema": reference("JobAnswer")}}
    return {"description": "a job", "headers": {"Location": where}, "content": content}


def _answered(service: Service) -> dict[str, Any]:
    answer = reference(f"{_title(service)}Answer")
    return {"oneOf": [answer, reference("DrawnAnswer")]} if service.takes_pictures else answer


def _example(service: Service) -> dict[str, Any]:
    """The fields of the input that a request needs."""
    pair = {"imagea": _PIXEL, "imageb": _PIXEL}
    if service.input is ProductInput:
        return {"function_name": "match", "function_params": {**pair, "metric": "L2"}}
    if service.takes_sound:
        return {"input": {"url": "file:///media/recording.wav"}}
    if service.media == "video":
        return {"input": {"url": "file:///media/video.mp4"}}
    if service.media == "text":
        return {"id": "1", "first_sequence": "今天天气很好", "second_sequence": "我们去公园散步"}
    return {"image": _PIXEL} if service.takes_frames else pair


def _failures_of(service: Service) -> dict[str, Any]:
    if service.failure is FailedAnswer:
        return failures(*FAILURES)
    return {code: failed(text, service.failure) for code, text in FAILURES.items()}


def _pages() -> dict[str, Any]:
    anything, text = {"type": "object"}, {"type": "string"}
    token = {"type": "object", "required": ["token"], "properties": {"token": text}}
    return {
        "/api/status": gets("status", "how everything is", "application/json", reference("Status")),
        "/api/login": {
            "post": {
                "operationId": "login",
                "summary": "a cookie for who knows the token",
                "security": [{}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": token}}},
                "responses": {"204": {"description": "here it is"}, **failures("400", "401", "403")},
            }
        },
        "/api/uploads": _upload(),
        "/artefacts/{id}": _artefact(),
        "/metrics": gets("metrics", "for Prometheus", "text/plain", text),
        "/openapi.json": gets("openapi", "this document", "application/json", anything),
    }


def _upload() -> dict[str, Any]:
    file = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    kept = {"application/json": {"schema": reference("UploadAnswer")}}
    return {
        "post": {
            "operationId": "upload",
            "summary": "send a recording or a video ahead of the requests that name it as `input.url`",
            "requestBody": {"required": True, "content": file},
            "responses": {
                "201": {"description": "it is here, for `uploads.max_age`", "content": kept},
                **failures("400", "401", "403", "413", "429", "503"),
            },
        }
    }


def _jobs() -> dict[str, Any]:
    named, many = [parameter("job")], {"type": "array", "items": reference("JobState")}
    listed = {"type": "object", "required": ["jobs"], "properties": {"jobs": many}}
    one = gets("job", "its state, and its answer", "application/json", reference("JobAnswer"), "404")
    events = {"schema": {"type": "string", "description": "events `progress`, at the end `answer`"}}
    one["get"]["responses"]["200"]["content"]["text/event-stream"] = events
    cancel = {
        "operationId": "cancel_job",
        "summary": "end it, or forget the answer of one that has ended",
        "responses": {**one["get"]["responses"]},
    }
    return {
        "/api/jobs": gets("jobs", "all that are known", "application/json", listed, "503"),
        "/api/jobs/{job}": {"parameters": named, **one, "delete": cancel},
    }


def _artefact() -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    span = {
        "name": "Range",
        "in": "header",
        "description": "one range of bytes",
        "schema": {"type": "string"},
    }
    path = gets(
        "artefact",
        "a file that a request or a camera has left",
        "video/mp4",
        binary,
        "404",
        "503",
        parameters=[parameter("id"), span],
    )
    path["get"]["responses"] |= {
        "206": {
            "description": "the range that `Range` asks for",
            "content": {"video/mp4": {"schema": binary}},
        },
        "304": {"description": "`If-None-Match` names it"},
        "409": failed("reserved, but not written yet; ask again", FailedAnswer),
        "416": failed("it ends before the range", FailedAnswer),
    }
    return path
