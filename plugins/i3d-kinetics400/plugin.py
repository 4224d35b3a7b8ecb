"""I3D: what happens in a video, or before a camera. Every number and name is in the card.

The graph is assembled at `edged pull` by graph.py, for what is published is a pickle of arrays.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edged import (
    ActionClassification,
    ActionOptions,
    CardError,
    Colour,
    Fit,
    Frame,
    Model,
    ModelCard,
    NotUsable,
    Parameters,
    PixelFormat,
    Pixels,
    Register,
    Run,
    Shape,
    StreamModel,
    TensorInput,
    Tools,
    Video,
    hookimpl,
)
from edged.ops.scores import softmax

from . import graph
from .taxonomies import Taxonomies
from .windows import Windows


class I3DParameters(Parameters):
    """How a video is looked at, and what the classes are called."""

    rate: float
    """Pictures a second of a window."""
    windows: int
    """Windows of a video at most."""
    seek: float
    """Seconds between the beginnings of windows from which on each is sought by itself."""
    stride: int
    """Pictures of a camera from one result to the next."""
    ucf101: Mapping[str, tuple[str, ...]]
    """Names of UCF101 in its order: the classes of the net that each stands for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a camera."""

    pictures: tuple[Pixels, ...] = ()
    """The newest ones, at most as many as a window has, oldest first."""
    fresh: int = 0
    """How many came since the last result."""


class I3D(
    Model[Video, ActionOptions, ActionClassification],
    StreamModel[Frame, ActionOptions, ActionClassification, Seen],
):
    """Windows of a video through a 3D convolutional net, and what it says of them on the average."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card)
        self._input, self._output = card.graphs["main"].single()
        spec = card.graphs["main"].inputs[self._input]
        if not isinstance(spec, TensorInput) or len(spec.shape) != 5:
            raise CardError(f"{card.id}: `{self._input}` is to be a tensor of pictures along time")
        *_, self._length, height, width = self._shape = spec.shape
        self._parameters = card.parameters_as(I3DParameters)
        self.frame_rate = self._parameters.rate
        self._form = PixelFormat((height, width), Fit.CROP, Colour.RGB)
        self._windows = Windows(
            self._length, self.frame_rate, self._parameters.windows, self._parameters.seek, self._form
        )
        self._taxonomies = Taxonomies.of(card.class_names(), self._parameters.ucf101)

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        (checkpoint,) = files.values()
        return graph.build(checkpoint, self._shape)

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        return {self._output: (1, self._taxonomies.own)}

    def infer(self, item: Video, options: ActionOptions, tools: Tools, run: Run) -> ActionClassification:
        """The mean over the windows, each weighed with its highest probability: one in which something is
        recognised says more than one in which nothing is."""
        starts, every = self._windows.starts(item.seconds), 1
        found: list[NDArray[np.float32]] = []
        for number, window in enumerate(self._windows.of(item, starts)):
            run.check()
            if number % every == 0:
                found.append(self._probabilities(window, tools))
            if len(found) > self._parameters.windows:  # a video that did not say how long it is
                found, every = found[::2], 2 * every
            if starts is not None:
                run.progress((number + 1) / len(starts))
        if not found:
            raise NotUsable("the video holds no picture that can be decoded")
        mean = np.average(found, 0, weights=[one.max() for one in found])
        return self._taxonomies.called(mean, options.taxonomy)

    def start(self, options: ActionOptions) -> Seen:
        return Seen()

    def step(
        self, chunk: Frame, state: Seen, options: ActionOptions, tools: Tools, run: Run
    ) -> tuple[ActionClassification | None, Seen]:
        """A result every `stride` pictures, once a window is full."""
        pictures = (*state.pictures, chunk.pixels(self._form))[-self._length :]
        fresh = state.fresh + 1
        if len(pictures) < self._length or fresh < self._parameters.stride:
            return None, Seen(pictures, fresh)
        found = self._probabilities(pictures, tools)
        return self._taxonomies.called(found, options.taxonomy), Seen(pictures)

    def _probabilities(self, window: Sequence[Pixels], tools: Tools) -> NDArray[np.float32]:
        """Of the net's own classes; a window that is too short is shown again, as its makers did."""
        pictures = np.stack(list(itertools.islice(itertools.cycle(window), self._length)))
        planes = np.moveaxis(pictures, 3, 0)[None] * np.float32(2 / 255) - 1
        return softmax(tools.sessions["main"].run({self._input: planes})[self._output][0])


@hookimpl
def register_models(register: Register) -> None:
    register(I3D)
