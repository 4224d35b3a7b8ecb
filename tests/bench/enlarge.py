"""What video-super-resolution gains: `python -m tests.bench.enlarge CLIP...` prints dB, SSIM and the speed.

Pictures of each clip are reduced by area, enlarged again, and compared with what they were; beside them
stands bicubic interpolation. What the encoders lose before and after is not in it.
"""

import sys
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from edged import EnlargementOptions
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.video import sample_frames
from edged.runtimes.devices import share_out, usable_cores
from edged.testing import FakeRun, VideoOfPictures
from tests.bench.faces import psnr, ssim
from tests.opened import models_in

ROOT = Path(__file__).parent.parent.parent
COUNT = 8
LONGEST = 640
"""Pixels: larger clips are reduced first."""


def originals(path):
    for whole in islice(sample_frames(path, COUNT), COUNT):
        scale = min(1.0, LONGEST / max(whole.shape))
        bgr = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = (side // 4 * 4 for side in bgr.shape[:2])
        yield np.ascontiguousarray(bgr[:height, :width])


def main(paths):
    models = discover([ROOT / "plugins"], entry_points=False).models
    concurrency = share_out(usable_cores(), "auto")
    instance = models_in(ROOT / "models", models, concurrency).opener.acquire("span-video")
    print("| clip | scale | bicubic | gain | SSIM | gain | pictures a second |\n" + "|---" * 7 + "|")
    for path in map(Path, paths):
        large = list(originals(path))
        height, width = large[0].shape[:2]
        for scale in (2, 4):
            size = width // scale, height // scale
            small = [cv2.resize(bgr, size, interpolation=cv2.INTER_AREA) for bgr in large]
            plain = [cv2.resize(bgr, (width, height), interpolation=cv2.INTER_CUBIC) for bgr in small]
            started, video = time.perf_counter(), VideoOfPictures(small, 25.0)
            options = EnlargementOptions(scale=scale)
            found = [bgr for bgr, _ in instance.infer(video, options, FakeRun(), Priority.JOB).pictures]
            rate = len(found) / (time.perf_counter() - started)
            p0, p1, s0, s1 = (
                np.mean([metric(a, b) for a, b in zip(made, large, strict=True)])
                for metric in (psnr, ssim)
                for made in (plain, found)
            )
            print(
                f"| {path.stem} to {width} x {height} | {scale} | {p0:.2f} | {p1 - p0:+.2f} | {s0:.3f} | "
                f"{s1 - s0:+.4f} | {rate:.1f} |"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
