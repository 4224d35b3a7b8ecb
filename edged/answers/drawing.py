"""Findings drawn into the pictures that they speak of, for people to look at."""

from collections.abc import Iterable, Sequence

import cv2

from edged.answers.finding import Finding
from edged.contracts.items import Frame, PixelFormat, Pixels
from edged.media.picture import encode_jpeg

LONGEST_SIDE = 1280
"""Pixels; a larger drawing is made smaller before it is encoded as JPEG."""


def drawing_of(frames: Sequence[Frame], findings: Iterable[Finding]) -> Pixels:
    """[height, width, 3] u8, BGR: what services found in one picture, or one of them in two, all in one."""
    pictures = [frame.pixels(PixelFormat()) for frame in frames]
    size = frames[0].width, frames[0].height
    for finding in findings:
        if pictures[0].shape[1::-1] != size:  # a small picture comes back enlarged
            pictures[0] = cv2.resize(pictures[0], size)
        pictures[0] = finding.drawn(pictures)
    return pictures[0]


def jpeg_of(frames: Sequence[Frame], findings: Iterable[Finding]) -> bytes:
    """The same as a JPEG whose longer side has at most `LONGEST_SIDE` pixels."""
    return encoded(drawing_of(frames, findings))


def encoded(drawing: Pixels) -> bytes:
    """A drawing, [height, width, 3] u8, BGR, as JPEG, made smaller where it is larger than `LONGEST_SIDE`."""
    return encode_jpeg(_limited(drawing))


def _limited(bgr: Pixels) -> Pixels:
    height, width = bgr.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return bgr
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]
