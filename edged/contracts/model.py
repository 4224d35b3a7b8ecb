"""The plugin contract: what the host asks of a model, and what it gives to it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray
from pydantic import ConfigDict

from edged.contracts.card import ModelCard
from edged.contracts.described import Described
from edged.contracts.errors import CardError, InferenceError
from edged.contracts.items import AudioClip, SpeechChunk

Tensors = Mapping[str, NDArray[Any]]
"""Arrays by the names of a graph's inputs or outputs."""

Shape = tuple[int | str | None, ...]
"""Of an output: a size, none for any, or a word for a size that is the same wherever the word stands."""


class Options(Described):
    """What may vary per call: card <- service configuration <- stream entry <- request.

    A field has no default in code: the card gives it. A subclass documents unit and range under every field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


ItemT = TypeVar("ItemT")
OptionsT = TypeVar("OptionsT", bound=Options)
ResultT = TypeVar("ResultT")
ContextT = TypeVar("ContextT")
StateT = TypeVar("StateT")


class Session(Protocol):
    """A graph opened by a runtime on a device."""

    def run(self, inputs: Tensors) -> Tensors:
        """Run once. Safe from several threads; the outputs are yours to keep.

        Raises `InferenceError` for inputs of the wrong name, type or shape, or when the runtime fails.
        """


class Run(Protocol):
    """The handle of one call."""

    def progress(self, done: float) -> None:
        """Report the share that is done, 0 to 1; only long work needs to.

        Raises `TooLarge` when it is evident by now that the rest will not be done by the deadline.
        """

    def check(self) -> None:
        """Raise `TimedOut` or `Cancelled` when it is time to stop. Call it between steps of long work."""


class Part(Protocol):
    """Another model that this one uses: opened once, whoever uses it."""

    @property
    def card(self) -> ModelCard:
        """Its card."""

    def start(self) -> Any:
        """Of a `StreamModel`: the state before the first chunk."""

    def step(self, chunk: Any, state: Any, run: Run) -> tuple[Any, Any]:
        """Of a `StreamModel`: the result of one chunk, or none, and the next state."""

    def infer(self, item: Any, run: Run, **options: Any) -> Any:
        """One result for one item, with its card's options but for those that are given.

        The given ones are taken at their word: they are not validated. Raises as `Model.infer` does.
        """

    def infer_all(self, items: Sequence[Any], run: Run, **options: Any) -> list[Any]:
        """The results of several items, in their order; together, where the model can. Else as `infer`."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the host opened for a model, once; shared by all threads, so read only."""

    sessions: Mapping[str, Session]
    """By graph of the card."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """By name in the card's `resources`: what the model's `open_resource` returned."""
    models: Mapping[str, Part] = field(default_factory=dict)
    """By name in the card's `uses`, or what the configuration puts in its place."""


@dataclass(frozen=True, slots=True)
class Prepared(Generic[ContextT]):
    """Tensors for the session, and what postprocess needs to undo the preparation."""

    inputs: Tensors
    context: ContextT


class Opened(ABC):  # noqa: B024 - what is abstract stands in those that are made of it
    """What every model can: be opened from its card and the files of it.

    One object is shared by all threads: it holds no state of a call.
    """

    def __init__(self, card: ModelCard) -> None:
        """Read the card, and nothing else. Raises `CardError` for one that does not fit."""
        self.card = card

    def shapes(self, graph: str) -> Mapping[str, Shape]:
        """What the outputs of a graph must look like; the host checks it after every run, and that all
        numbers are finite. Outputs that are not named may have any shape."""
        return {}

    def open_resource(self, name: str, path: Path) -> Any:
        """Read a file of the card's `resources`, whose SHA-256 was checked. Called once, before any `infer`.

        Raise `CardError` when it does not hold what it should.
        """
        raise CardError(f"the card lists the resource {name!r}, which the plugin does not open")

    def build_graph(self, name: str, files: Mapping[str, Path]) -> Any:
        """Assemble a graph of the card that has a `builder`, as an `onnx.ModelProto`; called once, at `pull`.

        `files`: its verified weights by name. Raise `CardError` when they do not hold what they should.
        """
        raise CardError(f"the card says that the graph {name!r} is built, but the plugin builds none")


class Model(Opened, Generic[ItemT, OptionsT, ResultT]):
    """Weights plus pre- and post-processing that fulfil a service."""

    together: int = 1
    """So many items, or clips of a recording, are handed to its `infer_all`; of 1 each goes to `infer`."""

    @abstractmethod
    def infer(self, item: ItemT, options: OptionsT, tools: Tools, run: Run) -> ResultT:
        """Turn one item into one result.

        Called in a worker thread; does no I/O. Raise `NotUsable` when the item cannot be worked with.
        """

    def infer_all(self, items: Sequence[ItemT], options: OptionsT, tools: Tools, run: Run) -> list[ResultT]:
        """The results of several items, in their order: for a model that does better with several."""
        return [self.infer(item, options, tools, run) for item in items]


class SinglePassModel(Model[ItemT, OptionsT, ResultT], Generic[ItemT, ContextT, OptionsT, ResultT]):
    """A model that is one forward pass of the graph `main` between two pure functions."""

    @abstractmethod
    def preprocess(self, item: ItemT, options: OptionsT) -> Prepared[ContextT]:
        """Item to tensors."""

    @abstractmethod
    def postprocess(self, outputs: Tensors, context: ContextT, options: OptionsT) -> ResultT:
        """Tensors to result."""

    def infer(self, item: ItemT, options: OptionsT, tools: Tools, run: Run) -> ResultT:
        """Prepare, run, read the answer."""
        prepared = self.preprocess(item, options)
        return self.postprocess(tools.sessions["main"].run(prepared.inputs), prepared.context, options)


class StreamModel(Opened, Generic[ItemT, OptionsT, ResultT, StateT]):
    """A model that remembers: the state is a value, held by the host, one a stream.

    A model may be both, `Model` for a whole item and this for a stream that goes on, so that nothing is heard
    or seen twice.
    """

    frame_rate: float | None = None
    """Of a model that watches a camera: so many frames a second are handed to it, at most; none: all."""

    @abstractmethod
    def start(self, options: OptionsT) -> StateT:
        """The state before the first chunk."""

    @abstractmethod
    def step(
        self, chunk: ItemT, state: StateT, options: OptionsT, tools: Tools, run: Run
    ) -> tuple[ResultT | None, StateT]:
        """Eat one chunk: a result when there is one, and the next state. `state` itself stays as it was."""


class UtteranceModel(
    Model[AudioClip, OptionsT, ResultT],
    StreamModel[SpeechChunk, OptionsT, ResultT, StateT],
    Generic[OptionsT, ResultT, StateT],
):
    """A model that hears while somebody speaks, step by step, and a recording's clip in a single last step.

    A chunk that ends an utterance has a result, always; those before it when there is something new to tell.
    The state goes on from utterance to utterance. A step that is cancelled, or fails, has heard nothing: the
    next one gets the same state, and its chunk holds all that came meanwhile.
    """

    def infer(self, item: AudioClip, options: OptionsT, tools: Tools, run: Run) -> ResultT:
        """The utterance at once."""
        result, _ = self.step(SpeechChunk.of(item), self.start(options), options, tools, run)
        if result is None:
            raise InferenceError(f"{self.card.id} heard a whole utterance and gave no result")
        return result


AnyModel = Model[Any, Any, Any] | StreamModel[Any, Any, Any, Any]
