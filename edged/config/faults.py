"""What is wrong with a configuration as a whole: names that there are not, and what does not go together."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from edged.actions.notify import notify_faults
from edged.config.settings import Config, StreamSettings, known_service
from edged.contracts.errors import EdgedError
from edged.contracts.services import ASKED, service
from edged.media.source import is_device
from edged.mqtt.topics import node_fault, place_fault, stream_fault
from edged.serving.table import option_faults
from edged.streams.microphone import microphone_name
from edged.streams.place_faults import NEEDS, place_faults
from edged.streams.rule_faults import rule_faults


def name_faults(config: Config, actions: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names that there are not and that do not fit, with the place of each. `actions`: faulty ones too."""
    if fault := node_fault(config.node):
        yield "node", fault
    if fault := _grpc_fault(config):
        yield "grpc.listen", fault
    for name, settings in config.services.items():
        yield from _service_faults(f"services.{name}", name, settings.options)
    for name, stream in config.streams.items():
        yield from _stream_faults(name, stream)
    yield from ((f"rules.{name}", fault) for name in config.rules if (fault := place_fault(name)))
    yield from rule_faults(config.rules, config.streams, actions)
    yield from ((f"actions.{name}", fault) for name in config.actions if (fault := place_fault(name)))
    yield from ((f"actions.{name}.notify", fault) for name, fault in notify_faults(config.actions))


def _stream_faults(name: str, stream: StreamSettings) -> Iterator[tuple[str, str]]:
    at = f"streams.{name}"
    if fault := stream_fault(name):
        yield at, fault
    for i, run in enumerate(stream.run):
        yield from _service_faults(f"{at}.run.{i}", run.service, run.options)
        if fault := _run_fault(run.service, stream):
            yield f"{at}.run.{i}", fault
    for faults in (_sound_faults(stream), _place_faults(stream), _source_faults(stream)):
        yield from ((f"{at}.{key}", fault) for key, fault in faults)


def _grpc_fault(config: Config) -> str | None:
    """Why gRPC may not listen there; none when it may."""
    address = config.grpc.address
    if address is None or address.is_loopback or config.http.token is not None:
        return None
    return f"opens gRPC to the network at {address}: give an `http.token`, or listen on 127.0.0.1"


def _service_faults(where: str, name: str, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        known = ASKED.get(name) if where == f"services.{name}" else None
        faults = option_faults(known or service(name), options)
    except EdgedError as error:
        yield where, str(error)
    else:
        yield from ((f"{where}.options.{at}", fault) for at, fault in faults.items())


def _run_fault(name: str, stream: StreamSettings) -> str | None:
    """Why a service cannot run on a stream; none when it can, or when there is no such service."""
    known = known_service(name)
    if known is None:
        return None
    if not known.on_cameras and not known.takes_sound:
        wants = {"text": "reads texts", "video": "watches videos"}.get(known.media, "compares two pictures")
        return f"{name} {wants}, so no stream can feed it; send requests to it"
    if known.on_cameras and microphone_name(stream.source) is not None:
        return f"{name} wants pictures, and the source is a microphone"
    if known.on_cameras and stream.listens:
        return f"{name} wants pictures, another service of this stream sound: make two streams of the source"
    return None


def _place_faults(stream: StreamSettings) -> Iterator[tuple[str, str]]:
    """Why objects of a camera cannot be followed or counted."""
    if stream.track and stream.tracked is None:
        yield "track", f"follows objects, and {NEEDS}"
    else:
        yield from place_faults(stream, stream.tracked, stream.gate)
    for kind, names in (("lines", stream.lines), ("zones", stream.zones)):
        yield from ((f"{kind}.{name}", fault) for name in names if (fault := place_fault(name)))


def _source_faults(stream: StreamSettings) -> Iterator[tuple[str, str]]:
    """Why the source cannot be recorded, or the services cannot look at another one instead."""
    if stream.record is not None and stream.listens:
        yield "record", "is for services that look; make another stream of the source for those that listen"
    elif stream.record is not None and is_device(stream.source):
        yield "record", "is for cameras that send encoded video, and such a device gives bare pictures"
    if stream.detect_source is None:
        return
    if stream.listens:
        yield "detect_source", "is for services that look, and those of this stream listen"
    elif microphone_name(stream.detect_source) is not None:
        yield "detect_source", "is a microphone, and services that look want pictures"
    elif stream.record is None:
        yield "detect_source", "nothing would open `source`: set `record`, or name this as `source`"


def _sound_faults(stream: StreamSettings) -> Iterator[tuple[str, str]]:
    """Settings of pictures on a microphone, and the other way round."""
    if not stream.listens:
        if stream.gate.voice:
            yield "gate.voice", "is for services that listen, and those of this stream look"
        return
    for name in sorted(stream.gate.model_fields_set - {"voice"}):
        yield f"gate.{name}", "is for services that look, and those of this stream listen"
    for publish in (stream.publish, *(run.publish for run in stream.run if run.publish)):
        if publish.snapshot:
            yield "publish.snapshot", "there is no picture of sound"
