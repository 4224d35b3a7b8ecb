"""Which models there are, which of them are installed, and which is the best of a service."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from edged.contracts.accuracy import Evidence
from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import NotReady, RepositoryError
from edged.contracts.model import AnyModel
from edged.derive.manifest import CALIBRATED, FILE, Manifest
from edged.repository.admission import evidence, standing
from edged.repository.parts import used_models
from edged.repository.variants import ANYTHING, Candidate, Preference, Ranking, candidates, variants_of
from edged.runtimes.devices import Device, devices
from edged.runtimes.opening import split
from edged.weights.store import WeightStore

Uses = Sequence[tuple[str, str]]
"""Models to use in the place of those of a card: pairs of its name and an id."""


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One line of `edged models`: a variant on a device of this machine."""

    variant: VariantName
    device: str
    derived: bool
    agreement: float | None = None
    """0 to 1 with f32; none: not measured here."""
    ms: float | None = None
    """Median of one pass through the bare sessions, milliseconds; none: not measured here."""
    mb: float | None = None
    """Memory, megabytes; none: not derived."""
    mb_of: Literal["process", "files"] | None = None
    """Of what: by how much a process grew when it was opened; else the size of its files."""
    accuracy: str = ""
    """The measure with its bound, and of what; empty: nobody measured it."""
    evidence: Evidence | None = None
    """What the card tells of it with the instructions of this machine; none: nothing."""
    why_not: str = ""
    """Why `precision: auto` does not take it; empty when it may."""
    own: str = ""
    """What it was calibrated on by `edged quantize`; empty: the card's media, or nothing."""

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        told = self.evidence.model_dump(mode="json") if self.evidence else None
        return {**asdict(self), "evidence": told}


class Catalogue:
    """Models by id, and what lies of them in a folder `<model>/<variant>/`. Safe from all threads."""

    def __init__(self, root: Path, models: Mapping[str, AnyModel]) -> None:
        self.root = root
        self.store = WeightStore(root)
        """The files that the cards name."""
        self._models = models

    @property
    def cards(self) -> list[ModelCard]:
        """The cards of all models, by service and rank."""
        return sorted((m.card for m in self._models.values()), key=lambda c: (c.service, c.rank))

    def learn(self, models: Mapping[str, AnyModel]) -> None:
        """Offer further models, of plugins that came later; those that are known stay as they are."""
        self._models = {**models, **self._models}

    def model(self, model: str) -> AnyModel:
        """A model by its id. Raises `RepositoryError` that lists close names."""
        found = self._models.get(model)
        if found is None:
            close = get_close_matches(model, self._models, 3, 0.4)
            hint = f"did you mean {', '.join(close)}?" if close else "`edged models` lists all of them"
            raise RepositoryError(f"no model is called {model!r}; {hint}")
        return found

    def card(self, model: str) -> ModelCard:
        """The card of a model. Raises as `model`."""
        return self.model(model).card

    def file(self, model: str, name: str) -> Path:
        """A file of a model's weights or media that was pulled, checked. Raises `RepositoryError`."""
        return self.store.verified(self.card(model), name)

    def used(self, model: str, uses: Uses = ()) -> list[str]:
        """Ids of the models that a model builds on; `uses`: as in `Preference`. Raises as `used_models`."""
        return list(used_models(self.card(model), Preference(uses=tuple(uses)), self.card).values())

    def manifests(self, card: ModelCard) -> dict[VariantName, Manifest]:
        """Of the variants of a model that are derived, up to date or not."""
        offered, root = variants_of(card), self.root / card.id
        loaded = {name: Manifest.load(root / name) for name in dict.fromkeys((*offered, *CALIBRATED))}
        return {name: found for name, found in loaded.items() if found and (name in offered or found.own)}

    def up_to_date(self, model: str) -> bool:
        """Whether it can be opened as it lies there: it, and the models that it uses."""
        card = self.card(model)
        own = not card.graphs or bool(self._fresh(card))
        return own and all(map(self.up_to_date, self.used(model)))

    def stale(self, card: ModelCard) -> list[VariantName]:
        """Variants that were derived by another recipe, where the weights to derive them again are kept."""
        fresh = self._fresh(card)
        old = [v for v in variants_of(card) if v not in fresh and (self.root / card.id / v / FILE).is_file()]
        return old if old and self.store.installed(card, card.weights) else []

    def installed(self, model: str, uses: Uses = ()) -> bool:
        """Whether it, and the models that it uses, can be opened without a network.

        A variant is up to date, or can be derived again from weights that are kept.
        """
        card = self.card(model)
        own = not card.graphs or self._fresh(card) or self.stale(card)
        return bool(own) and all(map(self.installed, self.used(model, uses)))

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
            raise NotReady(f"{service} is not installed: no plugin has a model for it")
        return next((card.id for card in offered if card.verified), offered[0].id)

    def choice(self, model: str, device: str = "auto", precision: str = "auto") -> Candidate:
        """What is tried first. Raises `NotReady` when there is nothing to try."""
        card = self.card(model)
        if not card.graphs:
            return self.choice(self.used(model)[0], device, precision)
        ranked = self._ranking(card, Preference(device, precision)).candidates
        if not ranked:
            raise NotReady(f"no variant of {model} is derived; run `edged pull {model}`")
        return ranked[0]

    def variants(self, model: str) -> list[VariantRow]:
        """What `edged models` shows of a model."""
        card = self.card(model)
        manifests, skipped = self.manifests(card), self._ranking(card).skipped
        return [
            self._row(card, variant, device, manifests.get(variant), skipped)
            for variant in dict.fromkeys([*variants_of(card), *manifests])
            for device in devices()
            if device.runtime == split(variant)[0]
        ]

    def _row(
        self,
        card: ModelCard,
        variant: VariantName,
        device: Device,
        manifest: Manifest | None,
        skipped: Mapping[str, str],
    ) -> VariantRow:
        why_not = skipped.get(str(Candidate(variant, device.name)), "")
        if manifest is None:
            return VariantRow(variant, device.name, derived=False, why_not=why_not)
        measured, stands = manifest.measurement(device), standing(card, manifest, device)
        files = [self.root / card.id / variant / name for name in manifest.paths]
        size = round(sum(path.stat().st_size for path in files if path.is_file()) / 1e6, 1)
        grown = (measured.mb if measured else None) or 0.0
        return VariantRow(
            variant,
            device.name,
            derived=True,
            why_not=why_not,
            agreement=measured.agreement if measured else None,
            ms=measured.ms if measured else None,
            mb=max(grown, size),
            mb_of="process" if grown > size else "files",  # less, where it took what another had given back
            accuracy=stands.told if stands else "",
            evidence=evidence(card, manifest, device),
            own=str(manifest.own or ""),
        )

    def _fresh(self, card: ModelCard) -> list[VariantName]:
        return [v for v, manifest in self.manifests(card).items() if manifest.stale(card) is None]

    def _ranking(self, card: ModelCard, wish: Preference = ANYTHING) -> Ranking:
        return candidates(card, devices(), wish, self.manifests(card))
