"""What cameras gain when pictures that nobody looks at wait while inferences have all the cores.

`python -m tests.bench.courtesy [--inference 11.5] [--decode 1.75]`: a box simulated, since a real one is
seldom quiet enough to tell two milliseconds. Two cores are shared evenly by all that runs; cameras of 30
pictures a second at any phase; five inferences a second each, two at a time. Milliseconds.
"""

import argparse
import random
from collections import deque
from dataclasses import dataclass, field
from statistics import mean

import numpy as np

from edged.flow.courtesy import PATIENCE_S
from edged.media.decoding import BURST
from edged.serving.scheduler import GOLDEN
from edged.streams.thrift import AHEAD_S
from edged.streams.turns import EARLY

CORES = WORKERS = 2
PERIOD, BETWEEN, STEP, LASTS = 200.0, 1000 / 30, 0.25, 8000.0


@dataclass
class Task:
    """A picture to decode, or an inference."""

    left: float
    captured: float
    waits_until: float = 0.0
    """A picture that nobody looks at; others wait for nobody."""
    begun: bool = False


@dataclass
class Camera:
    """Its packets, and what is to be decoded of them."""

    due: float
    next_at: float
    held: list[float] = field(default_factory=list)
    tasks: deque[Task] = field(default_factory=deque)

    def is_wanted(self, at: float, ahead: float = 0.0) -> bool:
        """Whether a picture of that time would be looked at."""
        return at + ahead >= self.due - EARLY * PERIOD


def ages(cameras: int, seed: int, inference: float, decode: float, patience: float) -> list[float]:
    """Of all results, from the capture of their pictures."""
    chance, told, now = random.Random(seed), list[float](), 0.0
    running, waiting = list[Task](), deque[Task]()
    seen = [Camera(PERIOD * (1 + i * GOLDEN % 1), chance.random() * BETWEEN) for i in range(cameras)]
    while now < LASTS:
        for camera in (one for one in seen if now >= one.next_at):
            _take(camera, now, decode, patience, chance)
        while waiting and len(running) < WORKERS:
            running.append(waiting.popleft())
        for camera in (one for one in seen if one.tasks):
            first = camera.tasks[0]
            first.begun = first.begun or len(running) < WORKERS or now >= first.waits_until
        busy = running + [one.tasks[0] for one in seen if one.tasks and one.tasks[0].begun]
        for task in busy:
            task.left -= STEP * min(1.0, CORES / len(busy))
        for camera in (one for one in seen if one.tasks and one.tasks[0].left <= 0):
            shown = camera.tasks.popleft().captured
            if camera.is_wanted(shown):
                waiting.append(Task(inference * chance.uniform(0.95, 1.2), shown))
                camera.due += PERIOD
        told += [now - task.captured for task in running if task.left <= 0]
        running = [task for task in running if task.left > 0]
        now += STEP
    return told


def _take(camera: Camera, now: float, decode: float, patience: float, chance: random.Random) -> None:
    """A packet: decoded with those before it when somebody looks soon, or when they are many."""
    camera.held.append(camera.next_at)
    camera.next_at += BETWEEN * chance.uniform(0.97, 1.03)
    ahead = AHEAD_S * 1000
    if camera.is_wanted(camera.held[-1], ahead) or len(camera.held) >= BURST:
        for at in camera.held:
            until = now if camera.is_wanted(at, ahead) else now + patience
            camera.tasks.append(Task(decode * chance.uniform(0.8, 1.3), at, until))
        camera.held.clear()


def main() -> None:
    """Print medians and 99th percentiles without and with it, the mean of some runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inference", type=float, default=11.5)
    parser.add_argument("--decode", type=float, default=1.75)
    parser.add_argument("--runs", type=int, default=12)
    options = parser.parse_args()
    for cameras in (1, 8, 14, 16):
        for name, patience in (("without", 0.0), ("with", PATIENCE_S * 1000)):
            runs = [
                np.percentile(ages(cameras, seed, options.inference, options.decode, patience), (50, 99))
                for seed in range(options.runs)
            ]
            p50, p99 = (mean(column) for column in zip(*runs, strict=True))
            print(f"{cameras:3} cameras, {name:8} p50 {p50:5.1f} ms, p99 {p99:5.1f} ms")


if __name__ == "__main__":
    main()
