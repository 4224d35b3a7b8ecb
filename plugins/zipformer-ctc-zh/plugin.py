"""Streaming Zipformer with CTC: Mandarin to text, a third of a second at a time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    CardError,
    Model,
    ModelCard,
    Parameters,
    RecognitionOptions,
    Register,
    Run,
    Session,
    Tools,
    Transcript,
    hookimpl,
)
from edged.ops.audio import kaldi_fbank
from edged.ops.mandarin import Level, within

from . import graph

BLANK = 0
"""The token of CTC that says nothing."""
SPACE = "▁"
"""Before the first piece of a word."""


class StreamingParameters(Parameters):
    """How it is fed, and what is written."""

    frames: int
    """Of the mel spectrum that are fed at a time."""
    step: int
    """From one feed to the next."""
    behind: float
    """Seconds of silence behind a clip."""
    pause: int
    """Outputs without a token that end a sentence."""
    level: Level
    """Of GB 2312: characters outside of it are written as `*`."""
    least: float
    """Seconds of voice that a clip must hold."""


class ZipformerCtc(Model[AudioClip, RecognitionOptions, Transcript]):
    """The likeliest token of each frame, without blanks and repetitions."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(StreamingParameters)

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (path,) = files.values()
        return graph.build(path)

    def open_resource(self, name: str, path: Path) -> tuple[str, ...]:
        """The tokens by number: each line of the file is a token and its number."""
        try:
            pairs = [line.rsplit(maxsplit=1) for line in path.read_text("utf-8").splitlines() if line.strip()]
            numbered = {int(pair[-1]): pair[0] for pair in pairs}
        except (IndexError, UnicodeDecodeError, ValueError) as error:
            raise CardError(f"{path.name} is no list of tokens and their numbers: {error}") from error
        if sorted(numbered) != list(range(len(numbered))):
            raise CardError(f"{path.name} does not number its tokens from 0 on")
        return tuple(numbered[i] for i in range(len(numbered)))

    def infer(self, item: AudioClip, options: RecognitionOptions, tools: Tools, run: Run) -> Transcript:
        parameters = self._parameters
        if item.voiced_seconds < parameters.least:
            return Transcript(())
        begin, end = item.voiced[0][0], item.voiced[-1][1]
        silence = np.zeros(round(parameters.behind * item.rate), np.float32)
        mels = kaldi_fbank(np.concatenate([item.samples[begin:end], silence]), rate=item.rate)
        likeliest = self._likeliest(mels, tools.sessions["main"], run)
        return Transcript(
            tuple(
                within(text, parameters.level)
                for text in sentences(likeliest, tools.resources["tokens"], parameters.pause)
            )
        )

    def _likeliest(self, mels: NDArray[np.float32], session: Session, run: Run) -> list[int]:
        """The token of each output frame."""
        memory, processed, found = np.empty(0, np.float32), np.zeros(1, np.int64), list[int]()
        frames, step = self._parameters.frames, self._parameters.step
        for begin in range(0, len(mels) - frames + 1, step):
            run.check()
            fed = np.ascontiguousarray(mels[None, begin : begin + frames])
            outputs = session.run({"x": fed, "memory": memory, "processed": processed})
            memory, processed = outputs["next_memory"], outputs["next_processed"]
            found += outputs["log_probs"][0].argmax(axis=1).tolist()
        return found


def sentences(likeliest: Sequence[int], tokens: Sequence[str], pause: int) -> list[str]:
    """CTC: a token that stays is one, a blank is none, and `pause` blanks end a sentence."""
    texts, last, blanks = [""], BLANK, 0
    for token in likeliest:
        blanks = blanks + 1 if token == BLANK else 0
        if token not in (BLANK, last):
            texts[-1] += tokens[token].replace(SPACE, " ")
        if blanks == pause and texts[-1]:
            texts.append("")
        last = token
    return [text.strip() for text in texts if text.strip()]


@hookimpl
def register_models(register: Register) -> None:
    register(ZipformerCtc, "card.yaml", "live.yaml")
