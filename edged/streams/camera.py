"""A camera, or a file that plays one: settings, and the source that its supervisor runs."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from edged.contracts.items import Frame
from edged.contracts.settings import Settings
from edged.media.video import VideoOptions, open_video, redact
from edged.streams.gates import GateSettings

log = logging.getLogger(__name__)


class CameraSettings(Settings):
    """Where a stream's frames come from."""

    source: str = Field(min_length=1, repr=False)
    """`rtsp://...`, `http://...`, `/dev/video0`, the path of a video file, or `models:<model>/<file>`: a clip
    that was pulled with a model."""
    loop: bool = False
    """Files only: begin again at the end."""
    real_time: bool = True
    """Files only: play at the recorded speed; else as fast as they decode."""
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP brings its packets; `udp` has less delay, and loses packets."""
    timeout_s: float = Field(default=2.0, gt=0, le=60)
    """Seconds without a packet after which a network camera is opened again."""
    stall_s: float = Field(default=20.0, gt=0)
    """Seconds without a frame after which any source is given up and opened again."""
    gate: GateSettings = GateSettings()
    """Which frames are inferred."""


class CameraSource:
    """Runs one opening of a camera."""

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._damage = _DamageLog(redact(settings.source))

    def run(self, emit: Callable[[Frame], None], stop: threading.Event) -> None:
        """Call `emit` with each frame until `stop` is set or a file has ended. Raises `SourceError`."""
        options = VideoOptions(
            timeout_s=self._settings.timeout_s,
            rtsp_transport=self._settings.rtsp_transport,
            loop=self._settings.loop,
            real_time=self._settings.real_time,
            key_frames_only=self._settings.gate.key_frames_only,
            damaged=self._damage,
        )
        for frame in open_video(self._settings.source, options, stop):
            emit(frame)


class _DamageLog:
    """One line a second for packets that cannot be decoded, however many there are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self._last = -1.0

    def __call__(self) -> None:
        self._count += 1
        now = time.monotonic()
        if now - self._last >= 1:
            log.warning("%s: %d damaged packets left out", self._name, self._count)
            self._count, self._last = 0, now
