"""So many cameras on a scratch box for a while, and what they got of it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from edged.bench.box import NODE, ScratchBox
from edged.bench.cameras import PlayedCameras
from edged.bench.clip import encoded
from edged.bench.listener import ResultListener
from edged.bench.machine import box_cpu_seconds
from edged.chaos.memory import cpu_seconds
from edged.runtimes.devices import usable_cores

SIZE = (720, 1280)
CLIP_S = 4
OTHERS = 0.1
"""Share of the box; when what is not ours takes more of it, a failure is not believed."""
REST_S = 10.0
"""Wait at most so long until others leave the box alone."""
START_S = 20.0
"""Wait at most so long until all cameras are seen."""
SETTLE_S = 1.0
"""They are seen, and then it is measured: key frames of the beginning are no load of every day."""


@dataclass(frozen=True, slots=True)
class CameraTerms:
    """What is asked of the box."""

    rate: float
    """Inferences a second of each camera."""
    p99_s: float
    """From capture to message, of all but one in a hundred, at most."""
    window_s: float
    """So long each count of cameras is measured."""
    most: int
    """No more cameras are tried."""


@dataclass(frozen=True, slots=True)
class CameraRound:
    """What so many cameras got."""

    cameras: int
    results_a_second: float
    """Of a camera, on average."""
    least_a_second: float
    """Of the camera that got the fewest."""
    frames_a_second: float
    """Decoded, of a camera, on average."""
    p50_ms: float | None
    """From capture to message, in the hands of a subscriber; none: no message came."""
    p99_ms: float | None
    cores: float
    """Of the daemon, its broker and all its processes."""
    bench_cores: float
    """Of the cameras and the subscriber, which run on the same box."""
    other_cores: float
    """Of all else on this box, and what its hypervisor gave to other boxes."""
    memory_bytes: int
    """Proportional set size of the daemon, its broker and all its processes."""
    why_not: str = ""
    """What did not hold; empty when all did."""


@contextmanager
def camera_trial(box: ScratchBox, service: str, terms: CameraTerms) -> Iterator["CameraTrial"]:
    """With cameras that play and a listener that hears. Raises `NotReady`, `EdgedError`."""
    cameras = PlayedCameras(encoded(SIZE, CLIP_S))
    listener = ResultListener(box.mqtt_port, NODE, service)
    cameras.start()
    try:
        listener.connect()
        with closing(listener):
            yield CameraTrial(box, cameras, listener, service, terms)
    finally:
        cameras.stop()


def is_disturbed(other_cores: float) -> bool:
    """Whether others took so much of the box that it does not tell what the box bears."""
    return other_cores > OTHERS * usable_cores()


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    cpu_s: float
    own_cpu_s: float
    box_cpu_s: float
    frames: int


class CameraTrial:
    """Counts of cameras on one box, one after another."""

    def __init__(
        self,
        box: ScratchBox,
        cameras: PlayedCameras,
        listener: ResultListener,
        service: str,
        terms: CameraTerms,
    ) -> None:
        self.terms = terms
        self._box, self._cameras, self._listener = box, cameras, listener
        self._run = {"run": [service], "gate": {"fps": terms.rate}, "timeout_s": 10, "stall_s": 60}
        self._take = 0

    def round(self, count: int) -> CameraRound:
        """What so many cameras get; nothing of it is judged. They are new ones, with no frames that wait."""
        self._take += 1
        names = [f"camera-{self._take}-{number + 1}" for number in range(count)]
        urls = map(self._cameras.url, range(count))
        self._box.feed({name: {"source": url, **self._run} for name, url in zip(names, urls, strict=True)})
        self._listener.wait_for(names, START_S)
        time.sleep(SETTLE_S)
        begin = self._moment()
        time.sleep(self.terms.window_s)
        return self._counted(names, begin, self._moment())

    def rest(self) -> None:
        """Wait until others leave the box alone, for a while."""
        until = time.monotonic() + REST_S
        while time.monotonic() < until:
            begin = self._moment()
            time.sleep(1.0)
            if not is_disturbed(_others(begin, self._moment())):
                return

    def _counted(self, names: Sequence[str], begin: _Moment, end: _Moment) -> CameraRound:
        seconds = end.at - begin.at
        ages = self._listener.ages(names, begin.at, end.at)
        numbers = [len(of_one) for of_one in ages.values()]
        told = np.array([age for of_one in ages.values() for age in of_one]) * 1000
        p50, p99 = np.percentile(told, (50, 99)).round(1).tolist() if len(told) else (None, None)
        return CameraRound(
            len(names),
            round(sum(numbers) / len(names) / seconds, 2),
            round(min(numbers) / seconds, 2),
            round((end.frames - begin.frames) / len(names) / seconds, 1),
            p50,
            p99,
            round((end.cpu_s - begin.cpu_s) / seconds, 2),
            round((end.own_cpu_s - begin.own_cpu_s) / seconds, 2),
            round(_others(begin, end), 2),
            self._box.daemon.memory_bytes(),
        )

    def _moment(self) -> _Moment:
        counters: Mapping[str, Any] = self._box.status()["counters"]
        frames = sum(
            sum(reasons.values()) for name, reasons in counters.items() if name.startswith("frames/")
        )
        cpu_s = cpu_seconds(self._box.daemon.process_id)
        return _Moment(time.monotonic(), cpu_s, time.process_time(), box_cpu_seconds(), frames)


def _others(begin: _Moment, end: _Moment) -> float:
    """Cores that all else on the box took between two moments."""
    ours = end.cpu_s - begin.cpu_s + end.own_cpu_s - begin.own_cpu_s
    return max(0.0, end.box_cpu_s - begin.box_cpu_s - ours) / (end.at - begin.at)
