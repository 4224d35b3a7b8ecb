"""Gates: which frames of a stream are worth inferring."""

from typing import Literal

from pydantic import Field, field_validator

from edged.contracts.items import Frame
from edged.contracts.settings import Settings
from edged.streams.motion import MotionGate, MotionSettings
from edged.streams.turns import Turns

NO_MOTION = "no motion"
"""Why a frame is dropped in which nothing moves."""


class GateSettings(Settings):
    """Which frames of a camera, or which sound of a microphone, are inferred; the others are dropped."""

    fps: float | None = Field(default=None, gt=0, le=1000)
    """At most so many frames a second, evenly spread; none: all of them."""
    key_frames_only: bool | Literal["auto"] = "auto"
    """Decode only frames that stand alone, commonly one in 1 to 10 s: a twentieth of the CPU. `auto`: while
    `motion` sees nothing move, where they come often enough for `motion.react`; the state of the stream says
    when. As soon as something moves all are decoded again, and always with lines or zones."""
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

    def __init__(self, settings: GateSettings, phase: float | None = None) -> None:
        """`phase`: as of `Turns`."""
        self._turns = Turns(1 / settings.fps if settings.fps else None, phase)
        self._motion = None if settings.motion is None else MotionGate(settings.motion)

    def would(self, captured_at: float) -> bool:
        """Whether the rate lets a frame of that time pass."""
        return self._turns.would(captured_at)

    def is_still(self, now: float) -> bool:
        """Whether it is known that nothing moves, and has not for a while."""
        return self._motion is not None and self._motion.is_still(now)

    def refusal(self, frame: Frame) -> str | None:
        """Why the frame is dropped, `rate` or `no motion`; none when it passes."""
        if not self._turns.at(frame.captured_at):
            return "rate"
        if self._motion is not None and not self._motion.passes(frame):
            return NO_MOTION
        return None
