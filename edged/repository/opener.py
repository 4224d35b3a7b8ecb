"""Instances of models: opened when somebody asks, shared, closed with the last who lets go."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edged.children.child import Child
from edged.children.talk import Desk
from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import ConfigError, EdgedError, NotReady, VariantError
from edged.contracts.message import ModelFacts
from edged.contracts.model import AnyModel, Part, Tools
from edged.contracts.slot import Slot
from edged.derive.manifest import Manifest
from edged.flow.budget import Budget
from edged.flow.counters import Counters
from edged.flow.growth import Growth
from edged.repository.catalogue import Catalogue, Uses
from edged.repository.instance import Instance, UsedModel
from edged.repository.isolated import AnyInstance, IsolatedInstance
from edged.repository.parts import used_models
from edged.repository.renewals import Renewals
from edged.repository.resources import open_gallery, open_resources
from edged.repository.sessions import Held, SharedSessions, Watch, unwatched
from edged.repository.shared import Shared
from edged.repository.variants import Preference, candidates, variants_of
from edged.repository.workshop import Workshop
from edged.runtimes.devices import Concurrency, RuntimeSettings, devices_of
from edged.runtimes.opening import split

log = logging.getLogger(__name__)

Start = Callable[[str, Preference, int, Desk], Child]
"""Makes the child of a model that shall run as is wished, in so many bytes of memory."""


def no_children(model: str, wish: Preference, memory_bytes: int, desk: Desk) -> Child:
    """Where models are opened in this process alone."""
    raise ConfigError(f"{model} cannot have a process of its own here")


@dataclass(frozen=True, slots=True)
class _Opened:
    instance: Instance
    held: Held
    used: tuple[Instance, ...]
    """Instances of other models that it holds."""


class Opener:
    """Opens the models of a catalogue, once for all who want the same. Safe from all threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        concurrency: Concurrency,
        counters: Counters,
        slot_for: Callable[[str], Slot],
        *,
        gallery: Path | None = None,
        memory: Budget | None = None,
        watch: Watch = unwatched,
        start: Start = no_children,
    ) -> None:
        """`gallery`: folder of what the shop enrolled; none: `gallery` within the catalogue's. `memory`: what
        decoding its pictures shares with others; none: half the box. `watch`: as of `SharedSessions`.
        `start`: makes the children of `isolate`."""
        self.catalogue = catalogue
        self.growth = Growth()  # for whoever opens, to see what it takes
        folder, cache = gallery or catalogue.root / "gallery", catalogue.root / ".galleries"
        room = memory or Budget(RuntimeSettings().memory_bytes())
        self._gallery = partial(open_gallery, folder=folder, cache=cache, memory=room)
        self._concurrency, self._counters = concurrency, counters
        self.slot_for = slot_for
        self._start = start
        self.sessions = SharedSessions(catalogue.root, concurrency, counters, watch)
        self._instances: Shared[tuple[str, Preference, int], _Opened] = Shared()
        self.renewals = Renewals(catalogue.card)
        """Of models that got other variants."""
        self._deriving = threading.Lock()  # one model at a time

    def acquire(
        self,
        model: str,
        device: str = "auto",
        precision: str = "auto",
        strict: bool = False,
        uses: Uses = (),
    ) -> Instance:
        """A warm instance; each call wants one `release`. Those who ask for the same get the same.

        Variants that went stale are derived again first. `uses`: as in `Preference`. Raises `NotReady` when
        the model is not installed, `ConfigError` when it cannot use those models, `VariantError` with all
        reasons when nothing opens.
        """
        wish = Preference(device, precision, strict, tuple(uses))
        known = self.catalogue.model(model)
        generation = self.renewals.now(known.card, wish)
        make = partial(self._open, known, wish)
        instance = self._instances.acquire((model, wish, generation), make).instance
        self.renewals.opened(instance, generation)
        return instance

    def isolate(
        self, model: str, wish: Preference, memory_bytes: int, host_uses: Set[str] = frozenset()
    ) -> IsolatedInstance:
        """A warm instance in a process of its own, which may hold so many bytes; give it back with `release`.

        It shares nothing. Of the models that it uses, those called `host_uses` are open in this process, too.
        Raises as `acquire`, and `ChildDied`.
        """
        card = self.catalogue.card(model)
        with ExitStack() as undo:
            ours = self.acquire_used(card, wish, undo, host_uses)
            start = partial(self._start, model, wish, memory_bytes)
            instance = IsolatedInstance(card, ours, wish, start, self.slot_for, self._counters)
            undo.pop_all()
        _log_opened(instance)
        return instance

    def release(self, instance: AnyInstance) -> None:
        """Give an instance back; the last one who does closes what nobody else uses."""
        if isinstance(instance, IsolatedInstance):
            instance.close()
            for ours in instance.parts.values():
                self.release(ours)
            return
        last = self._instances.release((instance.card.id, instance.asked, self.renewals.of(instance)))
        if last is not None:
            self.sessions.release(last.held)
            for used in last.used:
                self.release(used)

    def acquire_used(
        self, card: ModelCard, wish: Preference, stack: ExitStack, only: Set[str] | None = None
    ) -> dict[str, Instance]:
        """The models that a model uses, or `only` some, open, by its names; `stack` gives them back."""
        acquired = {}
        used = used_models(card, wish, self.catalogue.card)
        for name in used if only is None else used.keys() & only:
            acquired[name] = self.acquire(used[name], wish.device, wish.precision, wish.strict)
            stack.callback(self.release, acquired[name])
        return acquired

    def _open(self, model: AnyModel, wish: Preference) -> _Opened:
        """Open a model on top of those that it uses."""
        card = model.card
        stale = self.catalogue.stale(card)
        if card.graphs and not stale and not self.catalogue.manifests(card):
            raise NotReady(f"{card.id} is not installed; run `edged pull {card.id}`")
        with ExitStack() as undo:
            used = self.acquire_used(card, wish, undo)
            parts = {name: UsedModel(instance) for name, instance in used.items()}
            if stale:
                with self._deriving:
                    _derive_again(self.catalogue, model, parts, self._concurrency, stale)
            if card.graphs:
                manifests = self.catalogue.manifests(card)
                held, facts, skipped = _best(card, wish, manifests, self.sessions, self.slot_for)
            else:  # it runs as the first of those that it uses
                first = next(iter(used.values()))
                held, facts, skipped = Held({}, ()), first.facts.model_copy(update={"name": card.id}), {}
            undo.callback(self.sessions.release, held)
            tools, slot = self._tools(model, held, parts), self.slot_for(facts.device)
            signatures = {graph: session.signature for graph, session in held.sessions.items()}
            instance = Instance(
                *(model, tools, facts, slot, self._counters),
                asked=wish,
                skipped=skipped,
                signatures=signatures,
            )
            undo.pop_all()
        _log_opened(instance)
        return _Opened(instance, held, tuple(used.values()))

    def _tools(self, model: AnyModel, held: Held, parts: Mapping[str, Part]) -> Tools:
        files = partial(self.catalogue.store.verified, model.card)
        resources = open_resources(model, files) | self._gallery(model, parts)
        return Tools(held.sessions, resources, parts)


