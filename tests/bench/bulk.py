"""What `edged bulk` costs beside a plain loop: here and on a Ray of its own, by one worker and by two.

    python -m tests.bench.bulk --models models --count 1000

Each way answers the same JPEGs of 320 x 240. The start (opening the model, starting Ray, the
first answers) is told apart.
"""

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from edged.bulk.batches import batches
from edged.bulk.here import answer_here
from edged.bulk.listing import pieces
from edged.bulk.on_ray import answer_on_ray
from edged.bulk.question import BulkQuestion, bare
from edged.bulk.results import Reckoning, Results
from edged.config.settings import Config, PathSettings
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.media.picture import PictureLimits, decode_picture
from edged.opening import open_alone
from edged.runtimes.devices import Concurrency
from edged.serving.run import RunHandle
from edged.serving.unit import ServiceSettings

Way = Callable[[BulkQuestion, Path, Path], tuple[float, float]]
NAME = "image-classification"


def jpegs(folder: Path, count: int) -> Path:
    """So many pictures of coloured clouds."""
    rng = np.random.default_rng(1)
    for number in range(count):
        small = rng.integers(0, 256, (12, 16, 3), np.uint8)
        cv2.imwrite(
            str(folder / f"{number:05}.jpg"), cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)
        )
    return folder


def plain(question: BulkQuestion, folder: Path, to: Path) -> tuple[float, float]:
    """The loop that one would write: seconds until the first answer, and the rate of the others."""
    cv2.setNumThreads(1)
    began = time.perf_counter()
    served = open_alone(NAME, question.wanted, question.settings, Counters(), Concurrency(1, 1))
    limits, moments = PictureLimits(), []
    with to.open("wb") as file:
        for path in sorted(folder.iterdir()):
            frame = decode_picture(path.read_bytes(), limits, 0.0, wanted=served.instance.picture)
            result = served.instance.infer(frame, served.options, RunHandle(), Priority.REQUEST)
            file.write(served.finding(result, served.options).encoded({}) + b"\n")
            moments.append(time.perf_counter())
    return moments[0] - began, (len(moments) - 1) / (moments[-1] - moments[0])


def timed(way: Callable[..., None], question: BulkQuestion, folder: Path, to: Path) -> tuple[float, float]:
    """Seconds until the first is told, and the rate of the others."""
    found = pieces([str(folder)], "picture", None, "nowhere")
    results, moments = Results(str(to), "jsonl"), []

    def told(more: Reckoning) -> None:
        assert not more.failed
        if more.answered:
            moments.append((time.perf_counter(), more.answered))

    with results.taken(question):
        began = time.perf_counter()
        way(question, results, batches(found, "picture", (), question.identity), told)
    (first, some), (last, _) = moments[0], moments[-1]
    return first - began, (len(found) - some) / (last - first)


def _cpu_s() -> float:
    """Of this process and of those of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Print a table: the medians of some rounds, in each of which all ways come in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--model", default="efficientnet-lite0-int8")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("plain loop", "here", "Ray"), action="append")
    given = parser.parse_args()
    wanted = ServiceSettings(model=given.model)
    settings = bare(Config(paths=PathSettings(models=given.models)), NAME, wanted)
    on_ray = [partial(answer_on_ray, address="local", workers=count) for count in (1, 2)]
    here = [partial(answer_here, workers=count) for count in (1, 2)]
    ways: list[tuple[str, int, Way]] = [
        ("plain loop", 1, plain),
        *(("here", count, partial(timed, way)) for count, way in enumerate(here, 1)),
        *(("Ray", count, partial(timed, way)) for count, way in enumerate(on_ray, 1)),
    ]
    question = BulkQuestion(NAME, wanted, {}, settings, 1, None)
    seen: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "pictures")
        folder.mkdir()
        jpegs(folder, given.count)
        for turn in range(given.rounds):
            for way, workers, answer in (one for one in ways if one[0] in (given.only or one)):
                before = _cpu_s()
                start, rate = answer(question, folder, Path(scratch, f"{way}-{workers}-{turn}"))
                cpu_ms = (_cpu_s() - before) * 1000 / given.count
                seen.setdefault((way, workers), []).append((start, rate, cpu_ms))
    print("| way | workers | start, s | items/s | CPU ms an item, with the start |\n|---|---|---|---|---|")
    for (way, workers), rounds in seen.items():
        starts, rates, cpu_ms = zip(*rounds, strict=True)
        cost = "" if way == "Ray" else f"{median(cpu_ms):.2f}"  # its workers are nobody's children
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        print(f"| {way} | {workers} | {median(starts):.1f} | {median(rates):.0f} ({spread}) | {cost} |")


if __name__ == "__main__":
    main()
