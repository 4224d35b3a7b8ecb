"""Tiny videos, made on the spot."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_clip(path: Path, frames: int = 12, fps: int = 25, size=(48, 64), pix_fmt="yuv420p") -> Path:
    """A clip whose frames get brighter from the first, black, to the last, near white."""
    height, width = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "10", "g": "6", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for i in range(frames):
            picture = np.full((height, width, 3), round(240 * i / max(frames - 1, 1)), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
