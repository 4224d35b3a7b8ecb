"""Try a model on representative pictures: what it feeds its graphs, what it answers, how long it takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from edged.contracts.items import Frame
from edged.contracts.model import Session, Tensors, Tools
from edged.media.frame import PictureFrame
from edged.media.video import sample_frames

Inference = Callable[[Frame], Any]
"""One inference of a model as the daemon does it: the result for a frame."""


@dataclass(frozen=True)
class Pictures:
    """Frames of the card's media in two halves that do not share a frame."""

    calibration: Sequence[Frame]
    """int8 is calibrated on these."""
    judgement: Sequence[Frame]
    """Variants are compared on these, which int8 has not seen."""


@dataclass(frozen=True)
class Trial:
    """What came out of one variant on all pictures."""

    results: Sequence[Any]
    ms: float
    """Median of the time in the bare sessions, one picture, milliseconds."""


class _Watched:
    """A session that tells `seen` the inputs and the seconds of every run."""

    def __init__(self, session: Session, seen: Callable[[Tensors, float], None]) -> None:
        self._session = session
        self._seen = seen

    def run(self, inputs: Tensors) -> Tensors:
        started = time.perf_counter()
        outputs = self._session.run(inputs)
        self._seen(inputs, time.perf_counter() - started)
        return outputs


def _watched(tools: Tools, seen: Callable[[str], Callable[[Tensors, float], None]]) -> Tools:
    """The same tools; what every session is fed is told to `seen` of its graph."""
    sessions = {graph: _Watched(session, seen(graph)) for graph, session in tools.sessions.items()}
    return replace(tools, sessions=sessions)


def pictures(media: Sequence[Path], count: int) -> Pictures:
    """`count` frames of each clip for either half, in turns. Raises `SourceError` for a broken one."""
    sampled = (bgr for path in media for bgr in sample_frames(path, 2 * count))
    frames = [PictureFrame(bgr, 0.0, seq) for seq, bgr in enumerate(sampled)]
    return Pictures(frames[::2], frames[1::2])


def feeds(
    opened: Callable[[Tools], Inference], tools: Tools, frames: Sequence[Frame]
) -> dict[str, list[Tensors]]:
    """By graph: what a model feeds it for these frames, at most one run a frame for each graph.

    `opened` makes the model's inference of tools.
    """
    kept: dict[str, list[Tensors]] = {graph: [] for graph in tools.sessions}

    def keeper(graph: str) -> Callable[[Tensors, float], None]:
        def keep(inputs: Tensors, _: float) -> None:
            if len(kept[graph]) < len(frames):
                kept[graph].append({name: array.copy() for name, array in inputs.items()})

        return keep

    infer = opened(_watched(tools, keeper))
    for frame in frames:
        infer(frame)
    return kept


def trial(opened: Callable[[Tools], Inference], tools: Tools, frames: Sequence[Frame]) -> Trial:
    """Run a model over the frames, the first one twice: the first run of a session is slow.

    `opened`: as of `feeds`.
    """
    seconds: list[float] = []

    def add(_: Tensors, spent: float) -> None:
        seconds[-1] += spent

    infer = opened(_watched(tools, lambda _: add))
    results = []
    for frame in (frames[0], *frames):
        seconds.append(0.0)
        results.append(infer(frame))
    return Trial(results[1:], median(seconds[1:]) * 1000)
