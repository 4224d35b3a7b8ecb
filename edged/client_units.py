"""From the core to what clients with contracts of their own come to: OpenAI's API, Wyoming."""

from collections.abc import Callable

from edged import __version__
from edged.config import Config
from edged.core import Core
from edged.repository.catalogue import Catalogue
from edged.serving.names import names_of
from edged.wyoming.unit import WyomingUnit


def client_names(settings: Callable[[], Config], catalogue: Catalogue) -> Callable[[str], tuple[str, ...]]:
    """By which clients may call the model of a service. `settings`: those that hold now."""
    return lambda service: names_of(service, settings().services, catalogue)


def wyoming(core: Core, settings: Config, names: Callable[[str], tuple[str, ...]]) -> WyomingUnit:
    """Speech to text for Home Assistant's voice."""
    given = (settings.wyoming, settings.node, core.intake(), core.counters)
    return WyomingUnit(*given, names=names, version=__version__)
