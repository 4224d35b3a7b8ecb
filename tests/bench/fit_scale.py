"""Fit the scale of image-similarity for an embedding model: `python -m tests.bench.fit_scale MODEL FOLDER`.

Every picture of the folder, all of them different, is altered in eight ways. A picture and what became of it
are a pair of the same, a picture and what became of another one a pair of different things. Every second
picture only judges the border that the others gave. Writes `plugins/MODEL/fit.json` and prints it; its
`scale` belongs into the card's `parameters`.
"""

import json
import sys
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.contracts.items import Pixels
from edged.contracts.model import Options
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.frame import PictureFrame
from edged.ops.embedding import BORDER, Scale, fit_border
from edged.repository.instance import Instance
from edged.runtimes.devices import Concurrency
from edged.testing import FakeRun
from tests.opened import pulled

ROOT = Path(__file__).parent.parent.parent
Floats = NDArray[np.float32]


def _jpeg(quality: int) -> Callable[[Pixels], Pixels]:
    def encoded(bgr: Pixels) -> Pixels:
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    return encoded


def _cropped(top: float, left: float, share: float) -> Callable[[Pixels], Pixels]:
    """`share` of each side; `top` and `left` say where in what is left over, 0 to 1."""

    def crop(bgr: Pixels) -> Pixels:
        height, width = bgr.shape[:2]
        y, x = (int(side * (1 - share) * at) for side, at in ((height, top), (width, left)))
        return bgr[y : y + int(height * share), x : x + int(width * share)].copy()

    return crop


def _lit(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda bgr: np.clip(bgr * factor, 0, 255).astype(np.uint8)


def _blurred(bgr: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(bgr, (0, 0), max(bgr.shape[:2]) / 200), np.uint8)


def _reduced(bgr: Pixels) -> Pixels:
    scale = 128 / max(bgr.shape[:2])
    return np.asarray(cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


ALTERED: Mapping[str, Callable[[Pixels], Pixels]] = {
    "JPEG of quality 30": _jpeg(30),
    "cropped to 90 % of each side": _cropped(0.5, 0.5, 0.9),
    "cropped to 75 % of each side, off the middle": _cropped(0.2, 0.9, 0.75),
    "mirrored": lambda bgr: bgr[:, ::-1].copy(),
    "darkened to a half": _lit(0.5),
    "brightened by a half": _lit(1.5),
    "blurred": _blurred,
    "reduced to 128 pixels": _reduced,
}


def main(model: str, folder: Path) -> None:
    """Fit, write and print."""
    pictures = [bgr for path in sorted(folder.iterdir()) if (bgr := cv2.imread(str(path))) is not None]
    instance = _opened(model)
    plain = np.stack([_vector(instance, np.asarray(bgr, np.uint8)) for bgr in pictures])
    views = {
        name: np.stack([_vector(instance, alter(np.asarray(bgr, np.uint8))) for bgr in pictures])
        for name, alter in ALTERED.items()
    }
    fit = fitted(plain, views)
    (ROOT / "plugins" / model / "fit.json").write_text(json.dumps(fit, indent=1) + "\n")
    sys.stdout.write(json.dumps({key: fit[key] for key in fit if key != "cosines"}, indent=1) + "\n")


def fitted(plain: Floats, views: Mapping[str, Floats]) -> dict[str, Any]:
    """What is kept of `plain` [n, d] and, by alteration, of `views` [n, d]: vectors of length 1."""
    border = fit_border(*_pairs(plain[::2], [view[::2] for view in views.values()]))
    same, different = _pairs(plain[1::2], [view[1::2] for view in views.values()])
    lowest = float(min(different.min(), same.min()))
    scale = [(round(lowest, 3), 0.0), (round(border, 3), BORDER), (1.0, 100.0)]
    Scale(scale)  # refuses what is none
    held_out = {name: (plain[1::2] * view[1::2]).sum(axis=1) for name, view in views.items()}
    nearest = (plain[1::2] @ plain[1::2].T - 2 * np.eye(len(plain[1::2]))).max(axis=1)
    return {
        "pictures": len(plain),
        "border": round(border, 3),
        "scale": scale,
        "held_out": {
            "same_under_border": round(float(np.mean(same < border)), 4),
            "different_over_border": round(float(np.mean(different >= border)), 4),
            "pictures_whose_nearest_other_is_over_border": round(float(np.mean(nearest >= border)), 4),
            "same_under_border_by_alteration": {
                name: round(float(np.mean(cosines < border)), 4) for name, cosines in held_out.items()
            },
        },
        "cosines": {
            "same": _histogram(_all(plain, views)[0]),
            "different": _histogram(_all(plain, views)[1]),
        },
    }


def _all(plain: Floats, views: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return _pairs(plain, list(views.values()))


def _pairs(plain: Floats, views: list[Floats]) -> tuple[Floats, Floats]:
    """Cosines of each picture with its own views, and with those of the others."""
    cosines = np.stack([view @ plain.T for view in views])
    own = np.eye(len(plain), dtype=bool)
    return cosines[:, own].ravel(), cosines[:, ~own].ravel()


def _histogram(cosines: Floats) -> dict[str, int]:
    """How many pairs by cosine, in steps of .02."""
    steps = Tally(np.floor(cosines * 50).astype(int).tolist())
    return {f"{step / 50:.2f}": steps[step] for step in sorted(steps)}


def _opened(model: str) -> Instance:
    models = discover([ROOT / "plugins"], entry_points=False).models
    return pulled(ROOT / "models", models, model, concurrency=Concurrency(2, 1)).acquire(model)


def _vector(instance: Instance, bgr: Pixels) -> Floats:
    result = instance.infer(PictureFrame(bgr, 0.0), Options(), FakeRun(), Priority.JOB)
    return np.asarray(result.vector, np.float32)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
