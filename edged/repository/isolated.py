"""An instance in a child: the model, its sessions and what it uses live there, and may die of an item.

What is said: calls `infer` and `step`, with a `part` where a used model is meant. What the child asks within
a call is answered by `repository.questions`.
"""

import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from edged.children.child import Answerer, Child, Desk
from edged.children.values import Arrays, Unfit, packed, unpacked
from edged.children.wire import Message
from edged.contracts.card import ModelCard
from edged.contracts.errors import CardError, ChildDied, EdgedError, InferenceError
from edged.contracts.items import AudioClip, Frame, FramePair, PixelFormat, Pixels, TextPair
from edged.contracts.message import ModelFacts
from edged.contracts.model import Options, Part, Run
from edged.contracts.services import any_service, card_options
from edged.contracts.slot import Priority, Slot
from edged.flow.counters import Counters
from edged.repository.instance import Instance
from edged.repository.questions import Questions
from edged.repository.variants import Preference
from edged.runtimes.signature import Port, Signature

Start = Callable[[Desk], Child]
"""Makes the child, not yet started."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A `Signature` as a value."""

    inputs: Sequence[Port]
    outputs: Sequence[Port]


@dataclass(frozen=True, slots=True)
class Report:
    """What the child tells of the instance that it opened."""

    variant: str
    device: str
    skipped: Mapping[str, str]
    picture: PixelFormat | None
    graphs: Mapping[str, Ports]


@dataclass(frozen=True, slots=True)
class SentFrame:
    """A frame without its pixels, but for those in the form that the model is known to want."""

    number: int
    width: int
    height: int
    captured_at: float
    seq: int
    form: PixelFormat | None
    pixels: Pixels | None


class How(NamedTuple):
    """How a call shall be done."""

    options: Options
    run: Run
    priority: Priority


class RemoteState:
    """The state of a stream that a child holds; a new one is none yet, and one that is lost begins anew."""

    __slots__ = ("__weakref__", "key")

    def __init__(self, key: str | None = None) -> None:
        self.key = key


class RemotePart:
    """A used model in a child. Implements `contracts.model.Part`."""

    def __init__(self, owner: "IsolatedInstance", name: str, card: ModelCard, priority: Priority) -> None:
        self.card = card
        self._owner = owner
        self._name = name
        self._priority = priority
        self._options = card_options(card)

    def infer(self, item: Any, run: Run, **options: Any) -> Any:
        """One result for one item."""
        chosen = self._options.model_copy(update=options) if options else self._options
        return self._owner.infer_by(self, item, How(chosen, run, self._priority))

    def start(self) -> Any:
        """The state before the first chunk."""
        return RemoteState()

    def step(self, chunk: Any, state: Any, run: Run) -> tuple[Any, Any]:
        """One chunk of a stream."""
        return self._owner.step_by(self, chunk, state, How(self._options, run, self._priority))

    @property
    def name(self) -> str:
        """In the card of who uses it."""
        return self._name


