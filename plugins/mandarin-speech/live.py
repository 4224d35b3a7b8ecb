"""Mandarin while it is spoken: the sound of an utterance is heard piece by piece, within a budget.

Whisper cannot go on where it was: what it has heard is heard again with each second that follows. So only
the last piece is, and what all that may cost is a share of what was spoken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    ModelCard,
    RecognitionOptions,
    Run,
    SpeechChunk,
    Tools,
    Transcript,
    UtteranceModel,
)

from .hearing import RecognitionParameters, said, text_of

_MICROSECONDS = 1_000_000
_EDGE = 0.1
"""Seconds over which is looked how loud it is."""


class LiveParameters(RecognitionParameters):
    """What is heard while somebody speaks."""

    share: float
    """Seconds of sound that may be heard for partial results, of each second spoken."""
    piece: float
    """Seconds of a piece, at most: it ends where it is least loud."""


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """What was heard of an utterance, and how much may be heard yet."""

    samples: NDArray[np.float32]
    """Of the utterance so far."""
    texts: Mapping[bytes, tuple[str, ...]]
    """What is said, by the sound of a piece."""
    told_us: int
    """So far the last partial result reached, since the opening of the source, microseconds."""
    spoken_us: int
    """So far speech was counted, also that of the utterance before."""
    left: float
    """Seconds that may be heard for partial results."""


NOTHING = Listening(np.empty(0, np.float32), {}, 0, 0, 0.0)


class MandarinLive(UtteranceModel[RecognitionOptions, Transcript, Listening]):
    """The text in simplified characters; while somebody speaks, as far as it was heard.

    What is heard for partial results is at most `share` times what was spoken: each new second of speech
    earns so many seconds of hearing, each piece costs its length. The whole is heard at the end.
    """

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(LiveParameters)

    def start(self, options: RecognitionOptions) -> Listening:
        return NOTHING

    def step(
        self, chunk: SpeechChunk, state: Listening, options: RecognitionOptions, tools: Tools, run: Run
    ) -> tuple[Transcript | None, Listening]:
        clip = chunk.behind(state.samples)
        if not chunk.before:  # what the last one left is no help to this one
            state = replace(state, told_us=0, left=0.0)
        state = replace(state, samples=clip.samples)
        if not chunk.final:
            return self._partly(clip, self._earned(clip, state), options, tools, run)
        return Transcript(text_of(clip, self._parameters, tools.models["speech"], options.beam, run)), state

    def _earned(self, clip: AudioClip, state: Listening) -> Listening:
        """With what may be heard for the speech that is new in it."""
        spans = [(clip.start_us + _us(clip, a), clip.start_us + _us(clip, b)) for a, b in clip.voiced]
        last = clip.start_us + _us(clip, len(clip.samples))
        known = state.spoken_us if state.spoken_us <= last else 0  # else the source was opened anew
        new = sum(max(0, end - max(begin, known)) for begin, end in spans) / _MICROSECONDS
        spoken_us = max([known, *(end for _, end in spans)])
        return replace(state, spoken_us=spoken_us, left=state.left + self._parameters.share * new)

    def _partly(
        self, clip: AudioClip, state: Listening, options: RecognitionOptions, tools: Tools, run: Run
    ) -> tuple[Transcript | None, Listening]:
        """As many pieces as may be heard, in order; no result when that reaches no further than the last."""
        parameters, speech = self._parameters, tools.models["speech"]
        texts, found, reached, left = dict[bytes, tuple[str, ...]](), list[str](), 0, state.left
        for piece in pieces(clip, parameters.piece) if clip.voiced_seconds >= parameters.least else ():
            key = _key(piece)
            text = state.texts.get(key)
            if text is None:
                if piece.seconds > left:
                    break
                text = said(piece, speech, options.beam, parameters.level, run)
                left -= piece.seconds
            found += text
            texts[key], reached = text, piece.start_us + _us(piece, len(piece.samples))
        news = reached > state.told_us
        state = replace(state, texts=texts, told_us=max(reached, state.told_us), left=left)
        return Transcript(tuple(found)) if news else None, state


def pieces(clip: AudioClip, longest: float) -> list[AudioClip]:
    """From the first voice to the last, cut where it is least loud; only the last one changes as more comes.

    `longest`: seconds of a piece; none but the last is shorter than half of it.
    """
    begin, end = clip.voiced[0][0], clip.voiced[-1][1]
    most, edge = round(longest * clip.rate), round(_EDGE * clip.rate)
    power = np.zeros(end, np.float32)
    for first, last in clip.voiced:
        power[first:last] = clip.samples[first:last] ** 2
    borders = [begin]
    while end - borders[-1] > most:
        half = borders[-1] + most // 2
        sums = np.cumsum(power[half - edge // 2 : borders[-1] + most], dtype=np.float64)
        borders.append(half + int(np.argmin(sums[edge:] - sums[:-edge])))
    return [
        AudioClip(clip.samples[a:b], clip.rate, clip.start_us + _us(clip, a), ((0, b - a),))
        for a, b in zip(borders, [*borders[1:], end], strict=True)
    ]


def _us(clip: AudioClip, samples: int) -> int:
    return samples * _MICROSECONDS // clip.rate


def _key(piece: AudioClip) -> bytes:
    return blake2b(piece.samples.tobytes(), digest_size=16).digest()
