"""What a child costs: `python -m tests.bench.children [SERVICE ...]`.

First a child that does nothing: a 720p picture there and an empty answer back, its memory, its start. Then,
for each service that is named, the same picture through its model in the daemon and in a child.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import numpy as np

from edged.children.child import Child
from edged.children.talk import nothing_to_answer
from edged.children.terms import Terms, Work
from edged.children.wire import Message
from edged.config.settings import Config, PathSettings
from edged.contracts.items import Pixels
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.opening import make_opener
from edged.serving.unit import ServiceSettings, open_service
from edged.testing import FakeRun

TIMES = 300
PICTURE = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)
COPY = np.empty_like(PICTURE)


def never() -> None:
    """No deadline."""


def timed(what: Callable[[int], object], times: int = TIMES) -> str:
    """How long it takes."""
    for number in range(10):
        what(number)
    taken = []
    for number in range(times):
        began = time.perf_counter()
        what(number)
        taken.append(time.perf_counter() - began)
    return shown(taken)


def reached(child: Child, picture: Pixels) -> str:
    """How long it takes until the child has a picture: both have one clock."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        at = child.call(Message({"do": "clock"}, [picture]), never, nothing_to_answer).tree["at"]
        taken.append(at - began)
    return shown(taken)


def shown(taken: list[float]) -> str:
    """Least, median and 95th percentile, milliseconds."""
    return (
        f"least {min(taken) * 1000:.3f} ms, median {median(taken) * 1000:.3f} ms, "
        f"p95 {quantiles(taken, n=20)[-1] * 1000:.3f} ms"
    )


def memory(process_id: int | None) -> str:
    """What a process holds, and its share of what several hold."""
    sizes = {}
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()[1:]:
        name, size, _ = line.split()
        sizes[name.rstrip(":")] = int(size) / 1024
    return f"RSS {sizes['Rss']:.0f} MB, PSS {sizes['Pss']:.0f} MB"


def bare() -> None:
    """A child that does nothing."""
    began = time.perf_counter()
    child = Child("the servant", Work("tests.children.makers:servant", {}), Terms())
    child.start()
    child.report()
    print(f"start of a bare child: {(time.perf_counter() - began) * 1000:.0f} ms; {memory(child.process_id)}")
    empty, full = Message({"do": "nothing"}), Message({"do": "nothing"}, [PICTURE])
    print("an empty call:", timed(lambda _: child.call(empty, never, nothing_to_answer)))
    print(
        "a 720p picture there, an empty answer back:",
        timed(lambda _: child.call(full, never, nothing_to_answer)),
    )
    print("a 720p picture there alone:", reached(child, PICTURE))
    print("as YUV 4:2:0, as a camera gives it:", reached(child, PICTURE[:360]))
    print("at 416 x 416, as picodet-416 asks for it:", reached(child, PICTURE.reshape(-1)[: 416 * 416 * 3]))
    print("copying it once, within a process:", timed(lambda _: np.copyto(COPY, PICTURE)))
    back = Message({"do": "back"}, [PICTURE])
    print("a 720p picture there and back:", timed(lambda _: child.call(back, never, nothing_to_answer)))
    child.close()


def service(name: str) -> None:
    """One that is installed, in the daemon and in a child."""
    models = Path(os.environ.get("EDGED_TEST_MODELS", "models"))
    settings = Config(paths=PathSettings(models=models))
    for isolation in ("none", "process"):
        opener = make_opener(settings, Counters())
        began = time.perf_counter()
        served = open_service(name, ServiceSettings(isolation=isolation), opener)
        opened_s, instance = time.perf_counter() - began, served.instance

        def once(number: int, served=served) -> object:
            frame = PictureFrame(PICTURE, 0.0, number)
            return served.instance.infer(frame, served.options, FakeRun(), Priority.REQUEST)

        took = timed(once, 100)
        child = getattr(instance, "_child", None)
        held = memory(child.process_id if child else os.getpid())
        print(
            f"{name}, {instance.card.id}, isolation {isolation}: {took}; opened in {opened_s:.1f} s; {held}"
        )
        opener.release(instance)


if __name__ == "__main__":
    bare()
    for named in sys.argv[1:]:
        service(named)
