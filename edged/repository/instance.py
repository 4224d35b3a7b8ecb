"""A model with its sessions, warm: the one place through which every inference goes."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from edged.contracts.errors import EdgedError, InferenceError
from edged.contracts.graph_input import PictureInput
from edged.contracts.items import PixelFormat
from edged.contracts.message import ModelFacts
from edged.contracts.model import (
    AnyModel,
    Model,
    Options,
    Part,
    Run,
    Session,
    SinglePassModel,
    StreamModel,
    Tensors,
    Tools,
    UtteranceModel,
)
from edged.contracts.services import card_options
from edged.contracts.slot import Priority, Slot
from edged.flow.counters import Counters
from edged.flow.pulse import beat
from edged.repository.variants import ANYTHING, Preference
from edged.runtimes.checked import checked, finite
from edged.runtimes.remote import SparedSession
from edged.runtimes.signature import Signature

log = logging.getLogger(__name__)

_T = TypeVar("_T")

LOG_EVERY_S = 1.0
"""A model that fails on every frame logs one traceback in so many seconds; the counter counts them all."""


class SlottedSession:
    """A session whose every run waits for the device's turn and is timed from there."""

    def __init__(
        self, session: Session, slot: Slot, priority: Priority, observe: Callable[[float], None]
    ) -> None:
        self._session = session
        self._slot = slot
        self._priority = priority
        self._observe = observe

    def run(self, inputs: Tensors) -> Tensors:
        beat()
        with self._slot.hold(self._priority):
            started = time.perf_counter()
            outputs = self._session.run(inputs)
            ended = time.perf_counter()
        beat()
        self._observe(ended - started)
        return outputs


class UsedModel:
    """An instance as another model asks it. Implements `contracts.model.Part`."""

    def __init__(self, instance: "Instance", priority: Priority = Priority.JOB) -> None:
        self.card, self.facts, self.together = instance.card, instance.facts, instance.together
        self._instance = instance
        self._priority = priority
        self._options = card_options(instance.card)

    def at(self, priority: Priority) -> "UsedModel":
        """The same for calls of another priority."""
        return UsedModel(self._instance, priority)

    def infer(self, item: Any, run: Run, **options: Any) -> Any:
        """One result for one item, with the card's options but for those that are given."""
        chosen = self._options.model_copy(update=options) if options else self._options
        return self._instance.infer(item, chosen, run, self._priority)

    def infer_all(self, items: Sequence[Any], run: Run, **options: Any) -> list[Any]:
        """The results of several items, in their order."""
        chosen = self._options.model_copy(update=options) if options else self._options
        return self._instance.infer_all(items, chosen, run, self._priority)

    def start(self) -> Any:
        """The state before the first chunk of a stream."""
        return self._instance.start(self._options)

    def step(self, chunk: Any, state: Any, run: Run) -> tuple[Any, Any]:
        """One chunk of a stream: its result or none, and the next state."""
        return self._instance.step(chunk, state, self._options, run, self._priority)


