"""The model repository: what is installed, what it can do here, and instances that are shared."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import EdgedError, NotReady, RepositoryError, VariantError
from edged.contracts.message import ModelFacts
from edged.contracts.model import AnyModel, Part, Tools
from edged.contracts.slot import Report, Slot
from edged.derive.manifest import Manifest
from edged.flow.counters import Counters
from edged.repository.instance import Instance, UsedModel
from edged.repository.parts import used_models
from edged.repository.pull import Pull
from edged.repository.resources import open_gallery, open_resources
from edged.repository.sessions import Held, SharedSessions, Watch, unwatched
from edged.repository.shared import Shared
from edged.repository.variants import ANYTHING, Candidate, Wish, candidates, variants_of
from edged.runtimes.devices import Concurrency, devices
from edged.runtimes.opening import split
from edged.weights.store import WeightStore

log = logging.getLogger(__name__)

Uses = Sequence[tuple[str, str]]
"""Models to use in the place of those of a card: pairs of its name and an id."""


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One line of `edged models`: a variant on a device of this machine."""

    variant: VariantName
    device: str
    derived: bool
    agreement: float | None
    """0 to 1 with f32; none: not measured here."""
    ms: float | None
    """Median of one pass through the bare sessions, milliseconds; none: not measured here."""
    why_not: str
    """Why `precision: auto` does not take it; empty when it may."""


@dataclass(frozen=True, slots=True)
class _Opened:
    instance: Instance
    held: Held
    used: tuple[Instance, ...] = ()
    """Instances of other models that it holds."""


