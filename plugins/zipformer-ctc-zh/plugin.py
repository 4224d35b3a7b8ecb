"""Streaming Zipformer with CTC: Mandarin to text, a third of a second at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    CardError,
    ModelCard,
    Parameters,
    RecognitionOptions,
    Register,
    Run,
    Session,
    SpeechChunk,
    Tools,
    Transcript,
    UtteranceModel,
    hookimpl,
)
from edged.ops.audio import kaldi_fbank, kaldi_frames
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


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What it remembers of an utterance."""

    samples: NDArray[np.float32]
    """Of the utterance so far."""
    feeds: int
    """Done so far."""
    memory: NDArray[np.float32]
    """Of the network."""
    processed: NDArray[np.int64]
    """By the network."""
    likeliest: tuple[int, ...]
    """The token of each output frame."""


NOTHING = Heard(np.empty(0, np.float32), 0, np.empty(0, np.float32), np.zeros(1, np.int64), ())


class ZipformerCtc(UtteranceModel[RecognitionOptions, Transcript, Heard]):
    """The likeliest token of each frame, without blanks and repetitions. Each frame is fed once."""

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

    def start(self, options: RecognitionOptions) -> Heard:
        return NOTHING

    def step(
        self, chunk: SpeechChunk, state: Heard, options: RecognitionOptions, tools: Tools, run: Run
    ) -> tuple[Transcript | None, Heard]:
        parameters, known = self._parameters, state if chunk.before else NOTHING
        utterance = chunk.behind(known.samples)
        heard = replace(known, samples=utterance.samples)
        if utterance.voiced_seconds >= parameters.least:
            heard = self._fed(utterance, chunk.final, heard, tools.sessions["main"], run)
        if not chunk.final and heard.feeds == known.feeds:
            return None, heard
        return self._written(heard.likeliest, tools) if heard.feeds else Transcript(()), heard

    def _written(self, likeliest: Sequence[int], tools: Tools) -> Transcript:
        texts = sentences(likeliest, tools.resources["tokens"], self._parameters.pause)
        return Transcript(tuple(within(text, self._parameters.level) for text in texts))

    def _fed(self, utterance: AudioClip, final: bool, heard: Heard, session: Session, run: Run) -> Heard:
        """After the feeds that are complete; `final`: behind the utterance comes silence."""
        parameters, rate = self._parameters, utterance.rate
        samples = utterance.samples[utterance.voiced[0][0] : utterance.voiced[-1][1]]
        if final:
            silence = np.zeros(round(parameters.behind * rate), np.float32)
            samples = np.concatenate([samples, silence])
        last = kaldi_frames(len(samples), rate=rate, ended=final) - parameters.frames
        memory, processed, likeliest = heard.memory, heard.processed, list(heard.likeliest)
        for begin in range(heard.feeds * parameters.step, last + 1, parameters.step):
            run.check()
            mels = kaldi_fbank(samples, rate=rate, first=begin, count=parameters.frames)
            outputs = session.run({"x": mels[None], "memory": memory, "processed": processed})
            memory, processed = outputs["next_memory"], outputs["next_processed"]
            likeliest += outputs["log_probs"][0].argmax(axis=1).tolist()
        feeds = max(heard.feeds, last // parameters.step + 1)
        return Heard(heard.samples, feeds, memory, processed, tuple(likeliest))


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
