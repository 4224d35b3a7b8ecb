"""For tests of plugins: fakes of what the host gives to a model, and the test that every model must pass."""
# ruff: noqa: S101 - asserting is what it is for

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
import orjson
from pydantic import TypeAdapter

from edged.answers.finding import Finding
from edged.answers.kinds import KINDS
from edged.answers.schema import answer_schema
from edged.contracts.card import Graph, ModelCard, PictureInput
from edged.contracts.errors import InferenceError
from edged.contracts.items import AudioClip, Colour, Frame, Pixels, SpeechChunk
from edged.contracts.model import (
    Model,
    Options,
    Part,
    Session,
    StreamModel,
    Tensors,
    Tools,
    UtteranceModel,
)
from edged.contracts.service import Service
from edged.contracts.services import any_service, card_options
from edged.contracts.speech import Clips
from edged.media.frame import PictureFrame
from edged.runtimes.checked import checked

_MICROSECONDS = 1_000_000
_DTYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8}


class FakeSession:
    """A session that answers with `reply(inputs)` and remembers in `asked` what it was given."""

    def __init__(self, reply: Callable[[Tensors], Tensors]) -> None:
        self._reply = reply
        self.asked: list[Tensors] = []
        """The inputs of every run, oldest first."""

    def run(self, inputs: Tensors) -> Tensors:
        """Remember the inputs and give the reply."""
        self.asked.append(inputs)
        return self._reply(inputs)


class FakeRun:
    """A call without deadline; remembers in `reported` what the model said of its progress.

    With `stop` the call is over from the start: `check` raises it.
    """

    def __init__(self, stop: Exception | None = None) -> None:
        self._stop = stop
        self.reported: list[float] = []
        """Shares that are done, 0 to 1, in the order of the reports."""

    def progress(self, done: float) -> None:
        """Remember the share."""
        self.reported.append(done)

    def check(self) -> None:
        """Raise `stop`, if there is one."""
        if self._stop is not None:
            raise self._stop


def frame_of(bgr: Pixels, seq: int = 0) -> Frame:
    """A frame of [height, width, 3] BGR pixels, taken at the beginning of 1970."""
    return PictureFrame(bgr, 0.0, seq)


