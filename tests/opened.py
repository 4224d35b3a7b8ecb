"""Models pulled and opened as the daemon does it, without a daemon."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from edged.contracts.model import AnyModel
from edged.discovery import discover
from edged.flow.counters import Counters
from edged.repository.catalogue import Catalogue
from edged.repository.opener import Opener
from edged.repository.puller import Puller
from edged.runtimes.devices import Concurrency
from edged.runtimes.slot import DeviceSlot

ALONE = Concurrency(1, 1)
"""One inference at a time, on one thread."""


class Models(NamedTuple):
    """Some models over one folder."""

    catalogue: Catalogue
    opener: Opener
    puller: Puller


def models_in(
    root: Path, models: Mapping[str, AnyModel], concurrency: Concurrency = ALONE, **given: Any
) -> Models:
    """`given`: as of `Opener`."""
    slot, catalogue = DeviceSlot(concurrency.workers), Catalogue(root, models)
    opener = Opener(catalogue, concurrency, Counters(), lambda _: slot, **given)
    return Models(catalogue, opener, Puller(opener, concurrency))


def pulled(root: Path, models: Mapping[str, AnyModel], model: str, **given: Any) -> Opener:
    """What opens a model that is pulled now."""
    found = models_in(root, models, **given)
    found.puller.pull(model, silent)
    return found.opener


def install(folder: Path, *names: str, models: Path | None = None) -> None:
    """What `edged pull` does with the plugins below the folder, without a process that imports all anew."""
    plugins = discover([folder / "plugins"], entry_points=False, words=names)
    puller = models_in(models or folder / "models", plugins.models).puller
    for name in names:
        puller.pull(name, silent)


def silent(*_: object) -> None:
    """Nobody watches the progress."""
