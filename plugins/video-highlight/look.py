"""What is seen in the pictures of a video, one after another; nothing but numbers is kept of them."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from edged import Colour, Frame, PixelFormat, Pixels
from edged.media.frame import PictureFrame

from .span import Cut, ShotParameters

_LOOKED_BACK = 2
"""Pictures after a cut that PySceneDetect compares it with."""


class Look:
    """Sees the samples of a video in order, and where it cuts. Used by one thread."""

    def __init__(self, rate: int, side: int, small_side: int, shots: ShotParameters) -> None:
        """`rate`: samples a second; `side`, `small_side`: pixels of the longer side."""
        self._rate, self._side, self._small_side = rate, side, small_side
        self._shots = AdaptiveDetector(
            adaptive_threshold=shots.ratio,
            min_content_val=shots.least,
            window_width=_LOOKED_BACK,
            min_scene_len=0,
        )
        self._small: Pixels | None = None
        self._gray: Pixels | None = None
        self._cuts: list[int] = []
        self.motion: list[float] = []
        """Mean change of gray since the sample before, 0 to 255."""
        self.sharpness: list[float] = []
        """Logarithm to base 2 of the variance of the Laplacian."""

    def see(self, frame: Frame) -> Frame:
        """The next sample, reduced to `side`: for who looks for faces."""
        bgr = reduced(frame, self._side)
        gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
        self.sharpness.append(float(np.log2(cv2.Laplacian(gray, cv2.CV_32F).var() + 1)))
        small = _shrunk(bgr, self._small_side)
        soft = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (5, 5), 0)
        self.motion.append(0.0 if self._gray is None else float(cv2.absdiff(soft, self._gray).mean()))
        self._small, self._gray = small, soft
        self._judge(len(self.motion) - 1, small)
        return PictureFrame(bgr, frame.captured_at, frame.seq)

    def end(self) -> list[Cut]:
        """There is no more: where the shots begin. What changed there is no motion."""
        if self._small is not None:
            for more in range(_LOOKED_BACK):
                self._judge(len(self.motion) + more, self._small)
        for sample in self._cuts:
            self.motion[sample] = self.motion[sample - 1]
        return [Cut((sample - 1) / self._rate, sample / self._rate) for sample in self._cuts]

    def _judge(self, sample: int, small: Pixels) -> None:
        found = self._shots.process_frame(FrameTimecode(sample, float(self._rate)), small)
        self._cuts += [cut.frame_num for cut in found]


def exact(frames: Iterator[Frame], cuts: Sequence[Cut], side: int) -> list[Cut]:
    """Cuts at the picture with which the new shot begins: where pictures change most within each.

    `frames`: each picture from a little before the first of the cuts to the end of the last.
    """
    changes: list[tuple[float, float]] = []
    before: Pixels | None = None
    for frame in frames:
        small = _shrunk(reduced(frame, 2 * side), side)
        if before is not None:
            changes.append((float(cv2.absdiff(small, before).mean()), frame.captured_at))
        before = small
    return [_exact(cut, changes) for cut in cuts]


def _exact(cut: Cut, changes: Sequence[tuple[float, float]]) -> Cut:
    within = [change for change in changes if cut.after < change[1] <= cut.until]
    return Cut(max(within)[1], max(within)[1]) if within else cut


def reduced(frame: Frame, side: int) -> Pixels:
    """A frame whose longer side has at most so many pixels, BGR."""
    size = _size(frame.height, frame.width, side)
    return frame.pixels(PixelFormat(size, colour=Colour.BGR))


def _shrunk(bgr: Pixels, side: int) -> Pixels:
    height, width = _size(bgr.shape[0], bgr.shape[1], side)
    return np.asarray(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _size(height: int, width: int, side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
