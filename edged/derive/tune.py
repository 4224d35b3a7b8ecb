"""Try the variants of a model on the same items: what its graphs are fed, what it answers, how fast it is."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from types import MappingProxyType
from typing import Any, TypeVar

from edged.contracts.errors import EdgedError
from edged.contracts.items import Frame
from edged.contracts.model import Session, Tensors, Tools
from edged.flow.footprint import give_back, pss_of
from edged.media.frame import PictureFrame
from edged.media.video import sample_frames

Inference = Callable[[Any], Any]
"""One inference of a model as the daemon does it: the result for an item."""

FEWEST_ROUNDS, MOST_ROUNDS = 5, 15
NOISE = 0.2
"""A time is noisy, and measured on, when the middle half of its rounds spreads over more than this part."""

HOPELESS = 4
"""Whoever takes so many times as long as the fastest is not measured on: what it answered tells enough."""

LONG_S = 30.0
"""But not when all rounds together took longer, seconds."""

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True)
class Pictures:
    """Frames of the card's media in two halves that do not share a frame."""

    calibration: Sequence[Frame]
    """int8 is calibrated on these."""
    judgement: Sequence[Frame]
    """Variants are compared on these, which int8 has not seen."""


@dataclass(frozen=True)
class Trial:
    """What came out of one variant on all items."""

    results: Sequence[Any]
    ms: float
    """Time in the bare sessions, one typical item, milliseconds, as of `timed`; 0 when no graph ran."""
    mb: float = 0.0
    """What the process has grown by when it was open and had run once, megabytes."""


Clock = Callable[[], float]
WALL: Sequence[Clock] = (time.perf_counter,)
ON_CPU: Sequence[Clock] = (time.perf_counter, time.process_time)
"""What is shorter counts: what others take of a CPU is no fault of a variant, and of threads side by side
the wall's clock tells."""


class _Watched:
    """A session that tells `seen` the inputs and the seconds of every run, by the clock that shows least."""

    def __init__(
        self, session: Session, seen: Callable[[Tensors, float], None], clocks: Sequence[Clock]
    ) -> None:
        self.device: str = getattr(session, "device", "cpu")
        self._session = session
        self._seen = seen
        self._clocks = clocks

    def run(self, inputs: Tensors) -> Tensors:
        started = [clock() for clock in self._clocks]
        outputs = self._session.run(inputs)
        spent = [clock() - begun for clock, begun in zip(self._clocks, started, strict=True)]
        self._seen(inputs, min(spent))
        return outputs


def _watched(
    tools: Tools, seen: Callable[[str], Callable[[Tensors, float], None]], clocks: Sequence[Clock] = WALL
) -> Tools:
    """The same tools; what every session is fed is told to `seen` of its graph."""
    sessions = {graph: _Watched(session, seen(graph), clocks) for graph, session in tools.sessions.items()}
    return replace(tools, sessions=sessions)


def pictures(media: Sequence[Path], count: int) -> Pictures:
    """`count` frames of each clip for either half, in turns. Raises `SourceError` for a broken one."""
    sampled = (bgr for path in media for bgr in sample_frames(path, 2 * count))
    frames = [PictureFrame(bgr, 0.0, seq) for seq, bgr in enumerate(sampled)]
    return Pictures(frames[::2], frames[1::2])


def feeds(
    opened: Callable[[Tools], Inference], tools: Tools, items: Sequence[Any]
) -> dict[str, list[Tensors]]:
    """By graph: what a model feeds it for these items, at most one run an item for each graph.

    `opened` makes the model's inference of tools.
    """
    kept: dict[str, list[Tensors]] = {graph: [] for graph in tools.sessions}

    def keeper(graph: str) -> Callable[[Tensors, float], None]:
        def keep(inputs: Tensors, _: float) -> None:
            if len(kept[graph]) < len(items):
                kept[graph].append({name: array.copy() for name, array in inputs.items()})

        return keep

    infer = opened(_watched(tools, keeper))
    for item in items:
        infer(item)
    return kept


