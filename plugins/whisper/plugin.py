"""Whisper: what is said in a clip, in which language, and how it sounds.

One class for the cards of all its sizes.
"""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import (
    AudioClip,
    CardError,
    Heard,
    HearingOptions,
    Model,
    ModelCard,
    Parameters,
    Register,
    Run,
    Session,
    Shape,
    Tools,
    hookimpl,
)
from edged.ops.audio import slaney_mel

from . import graph
from .decode import Limits, Memory, search
from .vocabulary import Vocabulary

AUTO = "auto"
"""In the place of a language: the likeliest."""
STATES = 50
"""Of a second, of the encoder."""


class HearingParameters(Parameters):
    """How a Whisper is fed and when it is not believed."""

    shortest: float
    """Seconds: a shorter clip is filled up with silence."""
    margin: float
    """Seconds of silence behind a clip."""
    step: float
    """Seconds: lengths are multiples of it. A runtime keeps memory for each length that it has met."""
    longest: float
    """Seconds: what the network was trained on; more is not heard."""
    prompts: Mapping[str, str]
    """By language: what is said to have been written before. It sets the style: letters, punctuation."""
    unwritten: Mapping[str, str]
    """By language, or for `any`: characters that are not written."""
    room: int
    """Tokens that are remembered, those of the prompt included."""
    tokens_per_second: float
    """So fast nobody speaks: more are not written."""
    repeats: int
    """Times in a row after which what is repeated is a loop."""
    silence: float
    """Probability of silence, 0 to 1, above which an unlikely text is not believed."""
    unlikely: float
    """Mean logarithm of the tokens' probabilities below which a text is unlikely."""


class Whisper(Model[AudioClip, HearingOptions, Heard]):
    """Encoder, and a decoder that writes token by token."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(HearingParameters)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        rank = {"scores": 2, "states": 3}  # of the others, keys and values: 4
        return {name: (None,) * rank.get(name, 4) for name in self.card.graphs[graph].outputs}

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (path,) = files.values()
        return {"encoder": graph.encoder, "memory": graph.memory, "decoder": graph.decoder}[name](path)

    def open_resource(self, name: str, path: Path) -> Any:
        if name != "vocabulary":
            raise CardError(f"Whisper has no use for a resource {name!r}")
        return Vocabulary.load(path, self._parameters.unwritten)

    def infer(self, item: AudioClip, options: HearingOptions, tools: Tools, run: Run) -> Heard:
        states = self._states(item, tools.sessions["encoder"])
        if options.task == "states":
            return Heard(states=_voiced(states[0], item))
        run.check()
        cross = tools.sessions["memory"].run({"states": states})
        vocabulary: Vocabulary = tools.resources["vocabulary"]
        memory = Memory(tools.sessions["decoder"], cross, self._parameters.room)
        if options.task == "language" or options.language == AUTO:
            languages = vocabulary.spoken(memory.put([[vocabulary.start]]))
            if options.task == "language":
                return Heard(languages=languages)
            options = options.model_copy(update={"language": max(languages, key=lambda one: languages[one])})
            memory = Memory(tools.sessions["decoder"], cross, self._parameters.room)
        return self._text(item, options, vocabulary, memory, run)

    def _states(self, item: AudioClip, encoder: Session) -> NDArray[np.float32]:
        """[1, t, d]; only as long as the clip, not the half minute that the network was trained on."""
        parameters = self._parameters
        wanted = max(item.seconds + parameters.margin, parameters.shortest)
        seconds = min(ceil(wanted / parameters.step) * parameters.step, parameters.longest)
        samples = np.zeros(int(seconds * STATES) * item.rate // STATES, np.float32)
        heard = item.samples[: len(samples)]
        samples[: len(heard)] = heard
        mels = slaney_mel(samples, rate=item.rate)
        scaled = (np.maximum(mels, mels.max() - 8) + 4) / 4
        return encoder.run({"mels": np.ascontiguousarray(scaled.T)[None]})["states"]

    def _text(
        self, item: AudioClip, options: HearingOptions, vocabulary: Vocabulary, memory: Memory, run: Run
    ) -> Heard:
        parameters, english = self._parameters, options.task == "english"
        written = "en" if english else options.language
        prompt = vocabulary.prompt(options.prompt or parameters.prompts.get(written, ""))
        prompt = [*prompt[:1], *prompt[1:][-(parameters.room // 3) :]]
        silent = vocabulary.silent(memory.put([[*prompt, vocabulary.start]]))
        scores = memory.put([vocabulary.task(options.language, english=english)])
        limits = Limits(
            tokens=min(parameters.room - memory.length, 8 + int(item.seconds * parameters.tokens_per_second)),
            repeats=parameters.repeats,
            never=vocabulary.never(written),
            not_first=vocabulary.not_first,
            end=vocabulary.end,
        )
        found = search(memory, scores, options.beam, limits, run)
        unlikely = silent > parameters.silence and found.mean < parameters.unlikely
        text = "" if unlikely else vocabulary.text(found.tokens)
        return Heard(text, options.language, found.mean, silent)


def _voiced(states: NDArray[np.float32], item: AudioClip) -> NDArray[np.float32]:
    """The states of the spans in which somebody speaks, or of the whole clip."""
    step = item.rate // STATES
    spans = item.voiced or ((0, len(item.samples)),)
    kept = np.zeros(len(states), bool)
    for begin, end in spans:
        kept[begin // step : max(begin // step + 1, end // step)] = True
    return states[kept]


@hookimpl
def register_models(register: Register) -> None:
    register(Whisper, "tiny.yaml", "base.yaml", "small.yaml")
