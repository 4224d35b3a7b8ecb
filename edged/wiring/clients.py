"""From the core to what clients with contracts of their own come to: OpenAI's API, Wyoming."""

import time
from collections.abc import Callable, Mapping

from edged import __version__
from edged.config.settings import Config
from edged.core import Core
from edged.media.fetch import ByteLimit
from edged.repository.catalogue import Catalogue
from edged.serving.names import names_of
from edged.serving.unit import ServiceSettings
from edged.wyoming.unit import WyomingUnit

FRESH_S = 2.0
"""So long nobody looks again what is installed: *measured*, 2 ms."""


def client_names(settings: Callable[[], Config], catalogue: Catalogue) -> Callable[[str], tuple[str, ...]]:
    """By which clients may call the model of a service. `settings`: those that hold now."""
    known: dict[str, tuple[float, Mapping[str, ServiceSettings], tuple[str, ...]]] = {}

    def names(service: str) -> tuple[str, ...]:
        now, services = time.monotonic(), settings().services
        looked, under, found = known.get(service, (0.0, {}, ()))
        if now - looked > FRESH_S or under is not services:
            found = names_of(service, services, catalogue)
            known[service] = now, services, found
        return found

    return names


def wyoming(core: Core, settings: Config, names: Callable[[str], tuple[str, ...]]) -> WyomingUnit:
    """Speech to text for Home Assistant's voice."""
    given = (settings.wyoming, settings.node, core.intake(), core.counters)
    limit = ByteLimit(settings.requests.sound.max_bytes, "requests.sound.max_bytes")
    return WyomingUnit(*given, names=names, version=__version__, limit=limit)
