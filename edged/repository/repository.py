"""The model repository: what is installed, what it can do here, and instances that are shared."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np

from edged.contracts.card import Graph, ModelCard, PictureInput, VariantName
from edged.contracts.errors import EdgedError, NotReady, RepositoryError, VariantError
from edged.contracts.message import ModelFacts
from edged.contracts.model import AnyModel, Tensors, Tools
from edged.contracts.slot import Priority, Report, Slot
from edged.flow.counters import Counters
from edged.repository.fold import channels
from edged.repository.instance import Instance
from edged.repository.manifest import Manifest
from edged.repository.pull import Pull
from edged.repository.resources import open_resources
from edged.repository.shared import Shared
from edged.repository.variants import Candidate, Wish, candidates, variants_of
from edged.repository.weights import WeightStore
from edged.runtimes.devices import Concurrency, devices
from edged.runtimes.opening import OpenSession, open_session, split

log = logging.getLogger(__name__)

_DTYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8}

FREE_SIDE = 320
"""Pixels with which a graph is warmed up that takes pictures of any size; a multiple of common strides."""

SessionKey = tuple[str, VariantName, str]
"""Fingerprint of the derived files, variant, device: sessions with one key are one session."""


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
    sessions: tuple[SessionKey, ...]


class Repository:
    """Models by id, over a folder `<model>/<variant>/` of derived graphs. Safe from all threads."""

    def __init__(
        self,
        root: Path,
        models: Mapping[str, AnyModel],
        concurrency: Concurrency,
        counters: Counters,
        slot_for: Callable[[str], Slot],
    ) -> None:
        self._root = root
        self._models = models
        self._concurrency = concurrency
        self._counters = counters
        self._slot_for = slot_for
        self._store = WeightStore(root)
        self._sessions: Shared[SessionKey, OpenSession] = Shared()
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

    def installed(self, model: str) -> bool:
        """Whether at least one variant is derived and up to date."""
        card = self.card(model)
        return any(manifest.stale(card) is None for manifest in self._manifests(card).values())

    def preferred(self, service: str) -> str:
        """Id of the installed model of a service with the best rank. Raises `NotReady` when there is none."""
        best = self.best(service)
        installed = (c.id for c in self.cards if c.service == service and self.installed(c.id))
        found = next(installed, None)
        if found is None:
            raise NotReady(f"no model of {service} is installed; run `edged pull {best}`")
        return found

    def best(self, service: str) -> str:
        """Id of the model of a service with the best rank, installed or not. Raises `NotReady`."""
        found = next((card.id for card in self.cards if card.service == service), None)
        if found is None:
            raise NotReady(f"no plugin has a model for {service}")
        return found

    def choice(self, model: str, device: str = "auto", precision: str = "auto") -> Candidate:
        """What `acquire` would try first. Raises `NotReady` when there is nothing to try."""
        card = self.card(model)
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
        """Fetch, derive and measure a model; see `Pull.run`. Returns why not, by variant that is left out."""
        known = self._model(model)
        return Pull(known, self._store, self._root / model, self._concurrency, report).run(folder, variants)

    def acquire(
        self, model: str, device: str = "auto", precision: str = "auto", strict: bool = False
    ) -> Instance:
        """A warm instance; each call wants one `release`. Those who ask for the same get the same.

        Raises `NotReady` when the model is not installed, `VariantError` with all reasons when nothing opens.
        """
        wish = Wish(device, precision, strict)
        known = self._model(model)
        return self._instances.acquire((model, wish), lambda: self._open(known, wish)).instance

    def release(self, instance: Instance) -> None:
        """Give an instance back; the last one who does closes what nobody else uses."""
        last = self._instances.release((instance.card.id, instance.asked))
        for key in last.sessions if last else ():
            self._sessions.release(key)

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

    def _open(self, model: AnyModel, wish: Wish) -> _Opened:
        """Open the best candidate that opens."""
        card = model.card
        manifests = self._manifests(card)
        if not manifests:
            raise NotReady(f"{card.id} is not installed; run `edged pull {card.id}`")
        ranking = candidates(card, devices(), wish, manifests)
        skipped = dict(ranking.skipped)
        for candidate in ranking.candidates:
            try:
                opened = self._open_candidate(model, candidate, manifests[candidate.variant], wish, skipped)
            except EdgedError as error:
                skipped[str(candidate)] = str(error)
                log.warning("%s: %s is skipped: %s", card.id, candidate, error)
            else:
                _log_opened(opened.instance)
                return opened
        reasons = "; ".join(f"{what}: {why}" for what, why in skipped.items())
        raise VariantError(f"nothing of {card.id} opens here for {wish}: {reasons}")

    def _open_candidate(
        self,
        model: AnyModel,
        candidate: Candidate,
        manifest: Manifest,
        wish: Wish,
        skipped: Mapping[str, str],
    ) -> _Opened:
        slot = self._slot_for(candidate.device)
        sessions, keys = {}, []
        with ExitStack() as undo:
            for name, graph in model.card.graphs.items():
                key = (manifest.fingerprint(name), candidate.variant, candidate.device)
                make = partial(self._open_session, candidate, manifest, name, graph, slot)
                sessions[name] = self._sessions.acquire(key, make)
                undo.callback(self._sessions.release, key)
                keys.append(key)
            real = next(iter(sessions.values()))
            variant = f"{split(candidate.variant)[0]}-{real.precision}"
            facts = ModelFacts(name=model.card.id, variant=variant, device=real.device)
            tools = Tools(sessions, open_resources(model, self._store))
            instance = Instance(model, tools, facts, slot, self._counters, asked=wish, skipped=skipped)
            undo.pop_all()
        return _Opened(instance, tuple(keys))

    def _open_session(
        self, candidate: Candidate, manifest: Manifest, name: str, graph: Graph, slot: Slot
    ) -> OpenSession:
        """Open one graph and run it once: the first run is slow, and shows whether it runs at all."""
        path = manifest.checked(name, self._root / manifest.model / candidate.variant)
        session = open_session(path, candidate.variant, candidate.device, self._concurrency, self._cache())
        with slot.hold(Priority.JOB):
            session.run(_zeros(graph))
        return session

    def _cache(self) -> Path | None:
        """Where OpenVINO keeps compiled graphs; none when the repository is read-only."""
        folder = self._root / ".compiled"
        try:
            folder.mkdir(exist_ok=True)
        except OSError:
            return None
        return folder


def _zeros(graph: Graph) -> Tensors:
    """Inputs of the right types and shapes; a free axis gets the length 1."""
    return {
        name: np.zeros((1, *(length or FREE_SIDE for length in spec.size), channels(spec)), np.uint8)
        if isinstance(spec, PictureInput)
        else np.zeros([max(1, length) for length in spec.shape], _DTYPES[spec.dtype])
        for name, spec in graph.inputs.items()
    }


def _log_opened(instance: Instance) -> None:
    facts, asked = instance.facts, instance.asked
    precision = facts.variant.partition("-")[2]
    as_asked = asked.device in ("auto", facts.device) and asked.precision in ("auto", precision)
    level = logging.INFO if as_asked else logging.WARNING
    log.log(level, "%s: %s on %s (asked for %s)", facts.name, facts.variant, facts.device, asked)
