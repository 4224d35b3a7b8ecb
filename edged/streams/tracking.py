"""What a camera's service sees, followed from frame to frame."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edged.contracts.errors import EdgedError
from edged.contracts.image import Detections
from edged.contracts.items import Frame
from edged.contracts.model import Options
from edged.contracts.slot import Priority
from edged.ops.tracks import LOST_S, Seen, Step, Tracks, cut, follow, held
from edged.serving.run import RunHandle
from edged.serving.table import Served, ServiceTable
from edged.streams.frame_lane import FrameLane
from edged.streams.lane import RunSettings
from edged.streams.message import Outcome
from edged.streams.publisher import Outlet
from edged.streams.rule import PublishSettings

LOW = 0.1
"""The model is asked for all that has such a score: it may be somebody who was seen better before."""


class Follower:
    """The tracks of one camera. Used by one thread, but for `still`."""

    def __init__(self) -> None:
        self.tracks = Tracks()
        self._last: Frame | None = None
        self._still_at = 0.0

    def still(self, at: float) -> None:
        """In a frame taken at that time nothing moved: it was not looked at, and who was there is there."""
        self._still_at = at

    def step(self, frame: Frame, found: Detections, sure: float) -> Step:
        """The next frame in which a model has found this. `sure`: as of `ops.tracks.follow`."""
        last, self._last = self._last, frame
        if last is None or frame.seq <= last.seq:  # opened, or opened again
            self.tracks = cut(self.tracks)
        elif self._still_at > last.captured_at and frame.captured_at - self._still_at <= LOST_S:
            self.tracks = held(self.tracks, min(self._still_at, frame.captured_at))
        boxes, scores = np.asarray(found.boxes, np.float64), np.asarray(found.scores, np.float64)
        step = follow(self.tracks, Seen(boxes, scores, found.class_names), frame.captured_at, sure)
        self.tracks = step.tracks
        return step


class TrackedLane(FrameLane):
    """A camera's service that finds objects, which are followed."""

    def __init__(
        self, outlet: Outlet, run: RunSettings, table: ServiceTable, publish: PublishSettings
    ) -> None:
        super().__init__(outlet, run, table, publish)
        self._follower = Follower()
        self._ids: Sequence[int | None] = ()

    def still(self, frame: Frame) -> None:
        self._follower.still(frame.captured_at)

    def infer(
        self, item: Frame, served: Served, options: Options, run: RunHandle, priority: Priority
    ) -> Any | None:
        """What is as sure as was asked for; the rest is only followed."""
        sure: float = getattr(options, "score_threshold")  # noqa: B009 - of all services with boxes
        all_of_it = options.model_copy(update={"score_threshold": min(LOW, sure)})
        found: Any = super().infer(item, served, all_of_it, run, priority)
        ids = self._follower.step(item, found, sure).ids
        rows = np.flatnonzero(found.scores >= sure)
        self._ids = [ids[row] for row in rows.tolist()]
        return found.chosen(rows)

    def tell(self, outcome: Outcome) -> None:
        """With the ids of its objects."""
        failed = isinstance(outcome.finding, EdgedError)
        super().tell(outcome if failed else replace(outcome, tracks=self._ids))
