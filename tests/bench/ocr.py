"""OCR on pictures whose text is known: `python -m tests.bench.ocr FOLDER [MODEL]... [--peer PYTHON]`.

FOLDER holds the models, pulled. Each picture is shown to every reader in turns: to each precision that this
machine has, and to RapidOCR on both its engines where `--peer` names a Python that has it (`pip install
rapidocr openvino onnxruntime` in a venv of its own; it is no dependency of ours). For each there is the time
of the first look, when a shape is new to the runtime, the median of the later ones, and how many of a hundred
letters are wrong. Letters are compared in reading order, by the same rule for all; spaces do not count.
"""

import argparse
import json
import subprocess
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from edged.contracts.errors import EdgedError
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.media.frame import PictureFrame
from edged.ops.quads import reading_order
from edged.runtimes.devices import RuntimeSettings
from edged.testing import FakeRun
from edged.weights.store import WeightStore
from tests.bench.printed import Printed, printed
from tests.opened import models_in
from tests.speech import errors, listed_media

ROOT = Path(__file__).parent.parent.parent
ENGINES = ("openvino", "onnxruntime")

Look = Callable[[Path, Any], tuple[float, str]]
"""Milliseconds, and what the picture says that lies in a file and is decoded, too."""


@dataclass
class Row:
    """What came out of one reader on one picture."""

    ms: list[float] = field(default_factory=list)
    """Of each look."""
    wrong: int = 0
    """Letters, at the last one."""

    @property
    def later(self) -> float:
        """A look at what was seen before."""
        return median(self.ms[1:] or self.ms)


def letters(text: str) -> str:
    """Without spaces; full and half width are one."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def joined(places: Sequence[Any], texts: Sequence[str]) -> str:
    """`places` [n, 4, 2] of x, y."""
    quads = np.array(places, np.float32).reshape(-1, 4, 2)
    return letters("".join(texts[i] for i in reading_order(quads)))


def ours(opener: Any, model: str, precision: str) -> Look:
    """A model, asked as the daemon does it."""
    instance = opener.acquire(model, precision=precision, strict=precision != "auto")
    options = card_options(instance.card)

    def look(_: Path, bgr: Any) -> tuple[float, str]:
        started = time.perf_counter()
        found = instance.infer(PictureFrame(bgr, 0.0, 0), options, FakeRun(), Priority.REQUEST)
        ms = (time.perf_counter() - started) * 1000
        return ms, joined([row.quad for row in found.rows], [row.text for row in found.rows])

    return look


@contextmanager
def peer(python: str, engine: str) -> Iterator[Look]:
    """RapidOCR in a process of its own."""
    command = [python, str(Path(__file__).parent / "rapidocr_peer.py"), engine]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asked, answers = process.stdin, process.stdout
        assert asked and answers

        def look(path: Path, _: Any) -> tuple[float, str]:
            print(path, file=asked, flush=True)
            said = json.loads(answers.readline())
            return said["ms"], joined(said["places"], said["texts"])

        try:
            yield look
        finally:
            asked.close()


def readers(stack: ExitStack, args: argparse.Namespace) -> dict[str, Look]:
    """By name, those that are here."""
    models = discover([ROOT / "plugins"], entry_points=False).models
    opener = models_in(args.folder, models, RuntimeSettings().concurrency()).opener
    found: dict[str, Look] = {}
    for model in args.models:
        for precision in args.precisions:
            try:
                found[f"{model} {precision}"] = ours(opener, model, precision)
            except EdgedError as error:
                print(f"{model} {precision}: left out, {error}")
    if args.peer:
        found |= {f"rapidocr {e}": stack.enter_context(peer(args.peer, e)) for e in args.engines}
    return found


def looked(
    pictures: Sequence[Printed], reading: dict[str, Look], rounds: int, folder: Path
) -> dict[str, list[Row]]:
    """A row a picture of each reader."""
    rows: dict[str, list[Row]] = {name: [Row() for _ in pictures] for name in reading}
    for picture in pictures:
        cv2.imwrite(str(folder / f"{picture.name}.png"), picture.bgr)
    for _ in range(rounds):
        for n, picture in enumerate(pictures):
            truth = letters("".join(picture.lines))
            for name, look in reading.items():
                ms, said = look(folder / f"{picture.name}.png", picture.bgr)
                rows[name][n].ms.append(ms)
                rows[name][n].wrong = errors(said, truth)
    return rows


def told(pictures: Sequence[Printed], rows: dict[str, list[Row]]) -> Iterator[str]:
    """The table."""
    width = max(map(len, rows)) + 2
    yield f"{'first, later ms, wrong of a hundred':38}" + "".join(f"{name:>{width}}" for name in rows)
    counts = [len(letters("".join(picture.lines))) for picture in pictures]
    for n, picture in enumerate(pictures):
        what = f"{picture.name} {picture.bgr.shape[1]} x {picture.bgr.shape[0]}, {counts[n]} letters"
        each = (_cells(found[n].ms[0], found[n].later, found[n].wrong / counts[n]) for found in rows.values())
        yield f"{what:38}" + "".join(f"{cells:>{width}}" for cells in each)
    sums = {
        name: _cells(
            sum(row.ms[0] for row in found),
            sum(row.later for row in found),
            sum(row.wrong for row in found) / sum(counts),
        )
        for name, found in rows.items()
    }
    yield f"{'all':38}" + "".join(f"{cells:>{width}}" for cells in sums.values())
    first, *others = rows
    for other in others:
        part = sum(row.later for row in rows[first]) / sum(row.later for row in rows[other])
        yield f"{first} takes {part:.2f} of the time of {other}"


def _cells(first: float, later: float, wrong: float) -> str:
    return f"{first:6.0f} {later:6.0f} {wrong * 100:6.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*", default=["ppocrv6-small"])
    parser.add_argument("--precisions", nargs="+", default=["auto"], help="auto f32 bf16 int8")
    parser.add_argument("--peer", help="a Python with rapidocr")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    pictures = list(printed(listed_media(WeightStore(args.folder)), args.seed))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = looked(pictures, readers(stack, args), args.rounds, folder)
    print("\n".join(told(pictures, rows)))


if __name__ == "__main__":
    main()
