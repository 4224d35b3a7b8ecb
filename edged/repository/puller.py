"""Bring models to this machine: fetch the weights, derive the variants, try each of them here."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from edged.contracts.card import ModelCard, VariantName
from edged.contracts.errors import VariantError
from edged.contracts.slot import Report
from edged.repository.instance import UsedModel
from edged.repository.opener import Opener
from edged.repository.variants import ANYTHING, variants_of
from edged.repository.workshop import Workshop
from edged.runtimes.devices import Concurrency


class Puller:
    """Pulls models of a catalogue. The only one that uses the network for weights."""

    def __init__(self, opener: Opener, concurrency: Concurrency) -> None:
        """`opener`: opens the models that others use, to try these; `concurrency`: with which they are
        tried."""
        self._opener = opener
        self.catalogue = opener.catalogue
        self._concurrency = concurrency

    def pull(
        self,
        model: str,
        report: Report,
        folder: Path | None = None,
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
        with ExitStack() as stack:
            used = self._opener.acquire_used(known.card, ANYTHING, stack)
            parts = {name: UsedModel(instance) for name, instance in used.items()}
            files = catalogue.store.ensure(known.card, known.card.weights, report, folder)
            shop = Workshop(known, parts, files, catalogue.root / model, self._concurrency, report)
            return _first(shop, known.card) if first else shop.run(variants)


def _first(shop: Workshop, card: ModelCard) -> dict[VariantName, str]:
    """The first f32 variant that can be derived; all where there is none. Raises as `Workshop.run`."""
    failures: dict[VariantName, str] = {}
    for variant in (name for name in variants_of(card) if name.endswith("f32")):
        try:
            return failures | shop.run([variant], measured=False)
        except VariantError as error:
            failures[variant] = str(error)
    return failures | shop.run(measured=False)
