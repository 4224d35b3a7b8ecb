"""The most interesting seconds of a video: what is heard and seen in each second, weighted as the card says.

One pass over the video, in which a few small pictures a second are looked at and a minute of sound at a time
is listened to; then each picture around the span that is found, so that it begins and ends at a cut and not
beside it. Nothing but numbers is kept: two hours take no more memory than a minute.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from edged import (
    CardError,
    Faces,
    Frame,
    Highlight,
    HighlightOptions,
    Model,
    ModelCard,
    NotUsable,
    Parameters,
    Register,
    Run,
    ScoreCurve,
    Tools,
    Video,
    hookimpl,
)

from .score import Floats, Scale, SoundParameters, by_second, events, loudness, weighted
from .span import Cut, ShotParameters, best_span

if TYPE_CHECKING:
    from .look import Look

_MICROSECONDS = 1_000_000
_MEASURED = ("loudness", "motion", "faces", "sharpness")
"""Parts that are no kinds of sound."""


class HighlightParameters(Parameters):
    """How a video is looked at and listened to, and what counts."""

    length: float = Field(gt=0)
    """Of the span, seconds."""
    pictures: int = Field(ge=1)
    """That are looked at a second."""
    side: int = Field(ge=32)
    """Pixels of their longer side, for faces and sharpness."""
    small_side: int = Field(ge=16)
    """The same for motion and cuts."""
    piece: int = Field(ge=1)
    """Seconds of sound that are in memory at a time."""
    shots: ShotParameters
    """What a cut is."""
    weights: Mapping[str, float]
    """Of the parts in the score."""
    sounds: SoundParameters
    """Which sounds make a part."""
    loudness: Scale
    """dB."""
    motion: Scale
    """Levels of gray, 0 to 255."""
    sharpness: Scale
    """Doublings of the variance of the Laplacian."""


class BestSeconds(Model[Video, HighlightOptions, Highlight]):
    """Asks the models `sounds` and `faces`."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        numbers = self._numbers = card.parameters_as(HighlightParameters)
        if set(numbers.weights) != {*numbers.sounds.classes, *_MEASURED}:
            raise CardError(f"`weights` are of {', '.join(_MEASURED)} and of what `sounds` lists, each one")

    def infer(self, item: Video, options: HighlightOptions, tools: Tools, run: Run) -> Highlight:
        from .look import Look  # noqa: PLC0415 - PySceneDetect takes a quarter of a second to load

        numbers = self._numbers
        look = Look(numbers.pictures, numbers.side, numbers.small_side, numbers.shots)
        faces, heard = self._watched(item, look, tools, run)
        if not faces:
            raise NotUsable("the video has no pictures")
        cuts = look.end()
        parts = self._parts(look, faces, heard)
        score = weighted(parts, numbers.weights)
        start_us, end_us = self._span(item, score, cuts, len(look.motion), run)
        run.progress(1.0)
        return Highlight(start_us, end_us, self._curve(score, parts) if options.explain else None)

    def _watched(
        self, video: Video, look: "Look", tools: Tools, run: Run
    ) -> tuple[list[float], dict[str, Floats]]:
        """Faces, and what is heard, of every second; nothing of a video without sound."""
        rate, piece = self._numbers.pictures, self._numbers.piece
        faces: list[float] = []
        pieces: list[dict[str, Floats]] = []
        for sample, frame in enumerate(video.frames(step_us=_MICROSECONDS // rate)):
            run.check()
            if sample and sample % (piece * rate) == 0:
                pieces.append(self._heard(video, len(faces) - piece, len(faces), tools, run))
            small = look.see(frame)
            if sample % rate == 0:
                if video.seconds:
                    run.progress(min(1.0, len(faces) / video.seconds))
                faces.append(_presence(tools.models["faces"].infer(small, run), small))
        pieces.append(self._heard(video, len(pieces) * piece, len(faces), tools, run))
        return faces, {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}

    def _heard(self, video: Video, first: int, end: int, tools: Tools, run: Run) -> dict[str, Floats]:
        """What is heard in each second from one to another; nothing where there is no sound at all."""
        clip = video.sound(first * _MICROSECONDS, end * _MICROSECONDS)
        if clip is None:
            return {}
        found = tools.models["sounds"].infer(clip, run)
        kinds = events(found, self._numbers.sounds, end - first)
        return {**kinds, "loudness": loudness(clip, end - first)}

    def _parts(self, look: "Look", faces: Sequence[float], heard: Mapping[str, Floats]) -> dict[str, Floats]:
        """[seconds] each, 0 to 1."""
        numbers, rate = self._numbers, self._numbers.pictures
        parts, share = dict(heard), numbers.length / len(faces)
        if heard:
            parts["loudness"] = numbers.loudness.part(heard["loudness"], share)
        parts["motion"] = numbers.motion.part(by_second(look.motion, rate), share)
        parts["faces"] = np.array(faces, np.float32)
        parts["sharpness"] = numbers.sharpness.part(by_second(look.sharpness, rate), share)
        return parts

    def _span(
        self, video: Video, score: Floats, cuts: Sequence[Cut], samples: int, run: Run
    ) -> tuple[int, int]:
        """Microseconds; the whole of a video that is no longer."""
        from .look import exact  # noqa: PLC0415 - as above

        length, step = self._numbers.length, 1 / self._numbers.pictures
        ends = min(max(video.seconds or samples * step, (samples - 1) * step), samples * step)
        if ends <= length:
            return 0, int(ends * _MICROSECONDS)
        rules = (ends, step), length, self._numbers.shots.tolerance
        about = best_span(score, cuts, *rules, sure=False)
        near = [cut for cut in cuts if cut.until >= about - length and cut.after <= about + 2 * length]
        if near:
            span = max(0.0, near[0].after - step), near[-1].until + step
            frames = video.frames(*(int(second * _MICROSECONDS) for second in span))
            known = exact(_checked(frames, run), near, self._numbers.small_side)
            about = best_span(score, sorted({*cuts} - {*near} | {*known}), *rules, sure=True)
        start = int(about * _MICROSECONDS)
        return start, start + int(length * _MICROSECONDS)

    def _curve(self, score: Floats, parts: Mapping[str, Floats]) -> ScoreCurve:
        """Parts that could not be measured are 0."""
        nothing = np.zeros(len(score), np.float32)
        return ScoreCurve(
            _MICROSECONDS, score, {name: parts.get(name, nothing) for name in self._numbers.weights}
        )


def _presence(faces: Faces, picture: Frame) -> float:
    """0 to 1: how much of the picture's height all faces have together."""
    heights = faces.boxes[:, 3] - faces.boxes[:, 1]
    return float(np.clip(heights.sum() / picture.height, 0, 1))


def _checked(frames: Iterator[Frame], run: Run) -> Iterator[Frame]:
    for frame in frames:
        run.check()
        yield frame


@hookimpl
def register_models(register: Register) -> None:
    register(BestSeconds)
