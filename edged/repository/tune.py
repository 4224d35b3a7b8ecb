"""Try a model on representative pictures: what it feeds its graphs, what it answers, how long it takes."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from edged.contracts.items import Frame
from edged.contracts.message import ModelFacts
from edged.contracts.model import AnyModel, Session, Tensors, Tools
from edged.contracts.services import card_options
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.media.frame import PictureFrame
from edged.media.video import sample_frames
from edged.repository.instance import Instance


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


class NoDeadline:
    """A `Run` for work that nobody waits for."""

    def progress(self, done: float) -> None:
        """Nobody looks."""

    def check(self) -> None:
        """There is no deadline."""


class _Nobody:
    """A slot that nobody else wants."""

    def hold(self, _: Priority) -> AbstractContextManager[None]:
        return nullcontext()


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


def _inference(model: AnyModel, tools: Tools) -> Callable[[Frame], Any]:
    """One inference as the daemon does it, with the card's options; a faulty model raises InferenceError."""
    facts = ModelFacts(name=model.card.id, variant="", device="")
    instance = Instance(model, tools, facts, _Nobody(), Counters())
    options = card_options(model.card)
    return lambda frame: instance.infer(frame, options, NoDeadline(), Priority.JOB)


def feeds(model: AnyModel, tools: Tools, frames: Sequence[Frame]) -> dict[str, list[Tensors]]:
    """By graph: what the model feeds it for these frames, at most one run a frame for each graph."""
    kept: dict[str, list[Tensors]] = {graph: [] for graph in tools.sessions}

    def keeper(graph: str) -> Callable[[Tensors, float], None]:
        def keep(inputs: Tensors, _: float) -> None:
            if len(kept[graph]) < len(frames):
                kept[graph].append({name: array.copy() for name, array in inputs.items()})

        return keep

    infer = _inference(model, _watched(tools, keeper))
    for frame in frames:
        infer(frame)
    return kept


def trial(model: AnyModel, tools: Tools, frames: Sequence[Frame]) -> Trial:
    """Run the model over the frames, the first one twice: the first run of a session is slow."""
    seconds: list[float] = []

    def add(_: Tensors, spent: float) -> None:
        seconds[-1] += spent

    infer = _inference(model, _watched(tools, lambda _: add))
    results = []
    for frame in (frames[0], *frames):
        seconds.append(0.0)
        results.append(infer(frame))
    return Trial(results[1:], median(seconds[1:]) * 1000)
