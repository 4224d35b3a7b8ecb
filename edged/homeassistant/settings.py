"""Settings of what Home Assistant is told."""

from typing import Literal

from pydantic import field_validator

from edged.contracts.settings import Settings
from edged.mqtt.topics import DISCOVERY, PREFIX, place_fault

Share = Literal["text", "picture", "recording"]


class HomeAssistantSettings(Settings):
    """Home Assistant, at the same broker, finds the box and what its cameras see."""

    prefix: str = DISCOVERY
    """Of the topics on which it looks for devices: as in the options of its MQTT integration."""
    share: tuple[Share, ...] = ()
    """What it is shown beside counts and states: `text`: what was read or said, where a rule looks for it;
    `picture`: what cameras look like, and the addresses of pictures of events; `recording`: the addresses of
    recordings. Empty: nothing of it."""

    @field_validator("prefix")
    @classmethod
    def _is_a_topic(cls, prefix: str) -> str:
        levels = prefix.split("/")
        if fault := next((fault for level in levels if (fault := place_fault(level))), None):
            raise ValueError(f"each of its levels is a name: {fault}")
        if levels[0] == PREFIX or prefix.startswith("$"):
            raise ValueError(f"topics that begin with {levels[0]!r} are not for Home Assistant")
        return prefix
