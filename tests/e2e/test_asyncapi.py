"""docs/asyncapi.yaml tells the truth: every message that a running daemon publishes is in it, and valid."""

import json
import re
from pathlib import Path

import pybase64
import pytest
import yaml
from jsonschema import Draft202012Validator

from edged.media.picture import encode_jpeg
from edged.media.video import sample_frames
from tests.broker import until
from tests.e2e.box import CAMERA

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # every worker reads it when it collects
TEXT = (Path(__file__).parent.parent.parent / "docs" / "asyncapi.yaml").read_text("utf-8")
DOCUMENT = yaml.load(TEXT, LOADER)


class Channel:
    """A channel of the document: which topics it is for, and what its messages must look like."""

    def __init__(self, name: str, body: dict) -> None:
        self.name = name
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(body["address"]))
        self.topic = re.compile(pattern + r"\Z")
        self.messages = list(body["messages"].values())
        self.retained = body.get("x-retained", False)

    def accepts(self, payload: bytes) -> bool:
        return any(self._fits(message, payload) for message in self.messages)

    def _fits(self, message: dict, payload: bytes) -> bool:
        kind = message.get("contentType", DOCUMENT["defaultContentType"])
        if kind == "image/jpeg":
            return payload[:2] == b"\xff\xd8"
        value = payload.decode() if kind == "text/plain" else json.loads(payload)
        schema = {**message["payload"], "components": DOCUMENT["components"]}
        return Draft202012Validator(schema).is_valid(value)


CHANNELS = {name: Channel(name, body) for name, body in DOCUMENT["channels"].items()}
RECEIVED = {
    operation["channel"]["$ref"].rpartition("/")[2]
    for operation in DOCUMENT["operations"].values()
    if operation["action"] == "receive"
}


def channel_of(topic: str) -> Channel:
    (found,) = (channel for channel in CHANNELS.values() if channel.topic.match(topic))
    return found


@pytest.fixture
def published(daemon, client, bikes):
    """Everything that a daemon says while it is used in all ways, from its birth to its end."""
    box = daemon(f"{CAMERA}homeassistant: true\n")
    listener = client(box.port, "edged/box/#", "homeassistant/device/#")
    picture = pybase64.b64encode_as_string(encode_jpeg(sample_frames(bikes, 3)[1]))
    until(
        lambda: listener.on("edged/box/stream/demo/object-detection"), "a frame, of which there is a picture"
    )
    good = json.dumps({"request_id": "good", "image": picture})
    listener.publish("edged/box/request/object-detection", good.encode())
    listener.publish("edged/box/request/object-detection", b'{"request_id": "bad", "image": "?"}')
    for verb in ("reload", "snapshot", "disable", "enable", "no-such-verb"):
        listener.publish(f"edged/box/control/{verb}", b'{"stream": "demo"}' if verb != "reload" else b"")
    answers = ["response/object-detection/good", "response/object-detection/bad", "health"]
    answers += [f"control/{verb}/response" for verb in ("reload", "snapshot", "enable", "no-such-verb")]
    answers += ["stream/demo/object-detection", "stream/demo/state"]
    for topic in answers:
        until(lambda topic=topic: listener.on(f"edged/box/{topic}"), topic)
    until(lambda: listener.on("edged/box/stream/demo/snapshot"), "the snapshot")
    until(lambda: sum(channel_of(m.topic).name == "discovery" for m in list(listener.heard)) >= 2, "devices")
    box.stop()
    return list(listener.heard)


def test_every_message_is_documented_and_valid(published):
    sent = [m for m in published if channel_of(m.topic).name not in RECEIVED]
    assert len({channel_of(m.topic).name for m in sent}) >= 8
    for message in sent:
        channel = channel_of(message.topic)
        assert channel.accepts(message.payload), f"{message.topic}: {message.payload[:300]!r}"


def test_the_schemas_can_refuse():
    detection = channel_of("edged/box/stream/demo/object-detection")
    assert not detection.accepts(b'{"schema": "edged/object-detection/1"}')
    assert not channel_of("edged/box/availability").accepts(b"maybe")
