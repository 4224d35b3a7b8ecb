"""OCR on drawn pages whose text is known: `python -m tests.bench.ocr FOLDER [MODEL]... [--pages N]`.

FOLDER holds the models, pulled. Prints for each precision that this machine has the character error rate
against the truth and the time of a whole page, asked in turns; beside RapidOCR on OpenVINO where it is
installed, with the same weights.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from edged.answers.texts import edits
from edged.contracts.errors import EdgedError
from edged.contracts.items import Pixels
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.derive.made_up import page
from edged.discovery import discover
from edged.media.frame import PictureFrame
from edged.runtimes.devices import Concurrency
from edged.testing import FakeRun
from tests.opened import models_in

ROOT = Path(__file__).parent.parent.parent
FIRST_SEED = 100
"""The pages are others than those on which a pull compares variants."""

Reader = Callable[[Pixels], str]
"""What a picture says, line by line from the top."""


def joined(places: np.ndarray, texts: list[str]) -> str:
    """`places` [n, 4, 2] of x, y: a line of ours fills its row."""
    rows = sorted(zip(places.mean(axis=1)[:, 1], texts, strict=True)) if texts else []
    return "".join(text for _, text in rows).replace(" ", "")


def ours(opener, model: str, precision: str) -> Reader:
    instance = opener.acquire(model, precision=precision, strict=True)
    options = card_options(instance.card)

    def read(bgr: Pixels) -> str:
        found = instance.infer(PictureFrame(bgr, 0.0, 0), options, FakeRun(), Priority.REQUEST)
        return joined(np.array([row.quad for row in found.rows]), [row.text for row in found.rows])

    return read


def rapid() -> Reader:
    from rapidocr import EngineType, RapidOCR

    engines = {f"{part}.engine_type": EngineType.OPENVINO for part in ("Det", "Cls", "Rec")}
    reader = RapidOCR(params={**engines, "Global.log_level": "error"})

    def read(bgr: Pixels) -> str:
        found = reader(bgr)
        return "" if found.txts is None else joined(np.array(found.boxes), list(found.txts))

    return read


def readers(opener, models: list[str]) -> dict[str, Reader]:
    """By name, those that are here."""
    wanted = {f"{m} {p}": partial(ours, opener, m, p) for m in models for p in ("f32", "bf16", "int8")}
    found = {}
    for name, make in {**wanted, "rapidocr": rapid}.items():
        try:
            found[name] = make()
        except (EdgedError, ImportError) as error:
            print(f"{name}: left out, {error}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*", default=["ppocrv6-small"])
    parser.add_argument("--pages", type=int, default=12)
    args = parser.parse_args()
    opener = models_in(
        args.folder, discover([ROOT / "plugins"], entry_points=False).models, Concurrency(2, 1)
    ).opener
    reading = readers(opener, args.models)
    seconds: dict[str, list[float]] = {name: [] for name in reading}
    wrong = dict.fromkeys(reading, 0)
    letters = 0
    for n, (bgr, lines) in enumerate(page(FIRST_SEED + seed) for seed in range(args.pages)):
        truth = "".join(lines).replace(" ", "")
        letters += len(truth)
        for name, read in reading.items():
            if n == 0:
                read(bgr)  # the first is slow
            started = time.perf_counter()
            said = read(bgr)
            seconds[name].append(time.perf_counter() - started)
            wrong[name] += edits(truth, said)
    print(f"{args.pages} pages, {letters} letters")
    for name in reading:
        total, middle = sum(seconds[name]), median(seconds[name]) * 1000
        print(f"{name:24} CER {wrong[name] / letters:7.4f}  median {middle:7.1f} ms  in all {total:6.2f} s")


if __name__ == "__main__":
    main()
