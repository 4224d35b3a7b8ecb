"""What gRPC needs of the daemon, handed over once."""

from collections.abc import Callable
from dataclasses import dataclass

from edged.contracts.request import Intake
from edged.flow.counters import Counters
from edged.flow.token import Token
from edged.repository.outline import Outline
from edged.serving.table import ServiceTable


@dataclass(frozen=True)
class GrpcSources:
    """All of it may be asked from any thread."""

    version: str
    """Of edged."""
    token: Token
    """Who may come in."""
    most_bytes: int
    """Of a request."""
    intake: Intake
    """Where requests go."""
    counters: Counters
    """For our own counts."""
    table: ServiceTable
    """The models that are up."""
    idle: Callable[[str], Outline | None]
    """A model that loads when it is asked for, by its id; may take a second."""
    why_not_ready: Callable[[], str]
    """Why the box is not ready; empty when it is. May take milliseconds."""