class Repository:
    """Models by id, over a folder `<model>/<variant>/` of derived graphs. Safe from all threads."""

    def __init__(
        self,
        root: Path,
        models: Mapping[str, AnyModel],
        concurrency: Concurrency,
        counters: Counters,
        slot_for: Callable[[str], Slot],
        *,
        gallery: Path | None = None,
        watch: Watch = unwatched,
    ) -> None:
        """`gallery`: folder of what the shop enrolled; none: `gallery` within the root. `watch`: as of
        `SharedSessions`."""
        self._root = root
        self._gallery = gallery or root / "gallery"
        self._models = models
        self._concurrency = concurrency
        self._counters = counters
        self._slot_for = slot_for
        self._store = WeightStore(root)
        self._sessions = SharedSessions(root, concurrency, watch)
        self._instances: Shared[tuple[str, Wish], _Opened] = Shared()

    @property
    def cards(self) -> list[ModelCard]:
        """The cards of all models, by service and rank."""
        return sorted((m.card for m in self._models.values()), key=lambda c: (c.service, c.rank))

    def card(self, model: str) -> ModelCard:
        """The card of a model. Raises `RepositoryError` that lists close names."""
        return self._model(model).card

    def file(self, model: str, name: str) -> Path:
        """A file of a model's weights or media that was pulled, checked. Raises `RepositoryError`."""
        return self._store.verified(self.card(model), name)

    def used(self, model: str, uses: Uses = ()) -> list[str]:
        """Ids of the models that a model builds on; `uses`: as in `Wish`. Raises as `used_models`."""
        return list(used_models(self.card(model), Wish(uses=tuple(uses)), self.card).values())

    def installed(self, model: str, uses: Uses = ()) -> bool:
        """Whether at least one variant is derived and up to date, of it and of the models that it uses."""
        card = self.card(model)
        own = any(manifest.stale(card) is None for manifest in self._manifests(card).values())
        return (own or not card.graphs) and all(map(self.installed, self.used(model, uses)))

    def preferred(self, service: str, uses: Uses = ()) -> str:
        """Id of the installed model of a service with the best rank, of those that have what `uses` names.

        Raises `NotReady` when there is none, or as `used_models`.
        """
        best, parts = self.best(service), {name for name, _ in uses}
        offered = (c for c in self.cards if c.service == service and parts <= c.uses.keys())
        found = next((c.id for c in offered if self.installed(c.id, uses)), None)
        if found is None:
            self.used(best, uses)
            raise NotReady(f"no model of {service} is installed; run `edged pull {best}`")
        return found

    def best(self, service: str) -> str:
        """Id of the model of a service to pull: of those that were fetched before, the best by rank.

        Raises `NotReady` when there is none.
        """
        offered = [card for card in self.cards if card.service == service]
        if not offered:
            raise NotReady(f"no plugin has a model for {service}")
        return next((card.id for card in offered if card.verified), offered[0].id)

    def choice(self, model: str, device: str = "auto", precision: str = "auto") -> Candidate:
        """What `acquire` would try first. Raises `NotReady` when there is nothing to try."""
        card = self.card(model)
        if not card.graphs:
            return self.choice(self.used(model)[0], device, precision)
        ranking = candidates(card, devices(), Wish(device, precision), self._manifests(card))
        if not ranking.candidates:
            raise NotReady(f"no variant of {model} is derived; run `edged pull {model}`")
        return ranking.candidates[0]

    def variants(self, model: str) -> list[VariantRow]:
        """What `edged models` shows of a model."""
        card = self.card(model)
        manifests = self._manifests(card)
        skipped = candidates(card, devices(), Wish(), manifests).skipped
        rows = []
        for variant in variants_of(card):
            manifest = manifests.get(variant)
            for device in devices():
                if device.runtime != split(variant)[0]:
                    continue
                measured = manifest.measurement(device) if manifest else None
                rows.append(
                    VariantRow(
                        variant,
                        device.name,
                        manifest is not None,
                        measured.agreement if measured else None,
                        measured.ms if measured else None,
                        skipped.get(str(Candidate(variant, device.name)), ""),
                    )
                )
        return rows

    def pull(
        self,
        model: str,
        report: Report,
        folder: Path | None = None,
        variants: Iterable[VariantName] | None = None,
    ) -> dict[VariantName, str]:
        """Fetch, derive and measure a model, after those that it uses and that are not installed yet.

        See `Pull.run`. Returns why not, by variant of the model itself that is left out.
        """
        known = self._model(model)
        for other in self.used(model):
            if not self.installed(other):
                self.pull(other, report, folder)
        with ExitStack() as stack:
            parts = {
                name: UsedModel(instance)
                for name, instance in self._acquire_used(known.card, ANYTHING, stack).items()
            }
            one = Pull(known, self._store, self._root / model, self._concurrency, report, parts)
            return one.run(folder, variants)

    def acquire(
        self,
        model: str,
        device: str = "auto",
        precision: str = "auto",
        strict: bool = False,
        uses: Uses = (),
    ) -> Instance:
        """A warm instance; each call wants one `release`. Those who ask for the same get the same.

        `uses`: as in `Wish`. Raises `NotReady` when the model is not installed, `ConfigError` when it cannot
        use those models, `VariantError` with all reasons when nothing opens.
        """
        wish = Wish(device, precision, strict, tuple(uses))
        known = self._model(model)
        return self._instances.acquire((model, wish), lambda: self._open(known, wish)).instance

    def release(self, instance: Instance) -> None:
        """Give an instance back; the last one who does closes what nobody else uses."""
        last = self._instances.release((instance.card.id, instance.asked))
        if last is not None:
            self._sessions.release(last.held)
            for used in last.used:
                self.release(used)

    def _model(self, model: str) -> AnyModel:
        found = self._models.get(model)
        if found is None:
            close = get_close_matches(model, self._models, 3, 0.4)
            hint = f"did you mean {', '.join(close)}?" if close else "`edged models` lists all of them"
            raise RepositoryError(f"no model is called {model!r}; {hint}")
        return found

    def _manifests(self, card: ModelCard) -> dict[VariantName, Manifest]:
        folder = self._root / card.id
        loaded = {variant: Manifest.load(folder / variant) for variant in variants_of(card)}
        return {variant: manifest for variant, manifest in loaded.items() if manifest}

    def _acquire_used(self, card: ModelCard, wish: Wish, stack: ExitStack) -> dict[str, Instance]:
        """The models that a model uses, open; `stack` gives them back."""
        acquired = {}
        for name, other in used_models(card, wish, self.card).items():
            acquired[name] = self.acquire(other, wish.device, wish.precision, wish.strict)
            stack.callback(self.release, acquired[name])
        return acquired

    def _open(self, model: AnyModel, wish: Wish) -> _Opened:
        """Open a model on top of those that it uses."""
        card = model.card
        if card.graphs and not self._manifests(card):
            raise NotReady(f"{card.id} is not installed; run `edged pull {card.id}`")
        with ExitStack() as undo:
            used = self._acquire_used(card, wish, undo)
            parts = {name: UsedModel(instance) for name, instance in used.items()}
            if card.graphs:
                opened = self._open_best(model, wish, parts)
            else:  # it runs as the first of those that it uses
                facts = next(iter(used.values())).facts.model_copy(update={"name": card.id})
                opened = _Opened(
                    self._instance(model, Held({}, ()), parts, facts=facts, wish=wish, skipped={}),
                    Held({}, ()),
                )
            undo.pop_all()
        _log_opened(opened.instance)
        return replace(opened, used=tuple(used.values()))

    def _open_best(self, model: AnyModel, wish: Wish, parts: Mapping[str, Part]) -> _Opened:
        """Open the best candidate that opens."""
        card, manifests = model.card, self._manifests(model.card)
        ranking = candidates(card, devices(), wish, manifests)
        skipped = dict(ranking.skipped)
        for candidate in ranking.candidates:
            slot = self._slot_for(candidate.device)
            try:
                held = self._sessions.acquire(card, candidate, manifests[candidate.variant], slot)
            except EdgedError as error:
                skipped[str(candidate)] = str(error)
                log.warning("%s: %s is skipped: %s", card.id, candidate, error)
                continue
            real = next(iter(held.sessions.values()))
            variant = f"{split(candidate.variant)[0]}-{real.precision}"
            facts = ModelFacts(name=card.id, variant=variant, device=real.device)
            try:
                return _Opened(
                    self._instance(model, held, parts, facts=facts, wish=wish, skipped=skipped), held
                )
            except BaseException:
                self._sessions.release(held)
                raise
        reasons = "; ".join(f"{what}: {why}" for what, why in skipped.items())
        raise VariantError(f"nothing of {card.id} opens here for {wish}: {reasons}")

    def _instance(
        self,
        model: AnyModel,
        held: Held,
        parts: Mapping[str, Part],
        *,
        facts: ModelFacts,
        wish: Wish,
        skipped: Mapping[str, str],
    ) -> Instance:
        resources = {
            **open_resources(model, self._store),
            **open_gallery(model, parts, self._gallery, self._root / ".galleries"),
        }
        tools = Tools(held.sessions, resources, parts)
        slot = self._slot_for(facts.device)
        signatures = {graph: session.signature for graph, session in held.sessions.items()}
        return Instance(
            model, tools, facts, slot, self._counters, asked=wish, skipped=skipped, signatures=signatures
        )


def _log_opened(instance: Instance) -> None:
    facts, asked = instance.facts, instance.asked
    precision = facts.variant.partition("-")[2]
    as_asked = asked.device in ("auto", facts.device) and asked.precision in ("auto", precision)
    level = logging.INFO if as_asked else logging.WARNING
    log.log(level, "%s: %s on %s (asked for %s)", facts.name, facts.variant, facts.device, asked)