class Instance:
    """A model that is ready to infer. Safe from all threads; no lock is held over an inference but the slot.

    Times `preprocess/<model>`, `inference/<model>` (each session run, without the wait for the slot),
    `postprocess/<model>` and `whole/<model>`, and counts `inference_failed/<model>` by reason.
    """

    def __init__(
        self,
        model: AnyModel,
        tools: Tools,
        facts: ModelFacts,
        slot: Slot,
        counters: Counters,
        *,
        asked: Preference = ANYTHING,
        skipped: Mapping[str, str] = MappingProxyType({}),
        signatures: Mapping[str, Signature] = MappingProxyType({}),
    ) -> None:
        self.card = model.card
        self._facts = facts
        self.asked = asked
        """What was wished for."""
        self.skipped = skipped
        """Why nothing that ranks higher runs, by variant and device."""
        self.signatures = signatures
        """Inputs and outputs as its runtime knows them, by graph of the card."""
        self.model = model
        self.tools = tools
        """As they were opened: the sessions without slot and timing."""
        self.picture = _only_picture(model)
        """As what the model asks a frame for, where it can be told before; then it need not be finer."""
        self.hears_utterances = isinstance(model, UtteranceModel)
        """Whether it can be stepped while somebody speaks."""
        self.steps = isinstance(model, StreamModel)
        self.frame_rate = model.frame_rate if isinstance(model, StreamModel) else None
        self.together = _together(model, tools)
        self._counters = counters
        self._logged_at = 0.0
        # no bound method: an instance that held itself would stay in memory until the next full collection
        self._infer = Instance._in_three_steps if _is_plain(model) else Instance._as_it_likes
        id_ = model.card.id
        self._stages = {name: f"{name}/{id_}" for name in ("preprocess", "inference", "postprocess", "whole")}
        self._failed = f"inference_failed/{id_}"
        self._slot, self._observe = slot, partial(counters.observe, self._stages["inference"])
        self._tools = {one: _tools_at(one, tools, model, slot, self._observe) for one in Priority}

    def infer(self, item: Any, options: Options, run: Run, priority: Priority) -> Any:
        """One result for one item.

        Raises what the model raises of edged's errors; else `InferenceError`.
        """
        return self._guarded(lambda: self._infer(self, item, options, self._tools[priority], run))

    def run(self, graph: str, inputs: Tensors, run: Run, priority: Priority) -> Tensors:
        """One run of a graph of the card, past the model's code. Raises `InferenceError`."""
        session = SlottedSession(self.tools.sessions[graph], self._slot, priority, self._observe)
        return self._guarded(lambda: finite(session.run(inputs), graph, self.card.id))

    def infer_all(self, items: Sequence[Any], options: Options, run: Run, priority: Priority) -> list[Any]:
        """The results of several items, in their order; together, where the model can. Raises as `infer`."""
        model, tools = self.model, self._tools[priority]
        if isinstance(model, Model) and self.together > 1:
            return list(self._guarded(lambda: model.infer_all(items, options, tools, run)))
        return [self.infer(one, options, run, priority) for one in items]

    def used(self, name: str, priority: Priority) -> Part:
        """A model that this one uses, by its name in the card."""
        return self._tools[priority].models[name]

    @property
    def facts(self) -> ModelFacts:
        """What really runs, and on what: the CPU, while a device that it was opened on is lost."""
        return _as_of_now(self._facts, self.tools)

    @property
    def why_spared(self) -> str:
        """Why the CPU does what a device should; empty when it does not."""
        return next((why for one in _spared(self.tools) if (why := one.why_not())), "")

    def uses(self, name: str) -> bool:
        """Whether there is a used model of that name."""
        return name in self.tools.models

    def trouble(self) -> str | None:
        """Why it cannot be asked now; none when it can, as here always."""
        return None

    def is_aside(self) -> bool:
        """Whether that lasts longer, so that nobody need wait for it."""
        return False

    def watch(self, changed: Callable[[], None]) -> None:
        """Call it whenever `is_aside` or the device may have changed."""
        for session in _spared(self.tools):
            session.watchers.append(changed)

    def start(self, options: Options) -> Any:
        """The state of a `StreamModel` before its first chunk."""
        assert isinstance(self.model, StreamModel)  # noqa: S101 - the caller knows what it uses
        return self.model.start(options)

    def step(self, chunk: Any, state: Any, options: Options, run: Run, priority: Priority) -> tuple[Any, Any]:
        """One chunk through a `StreamModel`: its result or none, and the next state. Raises as `infer`."""
        model, tools = self.model, self._tools[priority]
        assert isinstance(model, StreamModel)  # noqa: S101 - the caller knows what it uses
        stepped: tuple[Any, Any] = self._guarded(lambda: model.step(chunk, state, options, tools, run))
        return stepped

    def _guarded(self, call: Callable[[], _T]) -> _T:
        started = time.perf_counter()
        try:
            return call()
        except EdgedError as error:
            self._counters.count(self._failed, type(error).__name__)
            raise
        except Exception as error:  # the boundary "one inference"
            self._report(error)
            raise InferenceError(
                f"{self.card.id} failed on this item: {type(error).__name__}: {error}"
            ) from error
        finally:
            self._counters.observe(self._stages["whole"], time.perf_counter() - started)

    def _in_three_steps(self, item: Any, options: Options, tools: Tools, run: Run) -> Any:
        """What `SinglePassModel.infer` does, each step timed."""
        model, observe, stages = self.model, self._counters.observe, self._stages
        assert isinstance(model, SinglePassModel)  # noqa: S101 - chosen by `_is_plain`
        started = time.perf_counter()
        prepared = model.preprocess(item, options)
        observe(stages["preprocess"], time.perf_counter() - started)
        outputs = tools.sessions["main"].run(prepared.inputs)
        started = time.perf_counter()
        result = model.postprocess(outputs, prepared.context, options)
        observe(stages["postprocess"], time.perf_counter() - started)
        return result

    def _as_it_likes(self, item: Any, options: Options, tools: Tools, run: Run) -> Any:
        model = self.model
        if isinstance(model, Model):
            return model.infer(item, options, tools, run)
        return model.step(item, model.start(options), options, tools, run)[0]  # one item is a whole stream

    def _report(self, error: Exception) -> None:
        self._counters.count(self._failed, type(error).__name__)
        now = time.monotonic()
        if now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now  # two threads may both log: harmless, and cheaper than a lock
            log.error("%s failed on an item", self.card.id, exc_info=error)


def _only_picture(model: AnyModel) -> PixelFormat | None:
    """How a single pass model asks for its picture: as its card says, once."""
    inputs = [spec for graph in model.card.graphs.values() for spec in graph.inputs.values()]
    pictures = [spec for spec in inputs if isinstance(spec, PictureInput)]
    if not isinstance(model, SinglePassModel) or len(pictures) != 1 or None in pictures[0].size:
        return None
    return pictures[0].format


def _together(model: AnyModel, tools: Tools) -> int:
    """Items that are handed to it at a time: one, where it asks other models and each of them takes one."""
    used = [one.together for one in tools.models.values() if isinstance(one, UsedModel)]
    return model.together if isinstance(model, Model) and max(used, default=2) > 1 else 1


def _is_plain(model: AnyModel) -> bool:
    """Whether the model leaves `infer` as `SinglePassModel` has it, so that its steps can be timed apart."""
    return isinstance(model, SinglePassModel) and type(model).infer is SinglePassModel.infer


def _tools_at(
    priority: Priority, tools: Tools, model: AnyModel, slot: Slot, observe: Callable[[float], None]
) -> Tools:
    """The tools for calls of one priority; each run of a session is observed."""
    slotted: dict[str, Session] = {
        name: SlottedSession(session, slot, priority, observe) for name, session in tools.sessions.items()
    }
    models = {
        name: used.at(priority) if isinstance(used, UsedModel) else used
        for name, used in tools.models.items()
    }
    return replace(tools, sessions=checked(slotted, model), models=models)


def _spared(tools: Tools) -> Iterator[SparedSession]:
    return (one for one in tools.sessions.values() if isinstance(one, SparedSession))


def _as_of_now(facts: ModelFacts, tools: Tools) -> ModelFacts:
    device = next((one.device for one in _spared(tools)), facts.device)
    return facts if device == facts.device else facts.model_copy(update={"device": device})
