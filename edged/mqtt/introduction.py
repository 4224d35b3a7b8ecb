"""What `info` says of the box."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from edged.contracts.message import ActionReach, Info, ServiceFacts


@dataclass(frozen=True)
class Introduction:
    """Asked anew whenever it is told; each may be called from any thread."""

    version: str
    """Of edged."""
    services: Callable[[], list[ServiceFacts]]
    """Those that can be asked."""
    not_ready: Callable[[], dict[str, str]] = dict
    """Why others cannot, by name."""
    preparing: Callable[[], dict[str, str]] = dict
    """What is made in the background, by model."""
    actions: Callable[[], list[ActionReach]] = list
    """Those of the configuration."""

    def info(self, node: str, mqtt: Literal["5", "3.1.1"], services: Sequence[ServiceFacts]) -> Info:
        """The message; `services`: what was just asked."""
        return Info(
            node=node,
            version=self.version,
            mqtt=mqtt,
            services=[*services],
            not_ready=self.not_ready(),
            preparing=self.preparing(),
            actions=self.actions(),
        )
