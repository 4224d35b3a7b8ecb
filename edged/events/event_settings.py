"""How long events are kept, and how long they wait for the broker."""

from pydantic import Field

from edged.contracts.settings import Seconds, Settings


class EventSettings(Settings):
    """What happens before cameras and microphones, as it is kept on disk."""

    keep: Seconds = 30 * 86400.0
    """So long events are kept, for `GET /api/events` and `edged events`."""
    max_bytes: int = Field(default=200_000_000, ge=100_000)
    """Bytes of all that are kept; then the oldest go. Those of them that the broker never had are counted."""
    unsent: Seconds = 7 * 86400.0
    """So long an event waits for the broker; one that waited longer is kept, but not sent any more, which is
    counted."""
    snapshots: bool = True
    """Whether each event of a camera leaves a picture among the artefacts."""
