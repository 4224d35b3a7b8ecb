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
from edged.http.status import Status
from edged.http.uploads import UploadAnswer

_FAILURES: Mapping[str, str] = {
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
_NAME = {"type": "string", "pattern": "^[^/]+$"}
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
_HEADERS = {
    name: {"schema": {"type": "string"}, "description": what}
    for name, what in {
        "X-Request-Id": "of the answer; percent-encoded if not ASCII",
        "Edged-Artefact": "of the file that the request left, if any: its address, or a path of this server",
        "X-Model": "id of the model that ran; of a failed answer there once one was found for it",
    }.items()
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
        "paths": paths | _pages() | _jobs() | _streams() | _kserve(),
        "components": {
            "schemas": gathered(_schemas(served)),
            "responses": {f"Failed{code}": _failed(text, FailedAnswer) for code, text in _FAILURES.items()},
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
                "headers": _HEADERS,
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


def _failed(text: str, form: type[FailedAnswer]) -> dict[str, Any]:
    content = {"application/json": {"schema": reference(form.__name__)}}
    return {"description": text, "headers": _HEADERS, "content": content}


def _failures_of(service: Service) -> dict[str, Any]:
    if service.failure is FailedAnswer:
        return _failures(*_FAILURES)
    return {code: _failed(text, service.failure) for code, text in _FAILURES.items()}


def _failures(*codes: str) -> dict[str, Any]:
    return {code: {"$ref": f"#/components/responses/Failed{code}"} for code in codes}


def _gets(
    name: str, summary: str, media_type: str, schema: Mapping[str, Any], *failures: str, **more: Any
) -> dict[str, Any]:
    """A path with one GET."""
    ok = {"description": summary, "content": {media_type: {"schema": schema}}}
    operation = {
        "operationId": name,
        "summary": summary,
        "responses": {"200": ok, **_failures("401", *failures)},
    }
    return {"get": operation | more}


def _parameter(name: str, place: str = "path") -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": _NAME}


def _pages() -> dict[str, Any]:
    anything, text = {"type": "object"}, {"type": "string"}
    token = {"type": "object", "required": ["token"], "properties": {"token": text}}
    return {
        "/api/status": _gets("status", "how everything is", "application/json", reference("Status")),
        "/api/login": {
            "post": {
                "operationId": "login",
                "summary": "a cookie for who knows the token",
                "security": [{}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": token}}},
                "responses": {"204": {"description": "here it is"}, **_failures("400", "401", "403")},
            }
        },
        "/api/uploads": _upload(),
        "/artefacts/{id}": _artefact(),
        "/metrics": _gets("metrics", "for Prometheus", "text/plain", text),
        "/openapi.json": _gets("openapi", "this document", "application/json", anything),
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
                **_failures("400", "401", "403", "413", "429", "503"),
            },
        }
    }


def _jobs() -> dict[str, Any]:
    named, many = [_parameter("job")], {"type": "array", "items": reference("JobState")}
    listed = {"type": "object", "required": ["jobs"], "properties": {"jobs": many}}
    one = _gets("job", "its state, and its answer", "application/json", reference("JobAnswer"), "404")
    events = {"schema": {"type": "string", "description": "events `progress`, at the end `answer`"}}
    one["get"]["responses"]["200"]["content"]["text/event-stream"] = events
    cancel = {
        "operationId": "cancel_job",
        "summary": "end it, or forget the answer of one that has ended",
        "responses": {**one["get"]["responses"]},
    }
    return {
        "/api/jobs": _gets("jobs", "all that are known", "application/json", listed, "503"),
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
    path = _gets(
        "artefact",
        "a file that a request or a camera has left",
        "video/mp4",
        binary,
        "404",
        "503",
        parameters=[_parameter("id"), span],
    )
    path["get"]["responses"] |= {
        "206": {
            "description": "the range that `Range` asks for",
            "content": {"video/mp4": {"schema": binary}},
        },
        "304": {"description": "`If-None-Match` names it"},
        "409": _failed("reserved, but not written yet; ask again", FailedAnswer),
        "416": _failed("it ends before the range", FailedAnswer),
    }
    return path


def _streams() -> dict[str, Any]:
    binary, named = {"type": "string", "format": "binary"}, [_parameter("stream")]
    return {
        "/api/counts": _counts(),
        "/api/events": _events(),
        "/api/results": _gets(
            "results",
            "stream messages as server-sent events named `result`",
            "text/event-stream",
            {"type": "string"},
            "503",
            parameters=[_parameter("stream", "query")],
        ),
        "/api/streams/{stream}/live": _gets(
            "live", "annotated pictures", "multipart/x-mixed-replace", binary, "404", "503", parameters=named
        ),
        "/api/streams/{stream}/snapshot": _gets(
            "snapshot", "the newest annotated picture", "image/jpeg", binary, "404", "503", parameters=named
        ),
    }


def _counts() -> dict[str, Any]:
    said = {
        "stream": "name of a stream; all, unless said",
        "line": "name of a line; all, unless said",
        "from": "ISO 8601, local where it says no distance from UTC; when today began, unless said",
        "to": "likewise, not included; now, unless said",
        "format": "`csv` or `json`; else as `Accept` says",
    }
    path = _gets(
        "counts",
        "who crossed the lines of cameras, by class and local hour",
        "application/json",
        reference("CountsAnswer"),
        *("400", "404", "413", "503"),
        parameters=_queries(said),
    )
    path["get"]["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return path


def _events() -> dict[str, Any]:
    said = {
        **{name: f"name of a {name}; all, unless said" for name in ("stream", "rule")},
        "event": "`line`, `zone` or `rule`; all, unless said",
        **{"from": "ISO 8601, as of /api/counts; all, unless said", "to": "likewise, not included"},
        **{"after": "those with a greater `number`", "before": "those with a smaller one"},
        "limit": "the newest so many, at most 1000; 100, unless said",
    }
    what, schema = "events of cameras and microphones", reference("EventsAnswer")
    path = _gets("events", what, "application/json", schema, "400", "503", parameters=_queries(said))
    events = {"type": "string", "description": "those that come, named `event`, the `number` as their id"}
    path["get"]["responses"]["200"]["content"]["text/event-stream"] = {"schema": events}
    return path


def _queries(said: Mapping[str, str]) -> list[dict[str, Any]]:
    text = {"type": "string"}
    return [{"name": name, "in": "query", "description": it, "schema": text} for name, it in said.items()]


def _kserve() -> dict[str, Any]:
    anything, model = {"type": "object"}, [_parameter("model")]
    ready = _gets("ready", "every service is up", "application/json", anything)
    ready["get"]["responses"]["503"] = {"description": "`why` says which is not"}
    return {
        "/v2": _gets("server", "metadata of the server", "application/json", anything),
        "/v2/health/live": _gets("alive", "the server answers", "application/json", anything),
        "/v2/health/ready": ready,
        "/v2/models/{model}": _gets(
            "model",
            "metadata: tensors, and labels by id",
            "application/json",
            anything,
            "404",
            parameters=model,
        ),
        "/v2/models/{model}/ready": _gets(
            "model_ready", "it is up", "application/json", anything, "404", parameters=model
        ),
    }
