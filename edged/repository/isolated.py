"""An instance in a child: the model, its sessions and what it uses live there, and may die of an item.

What is said: the calls `infer` and `step`. What the child asks within a call is answered by
`repository.questions`.
"""

import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from numpy.typing import NDArray

from edged.children.child import Child
from edged.children.talk import Answerer, Desk
from edged.children.values import Arrays, Unfit, packed, unpacked
from edged.children.wire import Message
from edged.contracts.card import ModelCard
from edged.contracts.errors import CardError, ChildDied, EdgedError, InferenceError
from edged.contracts.items import AudioClip, Frame, FramePair, PixelFormat, Pixels, SpeechChunk, TextPair
from edged.contracts.message import ModelFacts
from edged.contracts.model import Options, Part, Run, Tensors
from edged.contracts.services import any_service
from edged.contracts.slot import Priority, Slot
from edged.flow.counters import Counters
from edged.flow.footprint import pss_of
from edged.repository.instance import Instance, UsedModel
from edged.repository.questions import Questions
from edged.repository.variants import Preference
from edged.runtimes.signature import Ports, Signature

Start = Callable[[Desk], Child]
"""Makes the child, not yet started."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the child tells of the instance that it opened."""

    variant: str
    device: str
    skipped: Mapping[str, str]
    picture: PixelFormat | None
    graphs: Mapping[str, Ports]
    hears_utterances: bool
    steps: bool
    frame_rate: float | None


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


class RemoteState:
    """The state of a stream that a child holds; a new one is none yet, and one that is lost begins anew."""

    __slots__ = ("__weakref__", "key")

    def __init__(self, key: str | None = None) -> None:
        self.key = key


class IsolatedInstance:
    """As `Instance`, in a child. One call at a time; a call that the child dies of raises `ChildDied`.

    Times `inference/<model>` (from a granted slot until it is given back) and `whole/<model>`, and counts
    `inference_failed/<model>` by reason.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        card: ModelCard,
        used: Mapping[str, Instance],
        wish: Preference,
        start: Start,
        slot_for: Callable[[str], Slot],
        counters: Counters,
    ) -> None:
        """Opens it. `used`: what the host itself asks of those that it uses, of which it has its own copies.

        Raises what opening it raises there, and `ChildDied`.
        """
        self.card = card
        self.asked = wish
        self.parts = used
        self._slot_for = slot_for
        self._counters = counters
        self._dropped: deque[str] = deque(maxlen=1000)
        self._stages = {name: f"{name}/{card.id}" for name in ("inference", "whole")}
        self._result = any_service(card.service).result
        self._child = start(self._opening)
        self._child.start()
        try:
            report = _report(self._child)
        except BaseException:
            self._child.close()
            raise
        self.facts = ModelFacts(name=card.id, variant=report.variant, device=report.device)
        self.why_spared = ""
        """As of `Instance`; its process tells it to nobody but the log."""
        self.skipped = report.skipped
        self.picture = report.picture
        self.hears_utterances = report.hears_utterances
        self.steps = report.steps
        self.frame_rate = report.frame_rate
        self.together = 1
        self.signatures = {name: Signature(p.inputs, p.outputs) for name, p in report.graphs.items()}

    def infer(self, item: Any, options: Options, run: Run, priority: Priority) -> Any:
        """As `Instance.infer`."""
        return self._asked("infer", item, options, run, priority=int(priority))[0]

    def run(self, graph: str, inputs: Tensors, run: Run, priority: Priority) -> Tensors:
        """As `Instance.run`."""
        arrays: Arrays = []
        fed = packed(dict(inputs), arrays)
        tree = {"verb": "run", "graph": graph, "inputs": fed, "priority": int(priority)}
        found = self._said(Message(tree, arrays), (), run, Mapping[str, NDArray[Any]], "tensors")[0]
        return cast("Tensors", found)

    def infer_all(self, items: Sequence[Any], options: Options, run: Run, priority: Priority) -> list[Any]:
        """As `Instance.infer_all`, one by one: a call holds one item."""
        return [self.infer(one, options, run, priority) for one in items]

    def used(self, name: str, priority: Priority) -> Part:
        """As `Instance.used`, of those that the host asks; they are open in this process."""
        return UsedModel(self.parts[name], priority)

    def uses(self, name: str) -> bool:
        """Whether the host can ask a used model of that name."""
        return name in self.parts

    def start(self, options: Options) -> Any:
        """As `Instance.start`."""
        return RemoteState()

    def step(self, chunk: Any, state: Any, options: Options, run: Run, priority: Priority) -> tuple[Any, Any]:
        """As `Instance.step`. A state that was lost with an earlier child begins anew."""
        more = {"priority": int(priority), "state": state.key}
        result, said = self._asked("step", chunk, options, run, **more)
        after = RemoteState(key := str(said.get("state")))
        weakref.finalize(after, self._dropped.append, key).atexit = False
        return result, after

    def trouble(self) -> str | None:
        """Why it cannot be asked now; none when it can."""
        return self._child.trouble()

    def size(self) -> int:
        """Bytes that the child holds now; 0 while there is none."""
        process = self._child.process_id
        return 0 if process is None else pss_of(process)

    def is_aside(self) -> bool:
        """Whether its process died so often that it is not started for a while."""
        return self._child.is_aside()

    def watch(self, changed: Callable[[], None]) -> None:
        """Call it whenever `is_aside` may have changed."""
        self._child.watch(changed)

    def close(self) -> None:
        """End its process."""
        self._child.close()

    def _asked(
        self, verb: str, item: Any, options: Options, run: Run, **more: Any
    ) -> tuple[Any, Mapping[str, Any]]:
        """What the model makes of an item, and the rest that came back."""
        arrays: Arrays = []
        frames: list[Frame] = []
        tree = {
            "verb": verb,
            "item": sent(item, self.picture, frames, arrays),
            "options": options.model_dump(mode="json"),
            "forget": [self._dropped.popleft() for _ in range(len(self._dropped))],
            **more,
        }
        return self._said(Message(tree, arrays), frames, run, self._result | None, self._result.__name__)

    def _said(
        self, call: Message, frames: Sequence[Frame], run: Run, kind: Any, what: str
    ) -> tuple[Any, Mapping[str, Any]]:
        """A call, and what came back: the result, which is of that kind and called so, and the rest of it."""
        started = time.perf_counter()
        try:
            with self._at_work(frames, run) as answer:
                said = self._child.call(call, run.check, answer)
            return unpacked(said.tree.get("result"), kind, said.arrays), said.tree
        except Unfit as error:
            self._counters.count(f"inference_failed/{self.card.id}", "Unfit")
            told = f"{self.card.id} gives no {what}: {error}"
            raise InferenceError(told) from error
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
    if isinstance(item, SpeechChunk):
        return {"speech": packed(item, arrays)}
    if isinstance(item, TextPair):
        return {"text": packed(item, arrays)}
    raise CardError(f"a {type(item).__name__} cannot be sent to a process of its own")


def _report(child: Child) -> Report:
    try:
        found: Report = unpacked(dict(child.report()), Report, ())
    except Unfit as error:
        raise ChildDied(f"{child.name} tells nothing sensible of itself: {error}") from error
    return found


AnyInstance = Instance | IsolatedInstance
"""What fulfils a service."""
