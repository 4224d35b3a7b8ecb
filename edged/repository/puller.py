"""Bring models to this machine: fetch the weights, derive the variants, try each of them here."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edged.contracts.card import VariantName
from edged.contracts.errors import NotReady
from edged.contracts.model import AnyModel
from edged.contracts.slot import Report
from edged.repository.instance import UsedModel
from edged.repository.opener import Opener
from edged.repository.variants import ANYTHING
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
    ) -> dict[VariantName, str]:
        """Fetch, derive and measure a model, after those that it uses and that are not up to date yet.

        `folder`: where files are looked for instead of the origins; `variants`: as of `Workshop.run`. Returns
        why not, by variant of the model itself that is left out. Raises `OriginError`, `ChecksumError`, and
        as `Workshop.run`.
        """
        known, catalogue = self.catalogue.model(model), self.catalogue
        for other in catalogue.used(model):
            if not catalogue.up_to_date(other):
                self.pull(other, report, folder)
        files = catalogue.store.ensure(known.card, known.card.weights, report, folder)
        with self._shop(known, files, report) as shop:
            return shop.run(variants)

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
