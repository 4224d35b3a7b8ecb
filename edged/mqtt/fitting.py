"""What the broker takes: the size of a message's packet, and what is sent instead of one that is too long."""

from dataclasses import replace

from edged.contracts.request import refusal
from edged.mqtt.outgoing import Outgoing

_SHORT_ID = 200
"""Characters of a `request_id` that stay when nothing else helps; no valid one has more."""


def packet_bytes(message: Outgoing, speaks_5: bool) -> int:
    """Length of the PUBLISH packet."""
    rest = 2 + len(message.topic.encode()) + (2 if message.qos else 0) + len(message.body or b"")
    if speaks_5:
        properties = message.properties()
        rest += len(properties.pack()) if properties is not None else 1  # type: ignore[no-untyped-call]
    return 1 + max(1, -(-rest.bit_length() // 7)) + rest


def fitted(message: Outgoing, largest: int, speaks_5: bool) -> Outgoing | None:
    """The message; an answer of more than `largest` bytes becomes 413; none: nothing of it fits."""
    needed = packet_bytes(message, speaks_5)
    if needed <= largest:
        return message
    why = (
        f"the answer, its topic and its correlation data are a packet of {needed} bytes, the broker takes "
        f"{largest}; ask for less, or raise its limit"
    )
    return refused(message, why, largest, speaks_5)


def refused(message: Outgoing, why: str, largest: int, speaks_5: bool) -> Outgoing | None:
    """413 instead of an answer, with as much of what shall stand beside it as fits; else none."""
    if message.answer is None:
        return None
    name = message.answer.request_id
    for correlation in (message.correlation, b""):
        for request_id in (name, name[:_SHORT_ID]):
            said = refusal({"request_id": request_id}, 413, why, message.service, message.answer.model)
            shorter = replace(message, body=said.body, answer=said, correlation=correlation)
            if packet_bytes(shorter, speaks_5) <= largest:
                return shorter
    return None
