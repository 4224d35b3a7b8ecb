"""What came of one item of a stream, and the message that tells it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from edged.answers.finding import Finding
from edged.contracts.errors import EdgedError
from edged.contracts.items import Frame, LiveClip
from edged.contracts.message import ModelFacts
from edged.contracts.service import Service
from edged.flow.clock import iso_utc


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one frame or clip: a finding, or an error."""

    item: Frame | LiveClip
    service: Service
    model: ModelFacts
    finding: Finding | EdgedError
    tracks: Sequence[int | None] | None = None
    """Of each object that was found the id of its track; none: nothing is followed."""


def encoded(node: str, stream: str, seq: int, outcome: Outcome, recording: str | None = None) -> bytes:
    """The stream message of an outcome, `contracts.message.StreamMessage`; `recording`: its address."""
    item, model = outcome.item, outcome.model
    message: dict[str, Any] = {
        "schema": outcome.service.schema_id,
        "node": node,
        "stream": stream,
        "seq": seq,
        "captured_at": iso_utc(item.captured_at),
        "latency_ms": round(age(item) * 1000, 1),
        **_facts(item),
        "model": {"name": model.name, "variant": model.variant, "device": model.device},
        **({} if recording is None else {"recording": recording}),
        **({} if outcome.tracks is None else {"tracks": outcome.tracks}),
    }
    try:
        if isinstance(outcome.finding, EdgedError):
            raise outcome.finding
        return outcome.finding.encoded(message, "result")
    except EdgedError as error:  # such as an answer that is too large
        return orjson.dumps({**message, "error": {"code": error.code, "message": str(error)}})


def _facts(item: Frame | LiveClip) -> dict[str, Any]:
    if isinstance(item, LiveClip):
        clip = {"start_us": item.clip.start_us, "seconds": round(item.clip.seconds, 3), "seq": item.seq}
        return {"clip": clip, "final": item.final}
    return {"frame": {"width": item.width, "height": item.height, "seq": item.seq}}


def taken_at(item: Frame | LiveClip) -> float:
    """Seconds since the epoch at which it was captured, a clip wholly."""
    return item.captured_at + (item.clip.seconds if isinstance(item, LiveClip) else 0.0)


def age(item: Frame | LiveClip) -> float:
    """Seconds since then."""
    return time.time() - taken_at(item)
