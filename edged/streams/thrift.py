"""How much of a camera is decoded: no picture that nobody would look at, and key frames alone while nothing
moves."""

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from edged.contracts.items import Frame
from edged.contracts.message import Decodes
from edged.media.decoding import Need, NeedOf, everything
from edged.streams.gates import Gate, GateSettings

AHEAD_S = 0.04
"""What a wanted picture builds on is decoded so long before it comes, lest it waits for that."""
LATE = 1.1
"""Periods after which a key frame that has not come is late: then all is decoded until there is one."""
KEYS = 4
"""So many key frames tell how far they are apart."""
SIZES = 120
"""So many packets tell how large they are while nothing moves."""
LARGE = 2.0
"""Of a packet so many times as large as the largest of them a movement is the likely reason."""
LOOK_S = 1.0
"""How long all is decoded then, for the motion gate to see whether there is one."""


class Thrift:
    """Of one opening of a camera. Used by the camera's thread.

    While the motion gate sees nothing move and key frames come often enough for it to notice in time when
    something does, they alone are decoded: *measured* at 720p30 with one in two seconds, 8 % of decoding. The
    gate goes on at whichever comes first: the next key frame, or a packet much larger than those of the scene
    at rest. A camera of a constant bit rate has none of those, and waits for the first.
    """

    def __init__(
        self,
        settings: GateSettings,
        gate: Gate,
        wanted: Callable[[float], bool],
        tell: Callable[[Decodes], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`wanted`: whether anything would look at a picture of that time if it passed the gate; `tell` is
        called with what is decoded from now on, whenever that changes."""
        self._gate = gate
        self._wanted = wanted
        self._tell = tell
        self._clock = clock
        self._key_frames_only = settings.key_frames_only
        self._react_s = settings.motion.react if settings.motion is not None else 0.0
        self._keys: deque[float] = deque(maxlen=KEYS)
        """When the newest of them came."""
        self._sizes: deque[int] = deque(maxlen=SIZES)
        self._looks_until = 0.0
        self._told: Decodes | None = None

    def need(self, *, is_key: bool, size: int) -> Need:
        """Of the next packet. See `edged.media.decoding.NeedOf`."""
        if self._key_frames_only is True:
            self._is("key frames")
            return Need.KEY_FRAMES_EVER
        now = self._clock()
        if is_key:
            self._keys.append(now)
        rests = self._may_rest(now) and not self._stirs(now, size, is_key=is_key)
        self._is("key frames" if rests else "all")
        if rests:
            return Need.KEY_FRAMES
        soon = now + AHEAD_S
        return Need.ALL if self._gate.would(soon) and self._wanted(soon) else Need.REFERENCES

    def _may_rest(self, now: float) -> bool:
        """Whether a key frame will show in time what begins to move."""
        if self._key_frames_only is False or not self._react_s or len(self._keys) < KEYS:
            return False
        longest = max(later - sooner for sooner, later in pairwise([*self._keys, now]))
        return longest <= LATE * self._react_s and self._gate.is_still(now)

    def _stirs(self, now: float, size: int, *, is_key: bool) -> bool:
        """Whether all should be decoded, since a packet is larger than those of a scene at rest."""
        if not is_key:
            if len(self._sizes) == SIZES and size > LARGE * max(self._sizes):
                self._looks_until = now + LOOK_S
            self._sizes.append(size)
        elif self._looks_until - now > LOOK_S:
            self._looks_until = 0.0  # the clock was set back
        return now < self._looks_until

    def _is(self, decodes: Decodes) -> None:
        if decodes != self._told:
            self._told = decodes
            self._tell(decodes)


class Openings:
    """What is looked at of each opening of a camera, and decoded for that: every opening begins anew."""

    def __init__(
        self,
        settings: GateSettings,
        phase: float,
        wanted: Callable[[float], bool],
        tell: Callable[[Decodes], object],
    ) -> None:
        """`phase`: as of `Turns`; the others as of `Thrift`."""
        self._new_gate = partial(Gate, settings, phase)
        self._new_thrift = partial(Thrift, settings, wanted=wanted, tell=tell)
        self.need: NeedOf = everything
        """Of the newest opening."""

    def gate(self) -> Callable[[Frame], str | None]:
        """Another opening; why it drops a frame."""
        gate = self._new_gate()
        self.need = self._new_thrift(gate=gate).need
        return gate.refusal
