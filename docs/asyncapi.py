"""What goes over MQTT as an AsyncAPI 3 document: topics, who sends on them, and the schemas of messages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from edged import __version__
from edged.answers.schema import answer_schema, message_schema
from edged.contracts import happenings, message
from edged.contracts.schema import gathered, reference
from edged.contracts.service import Service
from edged.contracts.services import SERVICES

PARAMETERS = {
    "node": "Name of the box: `node` in config.yaml.",
    "stream": "Name of a stream in config.yaml.",
    "line": "Name of a line of the stream.",
    "zone": "Name of a zone of the stream.",
    "rule": "Name of a rule in config.yaml.",
    "request_id": "The request's, percent-escaped.",
    "device": "Id of the box, of a camera or of a microphone, for Home Assistant.",
    "verb": "`reload`, `switch`, `enable`, `disable`, `snapshot`, ...",
}


_PROPERTIES = "AnswerProperties"
ANSWER_PROPERTIES = {
    "type": "object",
    "description": "User properties of MQTT 5.",
    "required": ["request_id", "code"],
    "properties": {
        "request_id": {"type": "string", "description": "Of the answer."},
        "code": {"type": "string", "description": "200, or the `error_code`."},
        "model": {
            "type": "string",
            "description": "Id of the model that ran; of a failed answer there once one was found for it.",
        },
        "artefact": {
            "type": "string",
            "description": "Address of the file that the request left, if any: under `http.public_url`, "
            "else the path of the box's own HTTP, `/artefacts/<id>`.",
        },
    },
}

TAKEN_BACK = {
    "payload": {"type": "string", "maxLength": 0},
    "contentType": "text/plain",
    "summary": "empty: what was retained under `publish: {on: change}` holds no more",
}


@dataclass(frozen=True)
class Topic:
    """One kind of topic that the daemon publishes on, beside the answers of services."""

    name: str
    """Of the channel."""
    address: str
    """With the parameters in braces."""
    payload: type[BaseModel] | Mapping[str, Any]
    """A message of `contracts/message.py` or `happenings.py`, or a schema of what is no JSON object."""
    summary: str
    retained: bool = False
    content_type: str = "application/json"


TOPICS = (
    Topic(
        "availability",
        "edged/{node}/availability",
        {"type": "string", "enum": ["online", "offline"]},
        "`offline` is also the last will",
        retained=True,
        content_type="text/plain",
    ),
    Topic("info", "edged/{node}/info", message.Info, "what this box is and serves", retained=True),
    Topic("health", "edged/{node}/health", message.Health, "how the daemon is", retained=True),
    Topic("progress", "edged/{node}/progress/{request_id}", message.Progress, "how far long work is"),
    Topic(
        "streamState",
        "edged/{node}/stream/{stream}/state",
        message.StreamState,
        "how a stream is",
        retained=True,
    ),
    Topic(
        "line",
        "edged/{node}/stream/{stream}/line/{line}",
        happenings.LineCounts,
        "how many crossed a line of a camera",
        retained=True,
    ),
    Topic(
        "zone",
        "edged/{node}/stream/{stream}/zone/{zone}",
        happenings.ZoneCounts,
        "who is in a zone of a camera",
        retained=True,
    ),
    Topic(
        "event",
        "edged/{node}/stream/{stream}/event",
        happenings.EventMessage,
        "something happened before a stream's camera or microphone",
    ),
    Topic("rule", "edged/{node}/rule/{rule}", happenings.RuleState, "whether a rule holds", retained=True),
    Topic(
        "snapshot",
        "edged/{node}/stream/{stream}/snapshot",
        {"type": "string", "format": "binary"},
        "what a stream looks like, with the answers drawn in: on `control/snapshot`, or with each event",
        content_type="image/jpeg",
    ),
    Topic(
        "controlResponse",
        "edged/{node}/control/{verb}/response",
        message.ControlAnswer,
        "what came of a command",
    ),
    Topic(
        "discovery",
        "homeassistant/device/{device}/config",
        {"type": "object", "required": ["dev", "o", "cmps"]},
        "what Home Assistant shall know of the box, or of a stream, where `homeassistant` says so, which may "
        "name another prefix. The form is Home Assistant's; an empty message takes it back",
        retained=True,
    ),
)
"""In the order of the document."""


def asyncapi() -> dict[str, Any]:
    """The document."""
    served = list(SERVICES.values())
    channels = {topic.name: _channel(topic) for topic in TOPICS}
    channels["control"] = _named(
        "edged/{node}/control/{verb}",
        "commands; the message is a JSON object, or empty",
        {"command": {"payload": {"type": "object"}}},
    )
    channels["birth"] = _named(
        "homeassistant/status",
        "Home Assistant has started: all that it shall know is told again",
        {"birth": {"payload": {"type": "string"}, "contentType": "text/plain"}},
    )
    operations: dict[str, Any] = {
        topic.name: {"action": "send", "channel": {"$ref": f"#/channels/{topic.name}"}} for topic in TOPICS
    }
    operations["control"] = {
        "action": "receive",
        "channel": {"$ref": "#/channels/control"},
        "reply": {"channel": {"$ref": "#/channels/controlResponse"}},
    }
    operations["birth"] = {"action": "receive", "channel": {"$ref": "#/channels/birth"}}
    for service in served:
        channels |= _service_channels(service)
        operations |= _service_operations(service)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edged over MQTT",
            "version": __version__,
            "description": "An edge inference daemon. A request goes to its node, or to `any` of a fleet.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"embedded": {"host": "127.0.0.1:1883", "protocol": "mqtt", "protocolVersion": "5"}},
        "channels": channels,
        "operations": operations,
        "components": {"schemas": gathered(dict(_schemas(served)))},
    }


def _schemas(served: list[Service]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for topic in TOPICS:
        if not isinstance(topic.payload, Mapping):
            yield topic.payload.__name__, topic.payload.model_json_schema(by_alias=True)
    yield _PROPERTIES, ANSWER_PROPERTIES
    for failure in (message.FailedAnswer, message.FailedVideoAnswer):
        yield failure.__name__, failure.model_json_schema()
    for service in served:
        name = _title(service)
        yield f"{name}Request", service.request_schema()
        yield f"{name}Answer", answer_schema(service)
        yield f"{name}Message", message_schema(service)


def _title(service: Service) -> str:
    return service.name.title().replace("-", "")


def _channel(topic: Topic) -> dict[str, Any]:
    payload = topic.payload if isinstance(topic.payload, Mapping) else reference(topic.payload.__name__)
    body = {"payload": dict(payload), "contentType": topic.content_type}
    channel = _named(topic.address, topic.summary, {topic.name: body})
    return channel | ({"x-retained": True} if topic.retained else {})


def _service_channels(service: Service) -> dict[str, Any]:
    """Requests, answers and stream messages of one service."""
    name, headers = _title(service), reference(_PROPERTIES)
    failed = {"headers": headers, "payload": reference(service.failure.__name__)}
    return {
        f"{service.name}-request": _named(
            f"edged/{{node}}/request/{service.name}",
            service.summary,
            {"request": {"payload": reference(f"{name}Request")}},
        ),
        f"{service.name}-response": _named(
            f"edged/{{node}}/response/{service.name}/{{request_id}}",
            "where the answer goes when the request names no response topic (MQTT 5) or `reply_to`",
            {"answer": {"headers": headers, "payload": reference(f"{name}Answer")}, "failed": failed},
        ),
        f"{service.name}-stream": _named(
            f"edged/{{node}}/stream/{{stream}}/{service.name}",
            "results on a stream; the last one is retained under `publish: {on: change}`",
            {"result": {"payload": reference(f"{name}Message")}, "takenBack": TAKEN_BACK},
        ),
    }


def _service_operations(service: Service) -> dict[str, Any]:
    at = {kind: {"$ref": f"#/channels/{service.name}-{kind}"} for kind in ("request", "response", "stream")}
    return {
        f"{service.name}-request": {
            "action": "receive",
            "channel": at["request"],
            "reply": {"channel": at["response"]},
        },
        f"{service.name}-stream": {"action": "send", "channel": at["stream"]},
    }


def _named(address: str, summary: str, messages: Mapping[str, Any]) -> dict[str, Any]:
    """A channel with the parameters that its address names."""
    named = {name: what for name, what in PARAMETERS.items() if f"{{{name}}}" in address}
    parameters = {name: {"description": what} for name, what in named.items()}
    return {"address": address, "summary": summary, "parameters": parameters, "messages": dict(messages)}
