"""Gates: which frames of a stream are worth inferring."""

from pydantic import Field, field_validator

from edged.contracts.items import Frame
from edged.contracts.settings import Settings
from edged.streams.motion import MotionGate, MotionSettings

NO_MOTION = "no motion"
"""Why a frame is dropped in which nothing moves."""
EARLY = 0.25
"""Share of a period by which a frame may come too early and still pass: cameras jitter."""


class GateSettings(Settings):
    """Which frames of a camera, or which sound of a microphone, are inferred; the others are dropped."""

    fps: float | None = Field(default=None, gt=0, le=1000)
    """At most so many frames a second, evenly spread; none: all of them."""
    key_frames_only: bool = False
    """Decode only frames that stand alone, commonly one in 1 to 10 s: a twentieth of the CPU."""
    voice: bool = False
    """Microphones: only where somebody speaks music is listened for, too; other services do so anyway."""
    motion: MotionSettings | None = None
    """Only while something moves: `true`, or the settings of what counts as motion."""

    @field_validator("motion", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        """`true` and `false` for the defaults and for none."""
        return {True: MotionSettings(), False: None}[value] if isinstance(value, bool) else value


class Gate:
    """All gates of one opening of a source, the cheapest first."""

    def __init__(self, settings: GateSettings) -> None:
        self._rate = RateGate(settings.fps)
        self._motion = None if settings.motion is None else MotionGate(settings.motion)

    def refusal(self, frame: Frame) -> str | None:
        """Why the frame is dropped, `rate` or `no motion`; none when it passes."""
        if not self._rate.passes(frame):
            return "rate"
        if self._motion is not None and not self._motion.passes(frame):
            return NO_MOTION
        return None


class RateGate:
    """Lets `fps` frames a second pass, by the times at which they were captured. Used by one thread.

    It follows a grid of due times. Counting from the last frame that passed would lose the rest of each
    division: 25 frames a second asked for 6 would give 5.
    """

    def __init__(self, fps: float | None) -> None:
        self._period = 1 / fps if fps else 0.0
        self._due: float | None = None

    def passes(self, frame: Frame) -> bool:
        """Whether this frame is due. After a gap, or when the clock was set, a new grid begins."""
        if not self._period:
            return True
        now = frame.captured_at
        if self._due is None or abs(now - self._due) > 2 * self._period:
            self._due = now
        if now < self._due - EARLY * self._period:
            return False
        self._due += self._period
        return True
