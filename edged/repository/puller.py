"""Bring models to this machine: fetch the weights, derive the variants, try and calibrate them here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import NotReady, VariantError
from edged.contracts.model import AnyModel, Part
from edged.contracts.slot import Report
from edged.derive.manifest import Own
from edged.repository.instance import UsedModel
from edged.repository.opener import Opener
from edged.repository.recalibration import Judged, Recalibration
from edged.repository.variants import ANYTHING, variants_of
from edged.repository.workshop import Workshop, alone
from edged.runtimes.devices import Concurrency
from edged.weights.depot import Stock

DeriveApart = Callable[[str, Iterable[VariantName] | None, Report], dict[VariantName, str]]
"""Does what `Workshop.run` does, for a model by its id."""


class Puller:
    """Pulls models of a catalogue. The only one that uses the network for weights."""

    def __init__(self, opener: Opener, concurrency: Concurrency, apart: DeriveApart | None = None) -> None:
        """`opener`: opens the models that others use, to try these; `concurrency`: with which they are
        tried; `apart`: derives and measures in another process, which a plugin may take along; none: here."""
        self._apart = apart
        self._opener = opener
        self.catalogue = opener.catalogue
        self._concurrency = concurrency

    def pull(
        self,
        model: str,
        report: Report,
        folder: Stock | None = None,
        variants: Iterable[VariantName] | None = None,
        *,
        first: bool = False,
    ) -> dict[VariantName, str]:
        """Fetch, derive and measure a model, after those that it uses and that are not up to date yet.

        `folder`: where files are looked for instead of the origins; `variants`: as of `Workshop.run`;
        `first`: no more than is needed to open it, one f32 variant, not measured. Returns
        why not, by variant of the model itself that is left out. Raises `OriginError`, `ChecksumError`, and
        as `Workshop.run`.
        """
        known, catalogue = self.catalogue.model(model), self.catalogue
        for other in catalogue.used(model):
            if not catalogue.up_to_date(other):
                self.pull(other, report, folder, first=first)
        files = catalogue.store.ensure(known.card, known.card.weights, report, folder)
        if self._apart is not None and not first:
            return self._pulled_apart(self._apart, model, variants, report)
        with self._shop(known, files, report) as shop:
            return _first(shop, known.card) if first else shop.run(variants)

    def _pulled_apart(
        self, apart: DeriveApart, model: str, variants: Iterable[VariantName] | None, report: Report
    ) -> dict[VariantName, str]:
        try:
            return apart(model, variants, report)
        finally:
            if (root := self.catalogue.root / model).is_dir():
                with alone(root):
                    pass  # what a process was making that died is removed

    def tune(self, model: str, report: Report, full: bool = False) -> None:
        """Measure the variants of a model again; without a network.

        `full`: as of `Workshop.measure`. Raises `NotReady` when it is not installed, and as `Workshop.run`.
        """
        known, catalogue = self.catalogue.model(model), self.catalogue
        if not catalogue.up_to_date(model):
            raise NotReady(f"{model} is not installed; run `edged pull {model}`")
        files = {name: catalogue.store.verified(known.card, name) for name in known.card.weights}
        with self._shop(known, files, report) as shop:
            shop.measure(full)

    @contextmanager
    def _shop(self, known: AnyModel, files: Mapping[str, Path], report: Report) -> Iterator[Workshop]:
        """Where one model is worked on, while those that it uses are open."""
        with ExitStack() as stack:
            used = self._opener.acquire_used(known.card, ANYTHING, stack)
            parts = {name: UsedModel(instance) for name, instance in used.items()}
            root = self.catalogue.root / known.card.id
            yield Workshop(known, parts, files, root, self._concurrency, report)

    def calibrate(self, model: str, items: Sequence[Any], own: Own, report: Report) -> Judged:
        """Calibrate int8 of an installed model on these items, as `Recalibration.run`; without a network.

        Raises also `RepositoryError` where its weights are not kept.
        """
        known, catalogue = self.catalogue.model(model), self.catalogue
        card = known.card
        media = card.calibration.media if card.calibration else ()
        files = {name: catalogue.store.verified(card, name) for name in card.weights.keys() - set(media)}
        with self._shop(known, files, report) as shop:
            return Recalibration(shop).run(items, own)

    @contextmanager
    def part(self, model: str, name: str) -> Iterator[Part | None]:
        """What a model uses under that name, open; none: it uses nothing of that name."""
        used = self.catalogue.card(model).uses.get(name)
        if used is None:
            yield None
            return
        instance = self._opener.acquire(used)
        try:
            yield UsedModel(instance)
        finally:
            self._opener.release(instance)


def _first(shop: Workshop, card: ModelCard) -> dict[VariantName, str]:
    """The first f32 variant that can be derived; all where there is none. Raises as `Workshop.run`."""
    failures: dict[VariantName, str] = {}
    for variant in (name for name in variants_of(card) if name.endswith("f32")):
        try:
            return failures | shop.run([variant], measured=False)
        except VariantError as error:
            failures[variant] = str(error)
    return failures | shop.run(measured=False)
