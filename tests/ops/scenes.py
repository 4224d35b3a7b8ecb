"""Scenes in which it is known who is who: people who cross, are hidden and missed; and how well ids fit."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from edged.ops.boxes import iou
from edged.ops.tracks import Seen, Tracks, follow

WIDTH, HEIGHT = 1280, 720
SURE = 0.35


@dataclass(frozen=True)
class Shown:
    """One frame: who is there, and what a detector makes of it."""

    at: float
    names: list[int]
    boxes: np.ndarray
    seen: Seen


PEOPLE, SECONDS = 4, 30
MISSED, GHOSTS = 0.03, 0.03
"""Share of the boxes that a detector does not see, and of the frames in which it sees one too many."""
JITTER = 0.03
"""Standard deviation of each side of a box, in its width or height."""


def walkers(seed, fps):
    """People of several sizes who cross the picture both ways, at .4 to .9 of their height a second.

    Each is out of sight once for up to 1.2 s, and behind whoever stands nearer. One score in ten is low.
    """
    rng = np.random.default_rng(seed)
    found = [_Walker.of(rng) for _ in range(PEOPLE)]
    return [_shown(rng, found, k / fps + rng.normal(0, 0.02)) for k in range(SECONDS * fps)]


@dataclass(frozen=True)
class _Walker:
    begins: float
    tall: float
    wide: float
    speed: float
    floor: float
    sway: float
    hidden: tuple[float, float]

    @staticmethod
    def of(rng):
        tall, begins, gone = rng.uniform(120, 260), rng.uniform(0, SECONDS * 0.6), rng.uniform(1.5, 5)
        return _Walker(
            begins,
            tall,
            tall * rng.uniform(0.35, 0.45),
            rng.uniform(0.4, 0.9) * tall * rng.choice([-1, 1]),
            rng.uniform(200, 620),
            rng.uniform(0, 0.15) * tall,
            (begins + gone, begins + gone + rng.uniform(0.4, 1.2)),
        )

    def box(self, at):
        """None: not in the picture, or out of sight."""
        walked = at - self.begins
        if walked < 0 or self.hidden[0] <= at <= self.hidden[1]:
            return None
        start = -self.wide / 2 if self.speed > 0 else WIDTH + self.wide / 2
        x, y = start + self.speed * walked, self.floor + self.sway * np.sin(2 * walked)
        box = np.array([x - self.wide / 2, y - self.tall, x + self.wide / 2, y])
        return box if box[2] > 10 and box[0] < WIDTH - 10 else None


def _shown(rng, found, at):
    there = [(box, i) for i, walker in enumerate(found) if (box := walker.box(at)) is not None]
    visible = []
    for box, i in sorted(there, key=lambda one: -one[0][3]):  # the nearest stands lowest
        if not any(_covered(box, nearer) > 0.7 for nearer, _ in visible):
            visible.append((box, i))
    boxes, scores = [], []
    for box, _ in visible:
        if rng.random() >= MISSED:
            size = np.tile(box[2:] - box[:2], 2)
            boxes.append(box + rng.normal(0, JITTER, 4) * size)
            scores.append(rng.uniform(0.15, 0.34) if rng.random() < 0.1 else rng.uniform(0.4, 0.95))
    if rng.random() < GHOSTS:
        x, y, tall = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(80, 250)
        boxes.append(np.array([x, y, x + tall * 0.4, y + tall]))
        scores.append(rng.uniform(0.35, 0.5))
    seen = Seen(np.array(boxes).reshape(-1, 4), np.array(scores), ["person"] * len(boxes))
    return Shown(at, [i for _, i in visible], np.array([box for box, _ in visible]).reshape(-1, 4), seen)


def _covered(box, by):
    shared = np.maximum(np.minimum(box[2:], by[2:]) - np.maximum(box[:2], by[:2]), 0).prod()
    return shared / (box[2:] - box[:2]).prod()


def idf1(frames):
    """2 x rows with the id of their person / (rows of the truth + rows with an id); Ristani et al., 2016.

    Whose an id is, is chosen once for the whole scene, so that as many rows as possible are right.
    """
    tracks, truth, given, both = Tracks(), 0, 0, Counter()
    for frame in frames:
        step = follow(tracks, frame.seen, frame.at, SURE)
        tracks = step.tracks
        rows = [row for row, track in enumerate(step.ids) if track]
        truth, given = truth + len(frame.names), given + len(rows)
        overlap = iou(frame.boxes, frame.seen.boxes[rows])
        both.update(
            (frame.names[i], step.ids[rows[j]]) for i, j in zip(*np.nonzero(overlap >= 0.5), strict=True)
        )
    names, ids = (sorted({pair[k] for pair in both}) for k in (0, 1))
    shared = np.array([[both[name, track] for track in ids] for name in names])
    return 2 * shared[linear_sum_assignment(-shared)].sum() / (truth + given)
