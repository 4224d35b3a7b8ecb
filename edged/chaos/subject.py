"""What is tried: one installed picture service of the user's, copied so that nothing of his is written."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edged.config.settings import Config
from edged.contracts.errors import EdgedError, NotReady
from edged.opening import open_catalogue
from edged.repository.catalogue import Catalogue

SERVICES = ("object-detection", "image-classification")
"""Of which one must be installed; tried in this order, those of the configuration first."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A service and the model that fulfils it."""

    service: str
    model: str
    folders: tuple[Path, ...]
    """Below the folder of models, relative to it: all that it is opened from."""


def choose(settings: Config) -> Tried:
    """A picture service that is installed. Raises `NotReady` that says what to pull."""
    catalogue = open_catalogue(settings)
    for service in sorted(SERVICES, key=lambda name: name not in settings.services):
        try:
            model = settings.service(service).model or catalogue.preferred(service)
            if catalogue.installed(model):
                return Tried(service, model, tuple(_folders(catalogue, model)))
        except EdgedError:
            continue  # the next one may do
    best = catalogue.best(SERVICES[0])
    raise NotReady(f"none of {' and '.join(SERVICES)} is installed; run `edged pull {best}`")


def copy(tried: Tried, models: Path, to: Path) -> None:
    """Copy a model: opening it may write beside it (compiled graphs, variants that are derived again)."""
    for folder in tried.folders:
        if (models / folder).is_dir():
            shutil.copytree(models / folder, to / folder, dirs_exist_ok=True)


def _folders(catalogue: Catalogue, model: str) -> Iterator[Path]:
    for name in (model, *catalogue.used(model)):
        yield Path(name)
        card = catalogue.card(name)
        found = (catalogue.store.find(card, file) for file in card.weights)
        yield from (path.parent.relative_to(catalogue.root) for path in found if path is not None)
