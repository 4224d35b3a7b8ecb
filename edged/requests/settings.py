"""Limits of requests, however they come in."""

from pydantic import Field

from edged.contracts.service import Service
from edged.contracts.settings import Seconds, Settings
from edged.media.footage import VideoLimits
from edged.media.picture import PictureLimits
from edged.media.policy import FetchSettings
from edged.media.sound import SoundLimits
from edged.requests.journal import Durability


class JobSettings(Settings):
    """Requests that may take minutes."""

    at_a_time: int = Field(default=1, ge=1)
    """Videos in work at the same time."""
    max_waiting: int = Field(default=8, ge=1)
    """So many wait; one more is answered 429."""
    kept: Seconds = 86400.0
    """So long the answer of a job of HTTP (`Prefer: respond-async`) can be fetched."""


class RequestSettings(Settings):
    """Limits of requests, however they come in."""

    max_waiting: int = Field(default=256, ge=1)
    """Requests in the queue; one more is answered 429."""
    max_waiting_bytes: int = Field(default=100_000_000, ge=1)
    """Bytes of all waiting requests; more is answered 429."""
    durability: Durability = "process"
    """What a request over MQTT survives once it is acknowledged: `process` is the end of ours, SIGKILL too;
    `power` a power cut as well, for which what comes within some 30 ms is synced together; `memory` writes
    nothing, and leaves it with the broker until its answer has arrived (MQTT 3.1.1: twenty at a time)."""
    timeout_s: Seconds = 60.0
    """From the arrival to 504, for a request of pictures or texts that names no `timeout_s`."""
    media_timeout_s: Seconds = 3600.0
    """The same for a request of a recording or a video."""
    max_answer_bytes: int = Field(default=8_000_000, ge=1000)
    """A longer answer is replaced by 413."""
    picture: PictureLimits = PictureLimits()
    """Limits of a picture in a request."""
    sound: SoundLimits = SoundLimits()
    """Limits of a recording in a request."""
    jobs: JobSettings = JobSettings()
    """Requests that may take minutes."""
    video: VideoLimits = VideoLimits()
    """Limits of a video in a request."""
    fetch: FetchSettings = FetchSettings()
    """What may be fetched for a request that names a URL."""

    def timeout_of(self, service: Service) -> float:
        """Seconds for a request of this service that names none itself."""
        return self.media_timeout_s if service.media in ("recording", "video") else self.timeout_s
