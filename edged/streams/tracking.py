"""What a camera's service sees, followed from frame to frame."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from edged.contracts.errors import EdgedError
from edged.contracts.image import Detections
from edged.contracts.items import Frame
from edged.contracts.model import Options
from edged.contracts.slot import Priority
from edged.ops.tracks import LOST_S, Seen, Step, Tracks, cut, follow, held
from edged.serving.run import RunHandle
from edged.serving.table import Served
from edged.streams.frame_lane import FrameLane
from edged.streams.lane import LaneTools, RunSettings
from edged.streams.message import Outcome

LOW = 0.1
"""The model is asked for all that has such a score: it may be somebody who was seen better before."""

HELD_S = 2.5
"""So long after a frame in which nothing moved nothing has, unless one shows it: of a camera at rest only key
frames may be decoded."""


class Ids(Protocol):
    """The ids of one stream's tracks: none is given twice, over restarts too."""

    def highest(self) -> int:
        """No id up to this one may be given: an earlier run may have given it."""

    def promise(self, highest: int) -> None:
        """Ids up to this one are given from now on."""


class Onlooker(Protocol):
    """Who wants to know where the tracks go."""

    def see(self, frame: Frame, step: Step) -> None:
        """The next frame, and what it changed."""

    def still(self, at: float) -> None:
        """Nothing moved in a frame that was captured then; called in the source's thread."""


@dataclass(frozen=True)
class Tracking:
    """How a stream's objects are followed."""

    service: str
    """That finds them."""
    ids: Ids
    onlooker: Onlooker
    classes: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Those that are wanted, by place in the configuration."""


class Follower:
    """The tracks of one camera. Used by one thread, but for `still`."""

    def __init__(self, ids: Ids) -> None:
        self.tracks = Tracks(last_id=ids.highest())
        self._ids = ids
        self._last: Frame | None = None
        self._still_at = 0.0

    def still(self, at: float) -> None:
        """In a frame taken at that time nothing moved: it was not looked at, and who was there is there."""
        self._still_at = at

    def step(self, frame: Frame, found: Detections, sure: float) -> Step | None:
        """The next frame in which a model has found this; none: it comes twice, or after a later one, and
        tells nothing. `sure`: as of `ops.tracks.follow`."""
        if self._last is not None and _is_late(self._last, frame):
            return None
        last, self._last = self._last, frame
        is_other = last is None or _is_other(last, frame)
        if is_other:
            self.tracks = cut(self.tracks)
        elif last is not None and _is_held(last, self._still_at, frame):
            still_until = max(self._still_at, frame.captured_at - LOST_S / 2)
            self.tracks = held(self.tracks, min(still_until, frame.captured_at))
        self._ids.promise(self.tracks.last_id + len(found.scores))
        boxes, scores = np.asarray(found.boxes, np.float64), np.asarray(found.scores, np.float64)
        step = follow(self.tracks, Seen(boxes, scores, found.class_names), frame.captured_at, sure)
        self.tracks = step.tracks
        return replace(step, is_cut=step.is_cut or is_other)


def _is_late(last: Frame, frame: Frame) -> bool:
    """Whether it is no later than the last one, and of the same opening of the source."""
    return frame.seq <= last.seq and 0 <= last.captured_at - frame.captured_at <= LOST_S


def _is_other(last: Frame, frame: Frame) -> bool:
    """Whether this is another picture: the source was opened again, or the camera turned."""
    return frame.seq <= last.seq or (frame.width, frame.height) != (last.width, last.height)


def _is_held(last: Frame, still_at: float, frame: Frame) -> bool:
    """Whether nothing moved between two frames until shortly before the second."""
    return still_at > last.captured_at and frame.captured_at - still_at <= HELD_S


class TrackedLane(FrameLane):
    """A camera's service that finds objects, which are followed."""

    def __init__(self, tools: LaneTools, run: RunSettings, tracking: Tracking) -> None:
        super().__init__(tools, run)
        self._tracking = tracking
        self._follower = Follower(self._tracking.ids)
        self._ids: Sequence[int | None] = ()

    def still(self, frame: Frame) -> None:
        self._follower.still(frame.captured_at)
        self._tracking.onlooker.still(frame.captured_at)

    def infer(
        self, item: Frame, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        """What is as sure as was asked for; the rest is only followed."""
        sure: float = getattr(options, "score_threshold")  # noqa: B009 - of all services with boxes
        all_of_it = options.model_copy(update={"score_threshold": min(LOW, sure)})
        found: Any = super().infer(item, served, all_of_it, run, priority)
        rows = np.flatnonzero(found.scores >= sure)
        step = self._follower.step(item, found, sure)
        if step is not None:
            self._tracking.onlooker.see(item, step)
        self._ids = [None if step is None else step.ids[row] for row in rows.tolist()]
        return found.chosen(rows)

    def _wanted(self) -> Mapping[str, Collection[str]]:
        """Of lines, zones and rules."""
        return self._tracking.classes

    def tell(self, outcome: Outcome) -> None:
        """With the ids of its objects."""
        failed = isinstance(outcome.finding, EdgedError)
        super().tell(outcome if failed else replace(outcome, tracks=self._ids))
