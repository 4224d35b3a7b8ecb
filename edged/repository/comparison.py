"""The variants of a model side by side: how far they agree with f32, and how fast they are here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import sqrt
from statistics import stdev
from typing import Any

import numpy as np

from edged.answers.kinds import agreement, measures
from edged.contracts.card import VariantName
from edged.contracts.errors import EdgedError
from edged.contracts.items import Frame
from edged.contracts.message import ModelFacts
from edged.contracts.model import AnyModel, Tensors, Tools
from edged.contracts.services import any_service, card_options
from edged.contracts.slot import Priority, Slot
from edged.derive import made_up
from edged.derive.manifest import METHOD, Measured
from edged.derive.tune import ON_CPU, WALL, Clock, Inference, Trial, contest, feeds
from edged.flow.counters import Counters
from edged.flow.footprint import give_back
from edged.repository.admission import SANITY
from edged.repository.instance import Instance
from edged.runtimes.devices import Device

Entrant = tuple[VariantName, Device]
Trials = Mapping[Entrant, Trial | EdgedError]


class _Nobody:
    """A slot that nobody else wants."""

    def hold(self, _: Priority) -> AbstractContextManager[None]:
        return nullcontext()


NOBODYS = _Nobody()


@dataclass(frozen=True)
class Comparison:
    """What is compared: the whole model where its answers can be compared, else what its graphs give."""

    model: AnyModel
    entrants: Mapping[Entrant, Callable[[], Tools]]
    """What opens them."""
    first: Entrant | None
    """The f32 variant with which the others are compared."""
    told: Callable[[int, int], None]
    """Of so many steps so many are done."""
    known: Collection[Entrant] = ()
    """Whose accuracy is known: these are tried on `SANITY` items only."""
    together: Callable[[Collection[Entrant]], bool] = lambda entrants: True
    """Whether there is memory for all of them at a time; else each is measured beside the first alone."""
    slot_for: Callable[[str], Slot] = lambda _: NOBODYS
    """The right of each device, by its name, taken for every run: who waits for it is not timed."""

    def measured(self, frames: Sequence[Frame]) -> dict[Entrant, Measured]:
        """Of each variant; nothing where the model cannot be tried on anything that can be made up.

        `frames`: of the media of the card. Where they are few, made-up items are added. Raises what the model
        itself raises on them with f32.
        """
        of = any_service(self.model.card.service)
        items = _spread([*frames, *(() if len(frames) >= made_up.ITEMS else made_up.items(of))])
        if self.first is None or not self._unknown:  # they are enough for the time
            items = items[:SANITY]
        if items and (self.first is None or measures(of.result)):
            trials = self._tried(self._inference, items)
            if frames and self.first and isinstance(error := trials[self.first], EdgedError):
                raise error
            if _any_ran(trials):
                return self._judged(trials)
        fed = self._fed(items)
        trials = self._tried(self._bare, fed if self._unknown else fed[:SANITY])
        return self._judged(trials) if _any_ran(trials) else {}

    @property
    def _unknown(self) -> Collection[Entrant]:
        return self.entrants.keys() - {*self.known, self.first}

    def _tried(self, opened: Callable[[Tools], Inference], items: Sequence[Any]) -> Trials:
        """All of them in turns, or by two."""
        few = {entrant: SANITY for entrant in self.known if entrant != self.first}
        trials: dict[Entrant, Trial | EdgedError] = {}
        for group in self._groups():
            tools = {entrant: self.entrants[entrant] for entrant in group}
            found = contest(opened, tools, items, self.told, _clocks, few=few)
            trials |= {entrant: trial for entrant, trial in found.items() if entrant not in trials}
            give_back()
        return trials

    def _groups(self) -> list[list[Entrant]]:
        if len(self.entrants) < 3 or self.together(self.entrants.keys()):
            return [list(self.entrants)]
        first = [] if self.first is None else [self.first]
        return [[*first, entrant] for entrant in self.entrants if entrant != self.first]

    def _fed(self, items: Sequence[Any]) -> list[dict[str, Tensors]]:
        """By graph: what the model feeds it for these items, or made-up numbers where it is never run."""
        opener = next(iter(self.entrants.values())) if self.first is None else self.entrants[self.first]
        try:
            kept = feeds(self._inference, opener(), items)
        except EdgedError:  # what is made up is not to the liking of the model
            kept = {}
        if not kept or not all(kept.values()):
            return made_up.tensors(self.model.card)
        return [
            {graph: fed[i % len(fed)] for graph, fed in kept.items()}
            for i in range(max(map(len, kept.values())))
        ]

    def _inference(self, tools: Tools) -> Inference:
        return inference(self.model, tools, self.slot_for)

    def _bare(self, tools: Tools) -> Inference:
        return bare(tools, self.slot_for)

    def _judged(self, trials: Trials) -> dict[Entrant, Measured]:
        against = trials[self.first] if self.first else None
        return {
            entrant: measured(entrant[1], trial, against if isinstance(against, Trial) else None)
            for entrant, trial in trials.items()
        }


def _spread(items: Sequence[Any]) -> list[Any]:
    """The same, of which the first `SANITY` are from all over."""
    step = max(1, len(items) // SANITY)
    first = range(0, len(items), step)[:SANITY]
    return [items[i] for i in [*first, *(i for i in range(len(items)) if i not in first)]]


def _clocks(entrant: Entrant) -> Sequence[Clock]:
    return ON_CPU if entrant[1].name == "cpu" else WALL


def _any_ran(trials: Trials) -> bool:
    return any(isinstance(trial, Trial) and trial.ms > 0 for trial in trials.values())


def measured(device: Device, trial: Trial | EdgedError, against: Trial | None) -> Measured:
    """What a trial says of a variant; `against`: what f32 answers; none where there is no f32."""
    known = Measured(device=device.name, identity=device.identity, method=METHOD)
    if isinstance(trial, EdgedError):
        return known.model_copy(update={"why_not": str(trial)})
    facts: dict[str, float] = {"ms": round(trial.ms, 2), "mb": round(trial.mb, 1)}
    same = against.results[: len(trial.results)] if against else []
    share = _share(same, trial.results) if against else None
    if share is not None:
        pairs = zip(same, trial.results, strict=True)
        facts["items"] = len(same)
        error = _error([_share([a], [b]) or 0.0 for a, b in pairs])
        facts |= {"agreement": round(share, 4), "at_least": round(max(0.0, share - 2 * error), 4)}
    return known.model_copy(update=facts)


def _error(shares: Sequence[float]) -> float:
    """Standard error of the mean over the items."""
    return stdev(shares) / sqrt(len(shares)) if len(shares) > 1 else 0.0


def _share(reference: Sequence[Any], other: Sequence[Any]) -> float | None:
    """The agreement; of bare outputs the mean of the least cosine of an item."""
    if reference and isinstance(reference[0], _Outputs):
        return float(np.mean([cosine(a, b) for a, b in zip(reference, other, strict=True)]))
    return agreement(reference, other)


@dataclass(frozen=True, eq=False)
class _Outputs:
    """What the graphs give."""

    arrays: Mapping[tuple[str, str], Any]
    """By graph and name of the output."""


def cosine(a: _Outputs, b: _Outputs) -> float:
    """The least cosine of the outputs that both have; what points away, and no output at all, counts nothing.

    A runtime may know one output by several names.
    """
    shares = []
    for name in a.arrays.keys() & b.arrays.keys():
        x, y = (np.asarray(outputs.arrays[name], np.float64).ravel() for outputs in (a, b))
        length = np.linalg.norm(x) * np.linalg.norm(y)
        shares.append(float(x @ y / length) if length else float(np.array_equal(x, y)))
    return max(0.0, min(shares, default=0.0))


def bare(tools: Tools, slot_for: Callable[[str], Slot]) -> Inference:
    """Feed each graph as it is: an inference of what `made_up.tensors` makes."""
    slot = _slot(tools, slot_for)

    def run(graph: str, inputs: Tensors) -> Tensors:
        with slot.hold(Priority.JOB):
            return tools.sessions[graph].run(inputs)

    def infer(fed: Mapping[str, Tensors]) -> _Outputs:
        given = {graph: run(graph, inputs) for graph, inputs in fed.items()}
        return _Outputs(
            {(graph, name): out for graph, outputs in given.items() for name, out in outputs.items()}
        )

    return infer


class _NoDeadline:
    """A `Run` for work that nobody waits for."""

    def progress(self, done: float) -> None:
        """Nobody looks."""

    def check(self) -> None:
        """There is no deadline."""


def _slot(tools: Tools, slot_for: Callable[[str], Slot]) -> Slot:
    """Of the device on which its sessions run."""
    return slot_for(next((getattr(one, "device", "cpu") for one in tools.sessions.values()), "cpu"))


def inference(
    model: AnyModel, tools: Tools, slot_for: Callable[[str], Slot] = lambda _: NOBODYS
) -> Inference:
    """One inference as the daemon does it, with the card's options; a faulty model raises InferenceError."""
    facts = ModelFacts(name=model.card.id, variant="", device="")
    instance = Instance(model, tools, facts, _slot(tools, slot_for), Counters())
    options = card_options(model.card)
    return lambda item: instance.infer(item, options, _NoDeadline(), Priority.JOB)