class _Entrant:
    """A variant that is open, what it answered, and how long it took for each item."""

    def __init__(self, opened: Callable[[Tools], Inference], tools: Tools, clocks: Sequence[Clock]) -> None:
        self.results: list[Any] = []
        self.seconds: list[float] = []
        self.mb = 0.0
        self._spent = 0.0
        self._infer = opened(_watched(tools, lambda _: self._add, clocks))

    def _add(self, _: Tensors, seconds: float) -> None:
        self._spent += seconds

    def answer(self, item: Any) -> None:
        """Ask it once, and keep what it says."""
        self._spent = 0.0
        self.results.append(self._infer(item))
        self.seconds.append(self._spent)

    def seconds_of(self, item: Any) -> float:
        """Ask it once more for the time alone."""
        self._spent = 0.0
        self._infer(item)
        return self._spent


def contest(
    opened: Callable[[Tools], Inference],
    entrants: Mapping[KeyT, Callable[[], Tools]],
    items: Sequence[Any],
    told: Callable[[int, int], None] = lambda done, total: None,
    clocks: Callable[[KeyT], Sequence[Clock]] = lambda key: WALL,
    *,
    few: Mapping[KeyT, int] = MappingProxyType({}),
) -> dict[KeyT, Trial | EdgedError]:
    """Run all variants over the items in turns, so that what slows the box down slows all of them down.

    The times are those of one item, the one that takes the median of all. `opened`: as of `feeds`; `entrants`
    open their tools, all of which are open together. `told`: of so many steps so many are done.
    `clocks`: by which a variant is timed. `few`: who answers so many of the first items only. One that does
    not open or run has its error as its outcome.
    """
    running: dict[KeyT, _Entrant] = {}
    failed: dict[KeyT, EdgedError] = {}
    for key, tools in entrants.items():
        with _noting(failed, key):
            before = _held()
            running[key] = _Entrant(opened, tools(), clocks(key))
            running[key].seconds_of(items[0])  # the first run of a session is slow
            running[key].mb = max(0.0, _held() - before) / 1e6
    for done, item in enumerate(items):
        told(done, len(items) + 1)
        for key, entrant in running.items():
            if key not in failed and done < few.get(key, len(items)):
                with _noting(failed, key):
                    entrant.answer(item)
    told(len(items), len(items) + 1)
    sound = {key: entrant for key, entrant in running.items() if key not in failed}
    seconds = _timed_on(items, sound, failed)
    told(len(items) + 1, len(items) + 1)
    return {
        key: failed[key] if key in failed else Trial(sound[key].results, seconds[key] * 1000, sound[key].mb)
        for key in entrants
    }


def _held() -> int:
    """Bytes of this process without what it has freed, such as what compiling took."""
    give_back()
    return pss_of()


@contextmanager
def _noting(failed: dict[KeyT, EdgedError], key: KeyT) -> Iterator[None]:
    try:
        yield
    except EdgedError as error:
        failed[key] = error


def _timed_on(
    items: Sequence[Any], running: Mapping[KeyT, _Entrant], failed: dict[KeyT, EdgedError]
) -> dict[KeyT, float]:
    if not running:
        return {}
    first = next(iter(running.values())).seconds
    typical = items[sorted(range(len(first)), key=first.__getitem__)[len(first) // 2]]
    told = {key: median(entrant.seconds) for key, entrant in running.items()}
    close = [key for key in running if told[key] <= HOPELESS * min(told.values())]
    return told | timed({key: partial(running[key].seconds_of, typical) for key in close}, failed)


def timed(runs: Mapping[KeyT, Callable[[], float]], failed: dict[KeyT, EdgedError]) -> dict[KeyT, float]:
    """Seconds that each run tells, asked in turns until none is noisy, or for long enough.

    The median; of what stays noisy the least, for whoever disturbs only ever adds to it. One that fails is
    asked no more: its error is put into `failed`.
    """
    seconds: dict[KeyT, list[float]] = {key: [] for key in runs}
    for done in range(MOST_ROUNDS):
        if done >= FEWEST_ROUNDS and (_quiet(seconds.values()) or sum(map(sum, seconds.values())) > LONG_S):
            break
        for key in [*seconds]:
            with _noting(failed, key):
                seconds[key].append(runs[key]())
            if key in failed:
                del seconds[key]
    return {key: median(values) if _quiet([values]) else min(values) for key, values in seconds.items()}


def _quiet(all_seconds: Iterable[Sequence[float]]) -> bool:
    return all(_noise(seconds) <= NOISE for seconds in all_seconds)


def _noise(seconds: Sequence[float]) -> float:
    """Width of the middle half, as a part of the median; 0 of what takes no time."""
    quarter, middle, three_quarters = quantiles(seconds, n=4, method="inclusive")
    return (three_quarters - quarter) / middle if middle else 0.0
