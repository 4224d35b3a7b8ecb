"""A camera, or a file that plays one: settings, and the source that its supervisor runs."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from edged.contracts.items import Frame
from edged.contracts.settings import Settings
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.media.decoding import NeedOf, everything, key_frames
from edged.media.folder import is_folder, open_folder
from edged.media.ring import PacketRing
from edged.media.video import VideoOptions, open_video
from edged.streams.gates import GateSettings

log = logging.getLogger(__name__)

PICTURES_A_SECOND = 1.0
"""Of a folder or a URL of one picture, where the gate names no rate."""
TELLING = 0.9
"""After so much of `stall_s` a source that knows why no frame comes says it; after all of it it is left."""


class CameraSettings(Settings):
    """Where a stream's frames come from."""

    source: str = Field(min_length=1, repr=False)
    """`rtsp://...`; `http://...` for MJPEG, MPEG-TS or one picture that is asked for again and again;
    `/dev/video0`; the path of a video file; `models:<model>/<file>`, a clip that was pulled with a model;
    or the path of a folder of pictures, in the order of their names. Single pictures come `gate.fps` times
    a second, or once. For services that listen also `mic:default` or `mic:<part of a name>`, see
    `edged microphones`; of RTSP and of files they get the sound. Special characters of a password in a URL
    are written `%40`."""
    detect_source: str | None = Field(default=None, min_length=1, repr=False)
    """A smaller picture of the same, such as the substream of the camera: services look at this one, and so
    do the live page and snapshots; boxes are in its pixels. `source` is then opened for `record` alone, and
    not decoded. For each of them the other settings hold."""
    loop: bool = False
    """Files and folders: begin again at the end. A folder is read anew then: new pictures are shown."""
    real_time: bool = True
    """Files and folders: play at the recorded speed, or `gate.fps`; else as fast as they decode."""
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP brings its packets; `udp` has less delay, and loses packets."""
    redirect_hosts: tuple[Annotated[str, StringConstraints(to_lower=True, min_length=1)], ...] = ()
    """Hosts to which an `http://` camera may redirect, beside its own. One of `rtsp://` may redirect to any
    other host of RTSP: FFmpeg has no option against it."""
    timeout_s: float = Field(default=2.0, gt=0, le=60)
    """Seconds without a packet after which a network camera is opened again."""
    stall_s: float = Field(default=20.0, gt=0)
    """Seconds without a frame after which any source is given up and opened again."""
    gate: GateSettings = GateSettings()
    """Which frames are inferred."""


class CameraSource:
    """Runs one opening of a camera."""

    def __init__(
        self,
        name: str,
        settings: CameraSettings,
        counters: Counters,
        memory: Budget | None = None,
        *,
        ring: PacketRing | None = None,
        need: NeedOf | None = None,
    ) -> None:
        """`name` is the stream's; what cannot be decoded is counted as dropped. `need`: which pictures must
        be decoded; none: as the gate is set, whatever it sees."""
        self._need = need or (key_frames if settings.gate.key_frames_only is True else everything)
        self._name = name
        self._memory = memory
        self._ring = ring
        self._settings = settings
        self._damaged = Damage(name, counters)

    def run(self, emit: Callable[[Frame], None], stop: threading.Event) -> None:
        """Call `emit` with each frame until `stop` is set or a file has ended. Raises `SourceError`."""
        options = VideoOptions(
            timeout_s=self._settings.timeout_s,
            rtsp_transport=self._settings.rtsp_transport,
            redirect_hosts=self._settings.redirect_hosts,
            loop=self._settings.loop,
            real_time=self._settings.real_time,
            # A slow gate must not look like a stall: it drops what comes in between.
            pictures_a_second=max(self._settings.gate.fps or PICTURES_A_SECOND, 2 / self._settings.stall_s),
            need=self._need,
            patience_s=TELLING * self._settings.stall_s,
            damaged=self._damaged,
            memory=self._memory,
            ring=self._ring,
        )
        opened = open_folder if is_folder(self._settings.source) else open_video
        try:
            if opened is open_folder and self._ring is not None:
                self._ring.refuse("it gives single pictures, and no video")
            for frame in opened(self._settings.source, options, stop):
                emit(frame)
        finally:
            if self._ring is not None:
                self._ring.close()


class Damage:
    """Called with why something is left out: counts it, and logs one line a second, however much it is."""

    def __init__(self, name: str, counters: Counters, reason: str = "damaged") -> None:
        """`name` is the stream's; `reason` is counted."""
        self._name = name
        self._counters = counters
        self._reason = reason
        self._count = 0
        self._last = -math.inf

    def __call__(self, why: str) -> None:
        """One more."""
        self._counters.count(f"frames_dropped/{self._name}", self._reason)
        self._count += 1
        now = time.monotonic()
        if now - self._last >= 1:
            log.warning(
                "stream %s: %s, %d left out; the last: %s", self._name, self._reason, self._count, why
            )
            self._count, self._last = 0, now
