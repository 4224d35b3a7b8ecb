"""The checks that every model must pass: each a function that raises what is wrong with a model."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from edged.contracts.errors import EdgedError, InferenceError, RequestError
from edged.contracts.items import AudioClip, Frame, FramePair, PixelFormat
from edged.contracts.model import AnyModel, Part, Session, StreamModel, Tools, UtteranceModel
from edged.contracts.services import any_service
from edged.testing.answers import assert_answer, findings_of
from edged.testing.fakes import frame_of
from edged.testing.items import Items
from edged.testing.streams import streams, utterances
from edged.testing.subject import Subject, same
from edged.testing.watched import RememberedSession, SpoiltSession, TimedSession, spoilt

THREADS = 4
ROUNDS, LONG_S = 10, 1.0
"""The speed is measured in so many rounds, or in those that are done after so many seconds."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of a model."""

    run: Callable[[Subject], str]
    """What is to be said of it, if anything; whatever it raises is the model's fault."""
    fix: str
    """What to do when it fails."""
    applies: Callable[[Subject], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one check of one model."""

    model: str
    check: str
    result: Literal["ok", "failed", "left out"]
    said: str = ""
    fix: str = ""
    """What to do, where it failed."""


def conformance(
    model: AnyModel,
    sessions: Mapping[str, Session],
    item: Any = None,
    resources: Mapping[str, Any] = MappingProxyType({}),
    models: Mapping[str, Part] = MappingProxyType({}),
) -> Any:
    """Assert what every model promises; returns its result for `item`, which is a gray frame if not given.

    * its card gives every option of its service, and each input of a graph has the shape that the card says
    * what its graphs give has the shapes that it expects, and is finite, or it is an `InferenceError`
    * its result is a result of its service; in every encoding its answer is finite JSON that fits the schema
    * every field of that schema is documented, the answer has a gist and can be drawn
    * it holds no state: the same item gives the same answer again, also from four threads at once
    * an `UtteranceModel` says the same of an utterance that comes in three chunks as of the whole, and steps
      from a state without a change of it
    """
    item = frame_of(np.full((120, 160, 3), 128, np.uint8)) if item is None else item
    subject = Subject(model, Tools(sessions, resources, models), Items(item))
    for name in ("contract", "answers", "gist", "threads", "drawing", "utterances"):
        if CHECKS[name].applies(subject):
            CHECKS[name].run(subject)
    return subject.result


def checked_rows(subject: Subject) -> Iterator[Row]:
    """All checks, one by one; a model that cannot do the first is not asked more."""
    id_ = subject.model.card.id
    for name, check in CHECKS.items():
        if not check.applies(subject):
            yield Row(id_, name, "left out", "of no use to this kind of model")
            continue
        said, error = _outcome(partial(check.run, subject))
        if error is None:
            yield Row(id_, name, "ok", said)
            continue
        yield Row(id_, name, "failed", _named(error), check.fix)
        if name == "contract":
            return


def _contract(subject: Subject) -> str:
    of = any_service(subject.model.card.service)
    result = subject.result
    assert isinstance(result, of.result), f"{of.name} wants {of.result.__name__}, not {type(result).__name__}"
    return f"{of.result.__name__} of {of.name}"


def _answers(subject: Subject) -> str:
    findings = findings_of(subject.model.card, subject.result)
    for finding in findings:
        assert_answer(finding)
    return f"in {len(findings)} encoding(s)"


def _gist(subject: Subject) -> str:
    for finding in findings_of(subject.model.card, subject.result):
        hash(finding.gist())
    return ""


def _threads(subject: Subject) -> str:
    with ThreadPoolExecutor(THREADS) as pool:
        for other in pool.map(lambda _: subject.call(), range(2 * THREADS)):
            assert same(other, subject.result), "the same item got another result: the model holds state"
    return f"{THREADS} at a time"


def _bad_outputs(subject: Subject) -> str:
    refused, idle = 0, []
    sessions = {name: RememberedSession(session) for name, session in subject.tools.sessions.items()}
    for graph, session in sessions.items():
        spoils = [
            SpoiltSession(session, output, how)
            for output in subject.model.card.graphs[graph].outputs
            for how in spoilt(subject.model.shapes(graph).get(output))
        ]
        for broken in spoils:
            result, error = _outcome(partial(subject.call, sessions={**sessions, graph: broken}))
            said = f"the output {broken.output!r} of the graph {graph!r} with {broken.how}"
            if error is None:  # it may well be that nobody reads this output
                assert same(result, subject.result), f"{said} is answered all the same"
            else:
                assert isinstance(error, InferenceError), f"{said}: {_named(error)}"
                refused += 1
        if not any(broken.ran for broken in spoils):
            idle.append(graph)
    never = f"; never run, so not tried: {', '.join(idle)}" if idle else ""
    return f"{refused} were refused{never}"


def _odd_items(subject: Subject) -> str:
    refused = []
    for name, item in subject.items.odd.items():
        _, error = _outcome(partial(_answered, subject, item))
        if isinstance(error, RequestError) and not isinstance(error, InferenceError):
            refused.append(f"{name} ({error})")
            continue
        assert error is None, f"{name}: {_named(error)}"
    return f"refused: {'; '.join(refused)}" if refused else f"{len(subject.items.odd)} answered"


def _answered(subject: Subject, item: Any) -> None:
    for finding in findings_of(subject.model.card, subject.call(item)):
        assert_answer(finding)


def _outcome(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What a call returns, or what it raises."""
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001 - the boundary "one check of a model"
        return None, error


def _named(error: Exception) -> str:
    """What is wrong: the sentence of those who say what is, else what was raised."""
    known = isinstance(error, AssertionError | EdgedError | ValidationError)
    return str(error) if known else f"{type(error).__name__}: {error}"


def _drawing(subject: Subject) -> str:
    item = subject.items.usual
    frames = (item.a, item.b) if isinstance(item, FramePair) else (item,)
    pictures = [frame.pixels(PixelFormat()) for frame in frames]
    for finding in findings_of(subject.model.card, subject.result):
        drawn = finding.drawn(pictures)
        assert drawn.dtype == np.uint8, f"it is drawn as {drawn.dtype}"
        assert drawn.ndim == 3, f"it is drawn as {drawn.shape}"
    return ""


def _speed(subject: Subject) -> str:
    timed = {name: TimedSession(session) for name, session in subject.tools.sessions.items()}
    shares: list[float] = []
    whole: list[float] = []
    began = time.perf_counter()
    while len(whole) <= ROUNDS and (not shares or time.perf_counter() - began < LONG_S):
        for session in timed.values():
            session.seconds = 0.0
        started = time.perf_counter()
        subject.call(sessions=timed)
        whole.append(time.perf_counter() - started)
        shares.append(sum(session.seconds for session in timed.values()))
    ms, bare = median(whole) * 1000, median(shares) * 1000
    return f"{ms:.1f} ms, {ms / bare:.2f} times its own graphs" if bare else f"{ms:.1f} ms"


def _shows(subject: Subject) -> bool:
    return any_service(subject.model.card.service).takes_pictures and isinstance(
        subject.items.usual, Frame | FramePair
    )


CHECKS: Mapping[str, Check] = {
    "contract": Check(
        _contract,
        "compare `infer` with the service's types, and the inputs with the card; where it was tried on "
        "what it cannot use, name something better: edged test-plugin FOLDER ITEM",
    ),
    "answers": Check(_answers, "return finite numbers, in pixels of the picture, and names of known classes"),
    "gist": Check(_gist, "return finite numbers and names: events are told apart by them"),
    "threads": Check(_threads, "keep nothing of a call in the model: one object is shared by all threads"),
    "bad outputs": Check(
        _bad_outputs,
        "declare the output in `shapes(graph)`, so that the host refuses it",
        lambda subject: bool(subject.tools.sessions),
    ),
    "odd items": Check(
        _odd_items,
        "answer it, or raise `NotUsable` with a sentence for the client",
        lambda subject: bool(subject.items.odd),
    ),
    "drawing": Check(_drawing, "return coordinates in pixels of the picture", _shows),
    "streams": Check(
        streams,
        "`step` returns the next state and changes nothing, neither the old one nor the model",
        lambda subject: isinstance(subject.model, StreamModel),
    ),
    "utterances": Check(
        utterances,
        "`step` hears all of an utterance from its chunks, and forgets it with the last one",
        lambda subject: (
            isinstance(subject.model, UtteranceModel) and isinstance(subject.items.usual, AudioClip)
        ),
    ),
    "speed": Check(_speed, "`edged bench` shows where the time goes"),
}
"""By name, in their order."""