class VideoOfPictures:
    """A video of pictures that are given, shown evenly. Implements `contracts.items.Video`."""

    def __init__(self, pictures: Sequence[Pixels], frame_rate: float, sound: AudioClip | None = None) -> None:
        """`pictures` are [height, width, 3] in BGR, all of one size, at least one."""
        self.height, self.width = pictures[0].shape[:2]
        self.frame_rate = frame_rate
        self.seconds = len(pictures) / frame_rate
        self.has_sound = sound is not None
        self._frames = [PictureFrame(bgr, i / frame_rate, i) for i, bgr in enumerate(pictures)]
        self._sound = sound
        self._calls = 0

    def frames(
        self,
        start_us: int = 0,
        end_us: int | None = None,
        step_us: int | None = None,
        rate: float | None = None,
    ) -> Iterator[Frame]:
        if step_us is not None and rate is not None:
            raise ValueError("say `step_us` or `rate`, not both")
        end = min(self.seconds, math.inf if end_us is None else end_us / _MICROSECONDS)
        step = step_us / _MICROSECONDS if step_us is not None else 1 / rate if rate is not None else None
        self._calls += 1
        return self._shown(start_us / _MICROSECONDS, end, step, self._calls)

    def _shown(self, start: float, end: float, step: float | None, call: int) -> Iterator[Frame]:
        first, last = (math.ceil(round(at * self.frame_rate, 6)) for at in (start, end))
        wanted = range(first, last) if step is None else self._shown_at(start, end, step)
        for index in wanted:
            yield self._frames[index]
            if call != self._calls:
                raise RuntimeError("`frames` was called again, which ends what the earlier call had left")

    def _shown_at(self, start: float, end: float, step: float) -> Iterator[int]:
        marks = itertools.takewhile(lambda at: at < end, (start + n * step for n in itertools.count()))
        return (math.floor(round(at * self.frame_rate, 6)) for at in marks)

    def sound(self, start_us: int = 0, end_us: int | None = None) -> AudioClip | None:
        if self._sound is None:
            return None
        whole, rate = self._sound, self._sound.rate
        end = None if end_us is None else end_us * rate // _MICROSECONDS
        return AudioClip(whole.samples[start_us * rate // _MICROSECONDS : end], rate, start_us)


def chunks_of(clip: AudioClip, cuts: Sequence[int]) -> list[SpeechChunk]:
    """An utterance as it comes: cut before each of these samples, which are in order.

    Of a voice a chunk tells what there is of it so far.
    """
    borders = [0, *cuts, len(clip.samples)]
    return [
        SpeechChunk.of(_so_far(clip, end), begin, final=i == len(cuts))
        for i, (begin, end) in enumerate(itertools.pairwise(borders))
    ]


def _so_far(clip: AudioClip, end: int) -> AudioClip:
    voiced = tuple((first, min(last, end)) for first, last in clip.voiced if first < end)
    return replace(clip, samples=clip.samples[:end], voiced=voiced)


def stepped(
    model: StreamModel[Any, Any, Any, Any],
    chunks: Iterable[Any],
    options: Options,
    tools: Tools,
    state: Any = None,
) -> list[tuple[Any, Any]]:
    """What a model gives for each chunk, and its state after it; from `state` on, or from its start."""
    state = model.start(options) if state is None else state
    steps = []
    for chunk in chunks:
        result, state = model.step(chunk, state, options, tools, FakeRun())
        steps.append((result, state))
    return steps


def conformance(
    model: Model[Any, Any, Any],
    sessions: Mapping[str, Session],
    item: Any = None,
    resources: Mapping[str, Any] = MappingProxyType({}),
    models: Mapping[str, Part] = MappingProxyType({}),
) -> Any:
    """Assert what every model promises; returns its result for `item`, which is a gray frame if not given.

    * its card gives every option of its service, and each input of a graph has the shape that the card says
    * what its graphs give has the shapes that it expects, and is finite, or it is an `InferenceError`
    * its result is a result of its service; in every encoding its answer is finite JSON that fits the schema
    * every field of that schema is documented, and the answer has a gist
    * it holds no state: the same item gives the same answer again, also from four threads at once
    * an `UtteranceModel` says the same of an utterance that comes in three chunks as of the whole, and steps
      from a state without a change of it
    """
    of = any_service(model.card.service)
    options = card_options(model.card)
    item = frame_of(np.full((120, 160, 3), 128, np.uint8)) if item is None else item
    graphs = model.card.graphs
    watched = {name: _Watched(session, graphs[name]) for name, session in sessions.items()}
    tools = Tools(checked(watched, model), resources, models)
    result = model.infer(item, options, tools, FakeRun())
    assert isinstance(result, of.result), f"{of.name} wants {of.result.__name__}, not {type(result).__name__}"
    findings = [Finding(of, _whole(of, result), wanted) for wanted in _encodings(options)]
    if of.result in KINDS:
        for finding in findings:
            _assert_answer(finding)
    _assert_stateless(lambda: model.infer(item, options, tools, FakeRun()), result)
    if isinstance(model, UtteranceModel):
        _assert_steps(model, item, options, tools, result)
    return result


def _assert_steps(
    model: UtteranceModel[Any, Any, Any], clip: AudioClip, options: Options, tools: Tools, whole: Any
) -> None:
    chunks = chunks_of(clip, [len(clip.samples) // 3, len(clip.samples) * 2 // 3])
    *_, (_, state), (last, after) = stepped(model, chunks, options, tools)
    assert _same(last, whole), "what is heard step by step is something else than the whole at once"
    again, _ = model.step(chunks[-1], state, options, tools, FakeRun())
    assert _same(again, last), "the same step gave another result: `step` changed the state it was given"
    anew, _ = model.step(SpeechChunk.of(clip), after, options, tools, FakeRun())
    assert _same(anew, whole), "an utterance after another one is heard as something else"


def _whole(of: Service, result: Any) -> Any:
    """As the host gets it: of a recording the results of all clips."""
    return Clips([(0, result)]) if of.takes_sound else result


def _encodings(options: Options) -> Iterator[Options]:
    """The options, and the same with each other word that one of them may be."""
    yield options
    for name, field in type(options).model_fields.items():
        for word in _words(field.annotation):
            if word != getattr(options, name):
                yield options.model_copy(update={name: word})


def _words(annotation: Any) -> Iterator[str]:
    """The words that an option may be, one of several kinds of values or the only one."""
    for inner in get_args(annotation):
        if isinstance(inner, str):
            yield inner
        else:
            yield from _words(inner)


class _Watched:
    """A session that checks what it is given against the card."""

    def __init__(self, session: Session, graph: Graph) -> None:
        self._session = session
        self._graph = graph

    def run(self, inputs: Tensors) -> Tensors:
        assert inputs.keys() == self._graph.inputs.keys(), (
            f"inputs {sorted(inputs)} are not those of the card"
        )
        for name, wanted in self._graph.inputs.items():
            given = inputs[name]
            if isinstance(wanted, PictureInput):
                channels = 1 if wanted.colour is Colour.GRAY else 3
                assert given.dtype == np.uint8, f"{name}: a picture is fed as bytes, not {given.dtype}"
                sides = zip(given.shape[1:], (*wanted.size, channels), strict=True)
                assert all(b in (None, a) for a, b in sides), f"{name}: {given.shape}"
            else:
                assert given.dtype == _DTYPES[wanted.dtype], f"{name}: {given.dtype}"
        return self._session.run(inputs)


def answer_of(card: ModelCard, result: Any, **options: Any) -> Any:
    """What a client reads of a result, without envelope; `options` replace those of the card.

    Of a clip it is the answer to a recording that is this clip alone.
    """
    of = any_service(card.service)
    chosen = card_options(card).model_copy(update=options)
    return orjson.loads(Finding(of, _whole(of, result), chosen).encoded({}))


def _holds_none(value: Any) -> bool:
    """Whether somewhere in what JSON said there is a null."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_holds_none, parts))


def _assert_answer(finding: Finding) -> None:
    published = finding.kind.fields
    for name, body in answer_schema(finding.service).get("properties", {}).items():
        assert body.get("description"), f"{name}: a published field needs a docstring below it"
    try:
        answer = finding.encoded({})
    except InferenceError as error:
        raise AssertionError(f"every number of an answer is finite: {error}") from error
    said_none = b"null" in answer and _holds_none(orjson.loads(answer))
    assert not said_none, "every number of an answer is finite, and what is none is left out"
    if not isinstance(published, Mapping):
        TypeAdapter(published).validate_json(answer, strict=True)
    hash(finding.gist())


def _assert_stateless(call: Callable[[], Any], first: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        for other in pool.map(lambda _: call(), range(8)):
            assert _same(other, first), "the same item got another result: the model holds state"


def _same(a: Any, b: Any) -> bool:
    """Whether two results hold the same, down to the last number."""
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if is_dataclass(a):
        return all(_same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