def _best(
    card: ModelCard,
    wish: Preference,
    manifests: Mapping[VariantName, Manifest],
    sessions: SharedSessions,
    slot_for: Callable[[str], Slot],
) -> tuple[Held, ModelFacts, dict[str, str]]:
    """The sessions of the best candidate that opens, what really runs, and why nothing better does."""
    here = devices_of({split(variant)[0] for variant in variants_of(card)})
    ranking = candidates(card, here, wish, manifests)
    skipped = dict(ranking.skipped)
    for candidate in ranking.candidates:
        slot = slot_for(candidate.device)
        try:
            held = sessions.acquire(card, candidate, manifests[candidate.variant], slot)
        except EdgedError as error:
            skipped[str(candidate)] = str(error)
            log.warning("%s: %s is skipped: %s", card.id, candidate, error)
            continue
        real = next(iter(held.sessions.values()))
        variant = f"{split(candidate.variant)[0]}-{real.precision}"
        return held, ModelFacts(name=card.id, variant=variant, device=real.device), skipped
    reasons = "; ".join(f"{what}: {why}" for what, why in skipped.items())
    raise VariantError(f"nothing of {card.id} opens here for {wish}: {reasons}")


def _derive_again(
    catalogue: Catalogue,
    model: AnyModel,
    parts: Mapping[str, Part],
    concurrency: Concurrency,
    stale: Sequence[VariantName],
) -> None:
    """Derive variants from weights that are kept; without a network."""
    card = model.card
    log.info("%s: derived by another recipe, now again: %s", card.id, ", ".join(stale))
    try:
        files = {name: catalogue.store.verified(card, name) for name in card.weights}
        Workshop(model, parts, files, catalogue.root / card.id, concurrency, _silent).run(stale)
    except (EdgedError, OSError) as error:
        log.warning("%s: cannot be derived again: %s", card.id, error)


def _silent(task: str, done: int, total: int) -> None:
    """Nobody looks."""


def _log_opened(instance: AnyInstance) -> None:
    facts, asked = instance.facts, instance.asked
    precision = facts.variant.partition("-")[2]
    as_asked = asked.device in ("auto", facts.device) and asked.precision in ("auto", precision)
    if as_asked:
        log.info("%s: %s on %s (asked for %s)", facts.name, facts.variant, facts.device, asked)
        return
    says = "%s: %s on %s, not what was asked for: %s; see `edged devices` and `edged models`"
    log.warning(says, facts.name, facts.variant, facts.device, asked)