class IsolatedInstance:
    """As `Instance`, in a child. One call at a time; a call that the child dies of raises `ChildDied`.

    Times `inference/<model>` (from a granted slot until it is given back) and `whole/<model>`, and counts
    `inference_failed/<model>` by reason.
    """

    def __init__(
        self,
        card: ModelCard,
        used: Mapping[str, ModelCard],
        wish: Preference,
        *,
        start: Start,
        slot_for: Callable[[str], Slot],
        counters: Counters,
    ) -> None:
        """Opens it. Raises what opening it raises there, and `ChildDied`."""
        self.card = card
        self.asked = wish
        self._used = used
        self._slot_for = slot_for
        self._counters = counters
        self._dropped: deque[str] = deque(maxlen=1000)
        self._stages = {name: f"{name}/{card.id}" for name in ("inference", "whole")}
        self._child = start(self._opening)
        self._child.start()
        try:
            report = _report(self._child)
        except BaseException:
            self._child.close()
            raise
        self.facts = ModelFacts(name=card.id, variant=report.variant, device=report.device)
        self.skipped = report.skipped
        self.picture = report.picture
        self.signatures = {
            name: Signature(ports.inputs, ports.outputs) for name, ports in report.graphs.items()
        }

    def infer(self, item: Any, options: Options, run: Run, priority: Priority) -> Any:
        """As `Instance.infer`."""
        return self.infer_by(None, item, How(options, run, priority))

    def used(self, name: str, priority: Priority) -> Part:
        """As `Instance.used`."""
        return RemotePart(self, name, self._used[name], priority)

    def uses(self, name: str) -> bool:
        """Whether there is a used model of that name."""
        return name in self._used

    def start(self, options: Options) -> Any:
        """As `Instance.start`."""
        return RemoteState()

    def step(self, chunk: Any, state: Any, options: Options, run: Run, priority: Priority) -> tuple[Any, Any]:
        """As `Instance.step`. A state that was lost with an earlier child begins anew."""
        return self.step_by(None, chunk, state, How(options, run, priority))

    def trouble(self) -> str | None:
        """Why it cannot be asked now; none when it can."""
        return self._child.trouble()

    def close(self) -> None:
        """End its process."""
        self._child.close()

    def infer_by(self, part: RemotePart | None, item: Any, how: How) -> Any:
        """One item to a part of the model, or to itself."""
        return self._said("infer", part, item, how)[0]

    def step_by(
        self, part: RemotePart | None, chunk: Any, state: RemoteState, how: How
    ) -> tuple[Any, RemoteState]:
        """One chunk to a part of the model, or to itself."""
        result, said = self._said("step", part, chunk, how, state=state.key)
        after = RemoteState(key := str(said.get("state")))
        weakref.finalize(after, self._dropped.append, key).atexit = False
        return result, after

    def _said(
        self, verb: str, part: RemotePart | None, item: Any, how: How, **more: Any
    ) -> tuple[Any, Mapping[str, Any]]:
        """A call, and what came back: the result, and the rest of it."""
        arrays: Arrays = []
        frames: list[Frame] = []
        tree = {
            "verb": verb,
            "part": part and part.name,
            "item": sent(item, self.picture, frames, arrays),
            "options": how.options.model_dump(mode="json"),
            "priority": int(how.priority),
            "forget": [self._dropped.popleft() for _ in range(len(self._dropped))],
            **more,
        }
        started = time.perf_counter()
        kind = any_service((part or self).card.service).result
        try:
            with self._at_work(frames, how.run) as answer:
                said = self._child.call(Message(tree, arrays), how.run.check, answer)
            return unpacked(said.tree.get("result"), kind | None, said.arrays), said.tree
        except Unfit as error:
            self._counters.count(f"inference_failed/{self.card.id}", "Unfit")
            raise InferenceError(
                f"{self.card.id} gives something else than {kind.__name__}: {error}"
            ) from error
        except EdgedError as error:
            self._counters.count(f"inference_failed/{self.card.id}", type(error).__name__)
            raise
        finally:
            self._counters.observe(self._stages["whole"], time.perf_counter() - started)

    @contextmanager
    def _opening(self) -> Iterator[Answerer]:
        with Questions((), None, self._slot_for, None) as questions:
            yield questions.answer

    @contextmanager
    def _at_work(self, frames: Sequence[Frame], run: Run) -> Iterator[Answerer]:
        def observe(seconds: float) -> None:
            self._counters.observe(self._stages["inference"], seconds)

        with Questions(frames, run, self._slot_for, observe) as questions:
            yield questions.answer


def sent(item: Any, form: PixelFormat | None, frames: list[Frame], arrays: Arrays) -> Any:
    """An item as a call holds it; its frames are added to `frames`, which answer for their pixels."""
    if isinstance(item, FramePair):
        return {"pair": [sent(one, form, frames, arrays)["frame"] for one in (item.a, item.b)]}
    if isinstance(item, Frame):
        frames.append(item)
        pixels = None if form is None else item.pixels(form)
        at = len(frames) - 1, item.width, item.height, item.captured_at, item.seq
        return {"frame": packed(SentFrame(*at, form, pixels), arrays)}
    if isinstance(item, AudioClip):
        return {"clip": packed(item, arrays)}
    if isinstance(item, TextPair):
        return {"text": packed(item, arrays)}
    raise CardError(f"a {type(item).__name__} cannot be sent to a service with `isolation: process` yet")


def _report(child: Child) -> Report:
    try:
        found: Report = unpacked(dict(child.report()), Report, ())
    except Unfit as error:
        raise ChildDied(f"{child.name} tells nothing sensible of itself: {error}") from error
    return found


AnyInstance = Instance | IsolatedInstance
"""What fulfils a service."""
