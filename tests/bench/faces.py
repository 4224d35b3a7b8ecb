"""What face-enhancement gains: `python -m tests.bench.faces PICTURE...` prints a table of dB and SSIM.

Each face is cut out, damaged in several ways, restored as a picture of its own, and compared with what it
was.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.frame import PictureFrame
from edged.runtimes.devices import Concurrency
from edged.testing import FakeRun
from tests.opened import models_in

ROOT = Path(__file__).parent.parent.parent
MARGIN = 2.5
"""Side of what is cut out, as a multiple of the face's."""
RANDOM = np.random.default_rng(1)


def noise(sigma):
    return lambda bgr: np.clip(bgr + RANDOM.normal(0, sigma, bgr.shape), 0, 255).astype(np.uint8)


def jpeg(quality):
    def encoded(bgr):
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(data, cv2.IMREAD_COLOR)

    return encoded


def blur(sigma):
    return lambda bgr: cv2.GaussianBlur(bgr, (0, 0), sigma)


def reduced(bgr):
    half = cv2.resize(bgr, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(half, bgr.shape[1::-1], interpolation=cv2.INTER_CUBIC)


DAMAGES = {
    "none": lambda bgr: bgr,
    "noise of 10": noise(10),
    "noise of 25": noise(25),
    "JPEG of quality 20": jpeg(20),
    "JPEG of quality 10": jpeg(10),
    "blur of 1 pixel": blur(1),
    "blur of 2 pixels": blur(2),
    "half the pixels": reduced,
    "blur of 1.2 and noise of 12": lambda bgr: noise(12)(blur(1.2)(bgr)),
}


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-3))


def ssim(a, b):
    a, b = (cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(float) for bgr in (a, b))
    smooth = lambda x: cv2.GaussianBlur(x, (11, 11), 1.5)  # noqa: E731
    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    both = smooth(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.mean(
        (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    )


def main(paths):
    models = discover([ROOT / "plugins"], entry_points=False).models
    opener = models_in(ROOT / "models", models, Concurrency(2, 1)).opener
    finder, restorer = (opener.acquire(name, precision="f32") for name in ("yunet", "ffdnet-span"))
    options = card_options(restorer.card)
    cut = [part for path in paths for part in parts(finder, cv2.imread(path))]
    print(f"{len(cut)} faces\n\n| damage | PSNR of the face | gain | least gain | SSIM | gain |")
    print("|---|---|---|---|---|---|")
    for name, damage in DAMAGES.items():
        rows = []
        for bgr, face in cut:
            bad = damage(bgr)
            good = restorer.infer(PictureFrame(bad, 0.0), options, FakeRun(), Priority.JOB).pixels
            was, before, after = bgr[face], bad[face], good[face]
            rows.append((psnr(before, was), psnr(after, was), ssim(before, was), ssim(after, was)))
        p0, p1, s0, s1 = np.array(rows).T
        least = (p1 - p0).min()
        print(
            f"| {name} | {p0.mean():.1f} | {(p1 - p0).mean():+.2f} | {least:+.2f} | {s0.mean():.3f} | "
            f"{(s1 - s0).mean():+.3f} |"
        )


def parts(finder, bgr):
    """Pictures around each face, and where in them the face is."""
    found = finder.infer(PictureFrame(bgr, 0.0), card_options(finder.card), FakeRun(), Priority.JOB)
    for x1, y1, x2, y2 in found.boxes.round().astype(int).tolist():
        side = int(max(x2 - x1, y2 - y1) * MARGIN / 2)
        middle_x, middle_y = (x1 + x2) // 2, (y1 + y2) // 2
        left, top = max(middle_x - side, 0), max(middle_y - side, 0)
        part = np.ascontiguousarray(bgr[top : middle_y + side, left : middle_x + side])
        yield part, np.s_[y1 - top : y2 - top, x1 - left : x2 - left]


if __name__ == "__main__":
    main(sys.argv[1:])
