"""Whisper: what is said in a clip, in which language, and how it sounds.

One class for the cards of all its sizes.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

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
    Shape,
    Tools,
    hookimpl,
)
from edged.ops.audio import slaney_mel

from . import graph
from .decode import Limits, Memory, Search, remembered, search
from .vocabulary import Vocabulary

AUTO = "auto"
"""In the place of a language: the likeliest."""
STATES = 50
"""Of a second, of the encoder."""


WRITTEN = ("text", "english")
"""Tasks of which a text comes: as it was said, and translated."""


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
    together: int = Field(ge=1)
    """Clips that are written together, at most."""
    together_seconds: float
    """Seconds of their inputs, each as long as the longest: memory."""
    together_step: float
    """Seconds: what is heard of them is filled up to a multiple, for the reason of `step`."""
    unlikely: float
    """Mean logarithm of the tokens' probabilities below which a text is unlikely."""


class Whisper(Model[AudioClip, HearingOptions, Heard]):
    """Encoder, and a decoder that writes token by token."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._parameters = card.parameters_as(HearingParameters)
        self.together = self._parameters.together

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
        if options.task in WRITTEN:
            return self._read([item], options, tools, run)[0]
        states = self._states(item, tools)
        if options.task == "states":
            return Heard(states=_voiced(states[0], item))
        run.check()
        vocabulary: Vocabulary = tools.resources["vocabulary"]
        scores = self._memory([states], tools).put([[vocabulary.start]])
        return Heard(languages=vocabulary.spoken(scores))

    def infer_all(
        self, items: Sequence[AudioClip], options: HearingOptions, tools: Tools, run: Run
    ) -> list[Heard]:
        """What is said in several clips is written together; the hypotheses of a beam are company enough, and
        clips of unknown languages begin with another token each."""
        if options.task not in WRITTEN or options.beam > 1 or options.language == AUTO:
            return super().infer_all(items, options, tools, run)
        heard: dict[int, Heard] = {}
        for batch in batches([self._seconds(item) for item in items], self._parameters):
            heard |= zip(batch, self._read([items[i] for i in batch], options, tools, run), strict=True)
        return [heard[i] for i in range(len(items))]

    def _seconds(self, item: AudioClip) -> float:
        """Of the input: the clip with silence behind it."""
        parameters = self._parameters
        wanted = max(item.seconds + parameters.margin, parameters.shortest)
        return min(ceil(wanted / parameters.step) * parameters.step, parameters.longest)

    def _states(self, item: AudioClip, tools: Tools) -> NDArray[np.float32]:
        """[1, t, d]; only as long as the clip, not the half minute that the network was trained on."""
        samples = np.zeros(int(self._seconds(item) * STATES) * item.rate // STATES, np.float32)
        heard = item.samples[: len(samples)]
        samples[: len(heard)] = heard
        mels = slaney_mel(samples, rate=item.rate)
        scaled = (np.maximum(mels, mels.max() - 8) + 4) / 4
        return tools.sessions["encoder"].run({"mels": np.ascontiguousarray(scaled.T)[None]})["states"]

    def _memory(self, states: Sequence[NDArray[np.float32]], tools: Tools) -> Memory:
        parameters, heard = self._parameters, [one.shape[1] for one in states]
        step = int(parameters.together_step * STATES)
        length = min(ceil(max(heard) / step) * step, int(parameters.longest * STATES))
        cross = remembered(states, tools.sessions["memory"], length)
        return Memory(tools.sessions["decoder"], cross, heard, parameters.room)

    def _read(
        self, items: Sequence[AudioClip], options: HearingOptions, tools: Tools, run: Run
    ) -> list[Heard]:
        """What is said in clips; nothing, where what was found is unlikely and silence is likely."""
        states = []
        for item in items:
            states.append(self._states(item, tools))
            run.check()
        vocabulary: Vocabulary = tools.resources["vocabulary"]
        if options.language == AUTO:  # of one clip: each has its own
            languages = vocabulary.spoken(self._memory(states, tools).put([[vocabulary.start]]))
            options = options.model_copy(update={"language": max(languages, key=lambda one: languages[one])})
        memory, parameters = self._memory(states, tools), self._parameters
        silent = vocabulary.silent(memory.put([self._start(options, vocabulary)] * len(items)))
        task = vocabulary.task(options.language, english=options.task == "english")
        scores = memory.put([task] * len(items))
        searches = [Search(options.beam, self._limits(item, options, vocabulary, memory)) for item in items]
        search(memory, scores, searches, run)
        found = [one.found for one in searches]
        doubted = [
            likely > parameters.silence and one.mean < parameters.unlikely
            for one, likely in zip(found, silent, strict=True)
        ]
        return [
            Heard("" if doubt else vocabulary.text(one.tokens), options.language, one.mean, likely)
            for one, doubt, likely in zip(found, doubted, silent, strict=True)
        ]

    def _start(self, options: HearingOptions, vocabulary: Vocabulary) -> list[int]:
        """Tokens of what is said to have been written before, and that something is written now."""
        parameters = self._parameters
        prompt = vocabulary.prompt(options.prompt or parameters.prompts.get(_written(options), ""))
        return [*prompt[:1], *prompt[1:][-(parameters.room // 3) :], vocabulary.start]

    def _limits(
        self, item: AudioClip, options: HearingOptions, vocabulary: Vocabulary, memory: Memory
    ) -> Limits:
        parameters = self._parameters
        return Limits(
            tokens=min(parameters.room - memory.length, 8 + int(item.seconds * parameters.tokens_per_second)),
            repeats=parameters.repeats,
            never=vocabulary.never(_written(options)),
            not_first=vocabulary.not_first,
            end=vocabulary.end,
        )


def batches(seconds: Sequence[float], parameters: HearingParameters) -> list[list[int]]:
    """Which clips are written together, of the seconds of their inputs: those of about one length."""
    found: list[list[int]] = []
    for i in sorted(range(len(seconds)), key=lambda i: -seconds[i]):
        room = min(parameters.together, parameters.together_seconds // seconds[found[-1][0]]) if found else 0
        if not found or len(found[-1]) >= room:
            found.append([])
        found[-1].append(i)
    return found


def _written(options: HearingOptions) -> str:
    """The language of the text."""
    return "en" if options.task == "english" else options.language


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
